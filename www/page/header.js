// The frame of every page: the header with the table of contents and the choice of language, and the footer.
import {element} from './element.js';
import {language, languages, say, setLanguage, translate} from './language.js';
import {names, origins} from './techniques.js';

// Header and footer, around whatever the page has in its <main>. home: where the pages are, if not where this one is.
export async function frame(name, home = '') {
    document.body.prepend(
        element('a', {class: 'skip', href: '#main', 'data-say': 'page.skip'}),
        element('header', {class: 'site'},
            element('div', {class: 'site-top'}, wordmark(home), languageSwitch()),
            navigation(name, home)));
    document.body.append(footer(home, await origins().catch(() => ({}))));
    translate(document.body);
    entitle(name);
    document.addEventListener('language', () => entitle(name));
    document.addEventListener('click', takeLanguageAlong);
}

// A hidden tab has only its title to say things with.
export function entitle(name, lost = false) {
    const title = (name ? say(`${name}.title`) + ' · ' : '') + say('site.title');
    document.title = lost ? say('page.lost', {title}) : title;
}

// Another port is another origin, which remembers nothing of this one.
function takeLanguageAlong({target}) {
    const link = target.closest?.('a');
    if (link && link.origin !== location.origin) link.search = `language=${language()}`;
}

function wordmark(home) {
    return element('a', {class: 'wordmark', href: home || '/'},
        element('img', {src: '/favicon.svg', alt: '', width: 28, height: 28}),
        element('span', {'data-say': 'site.title'}));
}

// Each language is called by its own name, whatever the language now.
function languageSwitch() {
    const own = {en: 'English', ko: '한국어'};
    const buttons = languages.map((code) => element('button', {lang: code, click: () => setLanguage(code)}, own[code]));
    const press = () => buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.lang === language())));
    press();
    document.addEventListener('language', press);
    return element('div', {class: 'languages', role: 'group', 'data-say-label': 'page.language'}, buttons);
}

function navigation(current, home) {
    const links = names.map((name) => element('li', {},
        element('a', {href: `${home}${name}.html`, 'aria-current': name === current ? 'page' : null, 'data-say': `${name}.title`})));
    const list = element('ol', {}, links);
    // On a narrow screen the list scrolls: the page we are on should be in sight.
    requestAnimationFrame(() => { list.scrollLeft = links[names.indexOf(current)]?.offsetLeft - 16; });
    return element('nav', {'data-say-label': 'page.techniques'}, list);
}

function footer(home, {desk}) {
    const start = home || '/';
    const row = [element('a', {href: start, 'data-say': 'page.home'}), element('a', {href: `${start}source/lib.rs`, 'data-say': 'page.source'})];
    if (desk) row.push(element('a', {href: desk, 'data-say': 'page.desk'}));
    return element('footer', {class: 'site'}, element('p', {'data-say': 'page.footer'}), element('p', {class: 'links'}, row));
}
