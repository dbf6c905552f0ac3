// The chat: a log and a form. Who sends, and how, is the page's business: chat({send}).
import {element} from './element.js';
import {clock, remember, remembered, say} from './language.js';

const LINES = 200; // older ones are dropped
const LONGEST = 2000; // characters of one line that are shown

export function chat({send}) {
    const log = element('ol', {id: 'chat-log'});
    const empty = element('p', {class: 'log-empty', 'data-say': 'chat.empty'});
    const frame = element('div', {class: 'log', role: 'log', tabindex: 0, 'data-say-label': 'chat.log'}, empty, log);
    const trouble = element('p', {class: 'trouble', role: 'status'});
    const panel = element('section', {class: 'panel chat'},
        element('h2', {'data-say': 'chat.title'}),
        frame,
        form((text, nick) => post(send, text, nick, trouble)),
        trouble);
    return {
        element: panel,
        show(message) {
            empty.hidden = true;
            append(frame, log, message.gap ? element('li', {class: 'note', 'data-say': 'chat.gap'}) : line(message));
        },
        refused: (why) => trouble.replaceChildren(...unsent(why)),
    };
}

function form(submit) {
    const nick = element('input', {id: 'chat-nick', name: 'nick', maxlength: 40, autocomplete: 'nickname', value: remembered('nick') ?? ''});
    const text = element('input', {id: 'chat-text', name: 'text', maxlength: 1000, autocomplete: 'off', 'data-say-placeholder': 'chat.placeholder'});
    let under = ''; // the line that is on its way: Enter once more does not send it twice
    const sendLine = async (event) => {
        event.preventDefault();
        remember('nick', nick.value.trim());
        const line = text.value.trim();
        if (!line || line === under) return;
        under = line;
        const sent = await submit(line, nick.value.trim());
        if (under === line) under = '';
        if (sent && text.value.trim() === line) text.value = '';
    };
    return element('form', {id: 'chat-form', submit: sendLine},
        element('label', {class: 'field nick'}, element('span', {'data-say': 'chat.nick'}), nick),
        element('label', {class: 'field'}, element('span', {'data-say': 'chat.text'}), text),
        element('button', {class: 'button strong', 'data-say': 'chat.send'}));
}

// A line that could not be sent stays in the field, and the page says why.
async function post(send, text, nick, trouble) {
    try {
        await send(text, nick || say('chat.nobody'));
        trouble.replaceChildren();
        return true;
    } catch (error) {
        trouble.replaceChildren(...unsent(error.message));
        return false;
    }
}

// The server's own words are English; without any, it wasn't reached.
function unsent(why) {
    if (!why) return [element('span', {'data-say': 'chat.unreached'})];
    return [element('span', {'data-say': 'chat.refused'}), ' ', element('q', {lang: 'en'}, why)];
}

function line({at, data}) {
    const {nick, text} = words(data);
    return element('li', {},
        nick ? element('bdi', {class: 'nick'}, nick) : null, nick ? ' ' : null,
        element('bdi', {class: 'text'}, text), ' ',
        time(at));
}

// Follows the newest line, unless the reader has scrolled back to read.
function append(frame, log, item) {
    const atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 30;
    log.append(item);
    while (log.children.length > LINES) log.firstElementChild.remove();
    if (atEnd) frame.scrollTop = frame.scrollHeight;
}

// Anyone may publish anything to a topic: whatever it is, it is shown as text.
function words(data) {
    const isLine = data !== null && typeof data === 'object' && typeof data.text === 'string';
    const text = isLine ? data.text : typeof data === 'string' ? data : JSON.stringify(data) ?? '';
    const nick = typeof data?.nick === 'string' ? data.nick : '';
    return {nick: nick.slice(0, 40), text: text.length > LONGEST ? text.slice(0, LONGEST) + '…' : text};
}

function time(at) {
    const when = new Date(at);
    if (Number.isNaN(when.getTime())) return '';
    return element('time', {datetime: when.toISOString()}, clock(when));
}
