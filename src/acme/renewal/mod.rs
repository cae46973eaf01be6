//! The task that gets certificates and renews them, while the process serves.
//!
//! Once a second it looks at the files of the certificates that the current configuration asks for. A
//! file that has changed is put to use, whether this process or another one has written it, so that
//! instances which share the folder, a reload and an upgrade need nothing else. What is due is asked
//! for, by the one process that gets the lock.
//!
//! Files are looked at on threads that may block: on a network mount that hangs a look never returns,
//! and the thread that hears signals must not wait for it.

mod attempt;
mod progress;
mod schedule;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    task::{JoinHandle, spawn_blocking},
    time::{self, MissedTickBehavior},
};

use self::attempt::{Knowledge, Outcome};
pub use self::{
    progress::{OrderFigures, Progress, RequestProgress},
    schedule::Failures,
};
use super::{
    request::{CertificateRequest, Issuer},
    state::{StateFolder, Version, version},
    supply::{supply, supply_all},
};
use crate::clock;
use crate::config::{Config, Tls};
use crate::tls::{CertificateOrigin, TlsListener, TlsListeners};

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Makes the certificates of the local authority that are missing, before a client connects: that needs
/// no other machine.
pub fn make_local(config: &Config, listeners: &TlsListeners) {
    let folder = StateFolder::of(config);
    let requests = config.tls_endpoints().flat_map(|place| CertificateRequest::of(place.tls));
    let mut local = requests.filter(|request| request.issuer == Issuer::Local).peekable();
    if local.peek().is_none() {
        return;
    }
    for request in local {
        // A failure is logged, and tried again later.
        let _ = attempt::attempt(&folder, &request, (|| true, &Progress::default()));
    }
    supply_all(config, listeners, clock::wall());
}

/// What serves at a moment.
#[derive(Debug)]
pub struct Serving {
    /// The number of the configuration.
    pub number: u64,
    /// The folder of the certificates.
    pub folder: StateFolder,
    /// The listeners that get certificates by themselves.
    pub listeners: Vec<(Tls, Arc<TlsListener>)>,
    /// Whether this process may begin to ask for one. One that starts or ends leaves it to the other.
    pub may_ask: bool,
}

impl Serving {
    fn requests(&self) -> BTreeMap<String, CertificateRequest> {
        let all = self.listeners.iter().flat_map(|(tls, _)| CertificateRequest::of(tls));
        all.map(|request| (request.id(), request)).collect()
    }
}

/// Gets certificates and renews them.
pub struct Renewals {
    serving: Arc<dyn Fn() -> Serving + Send + Sync>,
    progress: Arc<Progress>,
    /// Woken when there is a new certificate.
    ended: Arc<Notify>,
}

impl std::fmt::Debug for Renewals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewals").finish_non_exhaustive()
    }
}

impl Renewals {
    /// For what `serving` says at each moment.
    pub fn new(
        serving: impl Fn() -> Serving + Send + Sync + 'static,
        progress: Arc<Progress>,
    ) -> Self {
        Self { serving: Arc::new(serving), progress, ended: Arc::default() }
    }

    /// Runs as long as the process.
    pub async fn run(self) {
        let mut looks = time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = State::default();
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = self.ended.notified() => {}
            }
            let serving = (self.serving)();
            let requests = serving.requests();
            self.progress.retain(&requests.keys().cloned().collect::<BTreeSet<_>>());
            if requests.is_empty() {
                state = State::default();
                continue;
            }
            state.note_ended().await;
            let progress = Arc::clone(&self.progress);
            let (may_ask, folder) = (serving.may_ask, serving.folder.clone());
            let now = clock::wall();
            let look = spawn_blocking(move || state.look(&serving, &requests, (&progress, now)));
            let Ok((after, due)) = look.await else {
                // A fault of this program must not end all renewals.
                state = State::default();
                continue;
            };
            state = after;
            for request in due.into_iter().filter(|_| may_ask) {
                let job = self.ask(folder.clone(), request.clone());
                state.jobs.insert(request.id(), job);
            }
        }
    }

    /// Asks for a certificate, on a thread of its own.
    fn ask(&self, folder: StateFolder, request: CertificateRequest) -> Job {
        let (serving, progress) = (Arc::clone(&self.serving), Arc::clone(&self.progress));
        let ended = Arc::clone(&self.ended);
        spawn_blocking(move || {
            let id = request.id();
            let is_wanted = || serving().requests().contains_key(&id);
            let outcome = attempt::attempt(&folder, &request, (is_wanted, &progress));
            if matches!(outcome, Outcome::Issued) {
                ended.notify_one();
            }
            outcome
        })
    }
}

/// An attempt that is under way.
type Job = JoinHandle<Outcome>;

/// What is known from one look to the next.
#[derive(Default)]
struct State {
    /// What each listener was given: of which configuration, and which versions of files.
    installed: Vec<(u64, Vec<Option<Version>>)>,
    known: BTreeMap<String, Knowledge>,
    jobs: BTreeMap<String, Job>,
}

impl State {
    /// Remembers the failures of attempts that have ended. They are in files, too, if the folder takes
    /// any.
    async fn note_ended(&mut self) {
        let is_ended = |(id, job): (&String, &Job)| job.is_finished().then(|| id.clone());
        let ended: Vec<_> = self.jobs.iter().filter_map(is_ended).collect();
        for id in ended {
            let Some(job) = self.jobs.remove(&id) else { continue };
            // A fault of this program is a failure like any other.
            let outcome = job.await.unwrap_or_else(|error| {
                log::error!(error:% = error; "asking for a certificate failed");
                let before = self.known.get(&id).and_then(|known| known.failures.clone());
                Outcome::Failed(Failures::with(before, error.to_string(), false, clock::wall()))
            });
            let Some(known) = self.known.get_mut(&id) else { continue };
            match outcome {
                Outcome::Failed(failures) => known.note(failures),
                Outcome::Idle | Outcome::Issued => known.forget_versions(),
            }
        }
    }

    /// Puts changed files to use. Returns the requests that are due.
    fn look(
        mut self,
        serving: &Serving,
        requests: &BTreeMap<String, CertificateRequest>,
        (progress, now): (&Progress, SystemTime),
    ) -> (Self, Vec<CertificateRequest>) {
        self.install(serving, now);
        self.known.retain(|id, _| requests.contains_key(id));
        let mut due = Vec::new();
        for (id, request) in requests {
            let known = self.known.entry(id.clone()).or_default();
            known.look(&serving.folder, request, now);
            let next = known.due;
            progress.change(request, |it| {
                it.next = Some(next);
                it.failures.clone_from(&known.failures);
            });
            if next <= now && !self.jobs.contains_key(id) {
                due.push(request.clone());
            }
        }
        (self, due)
    }

    fn install(&mut self, serving: &Serving, now: SystemTime) {
        self.installed.resize(serving.listeners.len(), (0, Vec::new()));
        for ((tls, listener), installed) in serving.listeners.iter().zip(&mut self.installed) {
            let requests = CertificateRequest::of(tls);
            let files = requests.iter().map(|request| serving.folder.certificate(request));
            let versions = (serving.number, files.map(|file| version(&file)).collect());
            if *installed == versions {
                continue;
            }
            let certificates = supply(&serving.folder, tls, now);
            let stand_ins =
                certificates.iter().filter(|it| it.facts.source == CertificateOrigin::SelfSigned);
            for hosts in stand_ins.map(|it| it.facts.names.join(", ")) {
                log::warn!(hosts; "serving a self-signed certificate until the order is done");
            }
            for certificate in certificates.iter().filter(|it| it.facts.until < now) {
                let hosts = certificate.facts.names.join(", ");
                log::warn!(hosts; "serving a certificate that has expired until there is a better one");
            }
            listener.install(certificates);
            *installed = versions;
        }
    }
}
