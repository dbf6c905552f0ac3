// The page of one technique, named in <body data-technique="…">.
import {element, page} from './page.js';
import {milliseconds, seconds} from './language.js';
import {connect} from './techniques.js';

const name = document.body.dataset.technique;
const controls = name === 'polling' ? pollingControls() : null;

const opened = page({
    name,
    panel: controls?.element,
    interval: controls?.interval,
    connect: (topic, callback, tell, since) =>
        connect(name, {topic, since, callback, tell, options: controls ?? {}, ...controls?.network()}),
});

// Only polling has settings: the interval, whether it waits for the response, and how slow the network is.
function pollingControls() {
    const often = slider({min: 0.5, max: 10, step: 0.05, value: 5});
    const slow = slider({min: 0, max: 5, step: 0.25, value: 0});
    const impatient = element('input', {type: 'checkbox', id: 'impatient', change: () => { often.range(impatient.checked ? 0.05 : 0.5); }});
    const reconnect = async () => (await opened).reconnect();
    slow.input.addEventListener('change', reconnect); // the network is part of the URL
    often.input.addEventListener('change', reconnect); // the current interval may be a long one
    often.input.id = 'interval';
    slow.input.id = 'slow';
    return {
        interval: () => often.input.value * 1000,
        impatient: () => impatient.checked,
        network: () => (slow.input.value > 0 ? {path: '/slow-polling', extra: {delay: slow.input.value * 1000}} : {}),
        element: element('section', {class: 'panel'},
            element('h2', {'data-say': 'polling.controls'}),
            element('div', {class: 'controls'},
                element('label', {class: 'control'}, element('span', {'data-say': 'polling.interval'}), often.input, often.output),
                element('label', {class: 'control'}, element('span', {'data-say': 'polling.slow'}), slow.input, slow.output),
                element('label', {class: 'check'}, impatient, ' ', element('span', {'data-say': 'polling.impatient'}))),
            element('p', {class: 'note', 'data-say': 'polling.note'})),
    };
}

function slider(attributes) {
    const output = element('output', {'aria-live': 'off'}); // the slider already announces its value
    const input = element('input', {type: 'range', ...attributes, input: show});
    function show() {
        output.textContent = input.value < 1 ? milliseconds(input.value * 1000) : seconds(input.value * 1000);
        input.setAttribute('aria-valuetext', output.textContent);
    }
    show();
    document.addEventListener('language', show);
    return {input, output, range: (min) => { input.min = min; show(); }};
}
