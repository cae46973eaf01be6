//! A pool without a network: picking, waiting, giving back, learning, and changes of its members.

mod change;
mod last_resort;
mod leases;
mod waiting;

use std::{net::SocketAddr, num::NonZeroU32, time::Instant};

use tokio::{runtime::Runtime, task::JoinHandle};

use super::*;
use crate::backend::Event;
use crate::clock;
use crate::config::Weight;
use crate::retry::Failure;

fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        name: address(port).to_string().into(),
        address: address(port),
        weight: Weight::MIN,
        backup: false,
        drain: false,
        max_connections: None,
    }
}

fn limited(port: u16, limit: u32) -> Endpoint {
    Endpoint { max_connections: NonZeroU32::new(limit), ..endpoint(port) }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn build(endpoints: &[Endpoint], change: impl FnOnce(&mut config::Pool)) -> Arc<Pool> {
    runtime().block_on(build_in(endpoints, change))
}

async fn build_in(endpoints: &[Endpoint], change: impl FnOnce(&mut config::Pool)) -> Arc<Pool> {
    let mut config = config::Pool::new(PoolName::new("web"));
    change(&mut config);
    let now = clock::now();
    let roster = Arc::new(Roster::new(config.name.clone(), Arc::default(), now));
    Pool::prepare(&config, endpoints, roster, None, now).take_effect(now).await.unwrap()
}

fn pool(ports: &[u16]) -> Arc<Pool> {
    build(&ports.iter().map(|port| endpoint(*port)).collect::<Vec<_>>(), |_| {})
}

/// A request that these backends have failed in this way.
fn tried(ports: &[u16], failure: Failure) -> PickRequest<'static> {
    let roster = Roster::new(PoolName::new("web"), Arc::default(), clock::now());
    let tried =
        ports.iter().map(|port| TriedBackend { backend: roster.backend(&address(*port)), failure });
    PickRequest::new(tried.collect::<Vec<_>>(), true)
}

fn first() -> PickRequest<'static> {
    tried(&[], Failure::Broken)
}

fn pick(pool: &Arc<Pool>, request: &PickRequest<'_>) -> Result<Lease, Unavailable> {
    pool.pick(request, clock::now())
}

fn port(lease: &Lease) -> u16 {
    lease.backend().id().address.tcp().unwrap().port()
}

fn fail(pool: &Arc<Pool>, lease: &Lease, failure: Failure, now: Instant) {
    let attempt = FailedAttempt { failure, began: now, midway: false, retry_after: None };
    pool.failed(lease, &attempt, now);
}

/// Waits in the queue in a task of its own.
fn wait(pool: &Arc<Pool>, request: PickRequest<'static>) -> JoinHandle<Result<Lease, Unavailable>> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move { pool.wait(request, None, clock::now()).await })
}

async fn until_queued(pool: &Arc<Pool>, count: usize) {
    while pool.queued() != count {
        tokio::task::yield_now().await;
    }
}
