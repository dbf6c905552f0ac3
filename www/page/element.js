// Creates an element: element('p', {class: 'note'}, child, 'text', …).
// Text enters the page only as text nodes, so no data from the server can become markup.
import {translate} from './language.js';

export function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) put(node, name, value);
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    translate(node);
    return node;
}

function put(node, name, value) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
}
