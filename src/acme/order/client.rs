//! The connection to an authority: what is not taken of it.
//!
//! The client of `instant-acme` would trust the first certificate of a file only, read an answer of any
//! length, and call a redirect or a page of HTML a fault in JSON.

use std::{fmt::Display, future::Future, path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::LOCATION};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use serde_json::Value;
use tokio::time;

use crate::http_client::{self, Client, Scheme};

/// The limit on one request to an authority.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer, in bytes: a certificate with its chain has some ten thousand.
const LONGEST_ANSWER: usize = 1 << 20;

type ByteBody = BodyWrapper<Bytes>;

/// Sends requests to an authority.
pub(super) struct AuthorityClient(Client<ByteBody>);

impl AuthorityClient {
    /// For an authority whose certificate is signed by one in this file, or by one that the system
    /// trusts.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or with what the system trusts.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        Client::new(ca, Scheme::Https).map(Self)
    }
}

impl HttpClient for AuthorityClient {
    fn request(
        &self,
        request: Request<ByteBody>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let url = request.uri().to_string();
        let asked = self.0.send(request);
        let answered = async move {
            let response = asked.await.map_err(|error| Error::Other(Box::new(error)))?;
            answer(&url, response).await
        };
        Box::pin(async move {
            let late = |_| other("no answer in time");
            time::timeout(PATIENCE, answered).await.map_err(late)?
        })
    }
}

/// The answer, if it can be one of the protocol.
async fn answer<B>(url: &str, response: Response<B>) -> Result<BytesResponse, Error>
where
    B: http_body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (parts, body) = response.into_parts();
    let status = parts.status;
    if status.is_redirection() {
        let to = parts.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        return Err(other(format!(
            "{url} redirects to {}, and that is not followed",
            http_client::one_line(to)
        )));
    }
    let body = http_client::whole(body, LONGEST_ANSWER).await.map_err(Error::Other)?;
    // Problems of the protocol are in JSON (RFC 8555 section 6.7). Others are of a machine on the way.
    let is_problem = || serde_json::from_slice::<Value>(&body).is_ok_and(|it| it.is_object());
    if !status.is_success() && !is_problem() {
        return Err(other(format!("{url} answers with {status}")));
    }
    Ok(BytesResponse { parts, body: Box::new(body) })
}

fn other(text: impl Display) -> Error {
    Error::Other(text.to_string().into())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn asked(status: u16, body: impl Into<Bytes>) -> Result<Bytes, String> {
        let builder = Response::builder().status(status).header(LOCATION, "https://b.example/");
        let response = builder.body(Full::new(body.into())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut answer =
                answer("https://a.example/dir", response).await.map_err(|it| it.to_string())?;
            answer.body.into_bytes().await.map_err(|it| it.to_string())
        })
    }

    #[test]
    fn what_is_no_answer_of_the_protocol_is_told_as_what_it_is() {
        let problem = r#"{"type":"urn:ietf:params:acme:error:malformed"}"#;
        assert_eq!(asked(200, "anything").unwrap(), "anything");
        assert_eq!(asked(400, problem).unwrap(), problem);
        let refused = |status: u16, body: &str| asked(status, body.to_owned()).unwrap_err();
        assert_eq!(
            refused(502, "<html>Bad Gateway"),
            "https://a.example/dir answers with 502 Bad Gateway"
        );
        assert_eq!(refused(403, ""), "https://a.example/dir answers with 403 Forbidden");
        assert_eq!(
            refused(301, "{}"),
            "https://a.example/dir redirects to https://b.example/, and that is not followed"
        );
    }

    #[test]
    fn an_answer_is_not_read_beyond_its_limit() {
        assert_eq!(asked(200, vec![b'x'; LONGEST_ANSWER]).unwrap().len(), LONGEST_ANSWER);
        assert_eq!(
            asked(200, vec![b'x'; LONGEST_ANSWER + 1]).unwrap_err(),
            "length limit exceeded"
        );
    }
}
