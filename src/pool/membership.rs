//! The backends of a pool at one instant: one value, replaced as a whole.
//!
//! A reload replaces it, and so can any other source of backends. A pick is made from one
//! membership from beginning to end, and a lease holds its member, so that a request in flight does
//! not notice a change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Weak},
};

use pingora_core::{
    protocols::{ALPN, tls::CustomALPN},
    upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions},
};

use super::lease::{Lender, Member};
use crate::backend::{Address, BackendSettings, Policy, Roster};
use crate::balance::{Balancer, Discovered, discovered};
use crate::config::Timeouts;
use crate::discovery::Endpoint;

/// The backends of a pool, and how one of them is picked.
pub(super) struct Membership {
    /// The members, in the order of the configuration.
    members: Vec<Arc<Member>>,
    /// Ordered: a request looks here for its member, and a few comparisons cost less than a hash.
    by_address: BTreeMap<Address, Arc<Member>>,
    /// Whether any backend may be full.
    pub(super) has_limits: bool,
    /// The rules by which its backends are judged.
    pub(super) policy: Policy,
    pub(super) balancer: Arc<Balancer>,
}

impl Membership {
    /// A membership with backends at these endpoints. Members of `previous` are kept if their
    /// endpoint is the same.
    pub(super) fn new(
        endpoints: &[Endpoint],
        previous: &Self,
        timeouts: &Timeouts,
        roster: &Roster,
        lender: &Weak<dyn Lender>,
    ) -> Self {
        let members = endpoints.iter().filter_map(|endpoint| {
            let same = previous.get(&endpoint.address).filter(|it| it.endpoint == *endpoint);
            same.cloned().or_else(|| {
                Some(Arc::new(Member {
                    backend: roster.candidate(&endpoint.address),
                    endpoint: endpoint.clone(),
                    peer: peer(endpoint.address.tcp()?, timeouts),
                    lender: Weak::clone(lender),
                }))
            })
        });
        let members: Vec<_> = members.collect();
        let keyed = |member: &Arc<Member>| (member.endpoint.address.clone(), Arc::clone(member));
        let by_address = members.iter().map(keyed).collect();
        Self {
            has_limits: endpoints.iter().any(|endpoint| endpoint.max_connections.is_some()),
            members,
            by_address,
            policy: previous.policy,
            balancer: Arc::clone(&previous.balancer),
        }
    }

    /// A membership without backends.
    pub(super) fn empty(policy: Policy, balancer: Arc<Balancer>) -> Self {
        let (members, by_address) = (Vec::new(), BTreeMap::new());
        Self { members, by_address, has_limits: false, policy, balancer }
    }

    /// This membership, in which leaving members are still found by their address. It bridges the
    /// moment until the balancer no longer offers them.
    pub(super) fn with_leaving(&self, before: &Self) -> Self {
        let mut by_address = before.by_address.clone();
        by_address.extend(self.by_address.iter().map(|(at, it)| (at.clone(), Arc::clone(it))));
        Self {
            members: self.members.clone(),
            by_address,
            has_limits: self.has_limits || before.has_limits,
            policy: self.policy,
            balancer: Arc::clone(&self.balancer),
        }
    }

    /// The members, in the order of the configuration.
    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn get(&self, address: &Address) -> Option<&Arc<Member>> {
        self.by_address.get(address)
    }

    /// Whether it has exactly these backends, with the same settings and in the same order.
    pub(super) fn is_at(&self, endpoints: &[Endpoint]) -> bool {
        self.members.iter().map(|member| &member.endpoint).eq(endpoints)
    }

    /// The settings of each backend, for the roster.
    pub(super) fn settings(&self) -> HashMap<Address, BackendSettings> {
        let keyed = |it: &Arc<Member>| (it.endpoint.address.clone(), settings(&it.endpoint));
        self.members.iter().map(keyed).collect()
    }

    /// The backends as Pingora knows them.
    pub(super) fn discovered(&self) -> BTreeSet<Discovered> {
        discovered_of(&self.members)
    }

    /// The backends of which no check has ended, as Pingora knows them.
    pub(super) fn unchecked(&self) -> BTreeSet<Discovered> {
        discovered_of(self.members.iter().filter(|member| !member.backend.is_checked()))
    }

    /// Whether the first check of every backend has ended; true if checks are off.
    pub(super) fn is_checked(&self) -> bool {
        !self.policy.checked || self.members.iter().all(|member| member.backend.is_checked())
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses = self.members.iter().map(|member| &member.endpoint.address);
        f.debug_list().entries(addresses).finish()
    }
}

fn discovered_of<'a>(members: impl IntoIterator<Item = &'a Arc<Member>>) -> BTreeSet<Discovered> {
    let endpoints = members.into_iter().map(|member| &member.endpoint);
    endpoints.filter_map(|it| discovered(&it.address, it.weight, it.backup)).collect()
}

fn settings(endpoint: &Endpoint) -> BackendSettings {
    let limit = endpoint.max_connections.map(|limit| limit.get() as usize);
    let name = Arc::clone(&endpoint.name);
    BackendSettings { name, drain: endpoint.drain, max_connections: limit }
}

/// Builds the peer of a backend, once for each backend; attempts clone it. How long the backend may take
/// to answer is watched by the proxy itself, in which each wait has a limit of its own.
fn peer(address: SocketAddr, timeouts: &Timeouts) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    peer.options = PeerOptions::new();
    peer.options.connection_timeout = Some(timeouts.connect);
    peer.options.total_connection_timeout = Some(timeouts.connect);
    peer.options.write_timeout = Some(timeouts.idle);
    peer.options.idle_timeout = Some(timeouts.keepalive);
    // Makes Pingora ask for sessions of our own.
    peer.options.alpn = ALPN::Custom(CustomALPN::new(b"http".to_vec()));
    // The client's session leaves out the fields that belong to the client's connection.
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    peer
}
