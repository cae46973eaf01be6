//! The head of a request, and everything that the proxy needs to know about it, found in one pass.

use http::Version;

use super::{
    facts::{Body, Facts},
    head_end::MAX_HEAD_BYTES,
    line::{self, RequestLine},
    refused::{self, Refused},
    target::Target,
};
use crate::http1::rules::{Field, Known, KnownFields, Refusal, connection, fields};

/// The most fields of a head.
pub const MAX_FIELDS: usize = 100;
/// The number of fields for which room is reserved. An ordinary request has no more; others cost
/// one more allocation.
const ORDINARY_FIELDS: usize = 16;

/// A head in which nothing is doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method: a token, as it was spelled.
    pub method: &'a [u8],
    /// The target of the request.
    pub target: Target<'a>,
    /// 1.0 or 1.1; a higher minor version is served as 1.1.
    pub version: Version,
    /// Every field in the order of its line.
    pub fields: Vec<Field<'a>>,
    /// The authority to route by: that of the target if it has one, else that of `Host`. In
    /// HTTP/1.1 it is always present.
    pub host: Option<&'a [u8]>,
    /// How the body is delimited.
    pub body: Body,
    /// Whether the client wants to send another request on this connection.
    pub keeps_alive: bool,
    /// Whether the client waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// Whether the client asks to speak WebSocket on this connection.
    pub wants_websocket: bool,
    /// Those of the known fields that it has.
    pub known: KnownFields,
    nominates: bool,
    positions: Positions,
}

impl<'a> RequestHead<'a> {
    /// Reads a head that is complete: `bytes` are what [`HeadEnd`](super::HeadEnd) has found, and
    /// may begin with empty lines.
    ///
    /// # Errors
    /// The first fault of the head.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refused<'a>> {
        let mut line = RequestLine::default();
        read(bytes, &mut line).map_err(|refusal| Refused::new(bytes, line, refusal))
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

    /// The fields that are for the server behind the proxy: all except hop-by-hop fields and those
    /// that `Connection` names.
    pub fn forwarded(&self) -> impl Iterator<Item = &Field<'a>> {
        // A long line that names little is not read again for each field.
        let nominated: Vec<_> = self.nominated().collect();
        self.fields.iter().filter(move |field| match field.known {
            Some(known) => !connection::is_for_proxy(known),
            None => !nominated.iter().any(|name| name.eq_ignore_ascii_case(field.name)),
        })
    }

    /// Whether the client accepts trailers behind the answer.
    #[must_use]
    pub fn takes_trailers(&self) -> bool {
        self.all(Known::Te).any(|field| connection::takes_trailers(field.value))
    }

    /// The names in `Connection`, of fields that go no further than this connection.
    pub fn nominated(&self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.nominates.then(|| self.all(Known::Connection)).into_iter().flatten();
        lines.flat_map(|field| connection::nominated(field.value))
    }
}

fn read<'a>(bytes: &'a [u8], line: &mut RequestLine<'a>) -> Result<RequestHead<'a>, Refusal> {
    if bytes.len() > MAX_HEAD_BYTES {
        return Err(refused::too_large(bytes, line));
    }
    let mut rest = line::read(line::skip_empty_lines(bytes)?, line)?;
    let target = Target::parse(line.method, line.target)?;
    let version = line.version.unwrap_or(Version::HTTP_11);
    let mut fields = Vec::with_capacity(ORDINARY_FIELDS);
    let mut facts = Facts::default();
    let mut known_fields = KnownFields::default();
    let mut positions = Positions::default();
    loop {
        let (field, behind) = fields::field_line(rest)?;
        let Some(field) = field else { break };
        if fields.len() == MAX_FIELDS {
            return Err(Refusal { status: 431, why: "the request has more than 100 fields" });
        }
        if let Some(known) = field.known {
            known_fields.add(known);
            positions.add(known, fields.len());
            facts.read(known, field.value)?;
        }
        fields.push(field);
        rest = behind;
    }
    let body = facts.body(version)?;
    let head = RequestHead {
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
        // Other methods and bodies go on as they are, without the offer (RFC 6455 section 4.1).
        wants_websocket: facts.connection.upgrade
            && facts.upgrades_to_websocket
            && version != Version::HTTP_10
            && line.method == b"GET"
            && matches!(body, Body::None | Body::Length(0)),
        known: known_fields,
        nominates: facts.connection.nominates,
        positions,
    };
    // Each field is compared with each of the names.
    if head.nominated().nth(MAX_FIELDS).is_some() {
        return Err(Refusal::bad("Connection names more than 100 fields"));
    }
    Ok(head)
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
    fn fields_for_a_proxy_or_nominated_ones_are_not_forwarded() {
        let head = RequestHead::parse(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, Host, X-Real-IP, close\r\n\
            x-hop: 1\r\nX-Real-IP: 2\r\nKeep-Alive: 3\r\nTE: 4\r\nTrailer: 5\r\n\
            Proxy-Connection: 6\r\nProxy-Authenticate: 7\r\nProxy-Authorization: 8\r\n\
            Upgrade: h2c\r\nHTTP2-Settings: 9\r\nX-Kept: 10\r\n\r\n",
        );
        let head = head.unwrap();
        let names: Vec<_> = head.forwarded().map(|field| field.name).collect();
        assert_eq!(names, [&b"Host"[..], b"X-Real-IP", b"X-Kept"]);
    }

    #[test]
    fn no_more_than_100_fields_can_be_nominated() {
        let head = |names: usize| {
            let names = vec!["x"; names].join(",");
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close,{names}\r\n\r\n")
        };
        assert!(RequestHead::parse(head(MAX_FIELDS).as_bytes()).is_ok());
        let refused = head(MAX_FIELDS + 1);
        let refused = RequestHead::parse(refused.as_bytes()).unwrap_err();
        assert_eq!(refused.refusal.status, 400);
    }

    #[test]
    fn a_refused_request_shows_its_readable_parts() {
        let refused = RequestHead::parse(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err();
        assert_eq!(refused.refusal.status, 400);
        assert_eq!(refused.method, Some(&b"GET"[..]));
        assert_eq!(refused.target, Some(&b"/a"[..]));
        assert_eq!(refused.host, Some(&b"a"[..]));
    }
}
