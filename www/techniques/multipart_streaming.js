// Multipart streaming: XHR streaming, but each event is one part of a response of
// type multipart/x-mixed-replace, like an attachment in an e-mail.
//
// Socket.IO listed it for Firefox, which passed each part on as a whole response
// (`xhr.multipart = true`): no `lastSize`, and no text that grows. No browser does
// that any more, so this script cuts the parts out of the text. A part is complete
// when the delimiter after it has arrived. Its Content-Length is no help: it counts
// bytes, and responseText counts characters. The delimiter can't occur inside a
// part, because JSON has no line breaks. A part without a body is the heartbeat.
//
// Like xhr_streaming.js, it asks for a response that ends after a mebibyte.

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
        else if (lastSize === 0) again('lost', 'ended without data');
        else again('ended');
    }

    function again(what, why) {
        if (!xhr.onreadystatechange) return; // the next stream is already scheduled
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

// The part after its headers: JSON, or nothing.
function body(part) {
    return part.split('\r\n\r\n')[1];
}
