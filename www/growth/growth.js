// The page on endless responses: shows how they grow in the browser. It publishes events only when the reader starts it.
import {element} from '../page/element.js';
import {headerAndFooter} from '../page/header.js';
import {plot} from './plot.js';
import {report} from './report.js';
import {heap, watchedStream} from './stream.js';
import {bytes, number, say} from '../page/language.js';
import {sources} from '../page/sources.js';

const LANES = [
    {name: 'xhr_streaming', limit: null, words: element('span', {'data-say': 'growth.without'})},
    {name: 'xhr_streaming', limit: undefined, words: element('span', {'data-say': 'growth.with'})},
    {name: 'forever_frame', limit: null, words: element('span', {'data-say': 'growth.frame'})},
    {name: 'event_source', limit: null, words: element('span', {'data-say': 'growth.source'})},
];
const LOOK = 250; // ms between two measurements
const PACE = 10; // ms between two events of a run, at least
const SIZE = 4096; // bytes per event
const ENOUGH = 64e6; // bytes at which a run stops

await headerAndFooter('growth');
const asked = new URLSearchParams(location.search);
const main = document.getElementById('main');
main.append(explanation());
if (asked.has('report')) {
    main.append(element('p', {class: 'panel', 'data-say': 'growth.reporting'}));
    report(asked);
} else {
    main.append(...experiment(`growth-${Math.random().toString(36).slice(2, 10)}`));
}

function explanation() {
    return element('div', {class: 'prose title'},
        element('h1', {'data-say': 'growth.title'}),
        element('p', {class: 'lead', 'data-say': 'growth.lead'}),
        element('p', {'data-say': 'growth.what'}),
        element('p', {class: 'aside'}, element('strong', {'data-say': 'page.try'}), ' ', element('span', {'data-say': 'growth.try'})));
}

function experiment(topic) {
    const lanes = LANES.map((lane) => laneCard(lane, topic));
    const lengths = plot('growth.plot.length', lanes.slice(0, 2).map(({name}) => name));
    const memory = plot('growth.plot.heap', ['heap']);
    const run = events(topic);
    const look = () => {
        lengths.add(lanes.map((lane) => lane.show()).slice(0, 2).map((length) => length ?? 0));
        if (heap() !== null) memory.add([heap()]);
        run.show();
    };
    setInterval(look, LOOK);
    document.addEventListener('language', look);
    window.addEventListener('pagehide', () => lanes.forEach((lane) => lane.close()));
    window.addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
    return [
        element('section', {class: 'panel'}, element('h2', {'data-say': 'growth.run'}), run.element, command(topic)),
        element('section', {class: 'panel'},
            element('h2', {'data-say': 'growth.lanes'}),
            element('div', {class: 'growth'}, lanes.map((lane) => lane.element)),
            element('div', {class: 'plots'},
                figure(lengths, element('figcaption', {'data-say': 'growth.plot.length'})),
                heap() === null ? element('p', {class: 'note', 'data-say': 'growth.noheap'})
                    : figure(memory, element('figcaption', {'data-say': 'growth.plot.heap'}))),
            element('p', {class: 'note', 'data-say': 'growth.note'})),
        sources([
            {title: 'www/techniques/xhr_streaming.js', url: '/techniques/xhr_streaming.js', language: 'js', heading: element('span', {'data-say': 'source.client'})},
            {title: 'src/techniques/xhr_streaming.rs', url: '/source/techniques/xhr_streaming.rs', language: 'rust', heading: element('span', {'data-say': 'source.server'})},
        ]),
    ];
}

function figure(drawing, caption) {
    return element('figure', {}, caption, drawing.element);
}

function command(topic) {
    const line = `curl -d hello '${location.origin}/publish?topic=${topic}'`;
    return element('p', {class: 'note'}, element('span', {'data-say': 'growth.command'}), ' ', element('code', {}, line));
}

// One stream and its counts.
function laneCard({name, limit, words}, topic) {
    const stream = watchedStream(name, {topic, limit});
    const rows = [
        {term: element('dt', {'data-say': 'growth.length'}), count: 'length', show: (n) => (n === null ? '–' : bytes(n))},
        {term: element('dt', {'data-say': 'growth.longest'}), count: 'longest', show: (n) => (n ? bytes(n) : '–')},
        {term: element('dt', {'data-say': 'growth.received'}), count: 'bytes', show: bytes},
        {term: element('dt', {'data-say': 'growth.events'}), count: 'events', show: number},
        {term: element('dt', {'data-say': 'growth.requests'}), count: 'requests', show: number},
        {term: element('dt', {'data-say': 'growth.missed'}), count: 'missed', show: number},
    ].map((row) => ({...row, value: element('dd', {'data-count': row.count})}));
    const show = () => {
        const counts = stream.look();
        for (const {value, count, show: said} of rows) {
            value.dataset.value = counts[count] ?? '';
            value.textContent = said(counts[count]);
        }
        return counts.length;
    };
    const id = `lane-${LANES.findIndex((lane) => lane.words === words)}`;
    const heading = element('h3', {id}, words);
    const list = element('dl', {class: 'counts'}, rows.map(({term, value}) => element('div', {}, term, value)));
    return {name, show, close: stream.close, element: element('section', {class: id, 'aria-labelledby': id}, heading, list)};
}

// The run: publishes events until the reader stops it, it has published enough, or the tab is hidden.
function events(topic) {
    const button = element('button', {class: 'button strong', type: 'button', id: 'run', click: () => (running ? stop() : start())});
    const state = element('span', {class: 'note', role: 'status'});
    const progress = element('span', {class: 'progress'});
    let running = null, sent = 0, refused = '';

    async function start() {
        const mine = running = {};
        sent = 0;
        refused = '';
        words();
        while (running === mine && sent < ENOUGH && !refused) {
            const pause = new Promise((done) => { setTimeout(done, PACE); });
            refused = await publish(topic).then(() => '', (error) => error.message || '?');
            if (!refused) sent += SIZE;
            await pause;
        }
        if (running === mine) stop();
    }

    function stop() {
        running = null;
        words();
    }

    function words() {
        button.textContent = running ? say('growth.stop') : say('growth.start');
        button.classList.toggle('strong', !running);
        state.textContent = running ? say('growth.running') : refused ? say('growth.refused') : sent >= ENOUGH ? say('growth.enough') : '';
    }

    words();
    document.addEventListener('language', words);
    document.addEventListener('visibilitychange', () => { if (document.hidden) stop(); });
    return {
        element: element('div', {class: 'run'}, button, progress, state),
        show() { progress.textContent = sent ? say('growth.sent', {bytes: bytes(sent), n: number(sent / SIZE)}) : ''; },
    };
}

async function publish(topic) {
    const answer = await fetch(`/publish?topic=${topic}`, {method: 'POST', body: JSON.stringify('x'.repeat(SIZE))});
    if (!answer.ok) throw new Error(String(answer.status));
}
