// The desk's page: what held connections cost the server, live.
// It polls, the article's first technique: a short request once a second. A page that held a connection would count
// itself, and could not connect when all connections are taken.
import {element} from '../page/element.js';
import {entitle, headerAndFooter} from '../page/header.js';
import {clock, say} from '../page/language.js';
import {plots} from './plots.js';
import {strainPanel} from './strain.js';
import {origins} from '../page/techniques.js';
import {threadTable} from './threads.js';

const EVERY = 1000; // ms between a response and the next request
const PATIENCE = 5000; // ms until a request times out; it should take one or two

const {home, strained} = await origins();
await headerAndFooter('desk', home);
const state = {samples: [], limits: {}, kept: 300, heardAt: performance.now(), lostAt: null};
let turn = null; // the timer of the next request
const drawn = plots(state), table = threadTable(ask);
const alarm = element('p', {class: 'alarm', role: 'status', id: 'alarm'});
document.getElementById('main').append(
    element('div', {class: 'opening'}, explanation(), strainPanel(strained, ask)),
    element('section', {class: 'panel', id: 'plots'},
        element('h2', {'data-say': 'desk.plots'}), alarm, drawn.element,
        element('p', {class: 'note', 'data-say': 'desk.plots.note'})),
    table.element,
    element('p', {class: 'note', 'data-say': 'desk.polling'}));

document.addEventListener('language', show);
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
poll();

function explanation() {
    return element('div', {class: 'prose'},
        element('h1', {'data-say': 'desk.title'}),
        element('p', {class: 'lead', 'data-say': 'desk.lead'}),
        element('p', {'data-say': 'desk.what'}),
        element('p', {class: 'aside'}, element('strong', {'data-say': 'page.try'}), ' ', element('span', {'data-say': 'desk.try'})));
}

// Sends one request to the desk. Returns the JSON, or throws.
async function ask(path) {
    const answer = await fetch(path, {signal: AbortSignal.timeout(PATIENCE)});
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
}

// Polls once, and sets the timer for the next poll, also after an error. A hidden tab doesn't poll.
async function poll() {
    clearTimeout(turn);
    turn = null;
    await ask(`/history?since=${state.samples.at(-1)?.at ?? 0}`).then(heard, lost);
    show();
    if (!document.hidden && !state.lostAt) table.refresh();
    if (!document.hidden && turn === null) turn = setTimeout(poll, EVERY);
}

// Drops old samples that are not older than the first new one: they came from an earlier server with a fast clock.
function heard({limits, kept, samples}) {
    const before = state.samples.filter(({at}) => !samples.length || at < samples[0].at);
    state.samples = [...before, ...samples].slice(-kept);
    if (samples.length) state.heardAt = performance.now();
    Object.assign(state, {limits, kept, lostAt: null});
}

function lost() {
    state.lostAt ??= Date.now();
}

function show() {
    const words = state.lostAt ? say('desk.lost', {time: clock(state.lostAt)}) : '';
    if (alarm.textContent !== words) alarm.textContent = words;
    entitle('desk', Boolean(state.lostAt));
    drawn.draw();
    table.show();
}
