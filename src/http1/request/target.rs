//! The target of a request (RFC 9112 section 3.2).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::http1::rules::{Authority, Refusal, graphic_len};

/// The target of a request, in one of the four forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The bytes as they were sent.
    pub sent: &'a [u8],
    /// The form of the target.
    pub form: Form<'a>,
}

/// The form of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// `/path?query`.
    Origin,
    /// `http://authority/path?query`, as clients send it to a proxy.
    Absolute {
        /// The authority that the request is for; it outweighs `Host`.
        authority: &'a [u8],
        /// The part behind the authority: nothing, or a path or a query.
        path: &'a [u8],
    },
    /// The `authority:port` of CONNECT.
    Authority,
    /// The `*` of OPTIONS: the server as a whole.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Reads a target, which has no blank and no control character, because the request line ends
    /// it there. Other bytes that a URI does not allow, such as `"`, `<`, `>` and bytes from 0x80,
    /// are accepted as they are, because scripts send them and servers accept them; an overlong
    /// encoding is not.
    ///
    /// # Errors
    /// A 400 with the reason.
    pub fn parse(method: &[u8], sent: &'a [u8]) -> Result<Self, Refusal> {
        if !sent.is_ascii() && has_overlong(sent) {
            return Err(Refusal::bad("the request target has an overlong encoding of a character"));
        }
        if sent.contains(&b'#') {
            return Err(Refusal::bad("the request target has a fragment"));
        }
        let form = match sent {
            _ if method == b"CONNECT" => {
                let has_port = |authority: &Authority<'_>| !authority.port.is_empty();
                if !Authority::parse(sent).is_some_and(|authority| has_port(&authority)) {
                    let why = "the target of CONNECT must be a host and a port";
                    return Err(Refusal::bad(why));
                }
                Form::Authority
            }
            [b'/', ..] => Form::Origin,
            b"*" if method == b"OPTIONS" => Form::Asterisk,
            b"*" => return Err(Refusal::bad("only OPTIONS may ask for \"*\"")),
            _ => absolute(method, sent)?,
        };
        Ok(Self { sent, form })
    }

    /// The path and query to forward.
    #[must_use]
    pub fn origin_form(&self) -> Cow<'a, [u8]> {
        match self.form {
            Form::Absolute { path: path @ [b'?', ..], .. } => [b"/", path].concat().into(),
            Form::Absolute { path, .. } => path.into(),
            Form::Origin | Form::Authority | Form::Asterisk => self.sent.into(),
        }
    }
}

/// The bytes that the `http` crate accepts neither in a path nor in a query; bytes that are escaped already stay
/// as they are.
const NOT_IN_A_URI: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`');

/// A target with all that the `http` crate does not accept percent-encoded.
#[must_use]
pub fn encoded(target: &[u8]) -> Cow<'_, [u8]> {
    percent_encode(target, NOT_IN_A_URI).to_string().into_bytes().into()
}

/// A target as the `http` crate accepts it: nearly always as it was sent. What no target may have is left in it.
#[must_use]
pub fn acceptable(target: &[u8]) -> Cow<'_, [u8]> {
    let is_accepted = |byte: &u8| !matches!(byte, b'<' | b'>' | b'`');
    let is_text = || target.is_ascii() || str::from_utf8(target).is_ok();
    let is_target = || graphic_len(target) == target.len() && !target.contains(&b'#');
    if target.iter().all(is_accepted) && is_text() || !is_target() {
        return target.into();
    }
    encoded(target)
}

/// Whether a character takes more bytes than it needs (RFC 3629 section 3): a server that decodes it may
/// find a slash where the route has seen none.
#[must_use]
pub fn has_overlong(target: &[u8]) -> bool {
    let is_overlong = |at: usize| {
        matches!(
            target[at..],
            [0xc0 | 0xc1, 0x80..=0xbf, ..]
                | [0xe0, 0x80..=0x9f, 0x80..=0xbf, ..]
                | [0xf0, 0x80..=0x8f, 0x80..=0xbf, 0x80..=0xbf, ..]
        )
    };
    (0..target.len()).any(is_overlong)
}

fn absolute<'a>(method: &[u8], sent: &'a [u8]) -> Result<Form<'a>, Refusal> {
    let behind = |scheme: &[u8]| {
        let (start, rest) = sent.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = behind(b"http://").or_else(|| behind(b"https://")) else {
        return Err(Refusal::bad("the request target is neither a path nor an http URI"));
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains(&b'@') {
        return Err(Refusal::bad("the request target has a user name in it"));
    }
    if Authority::parse(authority).is_none() {
        return Err(Refusal::bad("the host in the request target is malformed"));
    }
    let path = match path {
        // RFC 9112 section 3.2.4.
        b"" if method == b"OPTIONS" => b"*",
        b"" => b"/",
        path => path,
    };
    Ok(Form::Absolute { authority, path })
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    #[test]
    fn a_target_is_as_it_was_sent_unless_that_would_not_be_accepted() {
        for target in
            ["/", "*", "/a?b=c&d", "/%3c\"{}|^[]\\", "/\u{fc}?\u{fc}", "/a?<b>", "?`", "/<\u{fc}"]
        {
            let acceptable = acceptable(target.as_bytes());
            let is_same = !target.contains(['<', '`']);
            assert_eq!(acceptable == target.as_bytes(), is_same, "{target}");
            assert!(PathAndQuery::try_from(&*acceptable).is_ok(), "{target}");
        }
        assert_eq!(&*acceptable(b"/<\xff>%3c"), b"/%3C%FF%3E%3c");
        // It is malformed as it is.
        for target in [&b"/a <b"[..], b"/<\r\n", b"/<#", b"/<\x7f"] {
            assert_eq!(&*acceptable(target), target);
        }
    }
}
