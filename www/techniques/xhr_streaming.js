// XHR streaming: one request, and one answer that doesn't end. Each event is a
// line of it, read while it grows.
//
// The article's sample never sets `lastSize` to begin with (substring(undefined)
// happens to mean substring(0)), hands over whatever has come, cut anywhere, and
// does so once more at 4, mostly with nothing. Here `lastSize` stops after the
// last whole line: the rest of it is still on its way. An empty line is the
// server's heartbeat. At 4, xhrStreaming asks for the next stream, from the last
// id on, as in the article; `stream` is what the caller holds to close it,
// or to see how long its text is.
//
// responseText keeps all that ever came, so it grows for as long as the page is
// open, and each look at it takes longer: growth.html shows it. So we ask for an
// answer that ends after a mebibyte, unless the URL has a `limit` of its own, and
// go on in the next, on the same connection.

const LIMIT = 1024 * 1024; // bytes

export function xhrStreaming(url, callback, tell = () => {}, stream = {}) {
    if (stream.closed) return stream;
    const xhr = new XMLHttpRequest();
    const address = new URL(url, location.href);
    let lastSize = 0;

    if (!address.searchParams.has('limit')) address.searchParams.set('limit', LIMIT);
    xhr.open('GET', address, true);
    xhr.onreadystatechange = function () {
        if (xhr.readyState === 2 && xhr.status === 200) tell('open');
        if (xhr.readyState > 2 && xhr.status === 200) newText();
        if (xhr.readyState === 4) ended();
    };

    function newText() {
        const end = xhr.responseText.lastIndexOf('\n') + 1;
        const newTextReceived = xhr.responseText.substring(lastSize, end);
        if (!newTextReceived) return;
        lastSize = end;
        tell('bytes', new Blob([newTextReceived]).size);
        const lines = newTextReceived.split('\n').filter(Boolean);
        let messages;
        try {
            messages = lines.map((json) => JSON.parse(json));
        } catch {
            return again('lost', 'unexpected answer');
        }
        messages.forEach(received);
    }

    function received(message) {
        address.searchParams.set('since', message.gap ? message.next : message.id);
        callback(message);
    }

    function ended() {
        if (xhr.status === 0) again('lost', 'no connection');
        else if (xhr.status !== 200) again('lost', `status ${xhr.status}`);
        else if (lastSize === 0) again('lost', 'it ended before it began');
        else again('ended');
    }

    function again(what, why) {
        if (!xhr.onreadystatechange) return; // a new stream is on its way already
        xhr.onreadystatechange = null;
        xhr.abort();
        const pause = what === 'lost' ? 1000 : 0;
        setTimeout(xhrStreaming, pause, address, callback, tell, stream);
        tell(what, why);
    }

    stream.close = function () {
        stream.closed = true;
        callback = tell = () => {};
        xhr.abort();
    };
    stream.length = () => xhr.responseText.length;
    xhr.send(null);
    tell('ask');
    return stream;
}
