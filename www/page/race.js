// The race: each play enters every lane at the same moment, and stops in each where it arrives.
import {element} from './element.js';
import {milliseconds, number, pick, say} from './language.js';
import {connect, originOf, origins, techniques} from './techniques.js';

const FAR = 6000; // ms, at the right end of a lane
const SHOWN = 8; // plays that stay visible in a lane
const TICKS = [10, 100, 500, 1000, 2000, 5000];
const POLLING = {interval: () => 5000}; // the article's five seconds
const STAY_OUT = ['multipart_streaming', 'jsonp_polling']; // with one port only: they would hold the fifth and sixth connection
const still = matchMedia('(prefers-reduced-motion: reduce)');

export async function race() {
    const {own, other} = await origins();
    const alone = own === other;
    const lanes = await Promise.all(techniques.filter(({name}) => !alone || !STAY_OUT.includes(name)).map(newLane));
    const play = element('p', {class: 'play'}, element('span', {class: 'play-words', 'data-say': 'race.connecting'}));
    const runners = {lanes, play, seen: new Map(), last: null};
    watch(runners);
    return element('section', {class: 'panel race'},
        element('div', {class: 'race-head'}, element('h2', {'data-say': 'race.title'}), pauseButton(runners)),
        element('p', {class: 'race-what', 'data-say': 'race.what'}),
        play,
        axis(),
        element('ol', {class: 'lanes'}, lanes.map((lane) => lane.row)),
        element('p', {class: 'note', 'data-say': 'race.ports'}),
        alone ? element('p', {class: 'note warning', 'data-say': 'race.oneport'}) : null);
}

// Polling holds no connection, so it shares the page's port with the forever frame. The five other HTTP techniques hold
// one each, on the second port.
async function newLane({name}) {
    const origin = name === 'polling' ? location.origin : await originOf(name);
    const port = element('span', {class: 'port', 'data-port': new URL(origin).port});
    const lane = {
        name, origin, port,
        track: element('div', {class: 'track', 'aria-hidden': 'true'}, TICKS.map((ms) => at(ms, 'span', 'tick'))),
        delay: element('span'), median: element('span'), rank: element('span'),
        plays: new Map(), // play id → its mark in the track
        delays: [], place: null, lost: false,
    };
    lane.row = element('li', {'data-technique': name, 'data-last-id': ''},
        element('span', {class: 'lane-name'}, element('a', {href: `${name}.html`, 'data-say': `${name}.title`}), ' ', port),
        lane.track, value('delay', lane.delay, {'data-say': 'race.delay'}), value('median', lane.median, {'data-say': 'race.median'}), element('span', {class: 'rank'}, lane.rank));
    return lane;
}

// A number with its name. The name is for screen readers and narrow screens; wide ones have column headings.
function value(kind, number, what) {
    return element('span', {class: kind}, element('span', {class: 'visually-hidden', ...what}), ' ', number);
}

// Opens every lane's connection. Returns a function that closes them.
function start(runners) {
    let running = true;
    const lines = runners.lanes.map((lane) => connect(lane.name, {
        topic: 'baseball', options: POLLING, origin: lane.origin,
        callback: (message) => { if (running && !message.gap) arrived(runners, lane, message); },
        tell: (what) => { if (running) told(lane, what); },
    }));
    return () => {
        running = false;
        lines.forEach(async (line) => (await line).close());
        for (const lane of runners.lanes) for (const [id, mark] of lane.plays) if (!hasArrived(mark)) forget(lane, id);
    };
}

function told(lane, what) {
    if (what !== 'lost' && what !== 'open') return;
    lane.lost = what === 'lost';
    showLane(lane);
}

function arrived(runners, lane, {id, at, data}) {
    if (!runners.seen.has(id)) setOff(runners, id, at, data);
    const play = runners.seen.get(id);
    lane.row.dataset.lastId = id;
    const late = Math.max(0, Date.now() - at);
    lane.delays = [...lane.delays.slice(-99), late];
    lane.place = ++play.places;
    lane.lost = false;
    const mark = lane.plays.get(id) ?? newMark(lane, id, at);
    mark.className = 'mark arrived';
    mark.style.left = along(late);
    age(lane);
    showLane(lane);
}

// Called by the first lane that receives a play: puts its mark into all lanes.
function setOff(runners, id, at, data) {
    runners.seen.set(id, {places: 0});
    for (const old of runners.seen.keys()) if (runners.seen.size > 50) runners.seen.delete(old);
    for (const lane of runners.lanes) newMark(lane, id, at);
    runners.last = data;
    showPlay(runners);
}

function newMark(lane, id, at) {
    const mark = element('span', {class: 'mark under-way'});
    mark.dataset.at = at;
    lane.plays.set(id, mark);
    lane.track.append(mark);
    return mark;
}

// Highlights the newest mark, fades older ones, and removes the oldest.
function age(lane) {
    const done = [...lane.plays].filter(([, mark]) => hasArrived(mark));
    done.forEach(([id, mark], i) => {
        const old = done.length - 1 - i;
        mark.classList.toggle('newest', old === 0);
        mark.style.opacity = 1 - old / SHOWN;
        if (old >= SHOWN) forget(lane, id);
    });
}

function hasArrived(mark) {
    return mark.classList.contains('arrived');
}

function forget(lane, id) {
    lane.plays.get(id).remove();
    lane.plays.delete(id);
}

// Moves the marks that have not arrived, according to how late they are.
function move(lanes) {
    const now = Date.now();
    for (const lane of lanes) {
        for (const [id, mark] of lane.plays) {
            if (hasArrived(mark)) continue;
            const late = now - mark.dataset.at;
            mark.hidden = still.matches;
            mark.style.left = along(late);
            if (late > 2 * FAR) forget(lane, id);
        }
    }
}

// A square-root scale: the first milliseconds have room, and five seconds still fit.
function along(ms) {
    return `${100 * Math.sqrt(Math.min(Math.max(ms, 0), FAR) / FAR)}%`;
}

function at(ms, tag, kind, ...words) {
    const node = element(tag, {class: kind}, ...words);
    node.style.left = along(ms);
    return node;
}

function axis() {
    const marks = TICKS.map((ms) => at(ms, 'span', 'tick-words'));
    const words = () => marks.forEach((mark, i) => {
        mark.textContent = TICKS[i] < 1000 ? milliseconds(TICKS[i]) : say('unit.s', {n: number(TICKS[i] / 1000)});
    });
    words();
    document.addEventListener('language', words);
    return element('div', {class: 'lane-axis', 'aria-hidden': 'true'},
        element('span', {'data-say': 'race.lane'}), element('div', {class: 'track-words'}, marks),
        element('span', {'data-say': 'race.delay'}), element('span', {'data-say': 'race.median'}), element('span', {'data-say': 'race.rank'}));
}

function showLane(lane) {
    lane.port.textContent = say('race.port', {port: lane.port.dataset.port});
    lane.row.classList.toggle('lost', lane.lost);
    lane.delay.textContent = lane.lost ? say('race.lost') : time(lane.delays.at(-1));
    lane.median.textContent = time([...lane.delays].sort((a, b) => a - b)[lane.delays.length >> 1]);
    lane.rank.textContent = lane.place ? say('race.place', {n: number(lane.place)}) : '';
    lane.rank.parentNode.classList.toggle('first', lane.place === 1);
}

function time(ms) {
    return ms === undefined ? '–' : milliseconds(ms);
}

function showPlay({play, last}) {
    if (!last?.away) return;
    play.replaceChildren(
        element('strong', {}, `${pick(last.away?.name)} ${last.away?.runs ?? ''} : ${last.home?.runs ?? ''} ${pick(last.home?.name)}`),
        ' ', element('span', {}, pick(last.text)));
}

function watch(runners) {
    const words = () => { runners.lanes.forEach(showLane); showPlay(runners); };
    words();
    document.addEventListener('language', words);
    const frame = () => { move(runners.lanes); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
}

// The pause button. The race also pauses while its tab is hidden, because it holds more connections than any other page.
function pauseButton(runners) {
    let stop = null, wanted = true, wasHidden = false;
    const state = element('span', {class: 'note', role: 'status'});
    const button = element('button', {class: 'button', click: () => { wanted = !wanted; set(); }});
    function set() {
        const run = wanted && !document.hidden;
        if (wanted && document.hidden) wasHidden = true;
        else setTimeout(() => { wasHidden = false; words(); }, 10_000); // long enough to be read
        if (run && !stop) stop = start(runners);
        if (!run && stop) { stop(); stop = null; }
        words();
    }
    function words() {
        button.textContent = wanted ? say('race.pause') : say('race.resume');
        state.textContent = !wanted ? say('race.paused') : wasHidden ? say('race.hidden') : '';
    }
    document.addEventListener('visibilitychange', set);
    document.addEventListener('language', words);
    set();
    return element('div', {class: 'switch'}, state, button);
}
