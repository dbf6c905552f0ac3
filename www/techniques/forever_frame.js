// Forever frame: a hidden iframe whose document doesn't end. Each event is a
// <script> in it that calls a function of this page.
//
// The article recommends it where XMLHttpRequest can't stream. The browser runs
// each script as soon as it has arrived: no event comes in pieces, nothing needs
// parsing, and the document doesn't grow, because each script removes itself. The
// price: the frame must be on the page's origin, because it calls `parent`. The
// page sees no status. And Chromium keeps the source of every script it has run; a
// `limit` doesn't change that (`comet lab growth` measured it), so this script
// sets none.
//
// `load` on the frame means that its document has ended. The next request then
// starts after the last id. A frame that ended without a call was an error. When
// the connection is cut the browser reports nothing; the missing heartbeat does.
//
// A loading frame delays the `load` event of the page, so the first request waits
// for that event.

let count = 0;

export function foreverFrame(url, callback, tell = () => {}) {
    const frame = document.createElement('iframe');
    const address = new URL(url, location.href);
    const name = `foreverFrame${++count}`; // the scripts call `parent.NAME.receive(…)`
    let alive;
    let timer;

    frame.hidden = true;
    frame.title = 'Comet';
    frame.tabIndex = -1;
    frame.ariaHidden = 'true';
    frame.onload = ended;
    address.searchParams.set('name', name);

    function ask() {
        if (!window[name]) return;
        alive = false;
        watch();
        frame.src = address;
        document.body.append(frame);
        tell('ask');
    }

    window[name] = {
        receive(message) {
            this.heartbeat();
            address.searchParams.set('since', message.gap ? message.next : message.id);
            callback(message);
        },
        heartbeat() {
            const script = frame.contentDocument.currentScript.outerHTML;
            watch();
            if (!alive) tell('open');
            alive = true;
            tell('bytes', new Blob([script]).size);
        },
    };

    function ended() {
        if (alive) again('ended');
        else again('lost', 'the frame made no call');
    }

    function watch() {
        clearTimeout(timer);
        timer = setTimeout(again, 45_000, 'lost', 'no heartbeat');
    }

    function again(what, why) {
        clearTimeout(timer);
        frame.remove(); // reusing it would add an entry to the history (Back button)
        setTimeout(ask, what === 'lost' ? 1000 : 0);
        tell(what, why);
    }

    if (document.readyState === 'complete') ask();
    else window.addEventListener('load', ask, {once: true});
    return {
        close() {
            callback = tell = () => {};
            delete window[name];
            clearTimeout(timer);
            frame.remove();
        },
    };
}
