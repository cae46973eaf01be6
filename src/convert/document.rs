//! Writes a site as a configuration of `lb`, with where everything comes from in comments.

use super::{
    report::Report,
    rules::Route,
    site::{
        AccessLog, Backend, Certificate, Check, ClientAuth, Ejection, Handling, Listener, Pool,
        Process, Site, Tls,
    },
    statement::Place,
    yaml::Yaml,
};

/// The document. What was left out or changed is at its top.
pub(super) fn write(site: &Site, routes: &[Route], report: &Report) -> String {
    let mut yaml = Yaml::default();
    for line in report.header() {
        yaml.comment(&line);
    }
    yaml.blank();
    yaml.below("listeners", "", |yaml| {
        site.listeners.iter().for_each(|it| yaml.item(|yaml| listener(yaml, it)));
    });
    yaml.blank();
    yaml.below("routes", "", |yaml| {
        routes.iter().for_each(|it| yaml.item(|yaml| route(yaml, it, &site.pools)));
    });
    yaml.blank();
    yaml.below("pools", "", |yaml| {
        for (index, it) in site.pools.iter().enumerate() {
            // A pool whose routes could not be said is in the report.
            if routes.iter().any(|route| route.pool == index) {
                yaml.below(&it.name, &from(&it.place), |yaml| pool(yaml, it));
            }
        }
    });
    process(&mut yaml, &site.process);
    yaml.into_text()
}

fn from(place: &Place) -> String {
    place.to_string()
}

fn listener(yaml: &mut Yaml, listener: &Listener) {
    yaml.pair("address", &listener.address, &from(&listener.place));
    yaml.optional("mode", listener.mode.as_deref());
    yaml.optional("owner", listener.owner.as_deref());
    if !listener.proxy_protocol.is_empty() {
        yaml.below("proxy_protocol", "", |yaml| yaml.flow("from", &listener.proxy_protocol));
    }
    if let Some(it) = &listener.tls {
        yaml.below("tls", "", |yaml| tls(yaml, it));
    }
    if !listener.protocols.is_empty() {
        yaml.flow("protocols", &listener.protocols);
    }
    yaml.optional("alt_svc", listener.alt_svc.max_age.as_deref());
    yaml.optional("alt_svc_port", listener.alt_svc.port.as_deref());
    if listener.redirect_to_https {
        yaml.pair("redirect_to_https", "true", "");
    }
    let client = &listener.client;
    let limits = [
        ("header", client.header.as_deref()),
        ("keepalive", client.keepalive.as_deref()),
        ("write", client.write.as_deref()),
    ];
    if client.body_idle.is_some() || limits.iter().any(|(_, value)| value.is_some()) {
        yaml.below("client", "", |yaml| {
            limits.iter().for_each(|(key, value)| yaml.optional(key, *value));
            if let Some(idle) = &client.body_idle {
                yaml.below("body", "", |yaml| yaml.pair("idle", idle, ""));
            }
        });
    }
}

fn tls(yaml: &mut Yaml, tls: &Tls) {
    yaml.below("certificates", "", |yaml| {
        for certificate in &tls.certificates {
            yaml.item(|yaml| match certificate {
                Certificate::File { cert, key } => {
                    yaml.pair("cert", cert, "");
                    yaml.optional("key", key.as_deref());
                }
                Certificate::Directory(directory) => yaml.pair("directory", directory, ""),
            });
        }
    });
    if let Some(auth) = &tls.client_auth {
        client_auth(yaml, auth);
    }
    if !tls.hosts.is_empty() {
        yaml.below("hosts", "", |yaml| {
            for (host, auth) in &tls.hosts {
                yaml.item(|yaml| {
                    yaml.pair("host", host, "");
                    client_auth(yaml, auth);
                });
            }
        });
    }
    yaml.optional("min_version", tls.min_version);
    yaml.optional("unknown_sni", tls.refuses_unknown_names.then_some("refuse"));
    yaml.optional("hsts", tls.hsts.as_deref());
}

fn client_auth(yaml: &mut Yaml, auth: &ClientAuth) {
    yaml.below("client_auth", "", |yaml| {
        yaml.pair("ca", &auth.ca, "");
        yaml.optional("mode", auth.is_optional.then_some("optional"));
        yaml.optional("crl", auth.crl.as_deref());
    });
}

fn route(yaml: &mut Yaml, route: &Route, pools: &[Pool]) {
    let name = pools.get(route.pool).map_or("", |pool| pool.name.as_str());
    let comment = from(&route.place);
    yaml.optional("host", route.host.written().as_deref());
    if route.path != "/" {
        yaml.pair("path", &route.path, "");
    }
    yaml.pair("pool", name, &comment);
}

fn pool(yaml: &mut Yaml, pool: &Pool) {
    yaml.optional("algorithm", pool.algorithm);
    yaml.below("backends", "", |yaml| {
        pool.backends.iter().for_each(|it| yaml.item(|yaml| backend(yaml, it)));
    });
    check(yaml, &pool.check);
    let handling = &pool.handling;
    retry(yaml, handling);
    let timeouts = [
        ("connect", &handling.connect),
        ("response", &handling.response),
        ("request", &handling.request),
        ("idle", &handling.idle),
        ("keepalive", &pool.keepalive),
    ];
    if timeouts.iter().any(|(_, value)| value.is_some()) {
        yaml.below("timeouts", "", |yaml| {
            timeouts.iter().for_each(|(key, value)| yaml.optional(key, value.as_deref()));
        });
    }
    match &pool.ejection {
        Some(Ejection::Off) => yaml.pair("ejection", "off", ""),
        Some(Ejection::After { failures, base }) => yaml.below("ejection", "", |yaml| {
            yaml.optional("failures", failures.as_deref());
            yaml.optional("base", base.as_deref());
        }),
        None => {}
    }
    yaml.optional("slow_start", pool.slow_start.as_deref());
    if pool.has_queue() && (pool.queue_size.is_some() || pool.queue_timeout.is_some()) {
        yaml.below("queue", "", |yaml| {
            yaml.optional("size", pool.queue_size.as_deref());
            yaml.optional("timeout", pool.queue_timeout.as_deref());
        });
    }
    yaml.optional("request_buffer", handling.request_buffer.as_deref());
}

fn backend(yaml: &mut Yaml, backend: &Backend) {
    yaml.pair("address", &backend.address, &from(&backend.place));
    let weight = backend.weight.filter(|weight| *weight != 1).map(|weight| weight.to_string());
    yaml.optional("weight", weight.as_deref());
    yaml.optional("backup", backend.backup.then_some("true"));
    yaml.optional("drain", backend.drain.then_some("true"));
    yaml.optional("max_connections", backend.max_connections.as_deref());
}

fn check(yaml: &mut Yaml, check: &Check) {
    yaml.below("health_check", check.comment.unwrap_or_default(), |yaml| {
        match &check.http {
            None => yaml.pair("type", "tcp", ""),
            Some(http) => {
                yaml.pair("path", http.path.as_deref().unwrap_or("/"), "");
                yaml.optional("host", http.host.as_deref());
                yaml.optional("expect", http.expect.as_deref());
            }
        }
        yaml.optional("interval", check.interval.as_deref());
        yaml.optional("timeout", check.timeout.as_deref());
        yaml.optional("rise", check.rise.as_deref());
        yaml.optional("fall", check.fall.as_deref());
        yaml.optional("port", check.port.as_deref());
    });
}

fn retry(yaml: &mut Yaml, handling: &Handling) {
    let is_given = handling.attempts.is_some() || handling.retry_on.is_some();
    if !is_given && !handling.retries_all_methods {
        return;
    }
    yaml.below("retry", "", |yaml| {
        yaml.optional("attempts", handling.attempts.as_deref());
        if let Some(on) = &handling.retry_on {
            yaml.flow("on", on);
        }
        yaml.optional("methods", handling.retries_all_methods.then_some("all"));
    });
}

fn process(yaml: &mut Yaml, process: &Process) {
    yaml.blank();
    match &process.access_log {
        Some(AccessLog::Off) => yaml.pair("access_log", "off", ""),
        Some(AccessLog::To { format, path }) => yaml.below("access_log", "", |yaml| {
            yaml.pair("format", format, "");
            yaml.pair("path", path, "");
        }),
        None => {}
    }
    yaml.optional("error_log", process.error_log.as_deref());
    if !process.trusted_proxies.is_empty() {
        yaml.flow("trusted_proxies", &process.trusted_proxies);
    }
    yaml.optional("threads", process.threads.as_deref());
    if process.shutdown_delay.is_some() || process.shutdown_timeout.is_some() {
        yaml.below("shutdown", "", |yaml| {
            yaml.optional("delay", process.shutdown_delay.as_deref());
            yaml.optional("timeout", process.shutdown_timeout.as_deref());
        });
    }
    yaml.optional("user", process.user.as_deref());
    yaml.optional("group", process.group.as_deref());
    let comment = "the status page, metrics and the commands of operators, for this machine alone";
    match process.has_admin {
        true => yaml.below("admin", comment, |yaml| yaml.pair("address", "127.0.0.1:9900", "")),
        false => yaml.comment(&format!("admin: {{ address: 127.0.0.1:9900 }} # {comment}")),
    }
}
