//! Begins an exchange's answer, or sends it whole: its ordinary HTTP.
//!
//! Chapter: [Bad input](../../../../../docs/bad-input.md).

use std::io::{self, Write};

use tiny_http::Method;

use crate::connection::{Connection, Exchange};
use crate::door::response::{self, Response};
use crate::failure::{Failure, Refusal};

impl Exchange<'_> {
    /// Refuses the request, unless its answer has begun.
    ///
    /// # Errors
    /// When the answer has begun, or can't be written: the connection is no good any more.
    pub fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        match self.is_answering {
            true => Err(io::Error::other(refusal.message.clone())),
            false => self.send_with(response::refusal(refusal), &refusal.headers),
        }
    }

    /// Sends an ordinary answer, whole.
    pub fn send(&mut self, response: Response) -> io::Result<()> {
        self.send_with(response, &[])
    }

    fn send_with(&mut self, response: Response, more: &[(&'static str, String)]) -> io::Result<()> {
        self.is_answering = true;
        let headers = [more, &self.common_headers()].concat();
        let head_only = self.request.method == Method::Head;
        self.write_all(&response::to_bytes(response, &headers, head_only))
    }

    /// Begins an answer that is written bit by bit: sends the head at once, so that the client knows that it is being
    /// served.
    pub fn start(
        &mut self,
        content_type: &str,
        more: &[(&'static str, String)],
    ) -> Result<(), Failure> {
        self.limit = self.request.limit()?;
        self.is_answering = true;
        let mut headers = [more, &self.common_headers()].concat();
        if self.is_chunked() {
            headers.push(("Transfer-Encoding", "chunked".to_string()));
        }
        Ok(self.write_all(&response::stream_head(content_type, &headers))?)
    }

    /// Agrees to speak another protocol on this connection from here on (101).
    pub fn switch_protocols(&mut self, headers: &[(&'static str, String)]) -> io::Result<()> {
        self.is_answering = true;
        self.conn.keep_alive = false;
        self.write_all(&response::switching_protocols(headers))
    }

    /// Who may read the answer, and whether the connection ends with it.
    fn common_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Ok(Some(origin)) = &self.origin {
            headers.push(("Access-Control-Allow-Origin", origin.clone()));
            headers.push(("Vary", "Origin".to_string()));
        }
        if !self.conn.stays_open() {
            headers.push(response::close());
        }
        headers
    }
}

impl Connection {
    /// Refuses a request that could not be read. What comes after it can't be read, either.
    pub fn refuse_unread(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.keep_alive = false;
        let head_only = self.inbox.starts_with(b"HEAD ");
        let more = [refusal.headers.as_slice(), &[response::close()]].concat();
        let bytes = response::to_bytes(response::refusal(refusal), &more, head_only);
        (&*self.socket).write_all(&bytes)
    }
}
