//! One attempt to get a certificate, and what is known before it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use tokio::{runtime::Builder, time};

use super::{
    progress::Progress,
    schedule::{self, Failures, Validity},
};
use crate::acme::{
    local_authority,
    made::Pem,
    order::{self, OrderFailure},
    request::{CertificateRequest, Issuer},
    state::{self, Lock, StateFolder, Version, version},
};
use crate::clock;
use crate::config::Acme;
use crate::tls::{self, Certificate};

/// The time between two looks whether the certificate is still asked for.
const LOOK: Duration = Duration::from_millis(500);

/// What is known of a certificate.
#[derive(Debug, Clone)]
pub(super) struct Knowledge {
    /// When it is to be asked for.
    pub(super) due: SystemTime,
    /// Why there is no newer one.
    pub(super) failures: Option<Failures>,
    validity: Option<Validity>,
    seed: u64,
    /// Its files, by their versions.
    seen: Option<(Option<Version>, Option<Version>)>,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self { due: SystemTime::UNIX_EPOCH, failures: None, validity: None, seed: 0, seen: None }
    }
}

impl Knowledge {
    /// Reads its files, if they have changed, and reckons when the certificate is due.
    pub(super) fn look(
        &mut self,
        folder: &StateFolder,
        request: &CertificateRequest,
        now: SystemTime,
    ) {
        self.read(folder, request);
        // The authority of this machine goes by its clock, which was wrong then and is not any more.
        let is_premature = |it: &Validity| request.issuer == Issuer::Local && it.from > now;
        let validity = self.validity.filter(|it| !is_premature(it));
        self.due = schedule::due(validity, self.failures.as_ref(), (self.seed, now));
    }

    fn read(&mut self, folder: &StateFolder, request: &CertificateRequest) {
        let files = (folder.certificate(request), folder.failures(request));
        let seen = (version(&files.0), version(&files.1));
        if self.seen == Some(seen) {
            return;
        }
        // One that has ended counts, too: the authority is asked no less often for its successor.
        let text = state::read(&files.0).ok().flatten();
        let validity = text.and_then(|text| tls::validity(&text));
        self.validity = validity.map(|(from, until)| Validity { from, until });
        let text = state::read(&files.1).ok().flatten();
        self.failures = text.and_then(|text| serde_json::from_slice(&text).ok());
        self.seed = seed(request, self.validity);
        self.seen = Some(seen);
    }

    /// Has its files read at the next look, whether they have changed or not.
    pub(super) fn forget_versions(&mut self) {
        self.seen = None;
    }

    /// Adds a failure that may not be in a file.
    pub(super) fn note(&mut self, failures: Failures) {
        self.failures = Some(failures);
    }
}

/// A seed that all instances have alike.
fn seed(request: &CertificateRequest, validity: Option<Validity>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (request.id(), validity.map(|validity| validity.until)).hash(&mut hasher);
    hasher.finish()
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There is nothing to do: another process is asking for the certificate or has stored one, or no
    /// configuration wants it any more.
    Idle,
    /// With a certificate, which is stored.
    Issued,
    /// With a failure, which is stored if the folder takes a file.
    Failed(Failures),
}

/// Asks for a certificate and stores it.
pub(super) fn attempt(
    folder: &StateFolder,
    request: &CertificateRequest,
    (is_wanted, progress): (impl Fn() -> bool, &Progress),
) -> Outcome {
    let _lock = match Lock::take(&folder.lock(request)) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Outcome::Idle,
        Err(error) => {
            let failures = failed(folder, request, OrderFailure::from(error));
            progress.change(request, |it| it.failed += 1);
            return Outcome::Failed(failures);
        }
    };
    let (mut known, now) = (Knowledge::default(), clock::wall());
    known.look(folder, request, now);
    if known.due > now {
        return Outcome::Idle;
    }
    let _under_way = UnderWay::begin(progress, request);
    log::info!(hosts:% = request.hosts.join(", "), by = request.by(); "asking for a certificate");
    let issued = match &request.issuer {
        Issuer::Local => {
            local_authority::issue(folder, &request.hosts, now).map_err(OrderFailure::new)
        }
        Issuer::Acme(acme) => match order_while(is_wanted, folder, (request, acme), now) {
            Some(ordered) => ordered,
            None => {
                log::info!(hosts:% = request.hosts.join(", "); "the certificate is not asked for any more");
                return Outcome::Idle;
            }
        },
    };
    match issued.and_then(|pem| keep(folder, request, &pem)) {
        Ok(certificate) => {
            let until = humantime::format_rfc3339_seconds(certificate.facts.until);
            log::info!(hosts:% = request.hosts.join(", "), until:% = until; "got a certificate");
            progress.change(request, |it| it.issued += 1);
            Outcome::Issued
        }
        Err(failure) => {
            progress.change(request, |it| it.failed += 1);
            Outcome::Failed(failed(folder, request, failure))
        }
    }
}

/// Orders a certificate; `None` if it is not asked for any more.
///
/// An order has a runtime of its own: the process's may end before it, and timers of a runtime that has
/// ended panic.
fn order_while(
    is_wanted: impl Fn() -> bool,
    folder: &StateFolder,
    (request, acme): (&CertificateRequest, &Acme),
    now: SystemTime,
) -> Option<Result<Pem, OrderFailure>> {
    let ordering = async {
        // Authorities count what they issue: one that cannot be stored is one less.
        state::prepare(&folder.of_authority(request), now)?;
        order::order(folder, request, acme).await
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Some(Err(error.into())),
    };
    let ordered = runtime.block_on(async {
        tokio::select! {
            ordered = ordering => Some(ordered),
            () = unwanted(is_wanted) => None,
        }
    });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    ordered
}

/// Resolves when the certificate is not asked for any more.
async fn unwanted(is_wanted: impl Fn() -> bool) {
    while is_wanted() {
        time::sleep(LOOK).await;
    }
}

/// Checks and stores a certificate. One that is not valid at this moment is stored, too, and is a failure:
/// the clock of this machine may be wrong, and another order would not mend that.
fn keep(
    folder: &StateFolder,
    request: &CertificateRequest,
    pem: &Pem,
) -> Result<Certificate, OrderFailure> {
    let text = pem.text();
    let unfit = |error| OrderFailure::new(format!("the authority's certificate {error}"));
    let (text, now) = (text.as_bytes(), clock::wall());
    let certificate = Certificate::of_any_time(text, text, request.origin(), now).map_err(unfit)?;
    if let Some(host) = request.hosts.iter().find(|host| !certificate.is_for(host)) {
        return Err(unfit(format!("is not for {host}")));
    }
    state::write(&folder.certificate(request), text)?;
    let valid = Certificate::new(text, text, request.origin(), now);
    valid.map_err(|error| unfit(format!("{error}; is the clock of this machine right?")))?;
    state::remove(&folder.failures(request))?;
    Ok(certificate)
}

/// Stores and logs a failure.
fn failed(folder: &StateFolder, request: &CertificateRequest, failure: OrderFailure) -> Failures {
    let now = clock::wall();
    let mut known = Knowledge::default();
    known.look(folder, request, now);
    let failures = Failures::with(known.failures.take(), failure.error, failure.is_limited, now);
    known.note(failures.clone());
    known.look(folder, request, now);
    let next = humantime::format_rfc3339_seconds(known.due);
    log::error!(
        hosts:% = request.hosts.join(", "),
        by = request.by(),
        failures = failures.count,
        next:% = next,
        error = failures.error.as_str();
        "no certificate"
    );
    let stored = serde_json::to_vec(&failures).map_err(std::io::Error::other);
    let stored = stored.and_then(|text| state::write(&folder.failures(request), &text));
    if let Err(error) = stored {
        log::error!(error:% = error; "the state folder takes no file");
    }
    failures
}

/// Says that this process is asking for a certificate, until it is dropped.
struct UnderWay<'a> {
    progress: &'a Progress,
    request: &'a CertificateRequest,
}

impl<'a> UnderWay<'a> {
    fn begin(progress: &'a Progress, request: &'a CertificateRequest) -> Self {
        progress.change(request, |it| it.is_under_way = true);
        Self { progress, request }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.progress.change(self.request, |it| it.is_under_way = false);
    }
}
