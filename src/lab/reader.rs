//! Parses what the lab's clients receive: removes heads, chunks and frames, and reads only the events' ids
//! from the text.

/// What some received bytes contained.
#[derive(Debug, Default)]
pub struct Seen {
    /// The events' ids, in order.
    pub ids: Vec<u64>,
    /// The status, if a head arrived.
    pub status: Option<u16>,
    /// An answer ended: the client may send its next request.
    pub ended: bool,
    /// The answer's `next`: the cursor for the next request.
    pub next: Option<u64>,
    /// A ping arrived: the client must send a pong.
    pub pinged: bool,
}

/// What a connection expects next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// A body of this length.
    Body(usize),
    /// A chunk, its size first.
    Chunk,
    /// A WebSocket frame.
    Frames,
}

/// Parses one connection's bytes.
pub struct Reader {
    state: State,
    /// Bytes not parsed yet.
    bytes: Vec<u8>,
    /// The text of an incomplete answer; of a stream, its end, which may contain half an id.
    text: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader {
            state: State::Head,
            bytes: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Reader {
    /// Takes received bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        self.bytes.extend_from_slice(bytes);
        while let Some(used) = self.step(&mut seen) {
            self.bytes.drain(..used);
        }
        self.find_ids(&mut seen);
        seen
    }

    /// Takes the next complete head, body, chunk or frame; returns its length.
    fn step(&mut self, seen: &mut Seen) -> Option<usize> {
        match self.state {
            State::Head => self.step_head(seen),
            State::Body(length) => {
                let body = self.bytes.get(..length)?;
                self.text.extend_from_slice(body);
                self.end_answer(seen);
                Some(length)
            }
            State::Chunk => self.step_chunk(seen),
            State::Frames => self.step_frame(seen),
        }
    }

    fn step_head(&mut self, seen: &mut Seen) -> Option<usize> {
        let length = find(&self.bytes, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.bytes[..length]).to_ascii_lowercase();
        seen.status = head.get(9..12).and_then(|status| status.parse().ok());
        self.state = match content_length(&head) {
            _ if seen.status == Some(101) => State::Frames,
            _ if head.contains("transfer-encoding: chunked") => State::Chunk,
            length => State::Body(length),
        };
        Some(length)
    }

    fn step_chunk(&mut self, seen: &mut Seen) -> Option<usize> {
        let line = find(&self.bytes, b"\r\n")?;
        let size = std::str::from_utf8(&self.bytes[..line]).unwrap_or_default();
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let (start, end) = (line + 2, line + 2 + size);
        let chunk = self.bytes.get(start..end + 2)?;
        self.text.extend_from_slice(&chunk[..size]);
        if size == 0 {
            self.end_answer(seen);
        }
        Some(end + 2)
    }

    fn step_frame(&mut self, seen: &mut Seen) -> Option<usize> {
        let (first, second) = (*self.bytes.first()?, *self.bytes.get(1)?);
        let (start, length) = match second & 0x7f {
            126 => (
                4,
                usize::from(u16::from_be_bytes(self.bytes.get(2..4)?.try_into().ok()?)),
            ),
            127 => (
                10,
                u64::from_be_bytes(self.bytes.get(2..10)?.try_into().ok()?) as usize,
            ),
            length => (2, usize::from(length)),
        };
        let payload = self.bytes.get(start..start + length)?;
        match first & 0x0f {
            9 => seen.pinged = true,
            8 => seen.ended = true,
            _ => self.text.extend_from_slice(payload),
        }
        Some(start + length)
    }

    fn end_answer(&mut self, seen: &mut Seen) {
        self.find_ids(seen);
        seen.next = find(&self.text, b"\"next\":").and_then(|at| number(&self.text[at + 7..]));
        seen.ended = true;
        self.text.clear();
        self.state = State::Head;
    }

    /// Takes the ids out of the text. The rest may begin with one that is incomplete.
    fn find_ids(&mut self, seen: &mut Seen) {
        const MARK: &[u8] = b"{\"id\":";
        let mut from = 0;
        while let Some(at) = find(&self.text[from..], MARK) {
            let Some(id) = number(&self.text[from + at + MARK.len()..]) else {
                break;
            };
            seen.ids.push(id);
            from += at + MARK.len();
        }
        self.text.drain(..from);
    }
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    length
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}

/// The number at the beginning, if it is complete: a non-digit follows.
fn number(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}
