// Multipart streaming: XHR streaming, but each event is a part of a multipart/x-mixed-replace answer, framed as e-mail
// frames its attachments. Socket.IO had it on its list because Firefox handed over each part as an answer of its own
// (`xhr.multipart = true`), with nothing to remember and nothing that grows.
//
// No browser does that any more, so here the parts are read by hand out of the text. A part counts when the delimiter
// after it is there. Its Content-Length counts bytes, responseText characters: so we look for the delimiter (which JSON
// can't contain, as it has no line breaks) and don't count. An empty part is the server's heartbeat.

const ENOUGH = 1024 * 1024;
const DELIMITER = '\r\n--comet';

export function multipartStreaming(url, callback, tell = () => {}, stream = {}) {
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
        const end = Math.max(xhr.responseText.lastIndexOf(DELIMITER), 0);
        const newTextReceived = xhr.responseText.substring(lastSize, end);
        if (!newTextReceived) return;
        lastSize = end;
        tell('bytes', new Blob([newTextReceived]).size);
        let messages;
        try {
            messages = newTextReceived.split(DELIMITER).map(body).filter(Boolean).map((json) => JSON.parse(json));
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
        setTimeout(multipartStreaming, what === 'lost' ? 1000 : 0, address, callback, tell, stream);
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

// What comes after the headers of a part: JSON, or nothing.
function body(part) {
    return part.split('\r\n\r\n')[1];
}
