//! The head of a request, and all that the proxy asks of it, found in one pass.

use http::Version;

use super::{
    head_end::MAX_EMPTY_LINES,
    line::{self as request_line, RequestLine},
    target::{Form, Target},
};
use crate::http1::rules::{
    Authority, Field, Known, Refusal,
    connection::{self, Connection},
    fields,
    framing::{self, TransferEncoding},
};

/// The most bytes of a head, with the request line and the blank line at its end.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most fields of a head.
pub const MAX_FIELDS: usize = 100;
/// What an ordinary request has; more makes one more allocation.
const ORDINARY_FIELDS: usize = 16;

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Neither a length nor chunks were announced.
    None,
    /// So many bytes; `Content-Length: 0` is a length.
    Length(u64),
    /// Chunks, for a [`ChunkedBody`](crate::http1::ChunkedBody).
    Chunked,
}

/// A head in which nothing is doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// A token, as it was spelled.
    pub method: &'a [u8],
    /// What is asked for.
    pub target: Target<'a>,
    /// 1.0 or 1.1; what is above 1.1 is served as that.
    pub version: Version,
    /// Every field in the order of its line.
    pub fields: Vec<Field<'a>>,
    /// The authority to route by: of the target if it has one, else of `Host`. There is always one
    /// in HTTP/1.1.
    pub host: Option<&'a [u8]>,
    /// How the body is delimited.
    pub body: Body,
    /// Whether the client wants to send another request on this connection.
    pub keeps_alive: bool,
    /// Whether the client waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// Whether the client asks to speak WebSocket on this connection.
    pub wants_websocket: bool,
    nominates: bool,
    positions: Positions,
}

/// A request that is refused, with what could be read of it: a refused request has its line in the
/// access log too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The answer and its reason.
    pub refusal: Refusal,
    /// The method, if the line has one.
    pub method: Option<&'a [u8]>,
    /// The target as sent, up to the first byte that ends it. It may be malformed.
    pub target: Option<&'a [u8]>,
    /// The version, if it is one that is served.
    pub version: Option<Version>,
    /// The first `Host`, if it is a well-formed authority.
    pub host: Option<&'a [u8]>,
}

impl<'a> RequestHead<'a> {
    /// Reads a head that is complete: `bytes` are what [`HeadEnd`](super::HeadEnd) has found, and
    /// may begin with empty lines.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refused<'a>> {
        let mut line = RequestLine::default();
        read(bytes, &mut line).map_err(|refusal| Refused::at(bytes, line, refusal))
    }

    /// The first field of this kind.
    #[must_use]
    pub fn first(&self, known: Known) -> Option<&Field<'a>> {
        self.fields.get(self.positions.first(known)?)
    }

    /// All fields of this kind in the order of their lines.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &Field<'a>> {
        let start = self.positions.first(known).unwrap_or(self.fields.len());
        self.fields[start..].iter().filter(move |field| field.known == Some(known))
    }

    /// The names in `Connection`, of fields that go no further than this connection.
    pub fn nominated(&self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.nominates.then(|| self.all(Known::Connection)).into_iter().flatten();
        lines.flat_map(|field| connection::nominated(field.value))
    }
}

impl<'a> Refused<'a> {
    /// A refusal that the parser had no part in, because the head is too large or did not end in
    /// time. `bytes` are what is there of it.
    #[must_use]
    pub fn unfinished(bytes: &'a [u8], refusal: Refusal) -> Self {
        let mut line = RequestLine::default();
        // That the line is wrong as well is of no interest; what could be read of it is in `line`.
        let _ = skip_empty_lines(bytes).and_then(|bytes| request_line::read(bytes, &mut line));
        Self::at(bytes, line, refusal)
    }

    /// What a head that has grown beyond [`MAX_HEAD_BYTES`] is refused for.
    #[must_use]
    pub fn too_large(bytes: &'a [u8]) -> Self {
        Self::unfinished(bytes, TOO_LARGE)
    }

    fn at(bytes: &'a [u8], line: RequestLine<'a>, refusal: Refusal) -> Self {
        let is_there = |part: &&[u8]| !part.is_empty();
        Self {
            refusal,
            method: Some(line.method).filter(is_there),
            target: Some(line.target).filter(is_there),
            version: line.version,
            host: first_host(bytes),
        }
    }
}

/// The first `Host` among lines of which some are malformed.
fn first_host(bytes: &[u8]) -> Option<&[u8]> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let field = lines.find_map(|line| match fields::field_line(line) {
        Ok((Some(field), _)) if field.known == Some(Known::Host) => Some(field),
        _ => None,
    })?;
    Authority::parse(field.value).map(|_| field.value)
}

const TOO_LARGE: Refusal =
    Refusal { status: 431, why: "the head of the request is larger than 64 KiB" };

fn read<'a>(bytes: &'a [u8], line: &mut RequestLine<'a>) -> Result<RequestHead<'a>, Refusal> {
    if bytes.len() > MAX_HEAD_BYTES {
        request_line::read(skip_empty_lines(bytes)?, line)?;
        return Err(TOO_LARGE);
    }
    let mut rest = request_line::read(skip_empty_lines(bytes)?, line)?;
    let target = Target::parse(line.method, line.target)?;
    let version = line.version.unwrap_or(Version::HTTP_11);
    let mut fields = Vec::with_capacity(ORDINARY_FIELDS);
    let mut facts = Facts::default();
    let mut positions = Positions::default();
    loop {
        let (field, behind) = fields::field_line(rest)?;
        let Some(field) = field else { break };
        if fields.len() == MAX_FIELDS {
            return Err(Refusal { status: 431, why: "the request has more than 100 fields" });
        }
        if let Some(known) = field.known {
            positions.add(known, fields.len());
            facts.read(known, field.value)?;
        }
        fields.push(field);
        rest = behind;
    }
    let body = facts.body(version)?;
    Ok(RequestHead {
        method: line.method,
        target,
        version,
        fields,
        host: facts.host(&target, version)?,
        body,
        keeps_alive: facts.connection.keeps_alive(version),
        expects_continue: facts.expects_continue
            && version != Version::HTTP_10
            && !matches!(body, Body::None | Body::Length(0)),
        wants_websocket: facts.connection.upgrade
            && facts.upgrades_to_websocket
            && version != Version::HTTP_10,
        nominates: facts.connection.nominates,
        positions,
    })
}

fn skip_empty_lines(mut bytes: &[u8]) -> Result<&[u8], Refusal> {
    for _ in 0..=MAX_EMPTY_LINES {
        match bytes {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => bytes = rest,
            _ => return Ok(bytes),
        }
    }
    Err(Refusal::bad("too many empty lines come before the request line"))
}

/// What the fields say, before it is known whether it fits together.
#[derive(Debug, Default)]
struct Facts<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    transfer_encoding: TransferEncoding,
    connection: Connection,
    expects_continue: bool,
    upgrades_to_websocket: bool,
}

impl<'a> Facts<'a> {
    fn read(&mut self, known: Known, value: &'a [u8]) -> Result<(), Refusal> {
        match known {
            Known::Host if self.host.is_some() => {
                return Err(Refusal::bad("Host must not be repeated"));
            }
            Known::Host => self.host = Some(value),
            Known::ContentLength => {
                let length = framing::content_length(value);
                let length = length.ok_or(Refusal::bad("Content-Length must be a number"))?;
                if self.length.replace(length).is_some() {
                    return Err(Refusal::bad("Content-Length must not be repeated"));
                }
            }
            Known::TransferEncoding => self.transfer_encoding.read(value),
            Known::Connection => self.connection.read(value),
            Known::Expect => self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            Known::Upgrade => {
                self.upgrades_to_websocket |= value.eq_ignore_ascii_case(b"websocket");
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&self, version: Version) -> Result<Body, Refusal> {
        if !self.transfer_encoding.is_there() {
            return Ok(self.length.map_or(Body::None, Body::Length));
        }
        if self.length.is_some() {
            let why = "Content-Length and Transfer-Encoding must not come together";
            return Err(Refusal::bad(why));
        }
        self.transfer_encoding.check_request()?;
        if version == Version::HTTP_10 {
            return Err(Refusal::bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        Ok(Body::Chunked)
    }

    /// The target's authority outweighs `Host` (RFC 9112 section 3.2.2), which must be in order all
    /// the same.
    fn host(&self, target: &Target<'a>, version: Version) -> Result<Option<&'a [u8]>, Refusal> {
        let of_target = match target.form {
            Form::Absolute { authority, .. } => Some(authority),
            Form::Authority => Some(target.sent),
            Form::Origin | Form::Asterisk => None,
        };
        match self.host {
            None if version != Version::HTTP_10 => {
                return Err(Refusal::bad("an HTTP/1.1 request must have a Host"));
            }
            Some(b"") if of_target.is_none() => return Err(Refusal::bad("Host is empty")),
            None | Some(b"") => {}
            Some(host) if Authority::parse(host).is_none() => {
                return Err(Refusal::bad("Host is malformed"));
            }
            Some(_) => {}
        }
        Ok(of_target.or(self.host))
    }
}

/// Where the first field of each kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Positions([u8; Known::COUNT]);

impl Positions {
    const NONE: u8 = u8::MAX;

    fn add(&mut self, known: Known, at: usize) {
        let position = &mut self.0[known as usize];
        if *position == Self::NONE {
            *position = u8::try_from(at).unwrap_or(Self::NONE);
        }
    }

    fn first(&self, known: Known) -> Option<usize> {
        let position = self.0[known as usize];
        (position != Self::NONE).then_some(usize::from(position))
    }
}

impl Default for Positions {
    fn default() -> Self {
        Self([Self::NONE; Known::COUNT])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_request_is_read() {
        let head =
            b"\r\nPOST /a?b=\"{c}\" HTTP/1.1\r\nhOsT: a:80\r\nConnection: x-one, Keep-Alive\n\
            Content-Length: 005\r\nX-One:  two\tthree \r\nExpect: 100-continue\r\n\r\n";
        let head = RequestHead::parse(head).unwrap();
        assert_eq!(head.method, b"POST");
        assert_eq!(&*head.target.origin_form(), b"/a?b=\"{c}\"");
        assert_eq!(head.host, Some(&b"a:80"[..]));
        assert_eq!(head.body, Body::Length(5));
        assert!(head.keeps_alive && head.expects_continue && !head.wants_websocket);
        assert_eq!(head.nominated().collect::<Vec<_>>(), [b"x-one"]);
        assert_eq!(head.fields[3].value, b"two\tthree");
        assert_eq!(head.first(Known::ContentLength).unwrap().value, b"005");
    }

    #[test]
    fn a_refused_request_shows_what_could_be_read() {
        let refused = RequestHead::parse(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err();
        assert_eq!(refused.refusal.status, 400);
        assert_eq!(refused.method, Some(&b"GET"[..]));
        assert_eq!(refused.target, Some(&b"/a"[..]));
        assert_eq!(refused.host, Some(&b"a"[..]));
    }
}
