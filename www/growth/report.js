// Measures one stream and publishes the results, for a program that opened the page as
//   growth.html?report=TOPIC&technique=xhr_streaming&topic=TOPIC&since=ID&limit=BYTES&seconds=N
// Without `limit` the stream has none. It publishes a report every half second, by POST /publish.
import {heap, watchedStream} from './stream.js';

const EVERY = 500; // ms

export async function report(asked) {
    const stream = watchedStream(asked.get('technique') ?? 'xhr_streaming', {
        topic: asked.get('topic') ?? 'growth', since: asked.get('since') ?? undefined, limit: asked.get('limit'),
    });
    const end = performance.now() + 1000 * (asked.get('seconds') ?? Infinity);
    let now;
    do {
        now = performance.now();
        globalThis.gc?.(); // so that heap() counts only live memory; exists only if the browser was started with it
        await publish(asked.get('report'), {ms: Math.round(now), done: now >= end, heap: heap(), ...stream.look()});
        await new Promise((done) => { setTimeout(done, EVERY); });
    } while (now < end);
    stream.close();
}

async function publish(topic, body) {
    await fetch(`/publish?topic=${topic}`, {method: 'POST', body: JSON.stringify(body)}).catch(() => null);
}
