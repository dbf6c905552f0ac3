// The record of the wire: what the scripts tell, kept a lane a topic, and counted.

export const KEPT = 40_000; // ms of record, a little more than the picture shows
const HANDSHAKE = 160; // what Upgrade and Sec-WebSocket-* add to a request's head

// blind: the script can't see that its answer has begun.
export function newLane(topic, path, {protocol = 'http', blind = false}) {
    return {
        topic, protocol, blind,
        line: `${path}?topic=${topic}&since=1234567890123456`.length - '/weigh'.length, // by how much a question is longer than the weighed request
        seen: new Set(), // kinds of marks so far, for the legend
        marks: [], levels: [], // what to draw: moments, and how many requests are under way from when on
        flying: 0, open: 0, // requests under way, and those of them whose answer has begun
        requests: 0, deliveries: 0, empty: 0, ended: 0, late: 0, up: 0, down: 0, delays: [],
        state: 'idle', changed: Date.now(), asked: 0, began: Date.now(), turn: null,
        why: '', // why it was lost, until an answer begins again
    };
}

// What a request and an answer weigh before their bodies: the one as the server saw it, the other as far as a page may see it.
export async function weigh() {
    const answer = await fetch('/weigh').catch(() => null);
    if (!answer?.ok) return {up: 500, down: 200};
    let down = 'HTTP/1.1 200 OK\r\n\r\n'.length;
    for (const [name, value] of answer.headers) down += name.length + value.length + ': \r\n'.length;
    return {up: (await answer.json()).bytes, down};
}

// A WebSocket frame's head: 2 bytes, or 4, or 10, by the length of what it carries; from a browser 4 more, the mask.
const frameHead = (size) => (size < 126 ? 2 : size < 65536 ? 4 : 10);
const MASK = 4;

// What to do with each word of tell(what, detail).
const HEARD = {
    transport(lane, strip, {protocol = 'http', blind = false}) {
        Object.assign(lane, {protocol, blind});
    },
    ask(lane, {weight}) {
        lane.requests++;
        lane.flying++;
        if (lane.flying > 1) lane.seen.add('under');
        if (lane.blind) lane.open = lane.flying; // as far as anybody here can see
        lane.asked = Date.now();
        lane.up += weight.up + lane.line + (lane.protocol === 'websocket' ? HANDSHAKE : 0);
        mark(lane, 'ask');
        enter(lane, 'asked');
    },
    open(lane, {weight}) {
        lane.open = Math.min(lane.open + 1, lane.flying);
        lane.down += weight.down;
        lane.why = '';
        enter(lane, 'held');
    },
    bytes(lane, strip, size) {
        lane.down += size + (lane.protocol === 'websocket' ? frameHead(size) : 0);
        turn(lane).bytes += size;
    },
    done(lane, {interval, weight}) {
        if (lane.protocol === 'websocket') return HEARD.ended(lane); // it was no answer
        turn(lane).done++;
        if (lane.state === 'asked') lane.down += weight.down; // its head was never seen
        lane.why = '';
        landed(lane);
        enter(lane, lane.flying ? 'asked' : interval ? 'waiting' : 'ended');
    },
    // A stream's answer, complete: what it told, it told long before.
    ended(lane) {
        lane.ended++;
        lane.why = '';
        mark(lane, 'end');
        landed(lane);
        enter(lane, 'ended');
    },
    late(lane) {
        lane.late++;
        turn(lane).late++;
    },
    lost(lane, strip, why) {
        landed(lane);
        lane.why = String(why ?? '?');
        mark(lane, 'lost');
        enter(lane, 'lost');
    },
    sent(lane, strip, size) {
        lane.up += size + frameHead(size) + MASK;
        mark(lane, 'sent');
    },
};

export function heard(lane, strip, what, detail) {
    HEARD[what]?.(lane, strip, detail);
}

export function delivered(lane, message) {
    turn(lane).events++;
    mark(lane, message.gap ? 'lost' : 'event');
    if (message.gap) return;
    lane.deliveries++;
    if (message.at >= lane.began) delayed(lane, Date.now() - message.at); // what had happened before has no delay to speak of
}

function delayed(lane, delay) {
    lane.delays.push({at: Date.now(), delay: Math.max(0, delay)});
    if (lane.delays.length > 200) lane.delays.shift();
}

// A chat line that went by a POST of its own.
export function posted(lane, {weight}, size) {
    lane.up += weight.up + size;
    lane.down += weight.down;
    mark(lane, 'sent');
}

export function closed(lane) {
    lane.flying = lane.open = 0;
    enter(lane, 'closed');
}

function landed(lane) {
    lane.flying = Math.max(0, lane.flying - 1);
    lane.open = Math.max(0, Math.min(lane.open - 1, lane.flying));
}

function enter(lane, state) {
    if (state !== lane.state) lane.changed = Date.now();
    lane.state = state;
    lane.levels.push({at: Date.now(), flying: lane.flying, open: lane.open});
    // The last level from before what is kept says how things stood at its edge.
    while (lane.levels[1]?.at < Date.now() - KEPT) lane.levels.shift();
}

function mark(lane, kind) {
    lane.seen.add(kind);
    lane.marks.push({at: Date.now(), kind});
    while (lane.marks[0].at < Date.now() - KEPT) lane.marks.shift();
}

// One turn of the browser brings bytes, events and the end of an answer in whatever order the script tells them:
// only when it is over is it plain whether the answer brought nothing, or the bytes were a heartbeat.
function turn(lane) {
    if (lane.turn) return lane.turn;
    queueMicrotask(() => settle(lane));
    return lane.turn = {bytes: 0, events: 0, done: 0, late: 0};
}

function settle(lane) {
    const {bytes, events, done, late} = lane.turn;
    lane.turn = null;
    if (late) return mark(lane, 'late');
    if (events) return;
    if (done) lane.empty++;
    if (done) mark(lane, 'empty');
    else if (bytes) mark(lane, 'beat');
}
