// Draws the wire the way textbooks do: the server's line above, the browser's line below, time running to the right.
// A request goes up, an event comes down. While a request is held the server's line is thick: a thread sleeps there.
import {element} from './element.js';
import {say, seconds} from './language.js';

const LANE = 108; // px, height of a lane
const TOP = 36, BOTTOM = 84; // px, the server's and the browser's line in a lane
const AXIS = 22;
const still = matchMedia('(prefers-reduced-motion: reduce)');

export function picture(strip) {
    const canvas = element('canvas', {class: 'wire-picture', role: 'img', 'data-say-label': 'wire.picture'});
    canvas.style.height = strip.lanes.length * LANE + AXIS + 'px';
    let last = 0, colours = {};
    const frame = (now) => {
        requestAnimationFrame(frame);
        if (strip.paused) return;
        if (now - last < (still.matches ? 1000 : 33)) return; // 30 frames a second, or 1 with reduced motion
        if (now - (colours.at ?? -Infinity) > 500) colours = {...read(canvas), at: now};
        last = now;
        draw(canvas, strip, colours);
    };
    requestAnimationFrame(frame);
    return canvas;
}

// Reads the colours from the style sheet. Repeated now and then, as the reader may switch to dark.
function read(canvas) {
    const style = getComputedStyle(canvas);
    const names = ['text', 'muted', 'line', 'accent', 'down', 'lost', 'surface'];
    return {...Object.fromEntries(names.map((name) => [name, style.getPropertyValue('--' + name).trim()])), font: style.fontFamily};
}

function draw(canvas, strip, colours) {
    const pen = sharpPen(canvas);
    const {width} = canvas.getBoundingClientRect();
    const span = width < 500 ? 15_000 : 30_000;
    const now = Date.now();
    const view = {pen, colours, width, x: (at) => width - 10 - (now - at) / span * (width - 20), first: now - span * 1.05};
    pen.font = `12px ${colours.font}`;
    for (const hidden of strip.hidden) shade(view, hidden, strip.lanes.length * LANE);
    axis(view, now, span, strip.lanes.length * LANE);
    strip.lanes.forEach((lane, i) => {
        pen.save();
        pen.translate(0, i * LANE);
        drawLane(view, lane);
        pen.restore();
    });
}

// Gives the canvas as many pixels as the screen has; otherwise its lines blur.
function sharpPen(canvas) {
    const {width, height} = canvas.getBoundingClientRect();
    const scale = devicePixelRatio;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const pen = canvas.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
}

function drawLane(view, lane) {
    const {pen, colours, width} = view;
    for (const y of [TOP, BOTTOM]) stroke(view, [[0, y], [width, y]], colours.line);
    lane.levels.forEach((level, i) => under(view, level, lane.levels[i + 1]?.at ?? Date.now()));
    for (const mark of lane.marks) if (mark.at > view.first) MARK[mark.kind](view, view.x(mark.at));
    pen.textAlign = 'left';
    label(view, say(`topic.${lane.topic}`), 0, TOP - 20, colours.text);
    label(view, say('wire.server'), 0, TOP - 6, colours.muted);
    label(view, say('wire.browser'), 0, BOTTOM + 13, colours.muted);
}

// Draws the requests under way on the server's line: solid if a response has begun, an outline if not. The more
// requests, the higher the bar.
function under({pen, colours, x, first}, {at, flying, open}, until) {
    if (!flying || until < first) return;
    const left = Math.max(x(at), -5), height = Math.min(5 + flying, 14);
    const box = [left, TOP - height / 2, Math.max(1, x(until) - left), height];
    pen.globalAlpha = 0.7;
    pen.fillStyle = pen.strokeStyle = colours.accent;
    pen.lineWidth = 1;
    if (open) pen.fillRect(...box);
    else pen.strokeRect(...box);
    pen.globalAlpha = 1;
}

// Upward arrows are shifted 3 px to the right, because a response and the next request come at the same moment.
const MARK = {
    ask: (view, x) => arrow(view, x + 3, BOTTOM, TOP + 5, view.colours.accent),
    sent: (view, x) => arrow(view, x + 3, BOTTOM, TOP + 5, view.colours.accent, [3, 2]),
    event: (view, x) => { arrow(view, x, TOP, BOTTOM - 4, view.colours.down, [], 2); dot(view, x, BOTTOM, 3.5, view.colours.down, true); },
    empty: (view, x) => arrow(view, x, TOP, BOTTOM - 1, view.colours.muted, [2, 3]),
    late: (view, x) => { arrow(view, x, TOP, BOTTOM - 8, view.colours.lost, [2, 3]); cross(view, x, BOTTOM, view.colours.lost); },
    beat: (view, x) => dot(view, x, BOTTOM, 3, view.colours.muted, false),
    end: (view, x) => stroke(view, [[x, TOP - 9], [x, TOP + 9]], view.colours.text, [], 2),
    lost: (view, x) => { stroke(view, [[x, TOP], [x, BOTTOM]], view.colours.lost, [4, 4]); cross(view, x, TOP, view.colours.lost); },
};

function arrow(view, x, from, to, colour, dash = [], width = 1.25) {
    const back = Math.sign(from - to) * 6;
    stroke(view, [[x, from], [x, to]], colour, dash, width);
    stroke(view, [[x - 3, to + back], [x, to], [x + 3, to + back]], colour, [], width);
}

function cross(view, x, y, colour) {
    stroke(view, [[x - 4, y - 4], [x + 4, y + 4]], colour, [], 2);
    stroke(view, [[x - 4, y + 4], [x + 4, y - 4]], colour, [], 2);
}

function dot({pen, colours}, x, y, radius, colour, full) {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = full ? colour : colours.surface;
    pen.strokeStyle = colour;
    pen.lineWidth = 1.25;
    pen.fill();
    pen.stroke();
}

function stroke({pen}, points, colour, dash = [], width = 1) {
    pen.beginPath();
    points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.stroke();
    pen.setLineDash([]);
}

function label({pen, colours}, words, x, y, colour) {
    pen.lineWidth = 4;
    pen.strokeStyle = colours.surface; // a halo keeps the words readable over marks
    pen.strokeText(words, x, y);
    pen.fillStyle = colour;
    pen.fillText(words, x, y);
}

function axis(view, now, span, height) {
    const {pen, colours, x} = view;
    for (let ago = 0; ago <= span; ago += 5000) {
        const at = x(now - ago);
        stroke(view, [[at, 0], [at, height + 4]], colours.line, [1, 4]);
        pen.textAlign = ago === 0 ? 'right' : ago === span ? 'left' : 'center';
        label(view, ago === 0 ? say('wire.axis.now') : '−' + seconds(ago).replace(/[.,]0/, ''), at, height + 17, colours.muted);
    }
}

function shade({pen, colours, x}, {from, to}, height) {
    const right = Math.min(x(to), x(Date.now()));
    pen.fillStyle = colours.line;
    pen.globalAlpha = 0.5;
    pen.fillRect(x(from), 0, right - x(from), height);
    pen.globalAlpha = 1;
}
