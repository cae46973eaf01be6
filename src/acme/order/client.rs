//! The connection to an authority: which certificates it is trusted by, and what is not taken of it.
//!
//! The client of `instant-acme` would trust the first certificate of a file only, read an answer of any
//! length, and call a redirect or a page of HTML a fault in JSON.

use std::{fmt::Display, future::Future, path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::LOCATION};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use tokio::time;

use crate::files;

/// The limit on one request to an authority.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer, in bytes: a certificate with its chain has some ten thousand.
const LONGEST_ANSWER: usize = 1 << 20;

type ByteBody = BodyWrapper<Bytes>;

/// Sends requests to an authority.
pub(super) struct AuthorityClient(Client<HttpsConnector<HttpConnector>, ByteBody>);

impl AuthorityClient {
    /// For an authority whose certificate is signed by one in this file, or by one that the system
    /// trusts.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or with what the system trusts.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match ca {
            Some(file) => {
                let config = ClientConfig::builder_with_provider(default_provider().into());
                let config = config.with_safe_default_protocol_versions();
                let config = config.map_err(|error| error.to_string())?;
                let config = config.with_root_certificates(roots(file)?);
                builder.with_tls_config(config.with_no_client_auth())
            }
            None => builder.try_with_platform_verifier().map_err(|error| error.to_string())?,
        };
        let connector = builder.https_only().enable_http1().enable_http2().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

/// The certificates in this file, each of which an authority's own may be signed by.
///
/// # Errors
///
/// What is wrong with the file; the end of a message.
pub(in crate::acme) fn roots(file: &Path) -> Result<RootCertStore, String> {
    let name = file.display();
    let text = files::read(file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("{name} is no PEM: {error}"))?;
        let added = roots.add(certificate);
        added.map_err(|error| {
            format!("{name}: certificate {} cannot be used: {error}", roots.len() + 1)
        })?;
    }
    match roots.is_empty() {
        true => Err(format!("{name} has no certificate in PEM")),
        false => Ok(roots),
    }
}

impl HttpClient for AuthorityClient {
    fn request(
        &self,
        request: Request<ByteBody>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let url = request.uri().to_string();
        let asked = self.0.request(request);
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
            one_line(to)
        )));
    }
    let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(Error::Other)?;
    let body = body.to_bytes();
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

/// The text of another machine, for the log.
fn one_line(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use rcgen::{CertificateParams, KeyPair};

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

    #[test]
    fn every_certificate_of_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let pem = || {
            let params = CertificateParams::new(["ca.example".to_owned()]).unwrap();
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        let count = |text: &str| {
            std::fs::write(&file, text).unwrap();
            roots(&file).map(|roots| roots.len())
        };
        assert_eq!(count(&format!("{}text between\n{}", pem(), pem())), Ok(2));
        assert!(count("no certificate").unwrap_err().ends_with("ca.pem has no certificate in PEM"));
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(count(&(pem() + damaged)).unwrap_err().contains("certificate 2 cannot be used"));
    }
}
