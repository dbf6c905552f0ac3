// One measured stream: the length of its text, the number of requests, and whether each event came exactly once.
import {connect} from '../page/techniques.js';

// By default the scripts set a limit. This one is never reached, so it means none.
const NEVER = Number.MAX_SAFE_INTEGER;

// limit: bytes; null for none, undefined for the script's default. since: the id before the first event, if known.
export function watchedStream(name, {topic, since, limit}) {
    const counts = {requests: 0, ended: 0, lost: 0, events: 0, bytes: 0, missed: 0, repeated: 0, longest: 0};
    let last = since && Number(since);
    let opened = null;

    // Ids grow by one, so a hole is a missed event.
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

    // The length of XMLHttpRequest's text; null for other techniques.
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

// The memory of all scripts on this page, in bytes; null except in Chromium, the only browser that reports it.
export function heap() {
    return performance.memory?.usedJSHeapSize ?? null;
}
