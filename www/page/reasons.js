// Translates the reasons for a lost connection. The techniques' scripts give them in short English.
import {say} from './language.js';

const REASONS = [
    [/^status (\d+)/, (n) => say('comet.why.status', {n})],
    [/^closed \((\d+)\)/, (n) => say('comet.why.closed', {n})],
    [/^silent for ([\d.]+) s/, (n) => say('comet.why.silent', {n})],
    [/^this browser has no (\w+)/, (name) => say('comet.why.missing', {name})],
    [/^retrying in a second/, () => say('comet.why.again')],
    [/^starting over in ([\d.]+) s/, (n) => say('comet.why.later', {n})],
    [/^no transport works/, () => say('comet.why.none')],
    [/^no connection/, () => say('comet.why.connection')],
    [/^the server ended|^the stream ended/, () => say('comet.why.ended')],
    [/^ended without|^unexpected/, () => say('comet.why.nonsense')],
    [/made no call$/, () => say('comet.why.nobody')],
    [/^the script failed/, () => say('comet.why.script')],
    [/^no heartbeat/, () => say('comet.why.heartbeat')],
    [/^no answer/, () => say('comet.why.answer')],
    [/^the browser gave up/, () => say('comet.why.gaveup')],
    [/another origin/, () => say('comet.why.origin')],
    [/^its script could not be loaded/, () => say('comet.why.reload')],
];

export function reason(why) {
    return why.split('; ').map((part) => {
        const [pattern, words] = REASONS.find(([one]) => one.test(part)) ?? [/(.*)/, (it) => it];
        return words(...pattern.exec(part).slice(1));
    }).join('; ');
}
