// EventSource: streaming as HTML5 standardized it. The browser parses the lines,
// keeps the last id, and reconnects when the stream ends.
//
// The article doesn't have it. It is xhr_streaming.js in a few lines. Two things
// are left to the script. After any status but 200 the browser gives up for good
// (readyState CLOSED); the script then starts a new EventSource after the last id.
// And the server reports a gap as an event of type `gap`.

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
        if (!gaveUp) tell('ask'); // the browser reconnects, with Last-Event-ID
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
