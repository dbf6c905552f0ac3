// The page of comet.js: the allowed transports, the ones broken on purpose, and a
// log of what Comet tried.
import {Comet, TRANSPORTS} from './comet.js';
import {clock} from '../page/language.js';
import {element, page} from '../page/page.js';
import {reason} from '../page/reasons.js';
import {techniques} from '../page/techniques.js';

const TOPICS = ['baseball', 'chat'];
// EventSource wasn't on Socket.IO's list, so its box starts unticked.
const NAMES = [TRANSPORTS[0], 'event-source', ...TRANSPORTS.slice(1)];
const KEPT = 200; // lines in the log

const rows = NAMES.map(row);
const log = element('ol');
const box = element('div',
    {id: 'choice-log', class: 'log', role: 'log', tabindex: 0, 'data-say-label': 'comet.log'}, log);
const tried = []; // the log's entries: {at, topic, transport, state, why}
document.addEventListener('language', sayAgain);

const opened = page({
    name: 'comet',
    connect,
    panel: panel(),
    sources: [{
        title: 'www/techniques/comet.js', url: '/comet.js', language: 'js',
        heading: element('span', {'data-say': 'source.client'}),
    }, {
        title: 'src/routes.rs', url: '/source/routes.rs', language: 'rust',
        heading: element('span', {'data-say': 'source.server'}),
    }],
});

// One Comet per topic. These lines are all it takes to use comet.js.
function connect(topic, callback, tell, since) {
    const options = {transports: used(), paths: broken(), tell};
    const comet = new Comet(`/?topic=${topic}&since=${since}`, options);
    comet.onmessage = (e) => callback(JSON.parse(e.data));
    comet.onchoice = (e) => choice(topic, e, tell);
    comet.onerror = ({message}) => {
        if (comet.readyState === comet.CONNECTING) write({topic, state: 'failed', why: message});
    };
    return {
        close: () => comet.close(),
        send: (text, nick) => send(comet, JSON.stringify({nick, text})),
    };
}

// Passes on the server's reason for a refusal. The message is empty if the server can't be reached.
async function send(comet, data) {
    try {
        await comet.send(data);
    } catch (error) {
        throw error.name === 'Error' ? error : new Error('');
    }
    if (comet.transport !== 'websocket') (await opened).strip.posted('chat', new Blob([data]).size);
}

function choice(topic, {transport, state, why}, tell) {
    write({topic, transport, state, why});
    for (const one of rows) one.show(topic, one.name === transport ? state : null);
    tell('transport', techniques.find(({path}) => path === `/${transport}`));
}

// The reader's settings.

function used() {
    return rows.filter(({use}) => use.checked).map(({name}) => name);
}

// A broken transport gets a path that doesn't exist, so that it really fails.
function broken() {
    return Object.fromEntries(rows.filter(({breaks}) => breaks.checked).map(({name}) => [name, 'broken']));
}

async function reconnect() {
    for (const one of rows) one.clear();
    (await opened).reconnect();
}

function panel() {
    return element('section', {class: 'panel choice'},
        element('h2', {'data-say': 'comet.choice'}),
        element('div', {}, table(), button()),
        element('div', {}, element('h3', {'data-say': 'comet.log'}), box),
        element('p', {class: 'note', 'data-say': 'comet.note'}));
}

function button() {
    const attributes = {id: 'reconnect', class: 'button strong', type: 'button', click: reconnect};
    return element('button', {...attributes, 'data-say': 'comet.reconnect'});
}

function table() {
    return element('table', {'data-say-label': 'comet.choice'},
        element('thead', {}, element('tr', {},
            element('th', {scope: 'col', 'data-say': 'comet.transport'}),
            element('th', {scope: 'col', id: 'use', 'data-say': 'comet.use'}),
            element('th', {scope: 'col', id: 'break', 'data-say': 'comet.break'}),
            TOPICS.map((topic) => element('th', {scope: 'col', 'data-say': `topic.${topic}`})))),
        element('tbody', {}, rows.map((one) => one.element)));
}

// One transport: whether it is allowed, whether it is broken, and its state for each topic.
function row(name) {
    const use = checkbox('use', name, TRANSPORTS.includes(name));
    const breaks = checkbox('break', name, false);
    const states = new Map(TOPICS.map((topic) => [topic, element('td', {class: 'state'})]));
    const tr = element('tr', {},
        element('th', {scope: 'row', id: name}, name), cell(use), cell(breaks), [...states.values()]);
    const put = (topic, state) => {
        states.get(topic).dataset.state = state;
        states.get(topic).replaceChildren(state ? word(state) : '');
        const chosen = [...states.values()].some((one) => one.dataset.state === 'chosen');
        tr.classList.toggle('chosen', chosen);
        tr.classList.toggle('unused', !use.checked);
    };
    // 'failed' stays visible while other transports are tried.
    const show = (topic, state) => {
        if (state || states.get(topic).dataset.state !== 'failed') put(topic, state ?? '');
    };
    const clear = () => TOPICS.forEach((topic) => put(topic, ''));
    clear();
    return {name, use, breaks, element: tr, show, clear};
}

function cell(input) {
    return element('td', {}, element('label', {class: 'check'}, input));
}

// Its label is its column's and its row's heading.
function checkbox(what, name, checked) {
    const labels = {id: `${what}-${name}`, 'aria-labelledby': `${what} ${name}`};
    return element('input', {type: 'checkbox', ...labels, checked, change: reconnect});
}

// The log.

function write(entry) {
    tried.push({at: new Date(), ...entry});
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    log.append(line(tried.at(-1)));
    if (tried.length > KEPT) {
        tried.shift();
        log.firstElementChild.remove();
    }
    if (atEnd) box.scrollTop = box.scrollHeight;
}

// Redraws the log in the new language. A screen reader shouldn't read it all out again.
function sayAgain() {
    box.setAttribute('aria-live', 'off');
    log.replaceChildren(...tried.map(line));
    setTimeout(() => box.removeAttribute('aria-live'), 1000);
}

function line({at, topic, transport, state, why}) {
    const what = transport ? [element('code', {}, transport), ' ', word(state)] : [];
    return element('li', {class: state},
        element('time', {datetime: at.toISOString()}, clock(at)),
        element('span', {'data-say': `topic.${topic}`}), ' · ',
        what, transport && why ? ': ' : null, why ? reason(why) : null);
}

function word(state) {
    if (state === 'trying') return element('span', {'data-say': 'comet.trying'});
    if (state === 'chosen') return element('span', {'data-say': 'comet.chosen'});
    return element('span', {'data-say': 'comet.failed'});
}
