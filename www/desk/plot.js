// One plot of the last minutes in SVG: axes, lines or layers, limits, and the values at one moment.
import {element} from '../page/element.js';
import {clock, number, say} from '../page/language.js';
import {svg} from '../page/svg.js';

const HEIGHT = 190, LEFT = 58, RIGHT = 10, BOTTOM = 22; // px
const ROW = 15; // px, height of a line of text
const NEAR = 2; // a limit is drawn as a line if it is at most this many times the highest value

// what: the plot's name, series and limits (see plots.js). view: the samples and the selected moment.
// changed(): redraws all plots.
export function plot(what, view, changed) {
    const picture = svg('svg', {class: 'plot-picture', role: 'slider', tabindex: 0, 'aria-valuemin': -300, 'aria-valuemax': 0, 'aria-valuenow': 0});
    const title = element('h3', {id: `plot-${what.name}`, 'data-say': what.title});
    picture.setAttribute('aria-labelledby', title.id);
    const legend = element('ul', {class: 'plot-legend'});
    listen(picture, view, changed, () => picture.setAttribute('aria-valuetext', spoken(what, view)));
    return {
        element: element('figure', {class: 'plot', 'data-plot': what.name}, element('figcaption', {}, title, legend), picture),
        draw() {
            const sample = sampleAt(view);
            const shown = what.stacked ? what.series.filter((one) => view.samples.some((other) => one.value(other) > 0)) : what.series;
            legend.replaceChildren(...keys(what, shown, sample));
            picture.parentNode.dataset.samples = view.samples.length;
            picture.replaceChildren(...drawing(what, shown, view, picture.clientWidth || 300));
            picture.setAttribute('aria-valuenow', view.moment ? Math.round((view.moment - view.now) / 1000) : 0);
        },
    };
}

// The sample at the selected moment; without one, the last sample.
function sampleAt({samples, moment}) {
    if (!moment) return samples.at(-1);
    return samples.reduce((best, one) => (Math.abs(one.at - moment) < Math.abs(best.at - moment) ? one : best));
}

// The legend, with the values.
function keys(what, shown, sample) {
    const list = shown.map((one) => key(one.name, say(one.label), said(what, sample && one.value(sample))));
    if (!what.stacked) return list;
    const total = sample && what.series.reduce((sum, one) => sum + one.value(sample), 0);
    return [key('total', say('desk.total'), said(what, total)), ...list.reverse()]; // topmost layer first, as in the plot
}

function key(name, label, value) {
    return element('li', {'data-series': name}, element('span', {class: 'key-name'}, label), ' ', element('span', {class: 'key-value'}, value));
}

function said(what, value) {
    return typeof value === 'number' ? what.words(value) : '–';
}

function spoken(what, view) {
    const sample = sampleAt(view);
    if (!sample) return '';
    const values = what.series.filter((one) => !what.stacked || one.value(sample) > 0);
    const words = values.map((one) => `${say(one.label)} ${said(what, one.value(sample))}`);
    return [view.moment ? clock(sample.at) : say('wire.axis.now'), ...words].join(', ');
}

// Selects a moment by pointer or arrow keys. Escape, or leaving the plot, goes back to now.
function listen(picture, view, changed, speak) {
    const look = (moment) => { view.moment = moment; changed(); };
    const point = (e) => {
        const {left, width} = picture.getBoundingClientRect();
        const part = (e.clientX - left - LEFT) / (width - LEFT - RIGHT);
        if (view.samples.length) look(view.now - view.span * (1 - Math.min(1, Math.max(0, part))));
    };
    picture.addEventListener('pointermove', point);
    picture.addEventListener('pointerdown', point);
    picture.addEventListener('pointerleave', (e) => { if (e.pointerType !== 'touch') look(null); });
    picture.addEventListener('blur', (e) => { if (!e.relatedTarget?.matches('.plot-picture')) look(null); });
    picture.addEventListener('focus', speak);
    picture.addEventListener('keydown', (e) => {
        const moment = moved(e.key, view);
        if (moment === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
        e.preventDefault();
        look(moment);
        speak();
    });
}

const STEPS = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -30, PageUp: 30, Home: -Infinity, End: Infinity, Escape: Infinity};

// The moment selected after this key: null for now, undefined if the key has no meaning here.
function moved(key, view) {
    if (!(key in STEPS) || !view.samples.length) return undefined;
    const last = view.samples.length - 1;
    const next = Math.max(0, view.samples.indexOf(sampleAt(view)) + STEPS[key]);
    return next >= last ? null : view.samples[next].at;
}

// All elements of the picture, in pixels.
function drawing(what, shown, view, width) {
    const top = topOf(what, shown, view);
    const far = what.limits.filter(({of}) => view.limits[of] > top), near = what.limits.filter(({of}) => view.limits[of] <= top);
    const ceiling = 6 + ROW * far.length, floor = HEIGHT - BOTTOM;
    const x = (at) => width - RIGHT - (view.now - at) / view.span * (width - LEFT - RIGHT);
    const y = (value) => floor - value / top * (floor - ceiling);
    return [
        ...grid(what, top, view, {x, y, width, floor, ceiling}),
        ...(what.stacked ? layers(shown, view, x, y) : lines(shown, view, x, y)),
        ...near.flatMap((limit, i) => limitLine(limit.words(view.limits[limit.of]), y(view.limits[limit.of]), width, i)),
        ...far.map((limit, i) => farLimit(limit, view, width, ROW * i)),
        ...moment(view, {x, width, floor, ceiling}),
    ];
}

// The value at the top of the plot: a little above the data, and above any near limit.
function topOf(what, shown, {samples, limits}) {
    const value = (sample, one) => one.value(sample) ?? 0;
    const height = (sample) => (what.stacked ? shown.reduce((sum, one) => sum + value(sample, one), 0) : Math.max(...shown.map((one) => value(sample, one))));
    const highest = Math.max(what.words === number ? 8 : 1e6, ...samples.map(height));
    const near = what.limits.map(({of}) => limits[of]).filter((limit) => limit <= NEAR * highest);
    return Math.max(highest, ...near) * 1.12;
}

// The distance between grid lines: 1, 2 or 5 times a power of ten, for three to six lines.
function step(top) {
    const power = 10 ** Math.floor(Math.log10(top / 3));
    return power * [5, 2, 1].find((n) => n * power <= top / 3);
}

function grid(what, top, {span, now}, {x, y, width, floor, ceiling}) {
    const by = step(top), between = span > 120_000 ? 60_000 : span / 4, parts = [];
    for (let value = 0; value <= top; value += by) {
        parts.push(line(value ? 'grid' : 'ground', LEFT, y(value), width - RIGHT, y(value)));
        parts.push(words('axis-words', LEFT - 8, y(value) + 4, 'end', tick(what, value, by)));
    }
    for (let ago = 0; ago <= span; ago += between) {
        const at = x(now - ago);
        parts.push(line('grid', at, ceiling, at, floor + 4));
        parts.push(words('axis-words', at, floor + 17, ago ? 'middle' : 'end', before(ago)));
    }
    return parts;
}

function before(ago) {
    if (ago === 0) return say('wire.axis.now');
    return ago % 60_000 ? say('desk.seconds', {n: number(ago / 1000)}) : say('desk.minutes', {n: number(ago / 60_000)});
}

function tick(what, value, by) {
    if (what.words === number) return number(value);
    return say('unit.megabytes', {n: number(value / 1e6, by < 1e6 ? 1 : 0)});
}

// False if the samples are so far apart that the time between them is unknown.
export function follows(before, sample) {
    return sample.at - before.at < 3500;
}

// Splits the samples into runs without a gap.
function runs(samples, known = () => true) {
    const all = [];
    samples.forEach((sample, i) => {
        if (!known(sample)) return;
        const before = samples[i - 1];
        if (!before || !known(before) || !follows(before, sample)) all.push([]);
        all.at(-1).push(sample);
    });
    return all;
}

function lines(shown, {samples}, x, y) {
    return shown.flatMap((one) => runs(samples, (sample) => typeof one.value(sample) === 'number').map((run) =>
        svg('path', {class: 'series', 'data-series': one.name, d: path(run.map((sample) => [x(sample.at), y(one.value(sample))]))})));
}

// Each layer is drawn on top of the sum of those below it.
function layers(shown, {samples}, x, y) {
    return runs(samples).flatMap((run) => {
        const floors = run.map(() => 0);
        return shown.map((one) => {
            const below = run.map((sample, i) => [x(sample.at), y(floors[i])]);
            const above = run.map((sample, i) => [x(sample.at), y(floors[i] += one.value(sample))]);
            return svg('path', {class: 'layer', 'data-series': one.name, d: path([...above, ...below.reverse()]) + 'Z'});
        });
    });
}

function path(points) {
    return 'M' + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
}

// The first limit has its label at the right, the second at the left, in case both are equally high.
function limitLine(name, y, width, i) {
    const [x, anchor] = i ? [LEFT + 4, 'start'] : [width - RIGHT, 'end'];
    return [line('limit', LEFT, y, width - RIGHT, y), words('limit-words', x, y - 4, anchor, name)];
}

// A line for a far limit would flatten the data. Its label stands above the plot, and says how far it is.
function farLimit({of, words: name, now}, view, width, y) {
    const used = now(view.samples.at(-1) ?? {});
    const limit = name(view.limits[of]);
    const times = used ? say('desk.limit.far', {limit, times: number(view.limits[of] / used)}) : limit;
    return words('limit-words', width - RIGHT, y + 12, 'end', `↑ ${times}`);
}

function moment(view, {x, width, floor, ceiling}) {
    const sample = view.moment && sampleAt(view);
    if (!sample) return [];
    const at = x(sample.at);
    const words_x = Math.min(width - RIGHT - 26, Math.max(LEFT + 26, at));
    return [line('moment', at, ceiling, at, floor + 4), words('moment-words', words_x, floor + 17, 'middle', clock(sample.at))];
}

function line(kind, x1, y1, x2, y2) {
    return svg('line', {class: kind, x1, y1, x2, y2});
}

function words(kind, x, y, anchor, text) {
    return svg('text', {class: kind, x, y, 'text-anchor': anchor}, text);
}
