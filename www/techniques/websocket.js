// WebSocket: one connection for both directions. After the handshake there are no
// more requests, only messages, and each arrives whole.
//
// In the article's sample `this.socket.onopen = this.open` loses `this`: inside
// open it is the WebSocket itself, which has no `.socket`. send raises an alert,
// and nothing calls close. (And a page on https:// needs wss://, not https://.)
// Here arrow functions keep `this`, send returns whether the text was sent, and
// close reconnects after the last id. `stop` is our addition: it closes for good.
// The server's heartbeats are pings. The browser answers them by itself.

// True while the page is being left. Capture: set before any other handler calls stop.
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

    // Returns true if the text was sent. With a nickname it is a chat line: {nick, text}.
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
        // Closing a socket that is still connecting logs an error, so it closes once it is open. A page that is
        // being left closes at once: it would be frozen (for the Back button) with the socket before `open` comes.
        if (this.socket.readyState === WebSocket.CONNECTING && !left) this.socket.onopen = () => this.socket.close();
        else this.socket.close();
    },
};
