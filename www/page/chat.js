// The chat: a log and a form. The page passes in how to send: chat({send}).
import {element} from './element.js';
import {clock, remember, remembered, say} from './language.js';

const LINES = 200; // lines in the log; older ones are dropped
const LONGEST = 2000; // characters shown of one line

export function chat({send}) {
    const log = element('ol', {id: 'chat-log'});
    const empty = element('p', {class: 'log-empty', 'data-say': 'chat.empty'});
    const box = element('div', {class: 'log', role: 'log', tabindex: 0, 'data-say-label': 'chat.log'}, empty, log);
    const trouble = element('p', {class: 'trouble', role: 'status'});
    const panel = element('section', {class: 'panel chat'},
        element('h2', {'data-say': 'chat.title'}),
        box,
        form((text, nick) => post(send, text, nick, trouble)),
        trouble);
    return {
        element: panel,
        show(message) {
            empty.hidden = true;
            append(box, log, message.gap ? element('li', {class: 'note', 'data-say': 'chat.gap'}) : line(message));
        },
        refused: (why) => trouble.replaceChildren(...unsent(why)),
    };
}

function form(submit) {
    const nick = element('input', {id: 'chat-nick', name: 'nick', maxlength: 40, autocomplete: 'nickname', value: remembered('nick') ?? ''});
    const text = element('input', {id: 'chat-text', name: 'text', maxlength: 1000, autocomplete: 'off', 'data-say-placeholder': 'chat.placeholder'});
    let under = ''; // the line being sent, so that a second Enter doesn't send it twice
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

// Sends a line. If that fails, the line stays in the field and the page says why.
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

// The server's reason is in English. An empty one means that the server wasn't reached.
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

// Scrolls to the new line, unless the reader has scrolled back.
function append(box, log, item) {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    log.append(item);
    while (log.children.length > LINES) log.firstElementChild.remove();
    if (atEnd) box.scrollTop = box.scrollHeight;
}

// Anyone may publish any JSON to a topic. All of it is shown as text.
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
