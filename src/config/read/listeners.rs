//! Reads the listeners: their addresses, and the limits on their clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::listeners::{
        ADDRESS, BODY, BODY_IDLE, BODY_MIN_RATE, BODY_MIN_RATE_AFTER, CLIENT, HEADER, KEEPALIVE,
        LISTENERS, WRITE,
    },
    model::{BodyLimits, ClientLimits, Listener, MinRate},
};

/// The stand-in for an invalid address of a listener.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Reads the listeners; `taken` collects the addresses of all listeners.
pub(super) fn read(cursor: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Vec<Listener> {
    let items = cursor.filled_list(LISTENERS.expected).into_iter().flatten();
    items.filter_map(|item| listener(&item, taken)).collect()
}

fn listener(item: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Option<Listener> {
    item.item(&ADDRESS, "a listener with its address", |keys| {
        let address = keys.required(&ADDRESS, "write \"address: 0.0.0.0:8080\"");
        let address = address.and_then(|cursor| listen_on(&cursor, taken));
        Listener { address: address.unwrap_or(ANYWHERE), client: client(keys) }
    })
}

/// Reads an address to listen on, which no other listener may have.
pub(super) fn listen_on(cursor: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Option<SocketAddr> {
    let address = cursor.value(&ADDRESS.kind)?;
    // With port 0 the system chooses a different port each time.
    let first = if address.port() == 0 { None } else { taken.earlier(address, cursor) };
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
    }
}

fn body_limits(keys: &mut Section<'_>) -> BodyLimits {
    let idle = keys.get(&BODY_IDLE);
    let (rate, after) = (keys.get(&BODY_MIN_RATE), keys.get(&BODY_MIN_RATE_AFTER));
    BodyLimits { idle, min_rate: rate.map(|bytes| MinRate { bytes, after }) }
}
