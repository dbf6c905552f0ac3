// One stream, watched: how long its text has become, how often it was asked for, and whether each event came once.
import {connect} from '../page/techniques.js';

// The scripts ask for a limit by themselves. One that is never reached is none.
const NEVER = Number.MAX_SAFE_INTEGER;

// limit: bytes; null for none, undefined for the script's own. since: the id before the first event, if it is known.
export function watchedStream(name, {topic, since, limit}) {
    const counts = {requests: 0, ended: 0, lost: 0, events: 0, bytes: 0, missed: 0, repeated: 0, longest: 0};
    let last = since && Number(since);
    let opened = null;

    // Ids grow by one: a hole is an event that was missed.
    function received(message) {
        const id = message.gap ? message.next : message.id;
        const step = id - (last ?? id - 1);
        if (step <= 0) counts.repeated++;
        else counts.missed += message.gap ? step : step - 1;
        if (!message.gap) counts.events++;
        last = id;
        measure();
    }

    function tell(what, detail) {
        if (what === 'ask') counts.requests++;
        if (what === 'ended' || what === 'lost') counts[what]++;
        if (what === 'bytes') counts.bytes += detail;
    }

    // XMLHttpRequest's text; nothing, for a technique that has none.
    function measure() {
        const length = opened?.length?.() ?? null;
        counts.longest = Math.max(counts.longest, length);
        return length;
    }

    const extra = limit === undefined ? {} : {limit: limit ?? NEVER};
    const line = connect(name, {topic, since, callback: received, tell, extra}).then((it) => { opened = it; });
    return {
        name, counts,
        look: () => ({...counts, length: measure()}),
        close: () => line.then(() => opened.close()),
    };
}

// All the memory that scripts use on this page, in bytes; null where a browser doesn't tell (only Chromium does).
export function heap() {
    return performance.memory?.usedJSHeapSize ?? null;
}
