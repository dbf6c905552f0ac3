// Polling: ask every so often, whether or not there is anything new.
//
// The article's sample spells `xhr.opne`, its setTimeout fires only once, and
// it calls `XhrRequest`, where the function is xhrRequest. Here each tick sets
// the timer of the next, so that the interval may change meanwhile, and each
// question carries a cursor, `since`: what came after that event?
//
// A tick passes in silence while a question is unanswered. An `impatient` one
// asks all the same: then an answer may come after that of a later question,
// and is useless, as the article warns. A lost question needs no care of its
// own: the next tick asks the same again.

export function polling(url, callback, tell = () => {}, options = {}) {
    const {interval = () => 2000, impatient = () => false} = options;
    const address = new URL(url, location.href);
    const unanswered = new Set();
    let timer;

    function tick() {
        timer = setTimeout(tick, interval());
        if (unanswered.size && !impatient()) return;
        const asked = address.searchParams.get('since');
        const answered = (answer) => update(answer, asked);
        const xhr = xhrRequest(address, answered, (...what) => tell(...what));
        unanswered.add(xhr);
        xhr.onloadend = () => unanswered.delete(xhr);
    }

    function update({events, next, gap}, asked) {
        const since = address.searchParams.get('since');
        const overtaken = asked !== since; // by the answer to another question
        if (overtaken && !goesOn(events, since)) return tell('late');
        address.searchParams.set('since', next);
        // Events are missing up to the first of these.
        if (gap && !overtaken) callback({gap, next: events.length ? events[0].id - 1 : next});
        for (const event of events) {
            if (!overtaken || event.id > since) callback(event);
        }
    }

    // Has an answer that was overtaken more than is known, and nothing missing before it?
    function goesOn(events, since) {
        return events.length > 0 && events[0].id <= Number(since) + 1 && events.at(-1).id > since;
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
        if (xhr.status !== 200 || !answer?.events) return tell('lost', why());
        tell('bytes', new Blob([xhr.responseText]).size);
        callback(answer);
        tell('done');
    }

    function why() {
        if (xhr.status === 0) return 'no connection';
        return xhr.status === 200 ? 'unexpected answer' : `status ${xhr.status}`;
    }
}
