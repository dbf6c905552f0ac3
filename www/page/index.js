// The first page: an introduction, the race, and a list of all pages.
import {element} from './element.js';
import {headerAndFooter} from './header.js';
import {race} from './race.js';
import {sketch} from './sketch.js';
import {names, origins} from './techniques.js';

await headerAndFooter(null);
const {desk} = await origins();
document.getElementById('main').append(
    element('div', {class: 'prose title'},
        element('h1', {'data-say': 'site.title'}),
        element('p', {class: 'lead', 'data-say': 'index.what'}),
        element('p', {'data-say': 'index.how'})),
    await race(),
    element('section', {class: 'map'},
        element('h2', {'data-say': 'index.map'}),
        element('p', {class: 'note', 'data-say': 'index.map.note'}),
        element('ol', {class: 'cards'}, names.map((name, i) => card(name, i + 1)), desk ? [card('desk', null, desk)] : []),
        element('p', {class: 'note'}, element('a', {href: 'growth.html', 'data-say': 'index.growth'}))));

// The desk has no chapter number. Its card is there only on the machine that the server runs on.
function card(name, chapter, href = `${name}.html`) {
    return element('li', {},
        element('a', {class: 'card', href},
            sketch(name),
            element('span', {class: 'card-title'},
                chapter && element('span', {class: 'chapter', 'aria-hidden': 'true'}, String(chapter)),
                element('span', {'data-say': `${name}.title`})),
            element('span', {class: 'card-lead', 'data-say': `${name}.lead`})));
}
