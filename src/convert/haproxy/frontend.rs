//! Frontends: listeners, and the rules that choose a backend.

use super::{
    acl::{Acls, Alternative, Condition},
    bind::{self, Base, Bind},
    section::Section,
};
use crate::convert::{
    duration,
    ledger::Ledger,
    site::{self, AltSvc, ClientLimits, Host, Listener, Rule},
    statement::{Id, Place, Statement},
};

/// A choice of a backend section, by name, for requests of this host and path.
#[derive(Debug, Clone)]
pub(super) struct Choice<'a> {
    pub(super) host: Host,
    pub(super) path: String,
    /// `None` for a choice that cannot be translated.
    pub(super) backend: Option<&'a str>,
    pub(super) by: Id,
    pub(super) place: Place,
}

/// A frontend: its choices in order, and its listeners, which have no rules yet.
pub(super) struct Frontend<'a> {
    pub(super) choices: Vec<Choice<'a>>,
    pub(super) listeners: Vec<Listener>,
}

/// Reads a frontend, or the frontend of a `listen`.
pub(super) fn frontend<'a>(
    section: &Section<'a>,
    base: &Base,
    ledger: &mut Ledger,
) -> Frontend<'a> {
    let acls = Acls::new(section.own("acl"));
    let mut used = Vec::new();
    let choices = choices(section, &acls, &mut used, ledger);
    let redirect = redirect(section, &acls, &mut used, ledger);
    settle_acls(&acls, &used, ledger);
    let mut binds: Vec<Bind<'a>> = Vec::new();
    let in_header = section
        .statement
        .args()
        .get(1..)
        .filter(|it| it.first().is_some_and(|it| it.contains(':')));
    if let Some(args) = in_header {
        binds.extend(bind::binds(section.statement, args, base, ledger));
    }
    for line in section.own("bind") {
        binds.extend(bind::binds(line, line.args(), base, ledger));
    }
    let terms = Terms {
        client: client(section, ledger),
        hsts: hsts(section, ledger),
        has_redirect: redirect.is_some(),
        alt_svc: field(section, "alt-svc"),
    };
    let binds = bind::joined(binds, ledger);
    for bind in &binds {
        let wider = site::twin(&bind.address);
        let has_wider = binds.iter().any(|it| Some(&it.address) == wider.as_ref());
        if let Some(wider) = wider.filter(|_| has_wider) {
            ledger.not_needed(bind.statement, format!("{wider} takes IPv4 as well"));
        }
    }
    let listeners: Vec<Listener> =
        site::without_twins(binds.into_iter().map(|it| terms.listener(it, ledger)).collect());
    let serves_none = !listeners.is_empty() && listeners.iter().all(|it| it.redirect_to_https);
    if serves_none {
        for line in section.own("use_backend").chain(section.own("default_backend")) {
            let reason = "the listener sends all of its clients to TLS (for certificates from an \
                          authority lb has tls.acme)";
            ledger.left_out(line, reason);
        }
        return Frontend { choices: Vec::new(), listeners };
    }
    Frontend { choices, listeners }
}

/// What the listeners of a frontend share.
struct Terms<'a> {
    client: ClientLimits,
    hsts: Option<String>,
    has_redirect: bool,
    /// The line that sets `Alt-Svc`.
    alt_svc: Option<&'a Statement>,
}

impl Terms<'_> {
    fn listener(&self, bind: Bind<'_>, ledger: &mut Ledger) -> Listener {
        let alt_svc = self.alt_svc(&bind, ledger);
        let mut tls = bind.tls;
        if let Some(tls) = &mut tls {
            tls.hsts.clone_from(&self.hsts);
        }
        let mut proxy_protocol = Vec::new();
        if bind.has_proxy_protocol {
            let reason = "lb takes PROXY headers from known addresses only: write those of your proxies \
                          in place of 127.0.0.1";
            ledger.left_out(bind.statement, reason);
            proxy_protocol.push("127.0.0.1".to_owned());
        }
        Listener {
            address: bind.address,
            place: bind.statement.place.clone(),
            mode: bind.mode,
            owner: bind.owner,
            proxy_protocol,
            redirect_to_https: tls.is_none() && self.has_redirect,
            tls,
            alt_svc,
            protocols: bind.protocols,
            client: self.client.clone(),
            rules: Vec::new(),
        }
    }
}

impl Terms<'_> {
    /// How clients of a listener with HTTP/3 learn of it.
    fn alt_svc(&self, bind: &Bind<'_>, ledger: &mut Ledger) -> AltSvc {
        let Some(line) = self.alt_svc.filter(|_| bind.protocols.contains(&"h3")) else {
            return AltSvc::default();
        };
        let value = line.words.iter().find_map(|word| duration::alt_svc(word, &bind.address));
        match value {
            None => ledger.left_out(line, "it names no port for HTTP/3"),
            Some((_, Some(ref remark))) => ledger.changed(line, remark.clone()),
            Some((_, None)) => ledger.translated(line),
        }
        value.map(|(alt_svc, _)| alt_svc).unwrap_or_default()
    }
}

impl Choice<'_> {
    /// The rule of `lb`, with the pool of the section.
    pub(super) fn rule(&self, pool: Option<usize>) -> Rule {
        Rule {
            host: self.host.clone(),
            path: self.path.clone(),
            pool,
            by: self.by,
            place: self.place.clone(),
        }
    }
}

fn choices<'a>(
    section: &Section<'a>,
    acls: &Acls<'a>,
    used: &mut Vec<String>,
    ledger: &mut Ledger,
) -> Vec<Choice<'a>> {
    let mut choices = Vec::new();
    for line in section.own("use_backend") {
        let Some(backend) = line.arg(0) else { continue };
        if backend.contains('%') {
            ledger.left_out(line, "lb has no variables: write a route for each host or path");
            continue;
        }
        let mut names = Vec::new();
        match acls.condition(line.args().get(1..).unwrap_or_default(), &mut names) {
            Ok(condition) if condition.alternatives.iter().any(|it| !it.other_paths.is_empty()) => {
                ledger.left_out(line, "lb's routes cannot say which paths they are not for");
            }
            Ok(condition) => {
                used.extend(names);
                settle(line, &condition, ledger);
                let all =
                    condition.alternatives.iter().flat_map(|it| of_alternative(it, line, backend));
                choices.extend(all);
            }
            Err(reason) => ledger.left_out(line, reason),
        }
    }
    if let Some(line) = section.find(&["default_backend"])
        && let Some(backend) = line.arg(0)
    {
        ledger.translated(line);
        choices.extend(of_alternative(&Alternative::default(), line, backend));
    }
    choices
}

fn settle(line: &Statement, condition: &Condition, ledger: &mut Ledger) {
    ledger.translated(line);
    for difference in &condition.differences {
        ledger.changed(line, difference.clone());
    }
    if condition.alternatives.iter().any(|it| it.tls.is_some()) {
        ledger.changed(line, "lb's routes are the same with and without TLS");
    }
}

fn of_alternative<'a>(
    alternative: &Alternative,
    line: &Statement,
    backend: &'a str,
) -> Vec<Choice<'a>> {
    let any = [Host::Any];
    let root = ["/".to_owned()];
    let hosts = if alternative.hosts.is_empty() { &any[..] } else { &alternative.hosts };
    let paths = if alternative.paths.is_empty() { &root[..] } else { &alternative.paths };
    let choice = |host: &Host, path: &String| Choice {
        host: host.clone(),
        path: path.clone(),
        backend: Some(backend),
        by: line.id,
        place: line.place.clone(),
    };
    hosts.iter().flat_map(|host| paths.iter().map(move |path| choice(host, path))).collect()
}

/// The line that sends clients without TLS to the same place with TLS.
fn redirect<'a>(
    section: &Section<'a>,
    acls: &Acls<'a>,
    used: &mut Vec<String>,
    ledger: &mut Ledger,
) -> Option<&'a Statement> {
    let lines = section.statement.inner().iter();
    for line in lines {
        let args = match line.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["redirect", "scheme", "https", ..] => 3,
            ["http-request", "redirect", "scheme", "https", ..] => 4,
            _ => continue,
        };
        let rest = line.words.get(args..).unwrap_or_default();
        let rest = match rest.split_first() {
            Some((code, rest)) if code == "code" => rest.get(1..).unwrap_or_default(),
            _ => rest,
        };
        let mut names = Vec::new();
        let condition = acls.condition(rest, &mut names);
        let is_plain = |it: &Alternative| {
            let is_challenge = |path: &String| path.starts_with("/.well-known/acme-challenge");
            it.hosts.is_empty()
                && it.paths.is_empty()
                && it.tls != Some(true)
                && it.other_paths.iter().all(is_challenge)
        };
        match condition {
            Ok(condition) if condition.alternatives.iter().all(is_plain) => {
                used.extend(names);
                ledger.changed(line, "redirect_to_https answers with 308, which keeps the method");
                return Some(line);
            }
            _ => ledger.left_out(line, "a listener of lb sends all clients to TLS, or none"),
        }
    }
    None
}

/// An `acl` that no translated line uses has the verdict of those that do.
fn settle_acls(acls: &Acls<'_>, used: &[String], ledger: &mut Ledger) {
    for name in used {
        for line in acls.lines_of(name) {
            ledger.translated(line);
        }
    }
}

/// The line of a frontend that sets a field of answers.
fn field<'a>(section: &Section<'a>, name: &str) -> Option<&'a Statement> {
    section.statement.inner().iter().find(|it| {
        matches!(it.name(), "http-response" | "http-after-response" | "rspadd")
            && !it.args().first().is_some_and(|it| it.starts_with("del-"))
            && it.words.iter().any(|word| word.to_ascii_lowercase().starts_with(name))
    })
}

fn hsts(section: &Section<'_>, ledger: &mut Ledger) -> Option<String> {
    let line = field(section, "strict-transport-security")?;
    let value = line.words.iter().find(|word| word.contains("max-age="))?;
    let value = value.rsplit(": ").next().unwrap_or(value);
    let days = duration::hsts_days(value).filter(|days| *days > 0)?;
    ledger.translated(line);
    if value.to_ascii_lowercase().contains("subdomains") || value.contains("preload") {
        ledger.changed(line, "hsts is max-age alone: no includeSubDomains, no preload");
    }
    Some(format!("{days}d"))
}

fn client(section: &Section<'_>, ledger: &mut Ledger) -> ClientLimits {
    let client = section.timeout("client", ledger).and_then(duration::written);
    ClientLimits {
        header: section.timeout("http-request", ledger).and_then(duration::written),
        keepalive: section.timeout("http-keep-alive", ledger).and_then(duration::written),
        write: client.clone(),
        body_idle: client,
    }
}
