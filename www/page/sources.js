// A technique's two sources side by side, loaded from the server.
import {element} from './element.js';

const KEYWORDS = {
    js: 'async await break case catch class const continue default delete else export extends finally for from function '
        + 'if import in instanceof let new null of return static super switch this throw true false try typeof undefined var while',
    rust: 'as break const continue crate else enum false fn for if impl in let loop match mod move mut pub ref return self '
        + 'Self static struct super trait true type unsafe use where while dyn',
};

// Finds comments, strings and words; the rest stays plain. Good enough for reading; not a parser.
const TOKEN = {
    js: /(?<comment>\/\/.*|\/\*[^]*?\*\/)|(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|(?<word>[A-Za-z_$][\w$]*)/g,
    rust: /(?<comment>\/\/.*|\/\*[^]*?\*\/)|(?<string>b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\\n])')|(?<word>[A-Za-z_]\w*)/g,
};

export function sources(files) {
    return element('div', {class: 'sources'}, files.map(sourcePanel));
}

export function sourcesOf(name) {
    return [
        {title: `www/techniques/${name}.js`, url: `/techniques/${name}.js`, language: 'js', heading: element('span', {'data-say': 'source.client'})},
        {title: `src/techniques/${name}.rs`, url: `/source/techniques/${name}.rs`, language: 'rust', heading: element('span', {'data-say': 'source.server'})},
    ];
}

function sourcePanel({title, url, language, heading}) {
    const code = element('code');
    const pre = element('pre', {tabindex: 0, role: 'region', 'aria-label': title}, code);
    load(code, url, language);
    return element('figure', {class: 'source'},
        element('figcaption', {}, heading, ' ', element('a', {href: url, class: 'mono'}, title)),
        pre);
}

async function load(code, url, language) {
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok) return void code.replaceChildren(element('span', {'data-say': 'source.missing'}));
    code.replaceChildren(...lines(await answer.text(), language));
}

// One element per line: the style sheet numbers them, and the numbers are not copied with the text.
function lines(text, language) {
    const all = [[]];
    for (const {kind, words} of tokens(text, language)) {
        words.split('\n').forEach((piece, i) => {
            if (i > 0) all.push([]);
            if (piece) all.at(-1).push(kind ? element('span', {class: `code-${kind}`}, piece) : piece);
        });
    }
    if (all.at(-1).length === 0) all.pop();
    return all.map((pieces) => element('span', {class: 'line'}, ...pieces, '\n'));
}

function* tokens(text, language) {
    const keywords = new Set(KEYWORDS[language].split(' '));
    let done = 0;
    for (const match of text.matchAll(TOKEN[language])) {
        const {comment, string, word} = match.groups;
        const kind = comment ? 'comment' : string ? 'string' : keywords.has(word) ? 'keyword' : null;
        if (!kind) continue;
        yield {kind: null, words: text.slice(done, match.index)};
        yield {kind, words: match[0]};
        done = match.index + match[0].length;
    }
    yield {kind: null, words: text.slice(done)};
}
