//! Who is in a pool: from names to addresses.
//!
//! A name is resolved once, at start, and each of its addresses is a backend of its own, as in
//! nginx. A name that does not resolve stops the start: a balancer that silently serves from half
//! of its backends is found out on the worst day.

use std::{
    collections::{BTreeSet, HashMap},
    net::{SocketAddr, ToSocketAddrs},
};

use pingora_load_balancing::{Backend, discovery::Static};

use crate::config::{BackendSpec, Config, Host, Origin, PoolName, Problem, Problems, Weight};

/// The addresses of every pool, in the order written.
pub type Resolved = HashMap<PoolName, Vec<(SocketAddr, Weight)>>;

/// Resolves every name of the configuration. Waits for the resolver: call it where blocking is
/// allowed.
///
/// # Errors
///
/// Every name that does not resolve, and every address that a pool has twice.
pub fn resolve(config: &Config) -> Result<Resolved, Problems> {
    let mut problems = Vec::new();
    let mut resolved = Resolved::new();
    for pool in &config.pools {
        let mut seen = HashMap::new();
        let mut backends = Vec::new();
        for spec in &pool.backends {
            match addresses(spec) {
                Ok(addresses) => {
                    for address in addresses {
                        match seen.insert(address, &spec.origin) {
                            Some(first) => problems.push(given_twice(spec, address, first)),
                            None => backends.push((address, spec.weight)),
                        }
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        resolved.insert(pool.name.clone(), backends);
    }
    if problems.is_empty() { Ok(resolved) } else { Err(Problems::new(problems)) }
}

/// Pingora's source of backends for a pool whose addresses are known.
#[must_use]
pub fn fixed(backends: &[(SocketAddr, Weight)]) -> Box<Static> {
    let backends = backends.iter().map(|(address, weight)| Backend {
        addr: (*address).into(),
        weight: usize::from(weight.get()),
        ext: http::Extensions::new(),
    });
    Static::new(backends.collect())
}

/// Without repetitions and in a fixed order: resolvers rotate their answers.
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

fn given_twice(spec: &BackendSpec, address: SocketAddr, first: &Origin) -> Problem {
    Problem::new(
        spec.origin.clone(),
        format!(
            "\"{}\" resolves to {address}, which {} already is; write each backend of a pool once",
            spec.address, first.key
        ),
    )
}
