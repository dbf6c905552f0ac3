// The pages' texts, in the reader's language. strings.json has them all: {"key": {"en": "…", "ko": "…"}}.
// An element names its key in the attribute data-say; a script calls say(key).

const strings = await (await fetch(new URL('strings.json', import.meta.url))).json();
export const languages = ['en', 'ko'];
let now = [asked(), remembered('language')].find((code) => languages.includes(code)) ?? preferred();
if (asked() === now) remember('language', now);

// ?language=ko comes with a link from a page in that language.
function asked() {
    return new URLSearchParams(location.search).get('language');
}

function preferred() {
    return navigator.language.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

export function language() {
    return now;
}

// Returns the string of a key, with {name} replaced by values.name.
// A missing key shows as itself: ugly on purpose, so that somebody notices.
export function say(key, values = {}) {
    const text = strings[key]?.[now] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function setLanguage(code) {
    now = languages.includes(code) ? code : 'en';
    remember('language', now);
    show();
}

// A script that calls say() listens for this event, and calls say() again.
function show() {
    document.documentElement.lang = now;
    translate(document.body);
    document.dispatchEvent(new Event('language'));
}

// Fills in every element with a key: root and all below it.
export function translate(root) {
    for (const node of withAttribute(root, 'data-say')) fill(node, say(node.dataset.say));
    for (const [attribute, key] of [['aria-label', 'sayLabel'], ['placeholder', 'sayPlaceholder'], ['title', 'sayTitle']]) {
        for (const node of withAttribute(root, 'data-' + key.replace(/[A-Z]/, (c) => '-' + c.toLowerCase()))) {
            node.setAttribute(attribute, say(node.dataset[key]));
        }
    }
}

function withAttribute(root, name) {
    const inside = [...root.querySelectorAll(`[${name}]`)];
    return root.hasAttribute?.(name) ? [root, ...inside] : inside;
}

// Sets the text of node. `Backticks` in it mark code.
export function fill(node, text) {
    node.replaceChildren(...text.split('`').map((part, i) => {
        if (i % 2 === 0) return part;
        const code = document.createElement('code');
        code.textContent = part;
        return code;
    }));
}

// Picks the language from a text of an event, {en, ko}. Any other value is returned as it is.
export function pick(text) {
    const words = text?.[now] ?? text?.en ?? text;
    return typeof words === 'string' ? words : '';
}

export function number(n, digits = 0) {
    return n.toLocaleString(now, {minimumFractionDigits: digits, maximumFractionDigits: digits});
}

export function bytes(n) {
    if (n < 1000) return say('unit.bytes', {n: number(n)});
    if (n < 1e6) return say('unit.kilobytes', {n: number(n / 1e3, 1)});
    return say('unit.megabytes', {n: number(n / 1e6, 1)});
}

export function milliseconds(n) {
    return n < 10000 ? say('unit.ms', {n: number(n)}) : seconds(n);
}

export function seconds(ms) {
    return say('unit.s', {n: number(ms / 1000, ms < 10000 ? 1 : 0)});
}

// The time of day, for a log.
export function clock(at) {
    return new Date(at).toLocaleTimeString(now, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
}

// localStorage throws where the browser forbids it. Then nothing is remembered.
export function remembered(name) {
    try { return localStorage.getItem('comet.' + name); } catch { return null; }
}

export function remember(name, value) {
    try { localStorage.setItem('comet.' + name, value); } catch { /* not remembered */ }
}

document.documentElement.lang = now;
