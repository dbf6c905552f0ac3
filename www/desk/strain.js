// "Strain it yourself": opens as many WebSockets to the comet port as the slider says, and holds them.
import {element} from '../page/element.js';
import {number, say} from '../page/language.js';

const MOST = 300; // sockets; more than any browser opens, so that its refusal shows
const AT_ONCE = 8; // sockets opening at the same time
const STALLED = 4000; // ms until a socket counts as waiting: at its limit Firefox lets it wait, Chromium refuses it
const AGAIN = 1000; // ms until the next try after a failure

// authority: the comet port, such as localhost:8080.
// ask(path): sends a request to the desk, which responds even when the comet port is full.
export function strainPanel(authority, ask) {
    const strain = {url: `ws://${authority}/websocket?topic=strain`, ask, wanted: 0, sockets: new Set(), word: () => '', running: false, changed: show};
    const slider = element('input', {type: 'range', id: 'strain', min: 0, max: MOST, value: 0, input: () => want(slider.value)});
    const field = element('input', {type: 'number', id: 'strain-number', min: 0, max: MOST, value: 0, change: () => want(field.value)});
    const output = element('output', {id: 'strain-open', for: 'strain', 'aria-live': 'off'});
    const release = element('button', {class: 'button', id: 'strain-release', type: 'button', 'data-say': 'strain.release', click: () => want(0)});
    const word = element('p', {class: 'strain-word', id: 'strain-word', role: 'status'});
    function want(n) {
        strain.wanted = Math.min(MOST, Math.max(0, Math.round(Number(n)) || 0));
        slider.value = field.value = strain.wanted;
        strain.word = () => '';
        keepUp(strain);
        show();
    }
    function show() {
        const open = opened(strain).length;
        if (Number(slider.value) !== strain.wanted) slider.value = field.value = strain.wanted;
        output.textContent = say('strain.open', {n: number(open)});
        output.dataset.value = open;
        slider.setAttribute('aria-valuetext', say('strain.wanted', {n: number(strain.wanted)}));
        release.disabled = strain.sockets.size === 0 && strain.wanted === 0;
        if (word.textContent !== strain.word()) word.textContent = strain.word();
    }
    document.addEventListener('language', show);
    whenLeft(strain);
    show();
    return element('section', {class: 'panel strain'},
        element('h2', {'data-say': 'strain.title'}),
        element('p', {class: 'strain-what', 'data-say': 'strain.what'}),
        element('label', {class: 'control'}, element('span', {'data-say': 'strain.slider'}), slider, output),
        element('div', {class: 'strain-row'},
            element('label', {class: 'field'}, element('span', {'data-say': 'strain.number'}), field), release),
        word,
        element('p', {class: 'note', 'data-say': 'strain.note'}));
}

function opened({sockets}) {
    return [...sockets].filter(({readyState}) => readyState === WebSocket.OPEN);
}

// Closes open sockets until no more than wanted are left. Sockets that are still connecting are closed once they are open:
// closing them earlier logs an error in the browser.
function letGo(strain) {
    const open = opened(strain);
    for (const socket of open.slice(0, Math.max(0, strain.sockets.size - strain.wanted))) drop(strain, socket);
}

function drop(strain, socket) {
    strain.sockets.delete(socket);
    socket.close();
}

// Opens and closes sockets until there are as many as wanted. Only one such loop runs at a time.
async function keepUp(strain) {
    letGo(strain);
    if (strain.running) return;
    strain.running = true;
    while (strain.sockets.size < strain.wanted) {
        const trouble = await openSome(strain);
        strain.word = trouble ?? (() => '');
        strain.changed();
        if (trouble) await pause(AGAIN);
    }
    strain.running = false;
}

// Opens a few more. Returns null, or a function with the reason for a failure. It asks the desk for the limit first:
// browsers log every refused handshake to the console, and the script would not see the 503.
async function openSome(strain) {
    const open = opened(strain).length;
    if (strain.sockets.size > open) return () => say('strain.browser', {n: number(open)});
    const limit = await limitOf(strain);
    if (!limit.room) return limit.word;
    const count = Math.min(AT_ONCE, limit.room, strain.wanted - open);
    const ends = await Promise.all(Array.from({length: count}, () => openOne(strain)));
    if (ends.includes('refused')) return whoRefused(strain);
    if (ends.includes('waiting')) return () => say('strain.browser', {n: number(opened(strain).length)});
    return null;
}

// The number of connections the server has left, and the message for when there are none.
async function limitOf({ask, wanted, sockets}) {
    const stats = await ask('/stats').catch(() => null);
    if (!stats) return {room: 0, word: () => say('strain.lost')};
    const {connections, limits} = stats;
    const word = () => say('strain.full', {n: number(limits.connections), left: number(wanted - sockets.size)});
    return {room: Math.max(0, limits.connections - connections), word};
}

// Finds out whether the server or the browser refused a socket: a script gets no reason. A moment later /stats shows it.
async function whoRefused(strain) {
    await pause(AGAIN);
    const limit = await limitOf(strain);
    if (!limit.room) return limit.word;
    const open = opened(strain).length;
    if (open === 0) {
        await pause(4 * AGAIN);
        return () => say('strain.refused');
    }
    strain.wanted = open; // the server has room, so the browser refused, and would again
    return () => say('strain.browser', {n: number(open)});
}

function pause(ms) {
    return new Promise((done) => { setTimeout(done, ms); });
}

// Opens one socket. Resolves to 'open', 'refused', or 'waiting' if neither happens.
function openOne(strain) {
    const socket = new WebSocket(strain.url);
    strain.sockets.add(socket);
    return new Promise((done) => {
        setTimeout(done, STALLED, 'waiting');
        socket.onopen = () => {
            letGo(strain);
            strain.changed();
            done('open');
        };
        socket.onclose = () => {
            if (strain.sockets.delete(socket)) pause(AGAIN).then(() => keepUp(strain)); // the server closed it
            strain.changed();
            done('refused');
        };
    });
}

// The browser may keep a page frozen for the Back button. It must not hold sockets meanwhile.
function whenLeft(strain) {
    window.addEventListener('pagehide', () => { for (const socket of strain.sockets) drop(strain, socket); });
    window.addEventListener('pageshow', (e) => { if (e.persisted) keepUp(strain); });
}
