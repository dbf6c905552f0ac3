// The page of comet.js: which transports it may take, which of them are broken on
// purpose, and what it tried.
import {Comet, TRANSPORTS} from './comet.js';
import {clock} from '../page/language.js';
import {element, page} from '../page/page.js';
import {reason} from '../page/reasons.js';
import {techniques} from '../page/techniques.js';

const TOPICS = ['baseball', 'chat'];
// EventSource wasn't on Socket.IO's list: it waits to be ticked.
const NAMES = [TRANSPORTS[0], 'event-source', ...TRANSPORTS.slice(1)];
const KEPT = 200; // lines of the log

const rows = NAMES.map(row);
const log = element('ol');
const frame = element('div',
    {id: 'choice-log', class: 'log', role: 'log', tabindex: 0, 'data-say-label': 'comet.log'}, log);
const tried = []; // what the log shows: {at, topic, transport, state, why}
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

// One Comet a topic. All that a reader of comet.js has to know to use it is here.
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

// What the server says against it is passed on; if it can't be asked, there are no words.
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

// What the reader may set.

function used() {
    return rows.filter(({use}) => use.checked).map(({name}) => name);
}

// A broken one is looked for where the server has nothing: it fails for real.
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
        element('div', {}, element('h3', {'data-say': 'comet.log'}), frame),
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

// One transport: may it be used, is it broken, and how it went, for each topic.
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
    // When another has its turn, that this one failed stays written.
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

// Its label is made of the heads of its column and its row.
function checkbox(what, name, checked) {
    const labels = {id: `${what}-${name}`, 'aria-labelledby': `${what} ${name}`};
    return element('input', {type: 'checkbox', ...labels, checked, change: reconnect});
}

// The log.

function write(entry) {
    tried.push({at: new Date(), ...entry});
    const atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 30;
    log.append(line(tried.at(-1)));
    if (tried.length > KEPT) {
        tried.shift();
        log.firstElementChild.remove();
    }
    if (atEnd) frame.scrollTop = frame.scrollHeight;
}

// In another language. That is no news to a screen reader.
function sayAgain() {
    frame.setAttribute('aria-live', 'off');
    log.replaceChildren(...tried.map(line));
    setTimeout(() => frame.removeAttribute('aria-live'), 1000);
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
