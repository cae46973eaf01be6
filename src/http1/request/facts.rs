//! What the fields of a request say together.

use http::Version;

use super::target::{Form, Target};
use crate::http1::rules::{
    Authority, Known, Refusal,
    connection::Connection,
    framing::{self, TransferEncoding},
};

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Neither a length nor chunks were announced.
    None,
    /// This number of bytes; `Content-Length: 0` is a length.
    Length(u64),
    /// Chunks, for a [`ChunkedBody`](crate::http1::ChunkedBody).
    Chunked,
}

/// The statements of the fields, before they are checked against each other.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    transfer_encoding: TransferEncoding,
    pub(super) connection: Connection,
    pub(super) expects_continue: bool,
    pub(super) upgrades_to_websocket: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn read(&mut self, known: Known, value: &'a [u8]) -> Result<(), Refusal> {
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

    pub(super) fn body(&self, version: Version) -> Result<Body, Refusal> {
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
    pub(super) fn host(
        &self,
        target: &Target<'a>,
        version: Version,
    ) -> Result<Option<&'a [u8]>, Refusal> {
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
