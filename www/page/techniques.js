// The techniques in the article's order, and on which port each of them connects.
// blind: its script can't see that an answer has begun before there is something in it (Chromium's XMLHttpRequest tells
// of the head only with the first byte of the body; a script element tells nothing at all).

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

// Where this page came from, and the server's other port: to a browser that is a second origin,
// with six connections of its own. A page that came by way of a proxy knows no other port; one that came by an IPv6
// address may use no other, because its policy can't name one.
// The desk, which only this machine can see, serves a page too: there `home` is where all others are, and `strained` the
// port that it strains.
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

// If it can't be had, it is asked for again the next time; until then the page knows its own port and no other.
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

// The frame calls the page it is in, so it must stay on the page's own origin. All others take the second port:
// the six connections of the first stay free for pages and for publishing.
export async function originOf(name) {
    const {own, other} = await origins();
    return technique(name).ownOrigin ? own : other;
}

// Starts one technique on one topic. The script is loaded only now: a technique's page loads its own and no other.
// (If the server can't be reached for it, that is told as the script would tell it.)
export async function connect(name, {topic, since, callback, tell, options = {}, extra = {}, origin = originOf(name)}) {
    const {path, call} = technique(name);
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
