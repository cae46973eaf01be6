//! A Pingora proxy that only forwards. With Pingora's defaults and the system's allocator it is the
//! reference; with other settings it shows their effect.

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
    listeners::{L4BufferSettings, ListenerConfig},
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::role;

/// Its address, and the backends that it forwards to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    port: u16,
    #[arg(long, value_delimiter = ',')]
    backends: Vec<SocketAddr>,
}

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
pub(crate) fn serve(args: Args, conf: ServerConf, buffers: L4BufferSettings) {
    role::end_with_the_bench();
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let proxy = Bare { backends: args.backends, turn: AtomicUsize::new(0) };
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), proxy);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(buffers));
    server.add_service(service);
    server.run_forever()
}
