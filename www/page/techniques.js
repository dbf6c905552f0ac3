// The techniques in the article's order, and how a page connects to them.
// blind: the script can't see that a response has begun before its body has data. (Chromium's XMLHttpRequest reports the
// head only with the first byte of the body; a script element reports neither.)

export const techniques = [
    {name: 'polling', path: '/polling', counts: ['empty', 'late']},
    {name: 'long_polling', path: '/long-polling', call: 'longPoll', counts: ['empty'], blind: true},
    {name: 'xhr_streaming', path: '/xhr-streaming', call: 'xhrStreaming', counts: ['ended']},
    {name: 'forever_frame', path: '/forever-frame', call: 'foreverFrame', ownOrigin: true, counts: ['ended']},
    {name: 'multipart_streaming', path: '/multipart-streaming', call: 'multipartStreaming', counts: ['ended']},
    {name: 'jsonp_polling', path: '/jsonp-polling', call: 'jsonpPolling', counts: ['empty'], blind: true},
    {name: 'event_source', path: '/event-source', call: 'eventSource'},
    {name: 'websocket', path: '/websocket', protocol: 'websocket'},
];

export const names = [...techniques.map((technique) => technique.name), 'comet'];

export function technique(name) {
    return techniques.find((one) => one.name === name);
}

let asked;

// own: the origin of this page. other: the server's second port. To a browser that is another origin, with six more
// connections. Behind a proxy, or at an IPv6 address (which a Content-Security-Policy can't name), other is own.
// desk: the URL of the desk, only on the server's own machine. On the desk's page, home is the URL of the other pages,
// and strained is the port that the page opens its WebSockets to.
export async function origins() {
    asked ??= ask();
    const {ports = [], desk, comet} = await asked;
    const known = ports.includes(Number(location.port || {'http:': 80, 'https:': 443}[location.protocol]));
    const nameable = !location.hostname.startsWith('[');
    const second = known && nameable && ports.find((port) => String(port) !== location.port);
    const at = (port) => `${location.protocol}//${location.hostname}:${port}`;
    return {
        own: location.origin, other: second ? at(second) : location.origin,
        desk: desk && !comet && isLocal(location.hostname) ? `http://localhost:${desk}/` : null,
        home: comet ? `http://${comet[0]}/` : '', strained: comet?.[0],
    };
}

// After an error the next call asks again. Until then the page knows only its own port.
async function ask() {
    const answer = await fetch('/ports').catch(() => null);
    if (answer?.ok) return answer.json();
    asked = undefined;
    return {};
}

function isLocal(hostname) {
    return ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

export function address(origin, path, topic, since) {
    const url = new URL(path, origin);
    url.searchParams.set('topic', topic);
    if (since) url.searchParams.set('since', since);
    return url.href;
}

// The forever frame calls the page around it, so it needs the page's own origin. All others use the second port: the six
// connections to the first stay free for pages and for publishing.
export async function originOf(name) {
    const {own, other} = await origins();
    return technique(name).ownOrigin ? own : other;
}

// Starts one technique on one topic. It imports the script only now, so that a technique's page loads just its own.
// If the import fails, it reports 'lost', as the script would.
export async function connect(name, {topic, since, callback, tell, options = {}, extra = {}, path = technique(name).path, origin = originOf(name)}) {
    const {call} = technique(name);
    let url, script;
    try {
        url = new URL(address(await origin, path, topic, since));
        script = await import(`../techniques/${name}.js`);
    } catch {
        tell('lost', 'its script could not be loaded: reload the page');
        return {close() {}};
    }
    for (const [key, value] of Object.entries(extra)) url.searchParams.set(key, value);
    if (name === 'websocket') return openSocket(script.Socket, url.href.replace(/^http/, 'ws'), callback, tell);
    if (name === 'polling') return script.polling(url.href, callback, tell, options);
    return script[call](url.href, callback, tell);
}

function openSocket(Socket, url, callback, tell) {
    const socket = Object.create(Socket);
    socket.init(url, callback, tell);
    return {
        close: () => socket.stop(),
        send(text, nick) { if (!socket.send(text, nick)) throw new Error(''); },
    };
}
