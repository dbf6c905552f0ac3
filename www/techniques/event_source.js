// EventSource: what HTML5 made of streaming. The browser itself reads the lines,
// keeps the last id, and asks again when the stream ends.
//
// It isn't in the article, and it is xhr_streaming.js in a few lines. Two things
// are left to us. When the answer has another status than 200 the browser gives
// up for good (readyState CLOSED): then we begin anew, from the last id on. And
// the server's notice of a gap is an event of another name.

export function eventSource(url, callback, tell = () => {}) {
    const address = new URL(url, location.href);
    let source;
    let closed = false;

    function connect() {
        if (closed) return;
        source = new EventSource(address);
        source.onopen = () => tell('open');
        source.onmessage = received;
        source.addEventListener('gap', received);
        source.onerror = lost;
        tell('ask');
    }

    function received(e) {
        address.searchParams.set('since', e.lastEventId);
        tell('bytes', new Blob([`id: ${e.lastEventId}\ndata: ${e.data}\n\n`]).size);
        callback(JSON.parse(e.data));
    }

    function lost() {
        const gaveUp = source.readyState === EventSource.CLOSED;
        if (gaveUp) setTimeout(connect, 1000);
        tell('lost', gaveUp ? 'the browser gave up' : 'the stream ended or broke');
        if (!gaveUp) tell('ask'); // as the browser does, with Last-Event-ID
    }

    connect();
    return {
        close() {
            closed = true;
            callback = tell = () => {};
            source.close();
        },
    };
}
