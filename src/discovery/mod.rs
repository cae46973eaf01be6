//! The addresses of a pool's backends, resolved from their names.
//!
//! A name is resolved once, at start, and each of its addresses is a backend of its own, as in
//! nginx. A name that does not resolve stops the start: a balancer that silently serves from half
//! of its backends would be noticed only under the heaviest load. A backend that is the process
//! itself stops the start as well.

mod own;

use std::{
    collections::{BTreeSet, HashMap},
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroU32,
    sync::Arc,
};

use crate::backend::Address;
use crate::config::{BackendSpec, Config, Host, Origin, PoolName, Problem, Problems, Weight};

/// One address of a pool, and its settings in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name by which it is shown: host and port as configured.
    pub name: Arc<str>,
    /// The address to connect to.
    pub address: Address,
    /// Its share among the backends of the pool.
    pub weight: Weight,
    /// Whether it is used only if no other backend is eligible.
    pub backup: bool,
    /// Whether it gets no new requests.
    pub drain: bool,
    /// The most requests that it may have at once.
    pub max_connections: Option<NonZeroU32>,
}

impl Endpoint {
    fn new(address: SocketAddr, spec: &BackendSpec) -> Self {
        Self {
            name: spec.address.to_string().into(),
            address: address.into(),
            weight: spec.weight,
            backup: spec.backup,
            drain: spec.drain,
            max_connections: spec.max_connections,
        }
    }
}

/// The addresses of every pool, in the order written.
pub type ResolvedBackends = HashMap<PoolName, Vec<Endpoint>>;

/// Resolves every name of the configuration. Waits for the resolver: call it where blocking is
/// allowed.
///
/// # Errors
///
/// Every name that does not resolve, every address that a pool has twice, and every one at which the
/// process itself listens.
pub fn resolve(config: &Config) -> Result<ResolvedBackends, Problems> {
    let mut problems = Vec::new();
    let mut resolved = ResolvedBackends::new();
    for pool in &config.pools {
        let mut seen = HashMap::new();
        let mut backends = Vec::new();
        for spec in &pool.backends {
            match addresses(spec) {
                Ok(addresses) => {
                    for address in addresses {
                        match seen.insert(address, &spec.origin) {
                            Some(first) => problems.push(given_twice(spec, address, first)),
                            None => backends.push(Endpoint::new(address, spec)),
                        }
                        let own = own::listener(config, address);
                        problems.extend(own.map(|own| is_itself(spec, address, &own)));
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        resolved.insert(pool.name.clone(), backends);
    }
    if problems.is_empty() { Ok(resolved) } else { Err(Problems::new(problems)) }
}

/// Resolves one backend, without repetitions and in a fixed order, because resolvers rotate their
/// answers.
fn addresses(spec: &BackendSpec) -> Result<BTreeSet<SocketAddr>, Problem> {
    let port = spec.address.port.get();
    let name = match &spec.address.host {
        Host::Ip(ip) => return Ok(BTreeSet::from([SocketAddr::new(*ip, port)])),
        Host::Name(name) => name,
    };
    match (&**name, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Problem::new(
            spec.origin.clone(),
            format!(
                "cannot resolve the host name \"{name}\": {error}; write an address, or a name that this machine resolves"
            ),
        )),
    }
}

fn is_itself(spec: &BackendSpec, address: SocketAddr, own: &(String, SocketAddr)) -> Problem {
    let (key, listener) = own;
    let address = match &spec.address.host {
        Host::Ip(_) => address.to_string(),
        Host::Name(_) => format!("\"{}\" resolves to {address}, which", spec.address),
    };
    let why = "a request to it would come back to lb again and again; write the address of a server, \
               or let lb listen on another port";
    let message = format!("{address} is where lb itself listens ({key}: {listener}): {why}");
    Problem::new(spec.origin.clone(), message)
}

fn given_twice(spec: &BackendSpec, address: SocketAddr, first: &Origin) -> Problem {
    Problem::new(
        spec.origin.clone(),
        format!(
            "\"{}\" resolves to {address}, which {} already is; write each backend of a pool once",
            spec.address, first.key
        ),
    )
}
