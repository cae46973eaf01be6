//! The replies of a scripted backend, from a plain 200 to a reset in the middle of a header.
//!
//! Every reply becomes a list of [`Step`]s, so that a new way to misbehave is a new list and not
//! a new branch in the backend.

use std::time::Duration;

use tokio::sync::watch;

/// One step of a backend on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends these bytes in one write.
    Send(Vec<u8>),
    /// Agrees to the WebSocket that the request asks for, with these bytes behind it, in one write.
    Switch(Vec<u8>),
    /// Neither sends nor reads for this long.
    Wait(Duration),
    /// Neither sends nor reads until the gate is open.
    Pass(Gate),
    /// Reads and drops everything until the other side closes.
    Hang,
    /// Sends back all bytes until the other side closes.
    Echo,
    /// Ends the connection in order.
    Close,
    /// Ends it with a reset.
    Reset,
}

/// Holds replies back until a test opens it: for requests that must still be under way, however
/// slow the machine is.
#[derive(Debug, Clone)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Opens the gate for good.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        // The sender lives as long as the gate.
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }
}

/// The reply of a backend to one request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    is_early: bool,
    delay: Duration,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Answer(Answer),
    Steps(Vec<Step>),
}

#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    /// The size of a piece of the body, and the pause before each piece except the first.
    pace: Option<(usize, Duration)>,
    /// The number of bytes of the body that are sent, and the end of the connection after them.
    cut: Option<(usize, Step)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    Close,
}

/// Answers.
impl Reply {
    /// 200 with this body and its length.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    /// This status, without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::of(Content::Answer(Answer {
            status,
            headers: vec![],
            body: vec![],
            framing: Framing::Length,
            pace: None,
            cut: None,
        }))
    }

    /// The reply with this body.
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.answer(|answer| answer.body = body.into())
    }

    /// The reply with this header, in this spelling.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.answer(|answer| answer.headers.push((name.to_owned(), value.to_owned())))
    }

    /// The reply with a chunked body: one chunk, or one for each piece of [`Reply::slowly`].
    pub(crate) fn chunked(self) -> Self {
        self.answer(|answer| answer.framing = Framing::Chunked)
    }

    /// The reply with a body that ends with the connection.
    pub(crate) fn until_close(self) -> Self {
        self.answer(|answer| answer.framing = Framing::Close)
    }

    /// The reply with the body sent `piece` bytes at a time, `pause` apart.
    pub(crate) fn slowly(self, piece: usize, pause: Duration) -> Self {
        self.answer(|answer| answer.pace = Some((piece, pause)))
    }

    /// Promises the whole body, closes after `sent` bytes of it.
    pub(crate) fn closed_after(self, sent: usize) -> Self {
        self.answer(|answer| answer.cut = Some((sent, Step::Close)))
    }

    /// Promises the whole body, resets after `sent` bytes of it.
    pub(crate) fn reset_after(self, sent: usize) -> Self {
        self.answer(|answer| answer.cut = Some((sent, Step::Reset)))
    }

    fn answer(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        match &mut self.content {
            Content::Answer(answer) => change(answer),
            Content::Steps(_) => panic!("only an answer has headers and a body"),
        }
        self
    }
}

/// Replies that are not answers.
impl Reply {
    /// Sends no byte until the other side gives up.
    pub(crate) fn hang() -> Self {
        Self::steps_of([Step::Hang])
    }

    /// A reset instead of an answer.
    pub(crate) fn reset() -> Self {
        Self::steps_of([Step::Reset])
    }

    /// An orderly close instead of an answer.
    pub(crate) fn close() -> Self {
        Self::steps_of([Step::Close])
    }

    /// A reset after half a header.
    pub(crate) fn reset_in_header() -> Self {
        Self::steps_of([Step::Send(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()), Step::Reset])
    }

    /// Sends these bytes; the connection stays open.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::steps_of([Step::Send(bytes.into())])
    }

    /// 200, and its body as soon as the gate is open.
    pub(crate) fn body_behind(gate: &Gate, body: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let body = Step::Send(body.into());
        Self::steps_of([Step::Send(head.into()), Step::Pass(gate.clone()), body])
    }

    /// 200 with this body, all of it as soon as the gate is open.
    pub(crate) fn behind(gate: &Gate, body: &str) -> Self {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Self::steps_of([Step::Pass(gate.clone()), Step::Send(answer.into())])
    }

    /// 101 to an upgrade request, then an echo.
    pub(crate) fn upgrade() -> Self {
        Self::steps_of([Step::Switch(vec![]), Step::Echo])
    }

    /// Any list of steps.
    pub(crate) fn steps_of(steps: impl Into<Vec<Step>>) -> Self {
        Self::of(Content::Steps(steps.into()))
    }
}

impl Reply {
    fn of(content: Content) -> Self {
        Self { is_early: false, delay: Duration::ZERO, content }
    }

    /// The reply after this delay.
    pub(crate) fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The reply before the body of the request is read; the connection ends with it.
    pub(crate) fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    pub(super) fn is_early(&self) -> bool {
        self.is_early
    }

    /// The steps for a request with this method.
    pub(super) fn steps(&self, method: &str) -> Vec<Step> {
        let mut steps = vec![];
        if !self.delay.is_zero() {
            steps.push(Step::Wait(self.delay));
        }
        match &self.content {
            Content::Answer(answer) => answer.append_to(&mut steps, method),
            Content::Steps(own) => steps.extend_from_slice(own),
        }
        steps
    }
}

impl Answer {
    fn append_to(&self, steps: &mut Vec<Step>, method: &str) {
        let mut head = self.head();
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            steps.push(Step::Send(head));
            return;
        }
        let sent = self.cut.as_ref().map_or(self.body.len(), |(sent, _)| *sent);
        let body = self.body.get(..sent).expect("a cut is within the body");
        let Some((piece, pause)) = self.pace else {
            self.frame(body, &mut head);
            self.finish(&mut head);
            steps.push(Step::Send(head));
            return self.end(steps);
        };
        for (index, piece) in body.chunks(piece).enumerate() {
            if index > 0 {
                steps.extend([Step::Send(std::mem::take(&mut head)), Step::Wait(pause)]);
            }
            self.frame(piece, &mut head);
        }
        self.finish(&mut head);
        steps.push(Step::Send(head));
        self.end(steps);
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Length if matches!(self.status, 100..=199 | 204 | 304) => {}
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::Close => head.push_str("Connection: close\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn frame(&self, piece: &[u8], out: &mut Vec<u8>) {
        if self.framing == Framing::Chunked && !piece.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(piece);
        }
    }

    fn finish(&self, out: &mut Vec<u8>) {
        if self.framing == Framing::Chunked && self.cut.is_none() {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn end(&self, steps: &mut Vec<Step>) {
        match &self.cut {
            Some((_, ending)) => steps.push(ending.clone()),
            None if self.framing == Framing::Close => steps.push(Step::Close),
            None => {}
        }
    }
}
