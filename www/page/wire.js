// The wire strip: shows what each connection does, live. wire_record.js keeps the record, wire_picture.js draws it, and
// this file shows it in words and numbers. A technique's script reports to it through tell(what, detail).
import {element} from './element.js';
import {bytes, milliseconds, number, say, seconds} from './language.js';
import {reason} from './reasons.js';
import {picture} from './wire_picture.js';
import {closed, delivered, heard, KEPT, newLane, posted, weigh} from './wire_record.js';

const STALLED = 6_000; // ms without a response until the page suggests a cause
const STALLED_BLIND = 30_000; // the same for a blind script: its response may be held for 25 s

// topics: one lane each. path: the requested path, which counts in a request's size. interval(): ms between requests, for
// polling. protocol, blind: see wire_record.js.
export function wireStrip({topics, path, protocol, interval = null, counts = [], blind}) {
    const lanes = topics.map((topic) => newLane(topic, path, {protocol, blind}));
    const strip = {lanes, weight: {up: 0, down: 0}, hidden: [], interval, paused: false};
    const weighed = weigh().then((weight) => { strip.weight = weight; });
    const lane = (topic) => strip.lanes.find((one) => one.topic === topic);
    return {
        weighed,
        element: panel(strip, counts),
        tell: (topic) => (what, detail) => heard(lane(topic), strip, what, detail),
        deliver: (topic, message) => delivered(lane(topic), message),
        posted: (topic, size) => posted(lane(topic), strip, size),
        close: (topic) => closed(lane(topic)),
        pause: (paused) => { strip.paused = paused; },
        lost: () => strip.lanes.some(({why}) => why),
    };
}

function panel(strip, counts) {
    const rows = COUNTS().filter(({name, extra}) => !extra || counts.includes(name));
    const now = element('ul', {id: 'wire-now'}, strip.lanes.map(nowLine));
    const alert = element('p', {class: 'visually-hidden', role: 'status'});
    const note = element('p', {class: 'note'});
    const keys = legend();
    const refresh = () => { showCounts(strip, rows); showNow(strip, now, alert); showLegend(strip, keys); };
    setInterval(refresh, 250);
    document.addEventListener('language', refresh);
    watchHidden(strip, note);
    return element('section', {class: 'panel wire'},
        element('div', {class: 'wire-head'}, element('h2', {'data-say': 'wire.title'})),
        now,
        element('div', {class: 'wire-body'},
            element('div', {}, picture(strip), keys),
            element('dl', {class: 'counts'}, rows.map((row) => element('div', {}, row.term, row.value)))),
        note, alert);
}

// The counts: name, label, whether only some pages show it, and the element for its value.
function COUNTS() {
    return [
        {name: 'requests', term: element('dt', {'data-say': 'wire.requests'})},
        {name: 'empty', term: element('dt', {'data-say': 'wire.empty'}), extra: true},
        {name: 'ended', term: element('dt', {'data-say': 'wire.ended'}), extra: true},
        {name: 'late', term: element('dt', {'data-say': 'wire.late'}), extra: true},
        {name: 'deliveries', term: element('dt', {'data-say': 'wire.deliveries'})},
        {name: 'bytes-up', term: element('dt', {'data-say': 'wire.bytes-up'})},
        {name: 'bytes-down', term: element('dt', {'data-say': 'wire.bytes-down'})},
        {name: 'delay', term: element('dt', {'data-say': 'wire.delay'})},
        {name: 'delay-median', term: element('dt', {'data-say': 'wire.delay-median'})},
    ].map((row) => ({...row, value: element('dd', {'data-count': row.name})}));
}

function showCounts({lanes}, rows) {
    const sum = (field) => lanes.reduce((total, lane) => total + lane[field], 0);
    const delays = lanes.flatMap((lane) => lane.delays).sort((a, b) => a.at - b.at).map(({delay}) => delay);
    const median = [...delays].sort((a, b) => a - b)[delays.length >> 1];
    const share = (n) => say('wire.share', {n: number(n), percent: number(100 * n / Math.max(1, sum('requests')))});
    const about = (n) => '≈ ' + bytes(n);
    const values = {
        requests: [sum('requests'), number], empty: [sum('empty'), share], ended: [sum('ended'), number], late: [sum('late'), share],
        deliveries: [sum('deliveries'), number], 'bytes-up': [sum('up'), about], 'bytes-down': [sum('down'), about],
        delay: [delays.at(-1), milliseconds], 'delay-median': [median, milliseconds],
    };
    for (const {name, value} of rows) showCount(value, ...values[name]);
}

function showCount(node, value, words) {
    node.dataset.value = value ?? '';
    node.textContent = value === undefined ? '–' : words(value);
}

function nowLine({topic}) {
    return element('li', {'data-topic': topic},
        element('span', {class: 'topic', 'data-say': `topic.${topic}`}), ' ', element('span', {class: 'now'}));
}

function showNow(strip, list, alert) {
    strip.lanes.forEach((lane, i) => {
        const line = list.children[i];
        line.dataset.state = lane.why ? 'lost' : lane.state;
        line.querySelector('.now').textContent = words(lane, strip);
    });
    announce(strip, alert);
}

// What the connection is doing now.
function words(lane, {interval}) {
    const time = Date.now() - lane.changed;
    const stalled = time > (lane.blind ? STALLED_BLIND : STALLED) && lane.protocol !== 'websocket'; // a WebSocket is none of the six
    if (lane.why && lane.state !== 'closed') return say(lane.why.includes('reload') ? 'wire.now.over' : 'wire.now.lost', {why: reason(lane.why)});
    if (lane.state === 'asked' && lane.flying > 1) return say('wire.now.flying', {n: number(lane.flying)});
    if (lane.state === 'asked' && stalled) return say('wire.now.stalled', {time: seconds(time)});
    if (lane.state === 'asked' && lane.blind) return say('wire.now.blind', {time: seconds(time)});
    if (lane.state === 'asked') return say('wire.now.asked', {time: seconds(time)});
    if (lane.state === 'held') return say('wire.now.held', {time: seconds(time)});
    if (lane.state === 'waiting') return say('wire.now.waiting', {time: seconds(Math.max(0, lane.asked + interval() - Date.now()))});
    if (lane.state === 'ended') return say('wire.now.ended');
    return say('wire.now.closed');
}

// Announces a lost and a restored connection to screen readers, and nothing else.
function announce(strip, alert) {
    const lost = strip.lanes.some(({why}) => why);
    if (lost === Boolean(alert.dataset.lost)) return;
    alert.dataset.lost = lost ? 'lost' : '';
    const words = lost ? element('span', {'data-say': 'wire.alert.lost'}) : element('span', {'data-say': 'wire.alert.back'});
    alert.replaceChildren(words);
}

// Timers of a hidden tab run about once a second, later once a minute. The note explains the delays of that time.
function watchHidden(strip, note) {
    document.addEventListener('visibilitychange', () => {
        if (document.hidden) return void strip.hidden.push({from: Date.now(), to: Infinity});
        strip.hidden = strip.hidden.filter(({to}) => to > Date.now() - KEPT);
        const span = strip.hidden.at(-1);
        if (!span) return;
        span.to = Date.now();
        note.textContent = say('wire.hidden', {time: seconds(span.to - span.from)});
    });
    document.addEventListener('language', () => note.replaceChildren());
}

// The legend. An entry that is hidden at first appears when its kind does.
function legend() {
    return element('ul', {class: 'legend'},
        element('li', {'data-kind': 'ask', 'data-say': 'wire.key.ask'}),
        element('li', {'data-kind': 'event', 'data-say': 'wire.key.event'}),
        element('li', {'data-kind': 'held', 'data-say': 'wire.key.held'}),
        element('li', {'data-kind': 'under', hidden: true, 'data-say': 'wire.key.under'}),
        element('li', {'data-kind': 'sent', hidden: true, 'data-say': 'wire.key.sent'}),
        element('li', {'data-kind': 'beat', hidden: true, 'data-say': 'wire.key.beat'}),
        element('li', {'data-kind': 'end', hidden: true, 'data-say': 'wire.key.end'}),
        element('li', {'data-kind': 'empty', hidden: true, 'data-say': 'wire.key.empty'}),
        element('li', {'data-kind': 'late', hidden: true, 'data-say': 'wire.key.late'}),
        element('li', {'data-kind': 'lost', hidden: true, 'data-say': 'wire.key.lost'}));
}

function showLegend(strip, keys) {
    for (const key of keys.children) {
        if (strip.lanes.some(({seen}) => seen.has(key.dataset.kind))) key.hidden = false;
    }
}
