//! Flags that describe a balancer: alone, or over a file.
//!
//! A flag has no default here. A flag that was not given leaves the file as it is; without a file the
//! defaults are a configuration of their own, [`base`], and the flags are applied to that one.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use super::{
    document::{Report, Setting},
    https_flags::HttpsFlags,
    model::{
        Algorithm, BackendSpec, Config, HealthCheck, Listener, PathPrefix, Pool, PoolName, Route,
        Weight,
    },
    origin::Origin,
    read,
    values::{
        ATTEMPTS_MAX, BACKEND_ADDRESS, DURATION, HOST_ADDRESS, Kind, choice_of, other_algorithm,
        shown_duration,
    },
    word::Word,
    wording::quoted,
};

const DAEMON: &str = "--daemon";
const PORT: &str = "--port";
const HOST: &str = "--host";
const BACKENDS: &str = "--backends";
const ALGORITHM: &str = "--algorithm";
const HEALTH_INTERVAL: &str = "--health-interval";
const HEALTH_TIMEOUT: &str = "--health-timeout";
const MAX_RETRIES: &str = "--max-retries";

/// The algorithms as flags spell them, without an underscore; the words of the file are understood
/// too.
const ALGORITHMS: Kind<Algorithm> = Kind {
    parse: |text| match Algorithm::ALL.iter().find(|algorithm| algorithm.word() == text) {
        Some(algorithm) => Ok(*algorithm),
        None => {
            choice_of(text, flag_word).map_err(|message| other_algorithm(text, flag_word, message))
        }
    },
    ..Kind::word("roundrobin, leastconn or ewma")
};

fn flag_word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin => "roundrobin",
        Algorithm::LeastConn => "leastconn",
        Algorithm::Ewma => "ewma",
    }
}

/// The flags as they were given; `None` is a flag that was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--daemon`: run in the background, even if the file says otherwise.
    pub daemon: bool,
    /// `--host`: the address of the only listener, without a port.
    pub host: Option<String>,
    /// `--port`: the port of the only listener; 0 lets the system choose.
    pub port: Option<u16>,
    /// `--backends`: addresses, split at the commas.
    pub backends: Option<Vec<String>>,
    /// `--algorithm`: `roundrobin`, `leastconn` (both with or without `_`) or `ewma`.
    pub algorithm: Option<String>,
    /// `--health-interval`: a duration such as `10s`.
    pub health_interval: Option<String>,
    /// `--health-timeout`: a duration such as `2s`.
    pub health_timeout: Option<String>,
    /// `--max-retries`: tries after the first.
    pub max_retries: Option<u32>,
    /// `--https`, and the flags beside it.
    pub https: HttpsFlags,
    /// Whether people read the log as it is written. Without a file it is then text, not JSON.
    pub is_watched: bool,
}

/// The listener's port without a file; it listens on all IPv4 addresses.
const DEFAULT_PORT: u16 = 8080;
/// The interval of health checks without a file.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// The limit on a health check without a file.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of tries after the first one, without a file.
const DEFAULT_RETRIES: u32 = 3;
/// The name of the only pool without a file.
const DEFAULT_POOL: &str = "default";

impl Flags {
    /// The flags that say the same as no flags at all, without a file. Backends have no default.
    #[must_use]
    pub fn defaults() -> Self {
        let config = base();
        let pool = config.pools.first();
        let check = pool.and_then(|pool| pool.health_check.as_ref());
        let address = config.listeners.first().and_then(|it| it.address.tcp());
        Self {
            daemon: config.process.daemon,
            host: address.map(|it| it.ip().to_string()),
            port: address.map(|it| it.port()),
            backends: None,
            algorithm: pool.map(|pool| flag_word(pool.algorithm).to_owned()),
            health_interval: check.map(|check| shown_duration(check.interval)),
            health_timeout: check.map(|check| shown_duration(check.timeout)),
            max_retries: pool.map(|pool| pool.retry.attempts.get() - 1),
            https: HttpsFlags::default(),
            is_watched: false,
        }
    }
}

/// The configuration without a file and without flags; it has no backends.
pub(super) fn base() -> Config {
    let name = PoolName::new(DEFAULT_POOL);
    let mut pool = Pool::new(name.clone());
    pool.health_check = Some(HealthCheck {
        interval: DEFAULT_INTERVAL,
        timeout: DEFAULT_TIMEOUT,
        ..HealthCheck::default()
    });
    pool.retry.attempts = NonZeroU32::MIN.saturating_add(DEFAULT_RETRIES);
    Config {
        listeners: vec![Listener::new(
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT).into(),
        )],
        routes: vec![Route { host: None, path: PathPrefix("/".into()), pool: name }],
        pools: vec![pool],
        ..read::nothing()
    }
}

/// Reports missing backends: without a file nothing but the flag can name them.
pub(super) fn require_backends(flags: &Flags, report: &Report) {
    if flags.backends.is_none() {
        let message = "is missing (name the backends, as in --backends \
                       http://localhost:9001,http://localhost:9002, or a file with -c)";
        report.add(Origin::flag(BACKENDS), message);
    }
}

/// The values that replace those of the file.
#[derive(Debug)]
pub(super) struct Overrides {
    daemon: bool,
    host: Setting<IpAddr>,
    port: Option<u16>,
    backends: Option<Vec<BackendSpec>>,
    algorithm: Setting<Algorithm>,
    interval: Setting<Duration>,
    timeout: Setting<Duration>,
    attempts: Option<NonZeroU32>,
}

impl Overrides {
    /// Reads the texts of the flags.
    pub(super) fn read(flags: &Flags, report: &Report) -> Self {
        Self {
            daemon: flags.daemon,
            host: setting(HOST, flags.host.as_deref(), &HOST_ADDRESS, report),
            port: flags.port,
            backends: flags.backends.as_ref().map(|texts| backends(texts, report)),
            algorithm: setting(ALGORITHM, flags.algorithm.as_deref(), &ALGORITHMS, report),
            interval: setting(HEALTH_INTERVAL, flags.health_interval.as_deref(), &DURATION, report),
            timeout: setting(HEALTH_TIMEOUT, flags.health_timeout.as_deref(), &DURATION, report),
            attempts: flags.max_retries.map(|retries| attempts(retries, report)),
        }
    }

    /// Replaces the values of the flags that were given.
    pub(super) fn apply(self, config: &mut Config, report: &Report) {
        self.apply_daemon(config, report);
        self.apply_address(config, report);
        match config.pools.as_mut_slice() {
            [] => {}
            [pool] => self.apply_pool(pool, report),
            pools => {
                let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
                for flag in self.pool_flags() {
                    let message = format!(
                        "needs a file with one pool, and this one has {} (change them in the file)",
                        names.join(", ")
                    );
                    report.add(Origin::flag(flag), message);
                }
            }
        }
    }

    fn apply_daemon(&self, config: &mut Config, report: &Report) {
        // If the file says so too, the warning was given there.
        if !self.daemon || std::mem::replace(&mut config.process.daemon, true) {
            return;
        }
        for message in read::unheard(&config.process, config.access_log.as_ref()) {
            report.warn(Origin::flag(DAEMON), message);
        }
    }

    fn apply_address(&self, config: &mut Config, report: &Report) {
        let admin = config.admin.as_ref().and_then(|admin| admin.address.tcp());
        let flag = match (self.host.is_there(), self.port) {
            (_, Some(_)) => PORT,
            (true, None) => HOST,
            (false, None) => return,
        };
        let refuse = |message: String| report.add(Origin::flag(flag), message);
        match config.listeners.as_mut_slice() {
            [] => {}
            [listener] => {
                let Some(mut address) = listener.address.tcp() else {
                    let found = &listener.address;
                    return refuse(format!(
                        "needs a listener with a port, and the one in the file is {found}"
                    ));
                };
                address.set_port(self.port.unwrap_or(address.port()));
                address.set_ip(self.host.copied().unwrap_or(address.ip()));
                listener.address = address.into();
                if address.port() != 0 && admin == Some(address) {
                    refuse(format!("{address} is already used by admin.address in the file"));
                }
            }
            listeners => {
                let addresses: Vec<String> =
                    listeners.iter().map(|listener| listener.address.to_string()).collect();
                refuse(format!(
                    "needs a file with one listener, and this one has {} (change them in the file)",
                    addresses.join(", ")
                ));
            }
        }
    }

    /// The flags given that are about a pool.
    fn pool_flags(&self) -> impl Iterator<Item = &'static str> {
        [
            (BACKENDS, self.backends.is_some()),
            (ALGORITHM, self.algorithm.is_there()),
            (HEALTH_INTERVAL, self.interval.is_there()),
            (HEALTH_TIMEOUT, self.timeout.is_there()),
            (MAX_RETRIES, self.attempts.is_some()),
        ]
        .into_iter()
        .filter_map(|(flag, is_given)| is_given.then_some(flag))
    }

    fn apply_pool(self, pool: &mut Pool, report: &Report) {
        self.apply_check(pool, report);
        if let Some(backends) = self.backends {
            pool.backends = backends;
        }
        pool.algorithm = self.algorithm.given().unwrap_or(pool.algorithm);
        pool.retry.attempts = self.attempts.unwrap_or(pool.retry.attempts);
    }

    fn apply_check(&self, pool: &mut Pool, report: &Report) {
        let Some(check) = pool.health_check.as_mut() else {
            let flags = [(HEALTH_INTERVAL, &self.interval), (HEALTH_TIMEOUT, &self.timeout)];
            for (flag, _) in flags.iter().filter(|(_, setting)| setting.is_there()) {
                let message = format!(
                    "health checks of pool {} are off in the file (remove health_check there, or \
                     this flag)",
                    pool.name
                );
                report.add(Origin::flag(*flag), message);
            }
            return;
        };
        let (interval, timeout) = (self.interval.copied(), self.timeout.copied());
        check.interval = interval.unwrap_or(check.interval);
        check.timeout = timeout.unwrap_or(check.timeout);
        if check.timeout < check.interval || self.interval.is_wrong() || self.timeout.is_wrong() {
            return;
        }
        let (long, short) = (shown_duration(check.timeout), shown_duration(check.interval));
        if timeout.is_some() {
            let message = format!("must be below the interval of {short}, found {long}");
            report.add(Origin::flag(HEALTH_TIMEOUT), message);
        } else if interval.is_some() {
            let message = format!(
                "must be above the timeout of {long}, found {short} (give {HEALTH_TIMEOUT} as well)"
            );
            report.add(Origin::flag(HEALTH_INTERVAL), message);
        }
    }
}

fn setting<T>(
    flag: &'static str,
    text: Option<&str>,
    kind: &Kind<T>,
    report: &Report,
) -> Setting<T> {
    match text.map(kind.parse) {
        None => Setting::LeftOut,
        Some(Ok(value)) => Setting::Given(value, Origin::flag(flag)),
        Some(Err(message)) => {
            report.add(Origin::flag(flag), message);
            Setting::Wrong
        }
    }
}

fn backends(texts: &[String], report: &Report) -> Vec<BackendSpec> {
    let mut backends: Vec<BackendSpec> = Vec::new();
    if texts.iter().all(|text| text.is_empty()) {
        let message = "names no backend (write --backends http://localhost:9001)";
        report.add(Origin::flag(BACKENDS), message);
        return backends;
    }
    for text in texts {
        match (BACKEND_ADDRESS.parse)(text) {
            Ok(address) if backends.iter().any(|backend| backend.address == address) => {
                report.add(Origin::flag(BACKENDS), format!("{} is given twice", quoted(text)));
            }
            Ok(address) => {
                let origin = Origin::flag(BACKENDS);
                backends.push(BackendSpec {
                    address,
                    weight: Weight::MIN,
                    backup: false,
                    drain: false,
                    max_connections: None,
                    origin,
                });
            }
            Err(message) => report.add(Origin::flag(BACKENDS), message),
        }
    }
    backends
}

/// The number of tries for this number of retries, which are tries after the first one.
fn attempts(retries: u32, report: &Report) -> NonZeroU32 {
    if retries >= ATTEMPTS_MAX {
        let message = format!("must be between 0 and {}, found {retries}", ATTEMPTS_MAX - 1);
        report.add(Origin::flag(MAX_RETRIES), message);
    }
    NonZeroU32::MIN.saturating_add(retries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, LogFormat, from_flags, parse};

    const ONE_POOL: &str = "
        listeners: [{ address: 127.0.0.1:8080 }]
        routes: [{ pool: web }]
        pools:
          web:
            algorithm: least_conn
            backends: [{ address: 127.0.0.1:9001, weight: 7 }]
            health_check: { interval: 5s, timeout: 3s, path: /up }
            retry: { attempts: 2 }
    ";

    const TWO_POOLS: &str = "
        listeners: [{ address: 127.0.0.1:8080 }, { address: 127.0.0.1:8081 }]
        routes: [{ pool: web }, { path: /api, pool: api }]
        pools:
          web: { backends: [{ address: 127.0.0.1:9001 }] }
          api: { backends: [{ address: 127.0.0.1:9002 }] }
    ";

    fn alone(flags: &Flags) -> Result<Config, String> {
        from_flags(flags).map(|loaded| loaded.config).map_err(|problems| problems.to_string())
    }

    fn over(text: &str, flags: &Flags) -> Result<Config, String> {
        let loaded = parse("lb.yaml", text, flags);
        loaded.map(|loaded| loaded.config).map_err(|problems| problems.to_string())
    }

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn two_backends() -> Flags {
        let backends = words(&["http://localhost:9001", "http://localhost:9002"]);
        Flags { backends, ..Flags::default() }
    }

    fn every_flag() -> Flags {
        Flags {
            daemon: true,
            port: Some(80),
            backends: words(&["b:1", "10.0.0.2:2"]),
            algorithm: Some("roundrobin".to_owned()),
            health_interval: Some("20s".to_owned()),
            health_timeout: Some("15s".to_owned()),
            max_retries: Some(0),
            ..Flags::default()
        }
    }

    #[test]
    fn a_host_goes_with_the_port_or_without_it() {
        let with = |host: &str| Flags { host: Some(host.to_owned()), ..two_backends() };
        let address = |flags: &Flags| alone(flags).unwrap().listeners[0].address.to_string();
        assert_eq!(address(&with("127.0.0.1")), "127.0.0.1:8080");
        assert_eq!(address(&Flags { port: Some(80), ..with("::1") }), "[::1]:80");
        assert_eq!(address(&with("[::]")), "[::]:8080");
        let flags = Flags { host: Some("::1".to_owned()), ..Flags::default() };
        assert_eq!(over(ONE_POOL, &flags).unwrap().listeners[0].address.to_string(), "[::1]:8080");
        assert!(
            over(TWO_POOLS, &flags).unwrap_err().contains("--host: needs a file with one listener")
        );
        for (host, hint) in
            [("localhost", "write 127.0.0.1"), ("*", "0.0.0.0"), ("::1:80x", "--port")]
        {
            let message = alone(&with(host)).unwrap_err();
            assert!(
                message.starts_with("--host: must be an IP address") && message.contains(hint),
                "{message}"
            );
        }
    }

    #[test]
    fn a_log_that_people_read_is_text_unless_there_is_a_file() {
        let watched = Flags { is_watched: true, ..two_backends() };
        let format = |config: Config| config.access_log.unwrap().format;
        assert_eq!(format(alone(&watched).unwrap()), LogFormat::Text);
        assert_eq!(format(alone(&two_backends()).unwrap()), LogFormat::Json);
        let watched = Flags { is_watched: true, ..Flags::default() };
        assert_eq!(format(over(ONE_POOL, &watched).unwrap()), LogFormat::Json);
    }

    #[test]
    fn without_a_file_the_backends_are_enough() {
        let config = alone(&two_backends()).unwrap();
        assert_eq!(config.listeners[0].address.to_string(), "0.0.0.0:8080");
        assert_eq!(config.routes[0].pool, config.pools[0].name);
        let pool = &config.pools[0];
        assert_eq!(pool.name.as_str(), "default");
        assert_eq!(pool.algorithm, Algorithm::RoundRobin);
        let addresses: Vec<String> =
            pool.backends.iter().map(|backend| backend.address.to_string()).collect();
        assert_eq!(addresses, ["localhost:9001", "localhost:9002"]);
        let check = pool.health_check.as_ref().unwrap();
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (10, 2));
        assert_eq!(pool.retry.attempts.get(), 4);
    }

    #[test]
    fn without_a_file_the_defaults_are_those_that_help_shows() {
        let backends = Some(vec!["http://127.0.0.1:9001".to_owned()]);
        let given = Flags { backends: backends.clone(), ..Flags::defaults() };
        assert!(given.port.is_some() && given.max_retries.is_some());
        assert!(given.algorithm.is_some() && given.health_interval.is_some());
        assert!(given.health_timeout.is_some());
        let left_out = Flags { backends, ..Flags::default() };
        assert_eq!(alone(&given), alone(&left_out));
    }

    #[test]
    fn without_a_file_every_flag_counts() {
        let config = alone(&every_flag()).unwrap();
        assert_eq!(config.listeners[0].address.to_string(), "0.0.0.0:80");
        let pool = &config.pools[0];
        assert_eq!(pool.backends.len(), 2);
        let check = pool.health_check.as_ref().unwrap();
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (20, 15));
        assert_eq!(pool.retry.attempts.get(), 1);
    }

    #[test]
    fn without_a_file_the_backends_are_required() {
        let expected = "--backends: is missing (name the backends, as in --backends \
                        http://localhost:9001,http://localhost:9002, or a file with -c)\n\
                        command line: 1 problem";
        assert_eq!(alone(&Flags::default()).unwrap_err(), expected);
        let nothing = Flags { backends: words(&[""]), ..Flags::default() };
        assert!(alone(&nothing).unwrap_err().starts_with("--backends: names no backend"));
    }

    #[test]
    fn algorithms_are_spelt_as_in_the_file_or_without_the_underscore() {
        for (text, algorithm) in [
            ("roundrobin", Algorithm::RoundRobin),
            ("round_robin", Algorithm::RoundRobin),
            ("leastconn", Algorithm::LeastConn),
            ("least_conn", Algorithm::LeastConn),
            ("ewma", Algorithm::Ewma),
        ] {
            let flags = Flags { algorithm: Some(text.to_owned()), ..two_backends() };
            assert_eq!(alone(&flags).unwrap().pools[0].algorithm, algorithm, "{text}");
        }
    }

    #[test]
    fn every_wrong_flag_is_told_at_once() {
        let flags = Flags {
            daemon: false,
            port: None,
            backends: words(&["localhost", "a:1", "http://A:1", "", "https://b:1"]),
            algorithm: Some("lestconn".to_owned()),
            health_interval: Some("10".to_owned()),
            health_timeout: Some("0s".to_owned()),
            max_retries: Some(16),
            ..Flags::default()
        };
        let expected = "\
--backends: needs a port, found \"localhost\" (write localhost:80)
--backends: \"http://A:1\" is given twice
--backends: needs a port, found \"\" (write host:80)
--backends: not yet: lb speaks no TLS to backends, found \"https://b:1\" (use http://…)
--algorithm: must be roundrobin, leastconn or ewma, found \"lestconn\" (write leastconn)
--health-interval: needs a unit, found 10 (write 10ms or 10s)
--health-timeout: must be at least 1ms, found \"0s\"
--max-retries: must be between 0 and 15, found 16
command line: 8 problems";
        assert_eq!(alone(&flags).unwrap_err(), expected);
    }

    #[test]
    fn flags_that_were_not_given_leave_the_file_alone() {
        let plain = over(ONE_POOL, &Flags::default()).unwrap();
        let port = Flags { port: Some(80), ..Flags::default() };
        let mut expected = plain.clone();
        expected.listeners[0].address = "127.0.0.1:80".parse::<SocketAddr>().unwrap().into();
        assert_eq!(over(ONE_POOL, &port).unwrap(), expected);
        assert_eq!(plain.pools[0].retry.attempts.get(), 2);
    }

    #[test]
    fn given_flags_replace_the_file() {
        let pool = over(ONE_POOL, &every_flag()).unwrap().pools.remove(0);
        assert_eq!(pool.name.as_str(), "web");
        assert_eq!(pool.algorithm, Algorithm::RoundRobin);
        assert_eq!(pool.backends.len(), 2);
        assert_eq!(pool.backends[0].origin, Origin::flag("--backends"));
        assert_eq!(pool.retry.attempts.get(), 1);
        let check = pool.health_check.unwrap();
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (20, 15));
    }

    #[test]
    fn in_the_background_by_flag_is_warned_of_as_by_file() {
        let daemon = Flags { daemon: true, ..Flags::default() };
        let warnings = |text: &str, flags: &Flags| -> Vec<String> {
            let loaded = parse("lb.yaml", text, flags).unwrap();
            assert!(loaded.config.process.daemon);
            loaded.warnings.iter().map(ToString::to_string).collect()
        };
        let by_flag = warnings(ONE_POOL, &daemon);
        assert_eq!(by_flag.len(), 2);
        assert!(by_flag[0].starts_with("--daemon: the process log goes nowhere"), "{by_flag:?}");
        assert!(by_flag[1].starts_with("--daemon: the access log goes nowhere"), "{by_flag:?}");
        let in_file = ONE_POOL.replacen("routes", "daemon: true\n        routes", 1);
        let by_file = warnings(&in_file, &daemon);
        assert_eq!(by_file, warnings(&in_file, &Flags::default()));
        assert!(by_file.iter().all(|warning| warning.starts_with("lb.yaml:3: daemon: the ")));
        let quiet =
            ONE_POOL.replacen("routes", "error_log: x\n        access_log: off\n        routes", 1);
        assert_eq!(warnings(&quiet, &daemon), Vec::<String>::new());
    }

    #[test]
    fn a_port_that_the_admin_listener_has_is_refused() {
        let text = format!("{ONE_POOL}\n        admin: {{ address: 127.0.0.1:9900 }}\n");
        let port = |port| Flags { port: Some(port), ..Flags::default() };
        let expected = "--port: 127.0.0.1:9900 is already used by admin.address in the file";
        assert!(over(&text, &port(9900)).unwrap_err().starts_with(expected));
        assert!(over(&text, &port(9901)).is_ok());
        let any = text.replace(":9900", ":0");
        assert!(over(&any, &port(0)).is_ok());
    }

    #[test]
    fn a_flag_for_one_of_several_says_which_there_are() {
        let expected = "\
--port: needs a file with one listener, and this one has 127.0.0.1:8080, 127.0.0.1:8081 (change \
                        them in the file)
--backends: needs a file with one pool, and this one has web, api (change them in the file)
--algorithm: needs a file with one pool, and this one has web, api (change them in the file)
--health-interval: needs a file with one pool, and this one has web, api (change them in the file)
--health-timeout: needs a file with one pool, and this one has web, api (change them in the file)
--max-retries: needs a file with one pool, and this one has web, api (change them in the file)
command line: 6 problems";
        assert_eq!(over(TWO_POOLS, &every_flag()).unwrap_err(), expected);
        assert!(over(TWO_POOLS, &Flags::default()).is_ok());
    }

    #[test]
    fn a_timeout_that_is_not_below_the_interval_names_the_flag() {
        let timeout = Flags { health_timeout: Some("5s".to_owned()), ..Flags::default() };
        let expected = "--health-timeout: must be below the interval of 5s, found 5s";
        assert!(over(ONE_POOL, &timeout).unwrap_err().starts_with(expected));

        let interval = Flags { health_interval: Some("1s".to_owned()), ..two_backends() };
        let expected = "--health-interval: must be above the timeout of 2s, found 1s (give \
                        --health-timeout as well)";
        assert!(alone(&interval).unwrap_err().starts_with(expected));
    }

    #[test]
    fn a_check_that_is_off_has_no_interval() {
        let text = ONE_POOL.replace("{ interval: 5s, timeout: 3s, path: /up }", "off");
        let interval = Flags { health_interval: Some("1s".to_owned()), ..Flags::default() };
        let expected = "--health-interval: health checks of pool web are off in the file";
        assert!(over(&text, &interval).unwrap_err().starts_with(expected));
    }

    #[test]
    fn problems_of_flags_and_file_come_together() {
        let text = ONE_POOL.replace("weight: 7", "weight: 0");
        let timeout = Flags { health_timeout: Some("5".to_owned()), ..Flags::default() };
        let expected = "\
--health-timeout: needs a unit, found 5 (write 5ms or 5s)
lb.yaml:7: pools.web.backends[0].weight: must be between 1 and 1000, found 0 (to stop traffic to \
                        a backend, write drain: true)
lb.yaml and command line: 2 problems";
        assert_eq!(over(&text, &timeout).unwrap_err(), expected);
    }
}
