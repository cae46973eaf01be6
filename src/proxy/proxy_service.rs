//! Pingora's proxy around ours, with our sessions towards backends.
//!
//! Pingora makes a proxy with sessions of its user's own for one of its services and for nothing else,
//! and shows it to what serves the connections of that service. So such a service is started here, for
//! as long as it takes to accept one connection of this process to itself.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::fd::IntoRawFd,
    sync::Arc,
};

use parking_lot::Mutex;
use pingora_core::{
    apps::HttpServerOptions,
    listeners::ListenerConfig,
    server::{Fds, configuration::ServerConf},
    services::Service,
};
use pingora_proxy::{HttpProxy, ProcessCustomSession, ProxyServiceBuilder};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};

use super::{Proxy, backend::Backends};

/// Pingora's proxy around ours, with our sessions towards backends.
pub type PingoraProxy = HttpProxy<Proxy, Backends>;

/// Pingora's proxy around this one.
///
/// # Errors
///
/// If the system refuses a socket on the loopback interface.
pub async fn pingora_proxy(conf: &Arc<ServerConf>, proxy: Proxy) -> io::Result<Arc<PingoraProxy>> {
    let (give, mut given) = mpsc::channel(1);
    let show: ProcessCustomSession<Proxy, Backends> = Arc::new(move |proxy, _, _| {
        // Once is enough.
        let _ = give.try_send(proxy);
        Box::pin(async { None })
    });
    let mut options = HttpServerOptions::default();
    // Pingora refuses CONNECT without calling a hook; our refusal is logged as well.
    options.allow_connect_method_proxying = true;
    options.force_custom = true;
    let service = ProxyServiceBuilder::new(conf, proxy).custom(Backends::new(conf), show);
    let mut service = service.server_options(options).build();

    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let mut sockets = Fds::new();
    sockets.add(address.to_string(), socket.into_raw_fd());
    service.add_listener(ListenerConfig::tcp(address.to_string()));
    let (stop, is_stopped) = watch::channel(false);
    let accept = service.start_service(Some(Arc::new(Mutex::new(sockets))), is_stopped, 1);
    let ask = async {
        let _connection = TcpStream::connect(address).await?;
        given.recv().await.ok_or(io::Error::from(io::ErrorKind::NotConnected))
    };
    let given = tokio::select! {
        given = ask => given,
        () = accept => Err(io::ErrorKind::NotConnected.into()),
    };
    // The task that accepts ends by itself.
    let _ = stop.send(true);
    given
}
