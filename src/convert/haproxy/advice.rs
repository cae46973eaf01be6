//! What to say of lines that no translator has settled.

use crate::convert::{
    ledger::{
        Advice::{self, LeftOut, NotNeeded},
        look_up,
    },
    statement::Statement,
};

const NO_FIELDS: Advice =
    LeftOut("lb changes no fields but those that it sets itself (let the backend do it)");
const NO_REWRITES: Advice =
    LeftOut("lb changes no paths: backends get them as the client sent them");
const NO_ACCESS: Advice = LeftOut(
    "lb lets in every client that can connect (use a firewall, client_auth, or the backend)",
);
const NO_STICKING: Advice = LeftOut(
    "lb binds no client to a backend: requests of one client go to all of them, so that sessions must \
     be where all backends find them",
);
const NO_RATES: Advice =
    LeftOut("lb limits no rates; max_connections and queue of a pool bound what backends get");
const NO_VARIABLES: Advice = LeftOut("lb has no variables");
const NO_COMPRESSION: Advice = LeftOut("lb compresses nothing (let the backends do it)");
const NO_PAGES: Advice = LeftOut(
    "lb has no pages for errors: its own are a line of text, those of backends pass through",
);
const ADMIN: Advice = LeftOut(
    "the admin listener has a status page, GET /metrics and changes of backends; lb top and lb status \
     ask it",
);
const NO_TCP: Advice = LeftOut("lb balances HTTP: it has no rules for connections");
const FIELDS: Advice =
    LeftOut("write access_log.fields: [default, request_header.NAME, cookie.NAME]");
const LOGS: Advice =
    NotNeeded("lb has its own formats: json, text and combined (access_log.format)");
const TUNING: Advice = NotNeeded("lb has nothing to tune there");
const BY_ITSELF: Advice = NotNeeded("lb does it by itself");
const KEEP_ALIVE: Advice = NotNeeded("lb keeps connections on both sides");
const UNUSED: Advice = LeftOut("nothing that was translated uses it");

/// What to say of a line: by its first two words, or by the first one.
pub(in crate::convert) fn advice(statement: &Statement) -> Option<Advice> {
    let (name, rest) = match statement.name() {
        "no" => (statement.arg(0).unwrap_or_default(), statement.args().get(1..)),
        name => (name, Some(statement.args())),
    };
    let second = rest.and_then(<[String]>::first).map_or("", String::as_str);
    let is_section = matches!(name, "frontend" | "listen");
    if is_section && statement.inner().iter().any(|it| it.name() == "stats") {
        return Some(ADMIN);
    }
    if let Some(advice) = forwarded(statement) {
        return Some(advice);
    }
    if statement.name() == "no" {
        return Some(NotNeeded("lb does not do it unless it is told to"));
    }
    look_up(TABLE, &format!("{name} {second}")).or_else(|| look_up(TABLE, name))
}

/// Fields about the client, which `lb` sets by itself.
fn forwarded(statement: &Statement) -> Option<Advice> {
    let is_set = matches!(
        (statement.name(), statement.arg(0)?),
        ("http-request", "set-header" | "add-header" | "del-header") | ("reqadd" | "reqidel", _)
    );
    let at = usize::from(statement.name() == "http-request");
    let field = statement.arg(at)?.to_ascii_lowercase();
    let field = field.split(':').next().unwrap_or_default();
    let known =
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-request-id"];
    let reason = "lb sets it by itself, from the connection (of a client's own it believes those of \
                  trusted_proxies)";
    (is_set && known.contains(&field)).then_some(NotNeeded(reason))
}

const TABLE: &[(&str, Advice)] = &[
    // The process.
    ("daemon", NotNeeded("lb runs in the foreground, or with -d in the background")),
    ("master-worker", NotNeeded("lb upgrade replaces the process without losing a request")),
    (
        "pidfile",
        NotNeeded("commands find the process by its file (for other tools, write pid_file)"),
    ),
    ("chroot", LeftOut("lb changes no root folder (conf/lb.service has a sandbox)")),
    (
        "maxconn",
        LeftOut("lb does not limit its clients' connections; max_connections limits a backend"),
    ),
    (
        "fullconn",
        LeftOut("lb does not limit its clients' connections; max_connections limits a backend"),
    ),
    ("ulimit-n", NotNeeded("lb raises the limit of open files by itself")),
    ("nbproc", NotNeeded("lb is one process with threads")),
    ("cpu-map", TUNING),
    ("cpu-policy", TUNING),
    ("numa-cpu-mapping", TUNING),
    ("tune.*", TUNING),
    ("limited-quic", TUNING),
    ("spread-checks", NotNeeded("lb spreads its checks in time")),
    ("max-spread-checks", NotNeeded("lb spreads its checks in time")),
    ("node", TUNING),
    ("description", NotNeeded("it is a remark")),
    ("quiet", TUNING),
    ("debug", TUNING),
    ("zero-warning", TUNING),
    ("stats socket", ADMIN),
    ("stats timeout", NotNeeded("it is about stats socket, and lb has an admin listener")),
    ("stats", ADMIN),
    ("monitor-uri", LeftOut("the admin listener has GET /live and GET /ready")),
    ("monitor", LeftOut("the admin listener has GET /live and GET /ready")),
    ("server-state-*", NotNeeded("lb upgrade hands the state of backends over")),
    ("load-server-state-from-file", NotNeeded("lb upgrade hands the state of backends over")),
    ("external-check", LeftOut("lb runs no programs")),
    ("lua-*", LeftOut("lb runs no programs")),
    ("program", LeftOut("lb runs no programs")),
    ("setenv", NO_VARIABLES),
    ("presetenv", NO_VARIABLES),
    ("set-var", NO_VARIABLES),
    ("issuers-chain-path", LeftOut("a certificate's file has its chain in lb")),
    (
        "ssl-default-bind-ciphers*",
        NotNeeded("lb has only suites with forward secrecy and authenticated encryption"),
    ),
    ("ssl-default-bind-curves", NotNeeded("lb has X25519MLKEM768, X25519, P-256 and P-384")),
    ("ssl-dh-param-file", NotNeeded("lb has no key exchange that uses it")),
    ("ssl-default-server-*", LeftOut("lb has no TLS towards backends")),
    ("ssl-server-verify", LeftOut("lb has no TLS towards backends")),
    ("ssl-*", TUNING),
    // Logs.
    ("log stdout", NotNeeded("lb logs to standard output (access_log.path)")),
    ("log stderr", NotNeeded("lb logs to standard output (access_log.path)")),
    ("log global", NotNeeded("lb has one access log for all requests")),
    (
        "log /dev/log",
        NotNeeded(
            "lb logs to standard output, which systemd keeps (or write access_log.path: syslog)",
        ),
    ),
    ("log", LeftOut("write access_log.path: syslog:udp:ADDRESS, and syslog.facility")),
    ("log-format*", LOGS),
    ("error-log-format", LOGS),
    ("log-tag", LeftOut("write syslog.app_name")),
    ("log-send-hostname", LOGS),
    ("unique-id-format", NotNeeded("lb passes X-Request-Id on, or makes one")),
    ("unique-id-header", NotNeeded("lb passes X-Request-Id on, or makes one")),
    ("capture", FIELDS),
    ("declare", FIELDS),
    ("option httplog", LOGS),
    ("option httpslog", LOGS),
    ("option tcplog", LOGS),
    ("option dontlognull", NotNeeded("lb logs requests, not connections")),
    ("option dontlog-normal", LeftOut("write access_log.filter.status")),
    ("option logasap", LeftOut("lb logs a request when it has ended")),
    ("option log-health-checks", NotNeeded("lb logs each change of a backend's state")),
    ("option log-separate-errors", LOGS),
    // Options.
    ("option forwardfor", NotNeeded("lb sets X-Forwarded-For by itself")),
    ("option redispatch", NotNeeded("lb retries on another backend")),
    ("redispatch", NotNeeded("lb retries on another backend")),
    ("option http-keep-alive", KEEP_ALIVE),
    ("option http-server-close", KEEP_ALIVE),
    ("option httpclose", KEEP_ALIVE),
    ("option forceclose", KEEP_ALIVE),
    ("option prefer-last-server", NotNeeded("lb chooses for each request")),
    ("option http-pretend-keepalive", KEEP_ALIVE),
    ("option abortonclose", NotNeeded("lb ends a request whose client has left")),
    ("option http-no-delay", TUNING),
    ("option http-ignore-probes", TUNING),
    ("option http-use-htx", TUNING),
    ("option http-use-proxy-header", LeftOut("lb is no forward proxy")),
    ("option http_proxy", LeftOut("lb is no forward proxy")),
    ("option accept-invalid-http-*", LeftOut("lb refuses messages that can be read in two ways")),
    ("option h1-case-adjust-*", NotNeeded("lb passes fields on as they came")),
    ("option persist", NO_STICKING),
    ("option allbackups", NotNeeded("lb uses all backups if no other backend is left")),
    ("option nolinger", TUNING),
    ("option tcpka", BY_ITSELF),
    ("option clitcpka", BY_ITSELF),
    ("option srvtcpka", BY_ITSELF),
    ("option splice-*", TUNING),
    ("option tcp-smart-*", TUNING),
    ("option socket-stats", TUNING),
    ("option contstats", TUNING),
    ("option independent-streams", TUNING),
    ("option originalto", NO_FIELDS),
    ("option transparent", LeftOut("lb connects from its own address")),
    ("option httpchk", UNUSED),
    ("option http-buffer-request", UNUSED),
    ("option tcp-check", NotNeeded("a check of type tcp is what lb does without httpchk")),
    ("option external-check", LeftOut("lb runs no programs")),
    ("option *", LeftOut("lb has no such option")),
    ("tcp-check", LeftOut("a check of type tcp is a connection that is accepted")),
    ("http-check", UNUSED),
    ("http-reuse", NotNeeded("lb uses idle connections for any request")),
    // Rules.
    ("acl", LeftOut("the lines that use it are left out, or none does")),
    ("use_backend", UNUSED),
    ("use-server", LeftOut("lb's routes lead to pools: give these servers one of their own")),
    ("default_backend", UNUSED),
    ("http-request set-header", NO_FIELDS),
    ("http-request add-header", NO_FIELDS),
    ("http-request del-header", NO_FIELDS),
    ("http-request replace-header", NO_FIELDS),
    ("http-request replace-value", NO_FIELDS),
    ("http-request set-path", NO_REWRITES),
    ("http-request replace-*", NO_REWRITES),
    ("http-request set-uri", NO_REWRITES),
    ("http-request set-query", NO_REWRITES),
    ("http-request set-method", NO_REWRITES),
    ("http-request normalize-uri", NO_REWRITES),
    ("http-request deny", NO_ACCESS),
    ("http-request reject", NO_ACCESS),
    ("http-request tarpit", NO_ACCESS),
    ("http-request auth", NO_ACCESS),
    ("http-request allow", NO_ACCESS),
    ("http-request silent-drop", NO_ACCESS),
    ("http-request track-*", NO_RATES),
    ("http-request sc-*", NO_RATES),
    ("http-request set-var*", NO_VARIABLES),
    ("http-request capture", FIELDS),
    ("http-request set-log-level", LeftOut("access_log.filter chooses the requests with a line")),
    (
        "http-request return",
        LeftOut("lb has no answers of its own but redirect_to_https and errors"),
    ),
    ("http-request redirect", LeftOut("lb has no redirect but that of a listener to https")),
    ("http-request cache-use", LeftOut("lb has no cache")),
    ("http-request wait-for-body", LeftOut("write request_buffer of the pool")),
    ("http-request set-src", LeftOut("write trusted_proxies: lb reads X-Forwarded-For of these")),
    ("http-request *", LeftOut("lb has no such rule for requests")),
    ("http-response cache-store", LeftOut("lb has no cache")),
    ("http-response *", NO_FIELDS),
    ("http-after-response", NO_FIELDS),
    ("http-error", NO_PAGES),
    ("http-errors", NO_PAGES),
    ("errorfile", NO_PAGES),
    ("errorfiles", NO_PAGES),
    ("errorloc*", NO_PAGES),
    ("redirect", LeftOut("lb has no redirect but that of a listener to https")),
    ("reqadd", NO_FIELDS),
    ("req*", NO_REWRITES),
    ("rsp*", NO_FIELDS),
    ("block", NO_ACCESS),
    ("tcp-request", NO_TCP),
    ("tcp-response", NO_TCP),
    ("cookie", NO_STICKING),
    ("appsession", NO_STICKING),
    ("dynamic-cookie-key", NO_STICKING),
    ("stick*", NO_STICKING),
    ("hash-*", NO_STICKING),
    ("rate-limit", NO_RATES),
    ("backlog", TUNING),
    ("compression", NO_COMPRESSION),
    ("filter compression", NO_COMPRESSION),
    ("filter", LeftOut("lb has no filters")),
    ("email-alert", LeftOut("deploy/prometheus.rules.yaml has alerts")),
    ("mailers", LeftOut("deploy/prometheus.rules.yaml has alerts")),
    ("peers", LeftOut("instances of lb share no state but certificates")),
    (
        "resolvers",
        LeftOut("lb resolves names by the system's rules, at the start and at each reload"),
    ),
    ("userlist", NO_ACCESS),
    ("cache", LeftOut("lb has no cache")),
    ("ring", LeftOut("lb has a queue for each log, and counts the lines that it drops")),
    ("log-forward", LeftOut("lb receives no logs")),
    ("fcgi-app", LeftOut("lb speaks HTTP/1 with backends, and nothing else")),
    ("use-fcgi-app", LeftOut("lb speaks HTTP/1 with backends, and nothing else")),
    ("crt-store", LeftOut("write each certificate into tls.certificates")),
    ("source", LeftOut("the system chooses the address of connections to backends")),
    // Timeouts and servers that nothing translated has.
    (
        "timeout tunnel",
        LeftOut("a tunnel has no limit in lb: TCP keep-alive ends one whose end is gone"),
    ),
    ("timeout client-fin", TUNING),
    ("timeout server-fin", TUNING),
    ("timeout tarpit", NotNeeded("lb holds no client back")),
    ("timeout *", UNUSED),
    ("mode", UNUSED),
    ("bind", UNUSED),
    ("balance", UNUSED),
    ("server", UNUSED),
    ("server-template", UNUSED),
    ("default-server", UNUSED),
    ("retries", UNUSED),
    ("retry-on", UNUSED),
    ("frontend", LeftOut("it sends no request to a backend")),
    ("listen", LeftOut("it sends no request to a backend")),
    ("backend", LeftOut("no frontend that was translated uses it")),
    ("enabled", TUNING),
    ("disabled", LeftOut("lb has no switch for a listener: leave it out")),
    ("id", TUNING),
    (".*", LeftOut("lb convert reads the lines of every branch")),
];
