// Polling: send a request at a fixed interval, whether or not there is news.
//
// The article's sample has three bugs: it spells `xhr.opne`, its setTimeout fires
// only once, and it calls `XhrRequest` although the function is xhrRequest. Here
// each tick sets the next timer, so the interval may change at any time, and each
// request carries a cursor: `since=ID` asks for the events after that id.
//
// While a request is unanswered, a tick sends none. `impatient` sends it anyway.
// Then a response may arrive after the response to a later request, and is
// useless, as the article warns. A lost request needs no retry of its own: the
// next tick sends the same cursor.

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
        const overtaken = asked !== since; // another response moved the cursor first
        if (overtaken && !goesOn(events, since)) return tell('late');
        address.searchParams.set('since', next);
        // After a gap, events are missing up to the first one here.
        if (gap && !overtaken) callback({gap, next: events.length ? events[0].id - 1 : next});
        for (const event of events) {
            if (!overtaken || event.id > since) callback(event);
        }
    }

    // True if an overtaken response still has new events, with none missing before them.
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

// Sends one request. `callback` gets the whole response: {events, next, gap}.
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
