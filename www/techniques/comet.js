// Comet: one object with the interface of a WebSocket, over any transport that
// works. Like Socket.IO, it takes the first of a list that works. When a transport
// fails or stays silent, it takes the next, starting after the last id it saw. So
// no event is lost or repeated. It reports what it tried, and why.
//
//   const comet = new Comet('http://localhost:8080/?topic=chat&since=-20');
//   comet.onopen = () => comet.send('{"nick":"me","text":"hello"}');
//   comet.onmessage = (e) => JSON.parse(e.data);  // {id, topic, at, data} or {gap, next}
//   comet.onchoice = (e) => [e.transport, e.state, e.why];  // trying, chosen, failed
//   comet.onerror = (e) => e.message;             // no transport works, or a text was refused
//   comet.onclose = () => {};                     // only after close()
//
// The URL is the server's, not a transport's. Without `since` it starts with new
// events; with `since=-20`, with the last 20. It first asks the server for the id
// to start from, so that it has one before any transport opens. Like a WebSocket,
// send throws until it is open. Unlike a WebSocket, it reconnects: a lost
// connection is CONNECTING again, and `onopen` is called again.
//
// Options: `transports`, another list (it may include 'event-source'); `silence`,
// the ms within which a transport must show that it works; `paths`, {NAME: path}
// of the transports that have another path; `tell`, a callback that gets all
// reports of the transports' scripts.

import {eventSource} from './event_source.js';
import {foreverFrame} from './forever_frame.js';
import {jsonpPolling} from './jsonp_polling.js';
import {longPoll} from './long_polling.js';
import {multipartStreaming} from './multipart_streaming.js';
import {polling} from './polling.js';
import {Socket} from './websocket.js';
import {xhrStreaming} from './xhr_streaming.js';

export const TRANSPORTS = [
    'websocket', 'xhr-streaming', 'multipart-streaming', 'forever-frame',
    'jsonp-polling', 'long-polling', 'polling',
];

// needs: the object that the browser must have. sign: the report that shows that
// the transport works. For most it is 'bytes', of a heartbeat or a response: the
// head alone may come from a proxy that buffers the body. The first two show no
// heartbeats to a script, so 'open' has to do.
const TECHNIQUES = {
    'websocket': {start: webSocket, needs: 'WebSocket', sign: 'open'},
    'event-source': {start: eventSource, needs: 'EventSource', sign: 'open'},
    'xhr-streaming': {start: xhrStreaming, sign: 'bytes'},
    'multipart-streaming': {start: multipartStreaming, sign: 'bytes'},
    'forever-frame': {start: foreverFrame, sign: 'bytes', ownOrigin: true},
    'jsonp-polling': {start: jsonpPolling, sign: 'bytes'},
    'long-polling': {start: longPoll, sign: 'bytes'},
    'polling': {start: polling, sign: 'bytes'},
};

function webSocket(url, callback, tell) {
    const socket = Object.create(Socket);
    socket.init(url.replace(/^http/, 'ws'), callback, tell);
    return {close: () => socket.stop(), send: (data) => socket.send(data)};
}

const HEARTBEAT = 45_000; // ms without a byte, heartbeats included, until it counts as lost
const STATES = {CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3};
const {CONNECTING, OPEN, CLOSING, CLOSED} = STATES;

export class Comet extends EventTarget {
    readyState = CONNECTING;
    transport = null; // the name of the transport in use or being tried

    #options;
    #url; // its `since` is the last id seen
    #place = 0; // index of the transport in the list
    #link = null; // the connection from the transport's script: {close, send?}
    #openedAt = 0;
    #brought = false; // true if a message has arrived since it opened
    #rounds = 0; // how many times in a row the whole list has failed
    #timer;
    #posts = Promise.resolve(); // the POSTs, one at a time and in order

    constructor(url, options = {}) {
        super();
        this.#url = new URL(url, location.href);
        this.#options = {transports: TRANSPORTS, silence: 5000, paths: {}, tell() {}, ...options};
        const unknown = this.#options.transports.find((name) => !TECHNIQUES[name]);
        if (unknown) throw new SyntaxError(`There is no transport '${unknown}'.`);
        for (const name of ['open', 'message', 'error', 'close', 'choice']) {
            this[`on${name}`] = null;
            this.addEventListener(name, (e) => this[`on${name}`]?.(e));
        }
        queueMicrotask(() => this.#begin()); // after the caller has set its handlers
    }

    // Returns a promise if the text goes by POST, so that the caller can see whether the server took it.
    send(data) {
        if (this.readyState === CONNECTING) throw new DOMException('not open', 'InvalidStateError');
        if (this.readyState !== OPEN || this.#link.send?.(data)) return undefined;
        const posted = this.#posts.then(() => this.#post(data));
        this.#posts = posted.catch((error) => this.#error(error.message));
        return posted;
    }

    close() {
        if (this.readyState > OPEN) return;
        this.readyState = CLOSING;
        this.#leave();
        this.#posts.then(() => {
            this.readyState = CLOSED;
            this.dispatchEvent(new CloseEvent('close', {wasClean: true, code: 1000}));
        });
    }

    // Choosing: try each of the list in turn, until one gives its sign.

    async #begin() {
        const since = this.#url.searchParams.get('since');
        if (!since || since < 0) await this.#askForId();
        this.#try(0);
    }

    // A connection may be lost before its first event. Then this id is the cursor to
    // reconnect with. An error here is ignored: the transports will report it.
    async #askForId() {
        const url = new URL((this.#options.paths.polling ?? 'polling') + this.#url.search, this.#url);
        try {
            const answer = await fetch(url, {signal: AbortSignal.timeout(this.#options.silence)});
            const {events, next} = await answer.json();
            const since = events?.length ? events[0].id - 1 : next;
            if (since) this.#url.searchParams.set('since', since);
        } catch {}
    }

    #try(place) {
        if (this.readyState > OPEN) return;
        if (place >= this.#options.transports.length) return this.#rest();
        this.#place = place;
        this.transport = this.#options.transports[place];
        this.#choice('trying');
        try {
            this.#start(TECHNIQUES[this.transport]);
        } catch (error) {
            this.#fail(error.message);
        }
    }

    #start({start, needs, ownOrigin}) {
        if (this.readyState > OPEN) return;
        if (needs && !window[needs]) throw new Error(`this browser has no ${needs}`);
        const foreign = this.#url.origin !== location.origin;
        if (ownOrigin && foreign) throw new Error('the server is on another origin');
        const path = this.#options.paths[this.transport] ?? this.transport;
        const url = new URL(path + this.#url.search, this.#url).href;
        const tell = (what, detail) => this.#heard(what, detail);
        this.#watch(this.#options.silence);
        this.#link = start(url, (message) => this.#message(message), tell);
        if (this.readyState > OPEN) this.#leave();
    }

    #heard(what, detail) {
        this.#options.tell(what, detail);
        const {sign} = TECHNIQUES[this.transport];
        if (what === sign) this.#alive(sign);
        if (what === 'lost') this.#lost(detail);
        if (what === 'done' && sign === 'open') this.#lost('the server ended the stream');
        if (what === 'refused') this.#error(detail);
    }

    #alive(sign) {
        if (this.readyState > OPEN) return;
        this.#watch(sign === 'bytes' ? HEARTBEAT : 0);
        if (this.readyState === OPEN) return;
        this.readyState = OPEN;
        this.#openedAt = Date.now();
        this.#brought = false;
        this.#choice('chosen');
        if (this.readyState === OPEN) this.dispatchEvent(new Event('open'));
    }

    // A transport that has worked is retried before the others. It has worked if it
    // brought a message, or stayed open for longer than `silence`.
    #lost(why) {
        if (this.readyState > OPEN) return;
        const held = Date.now() - this.#openedAt > this.#options.silence;
        const worked = this.readyState === OPEN && (this.#brought || held);
        if (!worked) return this.#fail(why);
        this.#leave();
        this.#rounds = 0;
        this.readyState = CONNECTING;
        this.#timer = setTimeout(() => this.#try(this.#place), 1000);
        this.#choice('failed', `${why}; retrying in a second`);
    }

    #fail(why) {
        this.#leave();
        this.readyState = CONNECTING;
        this.#choice('failed', why);
        this.#try(this.#place + 1);
    }

    // None works: wait, longer each time and with jitter, so that the clients of a
    // restarted server don't all reconnect at once.
    #rest() {
        const ms = Math.min(1000 * 2 ** this.#rounds++, 30_000) * (0.5 + Math.random() / 2);
        this.#timer = setTimeout(() => this.#begin(), ms);
        this.#error(`no transport works; starting over in ${(ms / 1000).toFixed(1)} s`);
    }

    #watch(ms) {
        clearTimeout(this.#timer);
        if (ms) this.#timer = setTimeout(() => this.#silent(ms), ms);
    }

    #silent(ms) {
        this.#openedAt += ms; // the silence doesn't count as time that it worked
        this.#heard('lost', `silent for ${ms / 1000} s`);
    }

    #leave() {
        clearTimeout(this.#timer);
        this.#link?.close();
        this.#link = null;
    }

    // Messages in both directions.

    #message(message) {
        const id = message.gap ? message.next : message.id;
        this.#url.searchParams.set('since', id);
        this.#brought = true;
        const e = {data: JSON.stringify(message), lastEventId: id, origin: this.#url.origin};
        this.dispatchEvent(new MessageEvent('message', e));
    }

    async #post(data) {
        const url = new URL('publish', this.#url);
        url.searchParams.set('topic', this.#url.searchParams.get('topic') ?? 'chat');
        const answer = await fetch(url, {method: 'POST', body: data});
        if (!answer.ok) throw new Error((await answer.json()).error);
    }

    #choice(state, why) {
        const e = {transport: this.transport, state, why};
        this.dispatchEvent(Object.assign(new Event('choice'), e));
    }

    #error(message) {
        this.dispatchEvent(new ErrorEvent('error', {message}));
    }
}

Object.assign(Comet, STATES);
Object.assign(Comet.prototype, STATES);
