// XHR streaming: one request, and one answer that doesn't end: each event is a line of it, read as it grows.
//
// The article's sample never gives `lastSize` a value to begin with (`substring(undefined)` happens to mean 0), hands
// over whatever has come, cut anywhere, and once more at 4, often empty. Here `lastSize` stops at the last line that is
// complete, and an empty line is the server's heartbeat. At 4 the stream has ended, and xhrStreaming asks for the next
// one, from the last id. responseText keeps all that ever came, so after a mebibyte we end the stream ourselves.

const ENOUGH = 1024 * 1024;

export function xhrStreaming(url, callback, tell = () => {}, stream = {}) {
    if (stream.closed) return stream;
    const xhr = new XMLHttpRequest();
    const address = new URL(url, location.href);
    let lastSize = 0;

    xhr.open('GET', address, true);
    xhr.onreadystatechange = function () {
        if (xhr.readyState === 2 && xhr.status === 200) tell('open');
        if (xhr.readyState > 2 && xhr.status === 200) newText();
        if (xhr.readyState === 4) ended();
        if (lastSize > ENOUGH) again('done');
    };

    function newText() {
        const end = xhr.responseText.lastIndexOf('\n') + 1;
        const newTextReceived = xhr.responseText.substring(lastSize, end);
        if (!newTextReceived) return;
        lastSize = end;
        tell('bytes', new Blob([newTextReceived]).size);
        let messages;
        try {
            messages = newTextReceived.split('\n').filter(Boolean).map((line) => JSON.parse(line));
        } catch {
            return again('lost', 'no stream of ours');
        }
        messages.forEach(received);
    }

    function received(message) {
        address.searchParams.set('since', message.gap ? message.next : message.id);
        callback(message);
    }

    function ended() {
        if (xhr.status === 200 && lastSize) return again('done');
        again('lost', {0: 'no connection', 200: 'it ended before it began'}[xhr.status] ?? `status ${xhr.status}`);
    }

    function again(what, why) {
        if (!xhr.onreadystatechange) return;
        xhr.onreadystatechange = null; // over, also if it was we who ended it
        xhr.abort();
        setTimeout(xhrStreaming, what === 'lost' ? 1000 : 0, address, callback, tell, stream);
        tell(what, why);
    }

    stream.close = function () {
        stream.closed = true;
        callback = tell = () => {};
        xhr.abort();
    };
    xhr.send(null);
    tell('ask');
    return stream;
}
