//! One request of a client. All that a backend must know of it is in its path, so that a backend can
//! tell whether it came as it was sent, and a client whether the answer is its own.

use fastrand::Rng;

/// The pools of the balancer, which have the same backends.
pub(super) const POOLS: [&str; 2] = ["usual", "brief"];
/// A body of a request never becomes larger: what is larger cannot be sent again.
const UP_MAX: usize = 48 * 1024;
const DOWN_MAX: usize = 200 * 1024;

/// How an answer says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    Close,
}

impl Framing {
    const ALL: [Self; 3] = [Self::Length, Self::Chunked, Self::Close];
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub id: u64,
    pub method: &'static str,
    pub pool: usize,
    /// It says so itself.
    pub has_key: bool,
    /// Bytes of its body.
    pub up: usize,
    pub is_chunked: bool,
    /// Bytes of the answer's body.
    pub down: usize,
    pub answer: Framing,
}

impl Order {
    pub(super) fn drawn(rng: &mut Rng, id: u64) -> Self {
        const METHODS: [&str; 10] =
            ["GET", "GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "POST", "PATCH"];
        let method = METHODS[rng.usize(..METHODS.len())];
        let has_body = matches!(method, "PUT" | "POST" | "PATCH");
        let up = if rng.u8(..8) == 0 { rng.usize(1..UP_MAX) } else { rng.usize(1..400) };
        let down = if rng.u8(..16) == 0 { rng.usize(..DOWN_MAX) } else { rng.usize(..400) };
        Self {
            id,
            method,
            pool: rng.usize(..POOLS.len()),
            has_key: matches!(method, "POST" | "PATCH") && rng.u8(..4) == 0,
            up: if has_body { up } else { 0 },
            is_chunked: has_body && rng.u8(..3) == 0,
            down,
            answer: Framing::ALL[rng.usize(..Framing::ALL.len())],
        }
    }

    /// Whether executing it twice does no harm.
    pub(super) fn is_repeatable(&self) -> bool {
        self.has_key || !matches!(self.method, "POST" | "PATCH")
    }

    pub(super) fn path(&self) -> String {
        let Self { id, up, down, answer, .. } = self;
        format!("/{}/{id}/{up}/{down}/{}", POOLS[self.pool], *answer as u8)
    }

    /// Its header, with these lines in it.
    pub(super) fn head(&self, lines: &str) -> Vec<u8> {
        let Self { id, method, up, .. } = self;
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: chaos\r\nX-Request-Id: {id}\r\n{lines}",
            self.path()
        );
        if self.has_key {
            head.push_str(&format!("Idempotency-Key: \"{id}\"\r\n"));
        }
        match (self.up, self.is_chunked) {
            (0, _) => {}
            (_, true) => head.push_str("Transfer-Encoding: chunked\r\n"),
            (_, false) => head.push_str(&format!("Content-Length: {up}\r\n")),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Its body as it is sent, in pieces of this many bytes.
    pub(super) fn body(&self, piece: usize) -> Vec<Vec<u8>> {
        let frame = |piece: &[u8]| {
            if !self.is_chunked {
                return piece.to_vec();
            }
            [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
        };
        let body = content(self.id, self.up);
        let mut pieces: Vec<_> = body.chunks(piece).map(frame).collect();
        if self.is_chunked && self.up > 0 {
            pieces.push(b"0\r\n\r\n".to_vec());
        }
        pieces
    }
}

/// What a path says of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub id: u64,
    pub up: usize,
    pub down: usize,
    pub answer: Framing,
}

impl Asked {
    /// `None` for the path of a check.
    pub(super) fn by(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/').skip(1);
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (id, up, down, answer) = (number()?, number()?, number()?, number()?);
        let size = |number: u64| usize::try_from(number).ok();
        let answer = *Framing::ALL.get(size(answer)?)?;
        Some(Self { id, up: size(up)?, down: size(down)?, answer })
    }
}

/// A body of this length, which no other request has.
pub(super) fn content(id: u64, length: usize) -> Vec<u8> {
    format!("{id} ").into_bytes().into_iter().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_its_request_is() {
        let mut rng = Rng::with_seed(1);
        for id in 0..200 {
            let order = Order::drawn(&mut rng, id);
            let Order { up, down, answer, .. } = order;
            assert_eq!(Asked::by(&order.path()), Some(Asked { id, up, down, answer }));
        }
        assert_eq!(Asked::by("/health"), None);
    }
}
