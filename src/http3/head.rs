//! The list of fields of a request (RFC 9114 section 4.3.1): what it must have, and what it must not.
//!
//! Whatever is refused here breaks the rules of HTTP/3 itself, and ends its stream. What is doubtful only
//! because a backend gets it in HTTP/1 is judged behind this, for HTTP/2 and 3 alike.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme, Uri},
};

use crate::field_lists::{Meaning, Pseudo};
use crate::http1::target;

/// A field as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLine {
    /// Its name.
    pub name: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// The fields about the request as a whole.
#[derive(Debug, Default)]
struct PseudoFields {
    method: Option<Bytes>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
}

/// The head of a request.
///
/// # Errors
///
/// Why it is malformed.
pub fn request_head(lines: Vec<FieldLine>) -> Result<Parts, &'static str> {
    let mut pseudo = PseudoFields::default();
    let mut lines = lines.into_iter().peekable();
    while let Some(line) = lines.next_if(|line| line.name.first() == Some(&b':')) {
        let place = match Meaning::of(&line.name, &line.value) {
            Meaning::Pseudo(Pseudo::Method) => &mut pseudo.method,
            Meaning::Pseudo(Pseudo::Scheme) => &mut pseudo.scheme,
            Meaning::Pseudo(Pseudo::Authority) => &mut pseudo.authority,
            Meaning::Pseudo(Pseudo::Path) => &mut pseudo.path,
            // There are no tunnels in HTTP/3 (RFC 9220), so that there is nothing to name.
            _ => return Err("a pseudo-field is unknown or malformed"),
        };
        if place.replace(line.value).is_some() {
            return Err("a pseudo-field is repeated");
        }
    }
    let (method, uri) = pseudo.into_method_and_uri()?;
    let mut head = Request::new(()).into_parts().0;
    (head.method, head.uri) = (method, uri);
    head.headers = fields(lines).ok_or("a field is malformed, or is for connections of HTTP/1")?;
    Ok(head)
}

/// The fields behind a body; `None` if they are malformed.
#[must_use]
pub fn trailers(lines: Vec<FieldLine>) -> Option<HeaderMap> {
    fields(lines.into_iter())
}

impl PseudoFields {
    fn into_method_and_uri(self) -> Result<(Method, Uri), &'static str> {
        const NO_METHOD: &str = "the method is missing or malformed";
        const NO_AUTHORITY: &str = "the authority is malformed";
        const NO_SCHEME: &str = "the scheme is missing or malformed";
        const NO_PATH: &str = "the path is missing or malformed";
        let method = Method::from_bytes(&self.method.ok_or(NO_METHOD)?).map_err(|_| NO_METHOD)?;
        let mut uri = http::uri::Parts::default();
        let authority = self.authority.map(Authority::from_maybe_shared).transpose();
        let authority = authority.map_err(|_| NO_AUTHORITY)?;
        if method == Method::CONNECT {
            if self.scheme.is_some() || self.path.is_some() {
                return Err("CONNECT has a scheme or a path");
            }
            uri.authority = Some(authority.ok_or("CONNECT has no authority")?);
        } else {
            let scheme = self.scheme.filter(|scheme| !scheme.is_empty()).ok_or(NO_SCHEME)?;
            let scheme = Scheme::try_from(&scheme[..]).map_err(|_| NO_SCHEME)?;
            let path = self.path.filter(|path| !path.is_empty()).ok_or(NO_PATH)?;
            if path.contains(&b'#') {
                // It would be left out.
                return Err("the request target has a fragment");
            }
            let path = match target::acceptable(&path) {
                Cow::Borrowed(_) => path,
                Cow::Owned(path) => path.into(),
            };
            let path = PathAndQuery::from_maybe_shared(path).map_err(|_| NO_PATH)?;
            uri.path_and_query = Some(path);
            // An address with a scheme has an authority; without one the field `Host` says it.
            uri.scheme = authority.is_some().then_some(scheme);
            uri.authority = authority;
        }
        Ok((method, Uri::from_parts(uri).map_err(|_| "the address is malformed")?))
    }
}

fn fields(lines: impl Iterator<Item = FieldLine>) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for FieldLine { name, value } in lines {
        // A pseudo-field comes late here.
        if Meaning::of(&name, &value) != Meaning::Ordinary {
            return None;
        }
        let name = HeaderName::from_lowercase(&name).ok()?;
        fields.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Result<Parts, &'static str> {
        let line = |(name, value): &(&str, &str)| FieldLine {
            name: Bytes::copy_from_slice(name.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
        };
        request_head(fields.iter().map(line).collect())
    }

    const M: (&str, &str) = (":method", "GET");
    const S: (&str, &str) = (":scheme", "https");
    const A: (&str, &str) = (":authority", "a.b");
    const P: (&str, &str) = (":path", "/p?q");

    #[test]
    fn a_whole_request_is_read_with_its_fields_in_order() {
        let head = head(&[M, S, A, P, ("x-a", "1"), ("te", "trailers"), ("x-a", "2")]).unwrap();
        assert_eq!((head.method, head.uri), (Method::GET, Uri::from_static("https://a.b/p?q")));
        let values: Vec<_> = head.headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
    }

    #[test]
    fn the_host_may_be_a_field() {
        let head = head(&[P, S, M, ("host", "a.b")]).unwrap();
        assert_eq!((head.uri.authority(), head.uri.path()), (None, "/p"));
    }

    #[test]
    fn pseudo_fields_come_once_each_before_all_others() {
        let late = |pseudo| head(&[M, S, A, P, ("x", "1"), pseudo]);
        for pseudo in [M, S, A, P, (":status", "200")] {
            assert!(late(pseudo).is_err(), "late: {pseudo:?}");
            assert!(head(&[M, S, A, P, pseudo]).is_err(), "twice: {pseudo:?}");
        }
        let all = [M, S, A, P];
        for missing in [0, 1, 3] {
            let rest: Vec<_> = (0..4).filter(|it| *it != missing).map(|it| all[it]).collect();
            assert!(head(&rest).is_err(), "without {:?}", all[missing]);
        }
        for unknown in [(":protocol", "websocket"), (":x", ""), (":", ""), (":Path", "/")] {
            assert!(head(&[M, S, A, P, unknown]).is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn malformed_pseudo_fields_are_refused() {
        for (name, value) in [
            (":method", ""),
            (":method", "G T"),
            (":method", "GET\r\nX: y"),
            (":path", ""),
            (":path", "/a b"),
            (":path", "/\r\nX: y"),
            (":path", "/\0"),
            (":authority", ""),
            (":authority", "a b"),
            (":authority", "a/b"),
            (":authority", "a\r\nX: y"),
            (":scheme", ""),
            (":scheme", "ht tp"),
        ] {
            let fields = [M, S, A, P].map(|it| if it.0 == name { (name, value) } else { it });
            assert!(head(&fields).is_err(), "{name}: {value:?}");
        }
    }

    #[test]
    fn fields_of_a_connection_and_malformed_ones_are_refused() {
        for field in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("proxy-connection", "x"),
            ("te", "gzip"),
            ("te", "trailers, gzip"),
            ("X-Capital", "1"),
            ("x y", "1"),
            ("x:", "1"),
            ("x\n", "1"),
            ("", "1"),
            ("x", "a\r\nb"),
            ("x", "a\nb"),
            ("x", "a\0b"),
            ("x", "\u{7f}"),
        ] {
            assert!(head(&[M, S, A, P, field]).is_err(), "{field:?}");
        }
    }

    #[test]
    fn connect_has_an_authority_and_nothing_else() {
        let connect = (":method", "CONNECT");
        assert!(head(&[connect, (":authority", "a:1")]).is_ok());
        assert!(head(&[connect]).is_err());
        assert!(head(&[connect, S, A, P]).is_err());
    }
}
