// Why something was lost: the scripts give their reasons in a word or two of English, and here they are in the reader's
// language.
import {say} from './language.js';

const REASONS = [
    [/^status (\d+)/, (n) => say('comet.why.status', {n})],
    [/^closed \((\d+)\)/, (n) => say('comet.why.closed', {n})],
    [/^silent for ([\d.]+) s/, (n) => say('comet.why.silent', {n})],
    [/^this browser has no (\w+)/, (name) => say('comet.why.missing', {name})],
    [/^once more in a second/, () => say('comet.why.again')],
    [/^once more in ([\d.]+) s/, (n) => say('comet.why.later', {n})],
    [/^no transport works/, () => say('comet.why.none')],
    [/^no connection/, () => say('comet.why.connection')],
    [/^the server ended it|^the stream ended/, () => say('comet.why.ended')],
    [/^it ended before|^unexpected/, () => say('comet.why.nonsense')],
    [/called nobody$/, () => say('comet.why.nobody')],
    [/^the script failed/, () => say('comet.why.script')],
    [/^no heartbeat/, () => say('comet.why.heartbeat')],
    [/^no answer/, () => say('comet.why.answer')],
    [/^the browser gave up/, () => say('comet.why.gaveup')],
    [/own origin/, () => say('comet.why.origin')],
    [/^its script could not be loaded/, () => say('comet.why.reload')],
];

export function reason(why) {
    return why.split('; ').map((part) => {
        const [pattern, words] = REASONS.find(([one]) => one.test(part)) ?? [/(.*)/, (it) => it];
        return words(...pattern.exec(part).slice(1));
    }).join('; ');
}
