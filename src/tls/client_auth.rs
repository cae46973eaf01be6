//! The certificates that clients must show: bytes of files in, a rule out.

use std::{sync::Arc, time::SystemTime};

use ::aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use rustls::{
    CertificateError, CommonState, Error, HandshakeKind, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use super::{
    certificate::{certificates, date, time},
    client_certificate::ClientCertificate,
};
use crate::config::{ClientAuthMode, ClientCertStyle, Word};

/// A rule about the certificates of clients.
#[derive(Debug)]
pub struct ClientAuth {
    verifier: Arc<dyn ClientCertVerifier>,
    /// How backends are told.
    pub style: ClientCertStyle,
    /// Two rules with the same identity admit the same clients, and tell backends the same.
    pub(super) identity: String,
}

/// The authorities that may have issued certificates of clients.
#[derive(Debug)]
pub(super) struct Authorities {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

/// Lists of revoked certificates.
#[derive(Debug)]
pub(super) struct Revocations(Vec<CertificateRevocationListDer<'static>>);

impl Authorities {
    /// Reads the certificates of authorities, in PEM. The error is the end of a message that begins with
    /// the file.
    pub(super) fn new(text: &[u8]) -> Result<Self, String> {
        let certificates = certificates(text)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|error| format!("has an authority that cannot be used: {error}"))?;
        }
        Ok(Self { roots, certificates })
    }

    /// What is odd about them without being wrong, as ends of messages.
    pub(super) fn oddities(
        &self,
        revocations: Option<&Revocations>,
        now: SystemTime,
    ) -> Vec<String> {
        let parsed = self.certificates.iter().filter_map(|it| X509Certificate::from_der(it).ok());
        let mut found = Vec::new();
        for (_, authority) in parsed {
            let (name, until) =
                (authority.subject(), time(authority.validity().not_after.timestamp()));
            if until < now {
                found.push(format!("has an authority that expired on {} ({name})", date(until)));
            }
            if revocations.is_some_and(|lists| !lists.has_one_of(name.as_raw())) {
                found.push(format!(
                    "has an authority without a list of revoked certificates, so its \
                    clients are refused ({name})"
                ));
            }
        }
        found
    }
}

impl Revocations {
    /// Reads lists, in PEM. The error is the end of a message that begins with the file.
    pub(super) fn new(text: &[u8], now: SystemTime) -> Result<Self, String> {
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
        let lists = lists.map_err(|error| format!("is no PEM: {error}"))?;
        if lists.is_empty() {
            return Err(
                "has no list of revoked certificates (PEM begins with -----BEGIN X509 CRL-----)"
                    .to_owned(),
            );
        }
        for list in &lists {
            let parsed = CertificateRevocationList::from_der(list);
            let (_, parsed) = parsed.map_err(|_| "has a list that cannot be read".to_owned())?;
            let until = parsed.next_update().map(|until| time(until.timestamp()));
            if let Some(until) = until.filter(|until| *until < now) {
                return Err(format!("has a list that is out of date since {}", date(until)));
            }
        }
        Ok(Self(lists))
    }

    fn has_one_of(&self, issuer: &[u8]) -> bool {
        let mut parsed =
            self.0.iter().filter_map(|it| CertificateRevocationList::from_der(it).ok());
        parsed.any(|(_, list)| list.issuer().as_raw() == issuer)
    }
}

impl ClientAuth {
    /// A rule with these authorities and lists. The error is the end of a message.
    pub(super) fn new(
        mode: ClientAuthMode,
        style: ClientCertStyle,
        authorities: Authorities,
        revocations: Option<Revocations>,
    ) -> Result<Self, String> {
        let mut identity = Context::new(&SHA256);
        let mut note = |bytes: &[u8]| {
            identity.update(&(bytes.len() as u64).to_be_bytes());
            identity.update(bytes);
        };
        note(mode.word().as_bytes());
        note(style.word().as_bytes());
        authorities.certificates.iter().for_each(|certificate| note(certificate));
        let lists = revocations.map(|lists| lists.0).unwrap_or_default();
        lists.iter().for_each(|list| note(list));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(authorities.roots);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = builder.with_crls(lists).enforce_revocation_expiration();
        let builder = match mode {
            ClientAuthMode::Require => builder,
            ClientAuthMode::Optional => builder.allow_unauthenticated(),
        };
        let verifier = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { verifier, style, identity: HEXLOWER.encode(identity.finish().as_ref()) })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// The certificate that the client has shown in a handshake that is complete; `None` without one.
    ///
    /// # Errors
    ///
    /// If it is not valid any more: an earlier session goes on without a look at the certificate.
    pub fn certificate(
        &self,
        session: &CommonState,
        now: SystemTime,
    ) -> Result<Option<ClientCertificate>, Error> {
        let Some([leaf, between @ ..]) = session.peer_certificates() else {
            let is_missing = self.verifier.client_auth_mandatory();
            return if is_missing { Err(Error::NoCertificatesPresented) } else { Ok(None) };
        };
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let now = UnixTime::since_unix_epoch(since);
            self.verifier.verify_client_cert(leaf, between, now)?;
        }
        let unreadable = Error::InvalidCertificate(CertificateError::BadEncoding);
        ClientCertificate::new(leaf).map(Some).ok_or(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair,
        PKCS_ECDSA_P256_SHA256, date_time_ymd,
    };
    use rustls::{
        ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
        pki_types::PrivateKeyDer,
    };

    use super::*;
    use crate::tls::keys::Tickets;

    /// A certificate for `a.example`, until the beginning of 3000, its key, and its authority.
    fn issue() -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).unwrap();
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(3000, 1, 1);
        let key = key();
        let leaf = params.signed_by(&key, &authority).unwrap();
        (leaf.der().clone(), key.serialize_der().try_into().unwrap(), authority.pem())
    }

    /// Has both ends say all that they have to say.
    fn shake_hands(client: ClientConnection, config: &Arc<ServerConfig>) -> ServerConnection {
        let server = ServerConnection::new(Arc::clone(config)).unwrap();
        fn pass(from: &mut Connection, to: &mut Connection) {
            let mut bytes = Vec::new();
            while from.wants_write() {
                from.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                to.read_tls(&mut rest).unwrap();
                to.process_new_packets().unwrap();
            }
        }
        let (mut client, mut other) = (Connection::from(client), Connection::from(server));
        for _ in 0..4 {
            pass(&mut client, &mut other);
            pass(&mut other, &mut client);
        }
        match other {
            Connection::Server(server) => server,
            Connection::Client(_) => panic!("it is the server"),
        }
    }

    #[test]
    fn a_session_that_goes_on_shows_a_certificate_that_is_looked_at_again() {
        let (leaf, key, authority) = issue();
        let authorities = Authorities::new(authority.as_bytes()).unwrap();
        let (mode, style) = (ClientAuthMode::Require, ClientCertStyle::XClientCert);
        let roots = authorities.roots.clone();
        let rule = ClientAuth::new(mode, style, authorities, None).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().unwrap();
        let server = server.with_client_cert_verifier(rule.verifier());
        let mut server = server.with_single_cert(vec![leaf.clone()], key.clone_key()).unwrap();
        server.ticketer = Tickets::new("a");
        let server = Arc::new(server);
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots);
        let client = Arc::new(client.with_client_auth_cert(vec![leaf], key).unwrap());
        let now = crate::clock::wall();
        let later = now + Duration::from_secs(1000 * 366 * 24 * 60 * 60);
        for (kind, is_valid_later) in [(HandshakeKind::Full, true), (HandshakeKind::Resumed, false)]
        {
            let name = "a.example".try_into().unwrap();
            let client = ClientConnection::new(Arc::clone(&client), name).unwrap();
            let session = shake_hands(client, &server);
            assert_eq!(session.handshake_kind(), Some(kind));
            assert!(rule.certificate(&session, now).unwrap().is_some());
            assert_eq!(rule.certificate(&session, later).is_ok(), is_valid_later, "{kind:?}");
        }
    }
}
