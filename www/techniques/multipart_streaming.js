// Multipart streaming: XHR streaming, but each event is a part of its own in an
// answer of the type multipart/x-mixed-replace, as attachments are in a mail.
//
// Socket.IO had it on its list for Firefox, which handed over each part as a
// whole answer (`xhr.multipart = true`): no `lastSize`, and nothing that grows.
// No browser does so any more, and here we read the parts by hand out of the
// text. A part is whole when the delimiter after it is there. We don't go by its
// Content-Length, as that counts bytes, and responseText characters; but JSON
// has no line breaks, so it can't contain the delimiter. A part without a body
// is the server's heartbeat.
//
// As with xhr_streaming.js, we ask for an answer that ends after a mebibyte.

const LIMIT = 1024 * 1024; // bytes
const DELIMITER = '\r\n--comet';

export function multipartStreaming(url, callback, tell = () => {}, stream = {}) {
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
        const end = Math.max(xhr.responseText.lastIndexOf(DELIMITER), 0);
        const newTextReceived = xhr.responseText.substring(lastSize, end);
        if (!newTextReceived) return;
        lastSize = end;
        tell('bytes', new Blob([newTextReceived]).size);
        const bodies = newTextReceived.split(DELIMITER).map(body).filter(Boolean);
        let messages;
        try {
            messages = bodies.map((json) => JSON.parse(json));
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
        setTimeout(multipartStreaming, pause, address, callback, tell, stream);
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

// What comes after a part's headers: JSON, or nothing.
function body(part) {
    return part.split('\r\n\r\n')[1];
}
