// The scoreboard of the ball game. Each play carries the whole state of the game, so show() always draws all of it and
// missed plays don't matter.
// It has four parts. Each is {element, draw(data, words)}, where `words` gives the texts in the current language.
import {element} from './element.js';
import {language as languageNow, say as sayNow} from './language.js';
import {svg} from './svg.js';

const INNINGS = 9; // columns at the start; each extra inning adds one
const LINES = 6; // lines of commentary, including the newest

// Shown until the first play arrives.
const nothing = {en: '–', ko: '–'};
const nobody = {name: nothing, line: [], runs: '', hits: '', errors: ''};
const BLANK = {away: nobody, home: nobody, balls: 0, strikes: 0, outs: 0, bases: [false, false, false], batter: nothing, pitcher: nothing};

// scoreboard(container) draws an empty board; show(data) draws a play. The board's own texts come from say(key, values).
// The plays carry theirs in both languages; `language` ('en' or 'ko') picks one. Both default to the page's.
export function scoreboard(container, say = sayNow) {
    const parts = [heading(), lineScore(), situation(), commentary()];
    container.append(element('section', {class: 'board'}, parts.map((part) => part.element)));
    let last = BLANK;
    const draw = (data, language) => {
        last = data;
        const words = {say, pick: (text) => text?.[language] ?? ''};
        for (const part of parts) part.draw(data, words);
    };
    document.addEventListener('language', () => draw(last, languageNow()));
    draw(BLANK, languageNow());
    return {show: (data, language = languageNow()) => draw(data, language)};
}

function heading() {
    const title = element('h2', {class: 'board-title'});
    const inning = element('p', {class: 'board-inning'});
    return {
        element: element('div', {class: 'board-heading'}, title, inning),
        draw(data, {say}) {
            put(title, say('scoreboard.title'));
            put(inning, data === BLANK ? '' : `${say('scoreboard.game', {n: data.game})} · ${when(data, say)}`);
        },
    };
}

function when({final, half, inning}, say) {
    if (final) return say('scoreboard.final');
    return half === 'top' ? say('scoreboard.top', {n: inning}) : say('scoreboard.bottom', {n: inning});
}

// The line score: a row per team, a column per inning, then runs, hits and errors.
function lineScore() {
    const caption = element('caption', {class: 'visually-hidden'});
    const team = element('th', {scope: 'col'});
    const totals = ['R', 'H', 'E'].map((letter) => element('th', {scope: 'col', class: 'board-total'}, letter));
    const head = element('tr', {}, team, totals);
    const sides = [sideRow('away', 'top'), sideRow('home', 'bottom')];
    const rows = [head, ...sides.map((side) => side.element)];
    const scroller = element('div', {class: 'board-scroll'},
        element('table', {class: 'board-line'}, caption, element('thead', {}, head), element('tbody', {}, rows.slice(1))));
    return {
        element: scroller,
        draw(data, words) {
            put(caption, words.say('scoreboard.caption'));
            put(team, words.say('scoreboard.team'));
            label(totals[0], words.say('scoreboard.runs'));
            label(totals[1], words.say('scoreboard.hits'));
            label(totals[2], words.say('scoreboard.errors'));
            const before = head.cells.length;
            fit(rows, Math.max(INNINGS, data.inning ?? 0));
            for (const side of sides) side.draw(data, words);
            scrollable(scroller, words.say('scoreboard.caption'));
            if (data.inning > INNINGS && head.cells.length > before) scroller.scrollLeft = scroller.scrollWidth;
        },
    };
}

// The cell shows a letter; screen readers and the tooltip get the word.
function label(cell, text) {
    cell.setAttribute('aria-label', text);
    cell.title = text;
}

// Adds or removes columns before the totals, until there is one per inning.
function fit(rows, innings) {
    for (const row of rows) {
        while (row.cells.length < innings + 4) {
            const number = row.cells.length - 3;
            const cell = row === rows[0] ? element('th', {scope: 'col'}, String(number)) : element('td');
            row.cells[number - 1].after(cell);
        }
        while (row.cells.length > innings + 4) row.deleteCell(row.cells.length - 4);
    }
}

// A table that is too wide can be scrolled, also by keyboard.
function scrollable(scroller, name) {
    const wide = scroller.scrollWidth > scroller.clientWidth;
    for (const [attribute, value] of [['tabindex', 0], ['role', 'region'], ['aria-label', name]]) {
        if (wide) scroller.setAttribute(attribute, value);
        else scroller.removeAttribute(attribute);
    }
}

function sideRow(side, half) {
    const name = element('th', {scope: 'row'});
    const totals = ['runs', 'hits', 'errors'].map((total) => [total, element('td', {class: 'board-total'})]);
    const row = element('tr', {}, name, totals.map(([, cell]) => cell));
    return {
        element: row,
        draw(data, {pick}) {
            const {line} = data[side];
            const atBat = data.half === half && !data.final;
            put(name, pick(data[side].name));
            row.classList.toggle('board-at-bat', atBat);
            [...row.cells].slice(1, -3).forEach((cell, i) => {
                put(cell, line[i] ?? (data.final && i < data.inning ? '×' : '')); // × for a half inning that was not played
                cell.classList.toggle('board-now', atBat && i === data.inning - 1);
            });
            for (const [total, cell] of totals) put(cell, data[side][total]);
        },
    };
}

// The runners, the count, the batter and the pitcher.
function situation() {
    const diamond = bases();
    const counts = [lamps('B', 'balls', 3), lamps('S', 'strikes', 2), lamps('O', 'outs', 3)];
    const people = [person(), person()];
    return {
        element: element('div', {class: 'board-situation'},
            diamond.element,
            element('div', {class: 'board-counts'}, counts.map((count) => count.element)),
            element('dl', {class: 'board-people'}, people.map((one) => one.element))),
        draw(data, words) {
            diamond.draw(data, words);
            const names = [words.say('scoreboard.balls'), words.say('scoreboard.strikes'), words.say('scoreboard.outs')];
            counts.forEach((count, i) => count.draw(data, names[i]));
            people[0].draw(words.say('scoreboard.batter'), words.pick(data.batter));
            people[1].draw(words.say('scoreboard.pitcher'), words.pick(data.pitcher));
        },
    };
}

// Second base is at the top, first at the right, home at the bottom.
function bases() {
    const path = svg('path', {class: 'board-path', d: 'M60 88 L96 52 L60 16 L24 52 Z'});
    const home = svg('path', {class: 'board-home', d: 'M52 80 H68 V88 L60 96 L52 88 Z'});
    const places = [[96, 52], [60, 16], [24, 52]].map(([x, y]) =>
        svg('rect', {class: 'board-base', x: x - 10, y: y - 10, width: 20, height: 20, transform: `rotate(45 ${x} ${y})`}));
    const picture = svg('svg', {class: 'board-diamond', viewBox: '4 0 112 100', role: 'img'}, path, home, ...places);
    return {
        element: picture,
        draw(data, {say}) {
            places.forEach((place, i) => place.classList.toggle('board-taken', data.bases[i]));
            const names = [say('scoreboard.first'), say('scoreboard.second'), say('scoreboard.third')];
            const taken = names.filter((name, i) => data.bases[i]).join(', ');
            picture.setAttribute('aria-label', taken ? say('scoreboard.runners', {bases: taken}) : say('scoreboard.empty'));
        },
    };
}

// To a screen reader a row of lamps is one picture: "Balls: 2".
function lamps(letter, what, most) {
    const all = Array.from({length: most}, () => element('span', {class: `board-lamp board-${what}`}));
    const row = element('p', {role: 'img'}, element('span', {class: 'board-letter'}, letter), all);
    return {
        element: row,
        draw(data, name) {
            all.forEach((lamp, i) => lamp.classList.toggle('board-lit', i < data[what]));
            row.setAttribute('aria-label', `${name}: ${data[what]}`);
        },
    };
}

function person() {
    const role = element('dt');
    const name = element('dd');
    return {
        element: element('div', {}, role, name),
        draw(what, who) { put(role, what); put(name, who); },
    };
}

// The newest line is announced by screen readers; the older ones stay below it.
function commentary() {
    const newest = element('p', {class: 'board-newest', 'aria-live': 'polite'});
    const before = element('ol', {class: 'board-before'});
    const told = [];
    return {
        element: element('div', {class: 'board-commentary'}, newest, before),
        draw(data, {say, pick}) {
            if (data !== BLANK && data !== told[0]) told.unshift(data); // the same play again: only the language has changed
            told.splice(LINES);
            put(newest, told.length ? pick(told[0].text) : say('scoreboard.waiting'));
            before.setAttribute('aria-label', say('scoreboard.before'));
            before.replaceChildren(...told.slice(1).map((play) => element('li', {}, pick(play.text))));
        },
    };
}

function put(node, text) {
    node.textContent = text;
}
