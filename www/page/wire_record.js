// The record of the wire: keeps and counts the scripts' reports, with one lane per topic.

export const KEPT = 40_000; // ms of record, slightly more than the picture shows
const HANDSHAKE = 160; // bytes that Upgrade and Sec-WebSocket-* add to a request's head

// blind: the script can't see that its response has begun.
export function newLane(topic, path, {protocol = 'http', blind = false}) {
    return {
        topic, protocol, blind,
        line: `${path}?topic=${topic}&since=1234567890123456`.length - '/weigh'.length, // bytes by which a request is longer than the weighed one
        seen: new Set(), // the kinds of marks so far, for the legend
        marks: [], levels: [], // to draw: single moments, and the number of requests under way since each change
        flying: 0, open: 0, // requests under way, and how many of them have a response that has begun
        requests: 0, deliveries: 0, empty: 0, ended: 0, late: 0, up: 0, down: 0, delays: [],
        state: 'idle', changed: Date.now(), asked: 0, began: Date.now(), turn: null,
        why: '', // the reason for a lost connection, until a response begins again
    };
}

// The bytes of a request's and a response's head: the first as the server counted it, the second as far as a page can see it.
export async function weigh() {
    const answer = await fetch('/weigh').catch(() => null);
    if (!answer?.ok) return {up: 500, down: 200};
    let down = 'HTTP/1.1 200 OK\r\n\r\n'.length;
    for (const [name, value] of answer.headers) down += name.length + value.length + ': \r\n'.length;
    return {up: (await answer.json()).bytes, down};
}

// The head of a WebSocket frame: 2, 4 or 10 bytes, depending on the payload. A browser's frames have 4 more, the mask.
const frameHead = (size) => (size < 126 ? 2 : size < 65536 ? 4 : 10);
const MASK = 4;

// A handler for each `what` of tell(what, detail).
const HEARD = {
    transport(lane, strip, {protocol = 'http', blind = false}) {
        Object.assign(lane, {protocol, blind});
    },
    ask(lane, {weight}) {
        lane.requests++;
        lane.flying++;
        if (lane.flying > 1) lane.seen.add('under');
        if (lane.blind) lane.open = lane.flying; // the best guess for a blind script
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
        if (lane.protocol === 'websocket') return HEARD.ended(lane); // it had no response
        turn(lane).done++;
        if (lane.state === 'asked') lane.down += weight.down; // the script never saw its head
        lane.why = '';
        landed(lane);
        enter(lane, lane.flying ? 'asked' : interval ? 'waiting' : 'ended');
    },
    // A stream's response has ended. Its events came before.
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
    if (message.at >= lane.began) delayed(lane, Date.now() - message.at); // an event from before the page has no meaningful delay
}

function delayed(lane, delay) {
    lane.delays.push({at: Date.now(), delay: Math.max(0, delay)});
    if (lane.delays.length > 200) lane.delays.shift();
}

// A chat line that went by POST.
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
    // Keep one level from before the record: it holds at the edge.
    while (lane.levels[1]?.at < Date.now() - KEPT) lane.levels.shift();
}

function mark(lane, kind) {
    lane.seen.add(kind);
    lane.marks.push({at: Date.now(), kind});
    while (lane.marks[0].at < Date.now() - KEPT) lane.marks.shift();
}

// A script may report the bytes, the events and the end of a response in any order, within one turn of the event loop.
// After the turn it is clear whether the response was empty, or the bytes were a heartbeat.
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
