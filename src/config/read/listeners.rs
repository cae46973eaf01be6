//! Reads the listeners: their addresses, and the limits on their clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::tls;
use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::{
        Row,
        listeners::{
            ADDRESS, ALT_SVC, ALT_SVC_PORT, ANSWER, ANSWER_MIN_RATE, ANSWER_MIN_RATE_AFTER, BODY,
            BODY_IDLE, BODY_MIN_RATE, BODY_MIN_RATE_AFTER, CLIENT, FROM, HEADER, KEEPALIVE,
            LISTENERS, PROTOCOLS, PROXY_PROTOCOL, REDIRECT, SOCKET_MODE, SOCKET_OWNER, WRITE,
        },
        tls::LISTENER as TLS,
    },
    model::{
        AltSvc, ClientLimits, ListenAddress, Listener, ListenerProtocol, MinRate, PaceLimits,
        PeerBlock, SocketFile,
    },
    values::{is_off, listener_item},
};

/// The stand-in for an invalid address of a listener.
const ANYWHERE: ListenAddress =
    ListenAddress::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

/// Reads the listeners; `taken` collects the addresses of all listeners.
pub(super) fn read(cursor: &Cursor<'_>, taken: &mut Firsts<ListenAddress>) -> Vec<Listener> {
    let items = cursor.filled_list(LISTENERS.expected).into_iter().flatten();
    items.filter_map(|item| listener(&item, taken)).collect()
}

fn listener(item: &Cursor<'_>, taken: &mut Firsts<ListenAddress>) -> Option<Listener> {
    item.item((&ADDRESS, listener_item), "a listener with its address", |keys| {
        let address = keys.required(&ADDRESS, "write \"address: 0.0.0.0:8080\"");
        let address = address.and_then(|cursor| listen_on(&cursor, taken));
        settings(keys, address.unwrap_or(ANYWHERE))
    })
}

/// Reads everything but the address.
pub(super) fn settings(keys: &mut Section<'_>, address: ListenAddress) -> Listener {
    let is_tcp = address.tcp().is_some();
    Listener {
        file: socket_file(keys, &address),
        address,
        proxy_protocol: proxy_protocol(keys),
        tls: tls::of_listener(keys),
        protocols: protocols(keys, is_tcp),
        alt_svc: AltSvc { max_age: keys.get(&ALT_SVC), port: keys.given(&ALT_SVC_PORT) },
        redirect_to_https: keys.get(&REDIRECT),
        client: client(keys),
    }
}

fn socket_file(keys: &mut Section<'_>, address: &ListenAddress) -> SocketFile {
    let (mode, owner) = (keys.setting(&SOCKET_MODE), keys.setting(&SOCKET_OWNER));
    if address.file().is_none() {
        for origin in mode.origin().into_iter().chain(owner.origin()) {
            keys.warning_at(origin, "has no effect: only a Unix socket with a path is a file");
        }
    }
    SocketFile { mode: mode.given(), owner: owner.given() }
}

fn proxy_protocol(keys: &mut Section<'_>) -> Option<Vec<PeerBlock>> {
    let cursor = keys.optional(&PROXY_PROTOCOL)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let (is_given, from) = cursor
        .section(PROXY_PROTOCOL.expected, |keys| (keys.has(FROM.name()), keys.list(&FROM)))?;
    if !is_given {
        cursor.problem(
            "needs the addresses of the proxies that send it (write \"from: [10.0.0.0/8]\"): a \
             client that may connect could otherwise give itself any address",
        );
    }
    Some(from)
}

fn protocols(keys: &mut Section<'_>, is_tcp: bool) -> Vec<ListenerProtocol> {
    let is_off = |cursor: &Cursor<'_>| cursor.text().is_some_and(is_off);
    let is_behind_proxy = keys.optional(&PROXY_PROTOCOL).is_some_and(|cursor| !is_off(&cursor));
    let has_tls = keys.optional(&TLS.group).is_some_and(|cursor| !is_off(&cursor));
    let items = keys.items(&PROTOCOLS).unwrap_or_default();
    let mut given = Vec::new();
    for item in &items {
        let Some(protocol) = protocol(item, has_tls) else { continue };
        let is_alone = items.len() == 1;
        match protocol {
            ListenerProtocol::H3 if !is_tcp => {
                item.problem("is HTTP/3, which comes by UDP, and a Unix socket has none (remove it)");
            }
            ListenerProtocol::H3 if is_behind_proxy => item.problem(
                "is HTTP/3, for which there is no PROXY protocol: clients come by UDP, and past the \
                 proxy (remove h3, or proxy_protocol)",
            ),
            ListenerProtocol::H3 if is_alone => item.problem(
                "is HTTP/3, which clients learn of from answers in another protocol (add h2 and \
                 http/1.1)",
            ),
            _ => {}
        }
        given.push(protocol);
    }
    if given.is_empty() { ListenerProtocol::of_every_listener(has_tls) } else { given }
}

fn protocol(item: &Cursor<'_>, has_tls: bool) -> Option<ListenerProtocol> {
    let protocol = item.value(&PROTOCOLS.kind)?;
    match (protocol, has_tls) {
        (ListenerProtocol::H3, false) => {
            item.problem("is HTTP/3, which needs TLS, and this listener has none (remove it)");
        }
        (ListenerProtocol::H2, false) => {
            item.problem("is HTTP/2 with TLS, and this listener has none (write h2c)");
        }
        (ListenerProtocol::H2c, true) => {
            item.problem("is HTTP/2 without TLS, and this listener has TLS (write h2)");
        }
        _ => {}
    }
    Some(protocol)
}

/// Reads an address to listen on, which no other listener may have.
pub(super) fn listen_on(
    cursor: &Cursor<'_>,
    taken: &mut Firsts<ListenAddress>,
) -> Option<ListenAddress> {
    let address = cursor.value(&ADDRESS.kind)?;
    // With port 0 the system chooses a different port each time.
    let is_any = address.tcp().is_some_and(|address| address.port() == 0);
    let first = if is_any { None } else { taken.earlier(address.clone(), cursor) };
    if let Some(first) = first {
        cursor.problem(format!("{address} is already used by {first}"));
    }
    Some(address)
}

fn client(keys: &mut Section<'_>) -> ClientLimits {
    keys.group(&CLIENT, client_limits)
}

pub(super) fn client_limits(keys: &mut Section<'_>) -> ClientLimits {
    ClientLimits {
        header: keys.get(&HEADER),
        keepalive: keys.get(&KEEPALIVE),
        write: keys.get(&WRITE),
        body: keys.group(&BODY, body_limits),
        answer: keys.group(&ANSWER, answer_rate),
    }
}

fn body_limits(keys: &mut Section<'_>) -> PaceLimits {
    let idle = keys.get(&BODY_IDLE);
    let (rate, after) = (keys.get(&BODY_MIN_RATE), keys.get(&BODY_MIN_RATE_AFTER));
    PaceLimits { idle, min_rate: rate.map(|bytes| MinRate { bytes, after }) }
}

fn answer_rate(keys: &mut Section<'_>) -> Option<MinRate> {
    let (rate, after) = (keys.get(&ANSWER_MIN_RATE), keys.get(&ANSWER_MIN_RATE_AFTER));
    rate.map(|bytes| MinRate { bytes, after })
}
