// JSONP polling: long polling, but the answer is a <script> that calls us.
//
// A script may come from anywhere, so this crossed origins before there was
// CORS, and so it came to be on Socket.IO's list. The price: we run whatever
// that server sends; we see neither status nor head, only that a script failed;
// and there is no way to abort it. Each question names a function of its own,
// deleted with its answer. After 45 s without one the question is lost, and the
// script, should it still come, has been moved to another document, where it
// won't run.
//
// A script that loads holds back the `load` event of the page, so the first
// waits for that.

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
        script.onload = () => lost('the script called nobody');
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
        address.searchParams.set('wait', 25); // seconds; our own timeout is longer
        // Events are missing up to the first of these.
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
