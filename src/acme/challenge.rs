//! The answers to an authority that asks for a proof.
//!
//! They are files in the state folder, because the authority may reach another instance than the one
//! that orders, or the next process. A file is looked for only when an authority asks, or a client that
//! pretends to be one.

use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{default_provider, sign::any_supported_type},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::task::spawn_blocking;

use super::{made, state};
use crate::config::{Challenge, Config};
use crate::tls::CHALLENGE_PROTOCOL;

/// The path of a request for a proof, before its token (RFC 8555 section 8.3).
pub const PATH: &str = "/.well-known/acme-challenge/";
/// Authorities send tokens of 43 bytes.
const LONGEST_TOKEN: usize = 256;

/// The answers of all instances that share a state folder.
#[derive(Debug, Clone)]
pub struct Challenges(Arc<Path>);

/// An answer, until it is dropped.
#[derive(Debug)]
pub(super) struct PostedAnswer(PathBuf);

impl Challenges {
    /// The answers of a process with this configuration; `None` if it orders nothing.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let orders = config.tls_endpoints().any(|place| place.tls.acme.is_some());
        orders.then(|| Self(super::StateFolder::of(config).challenges().into()))
    }

    pub(super) fn at(folder: PathBuf) -> Self {
        Self(folder.into())
    }

    /// The answer to a request with this token; `None` if the token is not one of ours.
    pub async fn for_token(&self, token: &str) -> Option<String> {
        let file = self.file_of_token(token)?;
        let text = spawn_blocking(move || state::read(&file)).await;
        String::from_utf8(text.ok()?.ok()??).ok()
    }

    /// The configuration for a handshake that asks for the proof of this host, which must be one that
    /// the configuration names; `None` if there is nothing to prove.
    pub async fn for_host(&self, host: &str) -> Option<Arc<ServerConfig>> {
        let (file, host) = (self.file_of_host(host), host.to_owned());
        spawn_blocking(move || proof(&host, &state::read(&file).ok()??)).await.ok()?
    }

    /// Answers this challenge from here on.
    pub(super) fn post(
        &self,
        challenge: Challenge,
        (host, token): (&str, &str),
        answer: &str,
    ) -> io::Result<PostedAnswer> {
        let unknown = || io::Error::other("the authority's token is not one of RFC 8555");
        let file = match challenge {
            Challenge::Http01 => self.file_of_token(token).ok_or_else(unknown)?,
            Challenge::TlsAlpn01 => self.file_of_host(host),
        };
        state::write(&file, answer.as_bytes())?;
        Ok(PostedAnswer(file))
    }

    /// Removes what killed processes have left behind.
    pub(super) fn sweep(&self, now: SystemTime) {
        state::sweep(&self.0, now, |_| true);
    }

    /// A token may come from any client, so it must not lead out of the folder.
    fn file_of_token(&self, token: &str) -> Option<PathBuf> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_token = (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(is_letter);
        // The names of files end at 255 bytes.
        is_token.then(|| self.0.join(format!("token-{}", hex(token))))
    }

    fn file_of_host(&self, host: &str) -> PathBuf {
        self.0.join(format!("host-{}", hex(host)))
    }
}

impl Drop for PostedAnswer {
    fn drop(&mut self) {
        if let Err(error) = state::remove(&self.0) {
            log::warn!(error:% = error; "the answer to a challenge stays behind");
        }
    }
}

fn hex(text: &str) -> String {
    let mut name = String::new();
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// What a handshake shows that asks for a proof (RFC 8737 section 3).
fn proof(host: &str, answer: &[u8]) -> Option<Arc<ServerConfig>> {
    let (chain, key) = made::proof(host, digest(&SHA256, answer).as_ref()).ok()?;
    // Checking that they belong together would fail at an extension that only authorities know.
    let key = CertifiedKey::new(chain, any_supported_type(&key).ok()?);
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).ok()?;
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![CHALLENGE_PROTOCOL.to_vec()];
    Some(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    fn challenges() -> (tempfile::TempDir, Challenges) {
        let folder = tempfile::tempdir().unwrap();
        let challenges = Challenges::at(folder.path().join("challenges"));
        (folder, challenges)
    }

    #[tokio::test]
    async fn an_answer_is_there_as_long_as_it_is_posted() {
        let (_folder, here) = challenges();
        let there = Challenges::at(here.0.to_path_buf());
        assert_eq!(there.for_token("a_token-1").await, None);
        let posted = here.post(Challenge::Http01, ("a.example", "a_token-1"), "a_token-1.key");
        let by_handshake = here.post(Challenge::TlsAlpn01, ("b.example", "t"), "t.key").unwrap();
        assert_eq!(there.for_token("a_token-1").await.as_deref(), Some("a_token-1.key"));
        assert!(there.for_host("b.example").await.is_some());
        assert!(there.for_host("a.example").await.is_none());
        assert_eq!(there.for_token("t").await, None);
        drop((posted, by_handshake));
        assert_eq!(there.for_token("a_token-1").await, None);
        assert!(there.for_host("b.example").await.is_none());
    }

    #[tokio::test]
    async fn a_token_does_not_lead_to_another_file() {
        let (folder, challenges) = challenges();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        state::make_folder(&challenges.0).unwrap();
        for token in ["../secret", "..", "", "a/b", "%2e%2e/secret", &"a".repeat(257), "\0"] {
            assert_eq!(challenges.for_token(token).await, None, "{token}");
        }
        assert!(challenges.post(Challenge::Http01, ("a", "../secret"), "x").is_err());
    }

    #[test]
    fn answers_of_killed_processes_are_swept() {
        let (_folder, challenges) = challenges();
        let posted = challenges.post(Challenge::Http01, ("a", "token"), "x").unwrap();
        let now = fs::metadata(&posted.0).unwrap().modified().unwrap();
        challenges.sweep(now + Duration::from_secs(23 * 60 * 60));
        assert!(posted.0.exists());
        challenges.sweep(now + Duration::from_secs(25 * 60 * 60));
        assert!(!posted.0.exists());
    }
}
