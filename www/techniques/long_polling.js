// Long polling: ask, and the server answers when there is something new. Then
// ask again, from there on.
//
// The article's sample asks first with POST and ever after with GET, and
// doesn't say why; it asks again at once even if the answer was an error; and
// what happens between two questions is lost. Here each question is a GET with
// a cursor, `since`, so that nothing falls between two of them, and after a
// lost one it waits a second. The first question isn't held (`wait=0`): it
// brings the cursor for the others.

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
        xhr.timeout = 45_000;
        xhr.send(null);
        tell('ask');
    }

    function answered() {
        let answer;
        try {
            answer = JSON.parse(xhr.responseText);
        } catch {}
        if (xhr.status !== 200 || !answer?.events) return lost(why());
        tell('bytes', new Blob([xhr.responseText]).size);
        update(answer);
        tell('done');
        ask(); // connect to the server again
    }

    function update({events, next, gap}) {
        address.searchParams.set('since', next);
        address.searchParams.set('wait', 25); // seconds; our own timeout is longer
        // Events are missing up to the first of these.
        if (gap) callback({gap, next: events.length ? events[0].id - 1 : next});
        events.forEach((event) => callback(event));
    }

    function lost(why) {
        setTimeout(ask, 1000);
        tell('lost', why);
    }

    function why() {
        if (xhr.status === 0) return 'no connection';
        return xhr.status === 200 ? 'unexpected answer' : `status ${xhr.status}`;
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
