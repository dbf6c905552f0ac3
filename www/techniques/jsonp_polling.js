// JSONP polling: long polling in which the response is a <script> that calls a
// function of this page.
//
// A script may come from any origin. So JSONP worked across origins before CORS
// existed, and Socket.IO listed it. The price: the page runs whatever the server
// sends, sees neither status nor headers, only that a script failed, and can't
// abort a request. Each request names its own callback function, which is deleted
// after the response. After 45 s without a response the request counts as lost.
// The script element then moves to another document, where it won't run even if
// it still arrives.
//
// A loading script delays the `load` event of the page, so the first request
// waits for that event.

let count = 0;

export function jsonpPolling(url, callback, tell = () => {}) {
    const address = new URL(url, location.href);
    let closed = false;
    let script, name, timer;

    function ask() {
        if (closed) return;
        name = `jsonpPolling${++count}`;
        window[name] = answered;
        address.searchParams.set('callback', name);
        script = document.createElement('script');
        script.src = address;
        script.onerror = () => lost('the script failed');
        script.onload = () => lost('the script made no call');
        timer = setTimeout(lost, 45_000, 'no answer');
        document.head.append(script);
        tell('ask');
    }

    function answered(answer) {
        forget();
        tell('bytes', new Blob([`/**/${name}(${JSON.stringify(answer)});`]).size);
        update(answer);
        tell('done');
        ask(); // connect to the server again
    }

    function update({events, next, gap}) {
        address.searchParams.set('since', next);
        address.searchParams.set('wait', 25); // seconds; our timer is longer
        // After a gap, events are missing up to the first one here.
        if (gap) callback({gap, next: events.length ? events[0].id - 1 : next});
        events.forEach((event) => callback(event));
    }

    function lost(why) {
        forget();
        setTimeout(ask, 1000);
        tell('lost', why);
    }

    function forget() {
        clearTimeout(timer);
        script.onload = script.onerror = null;
        document.implementation.createHTMLDocument().adoptNode(script);
        delete window[name];
    }

    address.searchParams.set('wait', 0);
    if (document.readyState === 'complete') ask();
    else window.addEventListener('load', ask, {once: true});
    return {
        close() {
            closed = true;
            callback = tell = () => {};
            if (script) forget();
        },
    };
}
