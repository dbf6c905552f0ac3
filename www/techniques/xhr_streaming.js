// XHR streaming: one request, and a response that doesn't end. Each event is one
// line of it. The script reads the lines while the response grows.
//
// The article's sample never initializes `lastSize` (substring(undefined) happens
// to mean substring(0)). It passes on whatever has arrived, even half an event,
// and does so once more at readyState 4, usually with nothing. Here `lastSize` is
// the end of the last whole line. An empty line is the server's heartbeat. At
// readyState 4 xhrStreaming opens the next stream after the last id, as in the
// article. The caller keeps `stream`, to close it or to see how long its text is.
//
// responseText keeps everything received, so it grows as long as the page is open,
// and each read takes longer: growth.html shows that. So the script asks for a
// response that ends after a mebibyte, unless the URL has its own `limit`, and
// continues with the next response on the same connection.

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
        else if (lastSize === 0) again('lost', 'ended without data');
        else again('ended');
    }

    function again(what, why) {
        if (!xhr.onreadystatechange) return; // the next stream is already scheduled
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
