//! An authority, and our account there.

use std::{error::Error as _, fs, io, path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount, Problem};
use tokio::time;

use super::client::AuthorityClient;
use crate::acme::{
    request::CertificateRequest,
    state::{self, Lock, StateFolder},
};
use crate::config::{Acme, ExternalAccount, HmacKey};
use crate::files;

/// The limit on one conversation about an account.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two looks at an account that another part of this process, or another instance,
/// is making.
const LOOK: Duration = Duration::from_millis(100);
/// What all types of problems of the protocol begin with (RFC 8555 section 6.7).
const TYPES: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Debug)]
pub(in crate::acme) struct OrderFailure {
    /// In the words of the authority or of the system.
    pub(in crate::acme) error: String,
    /// Whether the authority has said that there were too many requests.
    pub(in crate::acme) is_limited: bool,
    /// Whether the same again may succeed at once.
    pub(in crate::acme) is_momentary: bool,
    /// Whether the authority does not know our account any more.
    pub(in crate::acme) is_account_gone: bool,
}

impl OrderFailure {
    pub(in crate::acme) fn new(error: impl Into<String>) -> Self {
        let error = error.into();
        Self { error, is_limited: false, is_momentary: false, is_account_gone: false }
    }

    /// In the words of the authority.
    pub(super) fn of_authority(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix(TYPES).unwrap_or(kind);
        Self {
            is_limited: kind == "rateLimited",
            is_momentary: kind == "badNonce",
            is_account_gone: kind == "accountDoesNotExist",
            ..Self::new(words(problem, kind))
        }
    }
}

impl From<Error> for OrderFailure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(problem) => Self::of_authority(problem),
            Error::Timeout(_) => Self::new("the authority has not decided in time"),
            Error::Json(error) => {
                Self::new(format!("the authority's answer is none of the protocol: {error}"))
            }
            error => {
                let mut text = error.to_string();
                let mut source = error.source();
                while let Some(inner) = source {
                    let inner_text = inner.to_string();
                    if !text.ends_with(&inner_text) {
                        text = format!("{text}: {inner_text}");
                    }
                    source = inner.source();
                }
                Self::new(format!("the authority cannot be asked: {text}"))
            }
        }
    }
}

impl From<io::Error> for OrderFailure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// The problem in the authority's words, on one line.
fn words(problem: &Problem, kind: &str) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "no reason given".to_owned());
    if !kind.is_empty() {
        text = format!("{text} ({kind})");
    }
    for part in &problem.subproblems {
        text = format!("{text}; {part}");
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("the authority says: {}", text.trim())
}

/// Our account, which is made if there is none.
pub(super) async fn account(
    folder: &StateFolder,
    request: &CertificateRequest,
    acme: &Acme,
) -> Result<Account, OrderFailure> {
    let late = |_| OrderFailure::new("the authority cannot be asked: no answer in time");
    let file = folder.account(request);
    let _lock = loop {
        match Lock::take(&file.with_extension("lock"))? {
            Some(lock) => break lock,
            None => time::sleep(LOOK).await,
        }
    };
    let client = AuthorityClient::new(acme.directory_ca.as_deref());
    let client = client
        .map_err(|reason| OrderFailure::new(format!("the authority cannot be asked: {reason}")))?;
    let builder = Account::builder_with_http(Box::new(client));
    if let Some(text) = state::read(&file)? {
        let credentials: AccountCredentials = serde_json::from_slice(&text)
            .map_err(|error| OrderFailure::new(format!("{}: {error}", file.display())))?;
        let known = builder.from_credentials(credentials);
        return Ok(time::timeout(PATIENCE, known).await.map_err(late)??);
    }
    let external = acme.external_account.as_ref().map(external_key).transpose();
    let external = external.map_err(OrderFailure::new)?;
    let contact = acme.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<_> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let making = builder.create(&wanted, acme.directory.to_string(), external.as_ref());
    let (account, credentials) = time::timeout(PATIENCE, making).await.map_err(late)??;
    let text = serde_json::to_vec(&credentials)
        .map_err(|error| OrderFailure::new(format!("the account cannot be written: {error}")))?;
    state::write(&file, &text)?;
    log::info!(directory:% = acme.directory, account = account.id(); "made an account");
    Ok(account)
}

/// The key that proves the account which ours belongs to.
///
/// # Errors
///
/// What is wrong with it; the end of a message.
pub(in crate::acme) fn external_key(
    account: &ExternalAccount,
) -> Result<ExternalAccountKey, String> {
    let text = match &account.hmac_key {
        HmacKey::Given(key) => key.text().to_owned(),
        HmacKey::File(file) => key_in(file)?,
    };
    let key = BASE64_URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
    let key = key.map_err(|_| "the key of the external account is not base64url".to_owned())?;
    Ok(ExternalAccountKey::new(account.key_id.to_string(), &key))
}

fn key_in(file: &Path) -> Result<String, String> {
    let text = files::read_text(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "it is not text".to_owned(),
        _ => error.to_string(),
    });
    text.map_err(|reason| format!("{} cannot be read: {reason}", file.display()))
}

/// Forgets the account, because the authority has.
pub(super) fn forget_account(folder: &StateFolder, request: &CertificateRequest) -> io::Result<()> {
    let file = folder.account(request);
    log::warn!(file:% = file.display(); "the authority does not know the account: making another");
    fs::rename(&file, file.with_extension("json.unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_authoritys_words_are_on_one_line_with_their_kind() {
        let failure = OrderFailure::of_authority(&problem(
            r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\ncertificates",
                "subproblems":[{"detail":"for a.example"}]}"#,
        ));
        assert_eq!(
            failure.error,
            "the authority says: too many certificates (rateLimited); : for a.example"
        );
        assert!(failure.is_limited && !failure.is_momentary && !failure.is_account_gone);
        let failure = OrderFailure::of_authority(&problem("{}"));
        assert_eq!(failure.error, "the authority says: no reason given");
    }

    #[test]
    fn what_can_be_mended_at_once_is_known() {
        let of = |kind: &str| {
            OrderFailure::of_authority(&problem(&format!(r#"{{"type":"{TYPES}{kind}"}}"#)))
        };
        assert!(of("badNonce").is_momentary);
        assert!(of("accountDoesNotExist").is_account_gone);
    }
}
