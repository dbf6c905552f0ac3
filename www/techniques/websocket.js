// WebSocket: one connection, both ways. After the handshake there are no more
// requests, only messages, and each comes whole.
//
// In the article's sample, `this.socket.onopen = this.open` loses its `this`: in
// open, it is the WebSocket itself, which has no `.socket`. send raises an alert,
// and nobody calls close. (And beside https:// it isn't https:// but wss://.)
// Here arrow functions keep `this`, send says whether the text went out, and
// close connects again, from the last id on. `stop` is our addition: it closes
// and doesn't come back. The server's heartbeats are pings, and the browser
// answers those by itself.

// Is the page being left? Known before anyone who calls stop for it.
let left = false;
addEventListener('pagehide', () => { left = true; }, {capture: true});
addEventListener('pageshow', () => { left = false; }, {capture: true});

export const Socket = {
    init(url, callback, tell = () => {}) {
        this.url = new URL(url, location.href);
        this.callback = callback;
        this.tell = tell;
        this.socket = new WebSocket(this.url);
        this.socket.onopen = (e) => this.open(e);
        this.socket.onmessage = (e) => this.msg(e);
        this.socket.onclose = (e) => this.close(e);
        this.tell('ask');
    },

    open() {
        this.tell('open');
    },

    msg(e) {
        const message = JSON.parse(e.data);
        this.tell('bytes', new Blob([e.data]).size);
        if (message.error) return this.tell('refused', message.error);
        this.url.searchParams.set('since', message.gap ? message.next : message.id);
        this.callback(message);
    },

    close(e) {
        this.timer = setTimeout(() => this.init(this.url, this.callback, this.tell), 1000);
        if (e.wasClean) this.tell('done');
        else this.tell('lost', `closed (${e.code})`);
    },

    // True if it went out. A nickname makes it a line of the chat: {nick, text}.
    send(chat, nickName) {
        if (this.socket.readyState !== WebSocket.OPEN) return false;
        const text = nickName === undefined ? chat : JSON.stringify({nick: nickName, text: chat});
        this.socket.send(text);
        this.tell('sent', new Blob([text]).size);
        return true;
    },

    stop() {
        this.callback = this.tell = () => {};
        this.socket.onclose = null;
        clearTimeout(this.timer);
        // Closing one that isn't open yet makes the browser complain: it is closed as soon as it is. But a page
        // that is left is frozen before it could hear of that, and kept for the Back button with what it holds.
        if (this.socket.readyState === WebSocket.CONNECTING && !left) this.socket.onopen = () => this.socket.close();
        else this.socket.close();
    },
};
