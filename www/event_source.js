// EventSource: what HTML5 made of streaming: the browser reads the lines, keeps the last id, and asks again by itself.
//
// Not in the article, and all of xhr_streaming.js in a few lines: lastSize, the id and the new request at 4 are now the
// browser's. Two things are left to do. It gives up for good when the answer has another status than 200 (readyState
// CLOSED): then we begin anew, from the last id. And the server's gap notice is an event of another name.

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
        if (!gaveUp) tell('ask'); // the browser does, after the server's `retry`, with Last-Event-ID
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
