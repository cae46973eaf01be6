//! The certificates that an admin listener may show to a command.
//!
//! With the file of the process a command expects what the file names: exactly these certificates, whatever
//! name the listener is reached by, so that nothing has to be set up. Without it the usual rules hold: the
//! certificate is for the name in the address, and an authority has signed it that the system trusts or that
//! is named.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::address::Address;
use crate::acme::{self, CertificateRequest, StateFolder};
use crate::config::{Config, Tls};
use crate::files;
use crate::tls;

/// The arguments about certificates.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct TrustArguments {
    /// The certificate of an admin listener with TLS, or of the authority that signed it, in PEM
    /// [default: those that the file given with -c names, or the authorities that the system trusts].
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// The certificate to show to an admin listener that asks for one, and its key, in PEM.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of this certificate, if it is not in the same file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// What a client of a listener with TLS needs.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Trust {
    pub(super) config: Arc<ClientConfig>,
    /// The name that is asked for.
    pub(super) name: ServerName<'static>,
}

impl TrustArguments {
    /// What the listener at this address may show, by its configuration if that is known; `None` for an
    /// address without TLS.
    ///
    /// # Errors
    ///
    /// A message, if a file cannot be used or has no effect.
    pub(super) fn trust(
        &self,
        address: &Address,
        config: Option<&Config>,
    ) -> Result<Option<Trust>, String> {
        let Some(host) = host(address, config) else {
            let named = [("--cacert", &self.cacert), ("--cert", &self.cert)];
            let useless = named.into_iter().find(|(_, file)| file.is_some());
            return match useless {
                Some((flag, _)) => Err(format!("{flag} has no effect: {address} has no TLS")),
                None => Ok(None),
            };
        };
        let mut expected = Expected {
            exactly: Vec::new(),
            authorities: RootCertStore::empty(),
            names: vec![server_name(&host)?],
        };
        match (&self.cacert, config.and_then(|config| Some((config, admin_tls(config)?)))) {
            (Some(file), of_file) => {
                expected.add_authorities(certificates(file)?);
                expected.add_names(of_file.map(|(_, tls)| tls));
            }
            (None, Some((config, tls))) => expected.add_configured(config, tls),
            (None, None) => expected.add_system(),
        }
        let name = expected.names[0].clone();
        let config = self.client_config(expected).map_err(|error| error.to_string())?;
        Ok(Some(Trust { config: Arc::new(config), name }))
    }

    fn client_config(&self, expected: Expected) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let words = |error: Error| error.to_string();
        let verifier = Verifier::new(expected, Arc::clone(&provider))?;
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(words)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let Some(cert) = &self.cert else { return Ok(builder.with_no_client_auth()) };
        let key = self.key.as_ref().unwrap_or(cert);
        let text = read(key)?;
        let private = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| format!("{} has no private key in PEM", key.display()))?;
        builder.with_client_auth_cert(certificates(cert)?, private).map_err(words)
    }
}

/// The host of an address with TLS. A Unix socket has it if the configuration says so.
fn host(address: &Address, config: Option<&Config>) -> Option<String> {
    match address {
        Address::Tls(place) => {
            let host = place.rsplit_once(':').map_or(&**place, |(host, _)| host);
            Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
        }
        Address::Unix(_) => config.and_then(admin_tls).map(|_| "localhost".to_owned()),
        Address::Tcp(_) => None,
    }
}

fn admin_tls(config: &Config) -> Option<&Tls> {
    config.admin.as_ref()?.tls.as_ref()
}

fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(host.to_owned());
    name.map_err(|_| format!("{host} is no name that a certificate could be for"))
}

/// What a listener may show.
#[derive(Debug)]
struct Expected {
    /// These certificates, whatever they say.
    exactly: Vec<CertificateDer<'static>>,
    /// One of these authorities, for one of the names.
    authorities: RootCertStore,
    /// The first one is asked for.
    names: Vec<ServerName<'static>>,
}

impl Expected {
    fn add_authorities(&mut self, certificates: Vec<CertificateDer<'static>>) {
        self.authorities.add_parsable_certificates(certificates.iter().cloned());
        self.exactly.extend(certificates);
    }

    /// The names of the certificates that come by themselves, before the one in the address.
    fn add_names(&mut self, tls: Option<&Tls>) {
        let hosts = tls
            .into_iter()
            .flat_map(|tls| tls.acme.iter().flat_map(|acme| &acme.hosts).chain(&tls.local));
        let names: Vec<_> = hosts.filter_map(|host| server_name(host).ok()).collect();
        self.names.splice(..0, names);
    }

    /// What the configuration names. A file that the user may not read is left out.
    fn add_configured(&mut self, config: &Config, tls: &Tls) {
        self.add_names(Some(tls));
        self.exactly.extend(tls::shown(tls));
        let folder = StateFolder::of(config);
        for request in CertificateRequest::of(tls) {
            let stored = certificates(&folder.certificate(&request));
            self.exactly.extend(stored.into_iter().flatten().next());
        }
        if !tls.local.is_empty() {
            let root = certificates(&acme::root_file(&folder)).unwrap_or_default();
            self.authorities.add_parsable_certificates(root);
        }
        let Some(acme) = &tls.acme else { return };
        match &acme.directory_ca {
            Some(file) => {
                let authority = certificates(file).unwrap_or_default();
                self.authorities.add_parsable_certificates(authority);
            }
            None => self.add_system(),
        }
    }

    fn add_system(&mut self) {
        let found = rustls_native_certs::load_native_certs();
        self.authorities.add_parsable_certificates(found.certs);
    }
}

/// The certificates in this file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| format!("{} has no certificate in PEM", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// Looks whether a listener shows what is expected, and has the key of it.
#[derive(Debug)]
struct Verifier {
    exactly: Vec<CertificateDer<'static>>,
    names: Vec<ServerName<'static>>,
    /// `None` without any authority.
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(expected: Expected, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let Expected { exactly, authorities, names } = expected;
        let build = |roots| {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            builder.build().map_err(|error| error.to_string())
        };
        let roots = Some(Arc::new(authorities)).filter(|roots| !roots.is_empty());
        Ok(Self { exactly, names, by_authority: roots.map(build).transpose()?, provider })
    }
}

impl ServerCertVerifier for Verifier {
    /// A certificate that is expected exactly is good even if it has expired: that is when an operator
    /// asks.
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.exactly.iter().any(|known| known == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        let mut result = Err(CertificateError::UnknownIssuer.into());
        let Some(authorities) = &self.by_authority else { return result };
        for name in &self.names {
            result = authorities.verify_server_cert(shown, between, name, &[], now);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
