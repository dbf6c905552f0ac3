// Long polling: ask, and the server answers only when there is something new. Then ask again, from there on.
//
// The article's sample asks with POST first and with GET ever after, and doesn't say why; it asks again whatever the
// answer was, so a server in trouble is asked without pause; and what happens between two answers is lost. Here
// every question is a GET with a cursor, `since`, so nothing can fall between two of them, and a lost one waits a
// second. The first doesn't wait for news (`wait=0`): it brings the cursor for the others.

export function longPoll(url, callback, tell = () => {}) {
    const xhr = new XMLHttpRequest();
    const address = new URL(url, location.href);
    let closed = false;

    xhr.onreadystatechange = function () {
        if (xhr.readyState === 2 && xhr.status === 200) tell('open');
        if (xhr.readyState === 4) answered();
    };

    function ask() {
        if (closed) return;
        xhr.open('GET', address, true);
        xhr.timeout = 45_000; // longer than the server is asked to hold it
        xhr.send(null);
        tell('ask');
    }

    function answered() {
        let answer;
        try {
            answer = JSON.parse(xhr.responseText);
        } catch {}
        if (xhr.status !== 200 || !answer?.events) return lost();
        tell('bytes', new Blob([xhr.responseText]).size);
        update(answer);
        tell('done');
        ask(); // connect to the server again
    }

    function update({events, next, gap}) {
        address.searchParams.set('wait', 25);
        address.searchParams.set('since', next);
        if (gap) callback({gap, next});
        events.forEach((event) => callback(event));
    }

    function lost() {
        setTimeout(ask, 1000);
        tell('lost', {0: 'no connection', 200: 'no answer of ours'}[xhr.status] ?? `status ${xhr.status}`);
    }

    address.searchParams.set('wait', 0);
    ask();
    return {
        close() {
            closed = true;
            callback = tell = () => {};
            xhr.abort();
        },
    };
}
