// JSONP polling: long polling with a <script> in place of XMLHttpRequest: the answer is a script that calls us.
//
// A script may come from anywhere, so this worked across origins before CORS did, and that is why it is on Socket.IO's
// list. The price: we run whatever that server sends, we see no status and no head (only that the script failed), and
// a script can't be aborted. Each question has a function of its own, deleted after its answer, so that an answer that
// comes too late calls nobody; one that doesn't come at all is given up after 45 s.
// A script that loads would hold back the `load` event of the page, so the first waits for that.

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
        address.searchParams.set('wait', 25);
        address.searchParams.set('since', next);
        if (gap) callback({gap, next});
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
        document.implementation.createHTMLDocument().adoptNode(script); // if it still comes, it won't run: not of this page
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
