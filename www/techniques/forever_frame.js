// Forever frame: a hidden frame whose document doesn't end. Each event is a
// <script> in it that calls us.
//
// The article says: where XMLHttpRequest won't do, take an iframe. The browser
// runs each script as soon as it is there: nothing comes cut, there is nothing
// to parse, and the document doesn't grow, as each script removes itself. The
// price: the frame must be on our own origin, as it calls `parent`, no status is
// seen, and Chromium keeps the source of every script that it has run. A `limit`
// would not change that (`comet lab growth` has tried), so we ask for none.
// When the document ends, the frame has `load`ed: then we ask for the next, from
// the last id on. If it never called us, it was no stream but an error. And if
// it was cut off, the browser says nothing at all: we miss its heartbeat.
//
// A document that loads holds back the `load` event of the page around it, so
// the first frame waits for that.

let count = 0;

export function foreverFrame(url, callback, tell = () => {}) {
    const frame = document.createElement('iframe');
    const address = new URL(url, location.href);
    const name = `foreverFrame${++count}`; // the frame calls `parent.NAME.receive(…)`
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
        else again('lost', 'the frame called nobody');
    }

    function watch() {
        clearTimeout(timer);
        timer = setTimeout(again, 45_000, 'lost', 'no heartbeat');
    }

    function again(what, why) {
        clearTimeout(timer);
        frame.remove(); // or its next address would be one more for the Back button
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
