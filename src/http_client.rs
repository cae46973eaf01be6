//! The client by which this process asks other servers: an authority for certificates, and a collector
//! of traces.
//!
//! All certificates of a file are trusted, not the first one alone, and nothing of another machine is
//! taken without a limit. Its users set the limit on the time.

use std::{error::Error, path::Path};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, ResponseFuture, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::files;

/// The most characters of another machine's text in a message.
const SHOWN: usize = 200;

/// Which URLs may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Those with TLS.
    Https,
    /// Those without TLS, too.
    Any,
}

/// Sends requests with bodies of one type. It keeps connections for the next request; they live in the
/// runtime that sends.
#[derive(Debug, Clone)]
pub struct Client<B>(legacy::Client<HttpsConnector<HttpConnector>, B>);

impl<B> Client<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// A client for servers whose certificates are signed by one in this file, or by one that the
    /// system trusts.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or with what the system trusts.
    pub fn new(ca: Option<&Path>, scheme: Scheme) -> Result<Self, String> {
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
        let builder = match scheme {
            Scheme::Https => builder.https_only(),
            Scheme::Any => builder.https_or_http(),
        };
        let connector = builder.enable_http1().enable_http2().build();
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request.
    pub fn send(&self, request: Request<B>) -> ResponseFuture {
        self.0.request(request)
    }
}

/// A response with its whole body, or an error if that is longer than `most` bytes.
///
/// # Errors
///
/// If the body is too long, or does not come to its end.
pub async fn read<B>(
    response: Response<B>,
    most: usize,
) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, whole(body, most).await?))
}

/// A whole body, or an error if it is longer than `most` bytes.
///
/// # Errors
///
/// If the body is too long, or does not come to its end.
pub async fn whole<B>(body: B, most: usize) -> Result<Bytes, Box<dyn Error + Send + Sync>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    Ok(Limited::new(body, most).collect().await?.to_bytes())
}

/// The certificates in this file, each of which a server's own may be signed by.
///
/// # Errors
///
/// What is wrong with the file; the end of a message.
pub fn roots(file: &Path) -> Result<RootCertStore, String> {
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

/// The text of another machine, for the log.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(SHOWN).collect()
}

/// An error with its causes, which the client's own texts leave out.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    // An error that shows its cause's text as its own says it twice.
    texts.dedup();
    one_line(&texts.join(": "))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

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
