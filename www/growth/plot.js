// A line plot of bytes over time in SVG, from its first point until now.
import {bytes, seconds} from '../page/language.js';
import {svg} from '../page/svg.js';

const HEIGHT = 200, LEFT = 74, RIGHT = 12, TOP = 12, BOTTOM = 26;
const POINTS = 600; // the most points kept; above that every second one is dropped

// names: one per line. Line i has the class `line-i`.
export function plot(label, names) {
    const picture = svg('svg', {class: 'plot', height: HEIGHT, role: 'img', 'data-say-label': label});
    let points = []; // {at, values}, oldest first
    return {
        element: picture,
        add(values) {
            points.push({at: Date.now(), values});
            if (points.length > POINTS) points = points.filter((_, i) => i % 2 === 0 || i === points.length - 1);
            draw(picture, points, names.length);
        },
    };
}

// One unit is one pixel, so that text keeps its size at any width.
function draw(picture, points, lines) {
    const width = picture.clientWidth;
    const first = points[0].at, span = Math.max(points.at(-1).at - first, 1);
    const most = round(Math.max(1, ...points.flatMap(({values}) => values)));
    const x = (at) => LEFT + (at - first) / span * (width - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM);
    picture.replaceChildren(
        ...[0, 0.5, 1].map((part) => rule(width, y(most * part), most * part)),
        words('axis', LEFT, HEIGHT - 6, 'start', seconds(0)),
        words('axis', width - RIGHT, HEIGHT - 6, 'end', seconds(span)),
        ...Array.from({length: lines}, (_, i) => line(i, points, x, y)));
}

// Rounds up to 1, 2 or 5 times a power of ten.
function round(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 5, 10].find((step) => step * power >= value);
}

function rule(width, y, value) {
    return svg('g', {},
        svg('line', {class: 'rule', x1: LEFT, y1: y, x2: width - RIGHT, y2: y}),
        words('axis', LEFT - 8, y + 4, 'end', bytes(value)));
}

function line(i, points, x, y) {
    const path = points.map(({at, values}) => `${x(at).toFixed(1)},${y(values[i]).toFixed(1)}`);
    return svg('polyline', {class: `line-${i}`, points: path.join(' ')});
}

function words(kind, x, y, anchor, text) {
    return svg('text', {class: kind, x, y, 'text-anchor': anchor}, text);
}
