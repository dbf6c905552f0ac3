// Polling: ask every so often, whether or not there is anything new.
//
// The article's sample spells `xhr.opne`, its setTimeout fires once only, and it calls `XhrRequest`, which is no
// function's name. Here each tick sets the timer of the next one (so the interval may change meanwhile), and each
// question carries a cursor: what came since that event?
// A tick passes while a question is still unanswered. If `impatient`, it asks all the same: then an answer can come
// after that of a later question, and is useless, as the article warns. A lost question needs no care of its own:
// the next tick asks the same again.

export function polling(url, callback, tell = () => {}, {interval = () => 2000, impatient = () => false} = {}) {
    const address = new URL(url, location.href);
    const unanswered = new Set();
    let timer;

    function tick() {
        timer = setTimeout(tick, interval());
        if (unanswered.size && !impatient()) return;
        const asked = address.searchParams.get('since');
        const xhr = xhrRequest(address, (answer) => update(answer, asked), (...what) => tell(...what));
        unanswered.add(xhr);
        xhr.onloadend = () => unanswered.delete(xhr);
    }

    function update({events, next, gap}, asked) {
        const since = address.searchParams.get('since');
        const overtaken = asked !== since; // another answer came in between: what it brought isn't shown twice
        if (overtaken && next <= since) return tell('late');
        address.searchParams.set('since', next);
        if (gap && !overtaken) callback({gap, next});
        for (const event of events) {
            if (!overtaken || event.id > since) callback(event);
        }
    }

    tick();
    return {
        close() {
            callback = tell = () => {};
            clearTimeout(timer);
            unanswered.forEach((xhr) => xhr.abort());
        },
    };
}

// One question. `callback` gets the whole answer: {events, next, gap}.
export function xhrRequest(url, callback, tell = () => {}) {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', url, true);
    xhr.timeout = 10_000;
    xhr.onreadystatechange = function () {
        if (xhr.readyState === 2 && xhr.status === 200) tell('open');
        if (xhr.readyState === 4) answered();
    };
    xhr.send(null);
    tell('ask');
    return xhr;

    function answered() {
        let answer;
        try {
            answer = JSON.parse(xhr.responseText);
        } catch {}
        if (xhr.status !== 200 || !answer?.events) return lost();
        tell('bytes', new Blob([xhr.responseText]).size);
        callback(answer);
        tell('done');
    }

    function lost() {
        tell('lost', {0: 'no connection', 200: 'no answer of ours'}[xhr.status] ?? `status ${xhr.status}`);
    }
}
