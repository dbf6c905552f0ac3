// The desk's four plots. They share one selected moment, and are redrawn with every response, once a second. Smoother
// would be prettier, but would use the CPU that is measured here.
import {element} from '../page/element.js';
import {bytes, number, say} from '../page/language.js';
import {follows, plot} from './plot.js';

// The layers from the bottom up. Polling holds no connection.
const HELD = ['long_polling', 'xhr_streaming', 'forever_frame', 'multipart_streaming', 'jsonp_polling', 'event_source', 'websocket', 'echo'];

const PLOTS = [
    {
        name: 'threads', title: 'desk.plot.threads', words: number, series: [
            {name: 'threads', label: 'desk.threads', value: (sample) => sample.threads},
            {name: 'files', label: 'desk.files', value: (sample) => sample.open_files},
        ],
        limits: [
            {of: 'threads', words: (n) => say('desk.limit.threads', {n: number(n)}), now: (sample) => sample.threads},
            {of: 'open_files', words: (n) => say('desk.limit.files', {n: number(n)}), now: (sample) => sample.open_files},
        ],
    },
    {
        name: 'held', title: 'desk.plot.held', words: number, stacked: true,
        series: HELD.map((name) => ({
            name, label: name === 'echo' ? 'desk.echo' : `${name}.title`, value: (sample) => sample.held[name] ?? 0,
        })),
        limits: [{of: 'connections', words: (n) => say('desk.limit.connections', {n: number(n)}), now: (sample) => sample.connections}],
    },
    {
        name: 'memory', title: 'desk.plot.memory', words: bytes, series: [
            {name: 'memory', label: 'desk.memory', value: (sample) => sample.rss_bytes},
        ],
        limits: [],
    },
    {
        name: 'switches', title: 'desk.plot.switches', words: number, series: [
            {name: 'switches', label: 'desk.switches', value: (sample) => sample.switches},
        ],
        limits: [],
    },
];

const SPANS = [60_000, 120_000]; // ms, the time shown while the server is younger than five minutes

// state: desk.js's, with the samples. The selected moment is shared by all plots; null is now.
export function plots(state) {
    const view = {state, moment: null, samples: [], now: 0};
    const all = PLOTS.map((one) => plot(one, view, draw));
    let asked = false;
    function draw() { // at most once per animation frame
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
            asked = false;
            look(view);
            for (const one of all) one.draw();
        });
    }
    new ResizeObserver(draw).observe(document.documentElement);
    return {draw, element: element('div', {class: 'plots'}, all.map((one) => one.element))};
}

// Updates the view from the state. Time moves on without new samples, so that a gap shows.
function look(view) {
    const {samples, kept, heardAt, limits} = view.state;
    view.now = (samples.at(-1)?.at ?? 0) + Math.max(0, performance.now() - heardAt);
    view.span = SPANS.find((span) => span >= view.now - samples[0]?.at) ?? kept * 1000;
    view.limits = limits;
    view.samples = samples.filter(({at}) => at >= view.now - view.span).map(withSwitches);
    if (view.moment && !view.samples.some(({at}) => at >= view.moment)) view.moment = null;
}

// Adds the context switches per second since the previous sample.
function withSwitches(sample, i, samples) {
    const before = samples[i - 1];
    const counted = sample.context_switches - before?.context_switches;
    const rate = before && counted >= 0 && follows(before, sample) ? 1000 * counted / (sample.at - before.at) : null;
    return {...sample, switches: rate};
}
