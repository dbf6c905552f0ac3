// The first page: what this is, the race, and the map of all techniques.
import {element} from './element.js';
import {frame} from './frame.js';
import {race} from './race.js';
import {sketch} from './sketch.js';
import {names} from './techniques.js';

await frame(null);
document.getElementById('main').append(
    element('div', {class: 'prose title'},
        element('h1', {'data-say': 'site.title'}),
        element('p', {class: 'lead', 'data-say': 'index.what'}),
        element('p', {'data-say': 'index.how'})),
    await race(),
    element('section', {class: 'map'},
        element('h2', {'data-say': 'index.map'}),
        element('p', {class: 'note', 'data-say': 'index.map.note'}),
        element('ol', {class: 'cards'}, names.map(card)),
        element('p', {class: 'note'}, element('a', {href: 'growth.html', 'data-say': 'index.growth'}))));

function card(name, i) {
    return element('li', {},
        element('a', {class: 'card', href: `${name}.html`},
            sketch(name),
            element('span', {class: 'card-title'},
                element('span', {class: 'chapter', 'aria-hidden': 'true'}, String(i + 1)),
                element('span', {'data-say': `${name}.title`})),
            element('span', {class: 'card-lead', 'data-say': `${name}.lead`})));
}
