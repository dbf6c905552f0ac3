// The header of every page, with the list of techniques and the language switch, and its footer.
import {element} from './element.js';
import {language, languages, say, setLanguage, translate} from './language.js';
import {names, origins} from './techniques.js';

// Adds both around <main>. home: the URL of the pages' server, if it isn't the one that served this page.
export async function headerAndFooter(name, home = '') {
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

// Sets the title. In a hidden tab it is all a reader sees, so it also says that the connection is lost.
export function entitle(name, lost = false) {
    const title = (name ? say(`${name}.title`) + ' · ' : '') + say('site.title');
    document.title = lost ? say('page.lost', {title}) : title;
}

// Adds the language to a link to another port. That is another origin, with its own localStorage.
function takeLanguageAlong({target}) {
    const link = target.closest?.('a');
    if (link && link.origin !== location.origin) link.search = `language=${language()}`;
}

function wordmark(home) {
    return element('a', {class: 'wordmark', href: home || '/'},
        element('img', {src: '/favicon.svg', alt: '', width: 28, height: 28}),
        element('span', {'data-say': 'site.title'}));
}

// Each language is listed by its own name, in either language.
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
    // On a narrow screen the list scrolls. Show the entry of this page.
    requestAnimationFrame(() => { list.scrollLeft = links[names.indexOf(current)]?.offsetLeft - 16; });
    return element('nav', {'data-say-label': 'page.techniques'}, list);
}

function footer(home, {desk}) {
    const start = home || '/';
    const row = [element('a', {href: start, 'data-say': 'page.home'}), element('a', {href: `${start}source/lib.rs`, 'data-say': 'page.source'})];
    if (desk) row.push(element('a', {href: desk, 'data-say': 'page.desk'}));
    return element('footer', {class: 'site'}, element('p', {'data-say': 'page.footer'}), element('p', {class: 'links'}, row));
}
