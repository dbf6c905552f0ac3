// The table of the server's threads, by current role. A thread's name tells its role, so the desk needs only the names.
import {element} from '../page/element.js';
import {milliseconds, number, say, seconds} from '../page/language.js';

// What a thread with this name is doing.
const DOES = {
    'long-poll': 'desk.does.long-poll',
    xhr: 'desk.does.xhr',
    frame: 'desk.does.frame',
    multipart: 'desk.does.multipart',
    jsonp: 'desk.does.jsonp',
    'event-source': 'desk.does.event-source',
    websocket: 'desk.does.websocket',
    echo: 'desk.does.echo',
    idle: 'desk.does.idle',
    conn: 'desk.does.conn',
    polling: 'desk.does.polling',
    publish: 'desk.does.publish',
    site: 'desk.does.site',
    source: 'desk.does.site',
    'policy-file': 'desk.does.policy-file',
    accept: 'desk.does.accept',
    doorbell: 'desk.does.doorbell',
    baseball: 'desk.does.baseball',
    desk: 'desk.does.desk',
    'ctrl-c': 'desk.does.ctrl-c',
    comet: 'desk.does.comet',
};

export function threadTable(ask) {
    const state = {count: null, heardAt: 0, asking: false};
    const body = element('tbody'), note = element('p', {class: 'note', id: 'threads-note'});
    const show = () => { note.textContent = state.count ? age(state) : ''; };
    document.addEventListener('language', show);
    return {
        show,
        element: element('section', {class: 'panel', id: 'threads'},
            element('h2', {'data-say': 'desk.table'}),
            element('p', {class: 'note', 'data-say': 'desk.table.note'}),
            table(body), note),
        async refresh() {
            if (state.asking || (state.count && ageOf(state) < state.count.every_ms)) return;
            state.asking = true;
            const count = await ask('/threads').catch(() => null); // the plots report a missing response
            state.asking = false;
            if (!count) return;
            Object.assign(state, {count, heardAt: performance.now()});
            fillIn(body, count.roles);
            show();
        },
    };
}

function ageOf({count, heardAt}) {
    return count.age_ms + performance.now() - heardAt;
}

function age(state) {
    const {threads, took_us: took, every_ms: every} = state.count;
    const values = {n: number(threads), age: seconds(ageOf(state)), took: milliseconds(Math.ceil(took / 1000)), every: seconds(every)};
    return say('desk.table.age', values);
}

function table(body) {
    return element('table', {class: 'threads', 'data-say-label': 'desk.table'},
        element('thead', {}, element('tr', {},
            element('th', {scope: 'col', class: 'count', 'data-say': 'desk.table.count'}),
            element('th', {scope: 'col', 'data-say': 'desk.table.name'}),
            element('th', {scope: 'col', 'data-say': 'desk.table.does'}))),
        body);
}

// Keeps the row elements of roles that stay, so that a text selection in them survives.
function fillIn(body, roles) {
    const rows = new Map([...body.rows].map((row) => [row.dataset.role, row]));
    const wanted = roles.map(({role, threads}) => {
        const row = rows.get(role) ?? newRow(role);
        row.cells[0].textContent = number(threads);
        return row;
    });
    if (wanted.some((row, i) => body.rows[i] !== row) || body.rows.length !== wanted.length) body.replaceChildren(...wanted);
}

function newRow(role) {
    return element('tr', {'data-role': role},
        element('td', {class: 'count'}),
        element('th', {scope: 'row'}, element('code', {}, role)),
        element('td', {'data-say': DOES[role] ?? 'desk.does.other'}));
}
