// The parts that every technique's page has.
import {chat} from './chat.js';
import {element} from './element.js';
import {entitle, headerAndFooter} from './header.js';
import {say} from './language.js';
import {scoreboard} from './scoreboard.js';
import {sources, sourcesOf} from './sources.js';
import {names, technique} from './techniques.js';
import {wireStrip} from './wire.js';

export {element};

const TOPICS = ['baseball', 'chat'];
const BACKLOG = {baseball: '-1', chat: '-20'}; // the first `since`: the current score, and the last 20 lines

// Builds the page in <main>, and connects it to both topics.
export async function page({name, connect, panel = null, sources: files = sourcesOf(name), interval = null, counts = []}) {
    await headerAndFooter(name);
    const strip = wireStrip({topics: TOPICS, path: '/long-polling', interval, counts, ...technique(name)});
    const board = element('div', {id: 'scoreboard'});
    const talk = chat({send: (text, nick) => send(text, nick)});
    const main = document.getElementById('main');
    main.append(
        element('div', {class: 'opening'}, explanation(name), element('div', {class: 'live'}, board)),
        ...[panel].flat().filter(Boolean), strip.element, talk.element, sources(files));

    const shows = {baseball: scoreListener(scoreboard(board)), chat: talk.show};
    const lines = connections({connect, strip, shows, refused: talk.refused});
    const play = pauseButton(strip, lines);
    strip.element.querySelector('.wire-head').append(play.element);
    const send = (text, nick) => (lines.chat()?.send ? lines.chat().send(text, nick) : publish(text, nick, strip));
    setInterval(() => entitle(name, strip.lost()), 1000); // a hidden tab shows only its title
    await strip.weighed;
    play.start();
    whenLeft(lines, play);
    return {strip, reconnect: play.start};
}

function explanation(name) {
    const number = names.indexOf(name) + 1;
    return element('div', {class: 'prose'},
        element('h1', {}, element('span', {class: 'chapter', 'aria-hidden': 'true'}, String(number)), element('span', {'data-say': `${name}.title`})),
        element('p', {class: 'lead', 'data-say': `${name}.lead`}),
        element('p', {'data-say': `${name}.what`}),
        element('p', {class: 'aside'}, element('strong', {'data-say': 'page.try'}), ' ', element('span', {'data-say': `${name}.try`})));
}

function scoreListener(board) {
    return (message) => { if (!message.gap) board.show(message.data); };
}

// One connection per topic. When reopened, each continues after the last event it saw.
function connections({connect, strip, shows, refused}) {
    const since = {...BACKLOG};
    let lines = {}, round = 0;
    const receive = (topic) => (message) => {
        since[topic] = String(message.gap ? message.next : message.id);
        strip.deliver(topic, message);
        shows[topic](message);
    };
    const start = async (topic, mine) => {
        const alive = (listener) => (...heard) => { if (mine === round) listener(...heard); };
        const tell = strip.tell(topic);
        const line = await connect(topic, alive(receive(topic)), alive((what, detail) => {
            if (what === 'refused') refused(detail);
            tell(what, detail);
        }), since[topic]);
        if (mine === round) lines[topic] = line;
        else line.close();
    };
    const close = () => {
        round++;
        for (const topic of Object.keys(lines)) lines[topic].close();
        lines = {};
        TOPICS.forEach(strip.close);
    };
    const open = () => { close(); return Promise.all(TOPICS.map((topic) => start(topic, round))); };
    return {open, close, chat: () => lines.chat};
}

// The pause button: stops the picture, the score, and the announcements of a screen reader.
function pauseButton(strip, lines) {
    let paused = false;
    const state = element('span', {class: 'note'});
    const button = element('button', {class: 'button', id: 'pause', type: 'button', click: () => (paused ? start() : pause())});
    function start() {
        strip.pause(paused = false);
        lines.open();
        words();
    }
    function pause() {
        strip.pause(paused = true);
        lines.close();
        words();
    }
    function words() {
        button.textContent = paused ? say('race.resume') : say('race.pause');
        state.textContent = paused ? say('wire.paused') : '';
    }
    words();
    document.addEventListener('language', words);
    return {element: element('div', {class: 'switch'}, state, button), start, isPaused: () => paused};
}

// The browser may keep a page frozen for the Back button. Closing its connections frees them, of the six per port.
function whenLeft(lines, play) {
    window.addEventListener('pagehide', lines.close);
    window.addEventListener('pageshow', (e) => { if (e.persisted && !play.isPaused()) lines.open(); });
}

// A technique that only receives sends its chat lines by POST.
async function publish(text, nick, strip) {
    const body = JSON.stringify({nick, text});
    strip.posted('chat', new Blob([body]).size);
    const answer = await fetch('/publish?topic=chat', {method: 'POST', body}).catch(() => { throw new Error(''); });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? String(answer.status));
}
