// A small picture of each technique, in the style of the wire strip: server above, browser below, time to the right.
import {svg} from './svg.js';

// Times, as x in the picture. up: requests. down: events. empty: responses without events. held: [from, to]. lost: failures.
const SHAPES = {
    polling: {up: [6, 36, 66, 96], down: [40, 99], empty: [10, 70]},
    long_polling: {up: [6, 33, 58, 91], down: [29, 54, 87], held: [[6, 29], [33, 54], [58, 87], [91, 110]]},
    xhr_streaming: {up: [6], down: [29, 54, 64, 87], held: [[6, 110]]},
    forever_frame: {up: [6], down: [29, 54, 64, 87], held: [[6, 110]], frame: true},
    multipart_streaming: {up: [6], down: [29, 54, 64, 87], held: [[6, 110]], parts: [6, 29, 54, 64, 87]},
    jsonp_polling: {up: [6, 33, 58, 91], down: [29, 54, 87], held: [[6, 29], [33, 54], [58, 87], [91, 110]], dashed: true},
    event_source: {up: [6, 72], down: [29, 54, 87, 98], held: [[6, 64], [72, 110]], lost: [64]},
    websocket: {up: [6, 40, 74, 80], down: [29, 54, 64, 96], held: [[6, 110]], both: true},
    comet: {up: [6, 26, 46], down: [62, 74, 94], held: [[46, 110]], lost: [14, 34]},
    desk: {climb: [[4, 36], [24, 33], [40, 26], [58, 25], [76, 15], [92, 13], [108, 7]]},
};
const SERVER = 9, BROWSER = 37;

export function sketch(name) {
    const shape = SHAPES[name];
    if (shape.climb) return plotted(shape.climb);
    const every = (list, draw) => (list ?? []).flatMap(draw);
    return svg('svg', {class: 'sketch', viewBox: '0 0 110 46', 'aria-hidden': 'true'},
        line('rail', 0, SERVER, 110, SERVER), line('rail', 0, BROWSER, 110, BROWSER),
        shape.frame ? svg('rect', {class: 'frame', x: 3, y: 31, width: 104, height: 12}) : '',
        ...every(shape.held, ([from, to]) => line('held', from, SERVER, to, SERVER)),
        ...every(shape.both && shape.held, ([from, to]) => line('held', from, BROWSER, to, BROWSER)),
        ...every(shape.up, (x) => arrow(shape.dashed ? 'up dashed' : 'up', x, BROWSER, SERVER + 2)),
        ...every(shape.empty, (x) => arrow('empty', x, SERVER, BROWSER)),
        ...every(shape.down, (x) => arrow('down', x, SERVER, BROWSER)),
        ...every(shape.parts, (x) => line('part', x + 2, SERVER - 5, x + 2, SERVER + 5)),
        ...every(shape.lost, (x) => [line('lost', x - 3, SERVER - 3, x + 3, SERVER + 3), line('lost', x - 3, SERVER + 3, x + 3, SERVER - 3)]));
}

// The desk's picture is a plot.
function plotted(points) {
    return svg('svg', {class: 'sketch', viewBox: '0 0 110 46', 'aria-hidden': 'true'},
        line('rail', 0, SERVER - 6, 0, BROWSER + 3), line('rail', 0, BROWSER + 3, 110, BROWSER + 3), svg('path', {class: 'down', d: 'M' + points.join('L')}));
}

function line(kind, x1, y1, x2, y2) {
    return svg('line', {class: kind, x1, y1, x2, y2});
}

function arrow(kind, x, from, to) {
    const back = to + Math.sign(from - to) * 5;
    return svg('path', {class: kind, d: `M${x} ${from} V${to} M${x - 2.5} ${back} L${x} ${to} L${x + 2.5} ${back}`});
}
