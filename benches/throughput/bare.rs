//! The bar: a Pingora proxy that only forwards, as Pingora comes, on the system's allocator.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use pingora_core::{
    Result,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::role;

/// Gives each backend its turn, so that it has as many connections as the others.
struct Bare {
    backends: Vec<SocketAddr>,
    turn: AtomicUsize,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        let turn = self.turn.fetch_add(1, Relaxed) % self.backends.len();
        Ok(Box::new(HttpPeer::new(self.backends[turn], false, String::new())))
    }
}

/// Serves until the bench ends.
pub(crate) fn serve(port: u16, backends: Vec<SocketAddr>) {
    role::end_with_the_bench();
    let mut server = Server::new_with_opt_and_conf(None, ServerConf::default());
    server.bootstrap();
    let proxy = Bare { backends, turn: AtomicUsize::new(0) };
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), proxy);
    service.add_tcp(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string());
    server.add_service(service);
    server.run_forever()
}
