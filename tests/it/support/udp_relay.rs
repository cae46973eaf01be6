//! A line for packets of UDP between clients and a server, one after another: as long as it is made.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lb::clock;
use tokio::{net::UdpSocket, sync::mpsc, time::sleep_until};

use super::http3_client::RUNTIME;

/// A line that passes packets on.
pub(crate) struct UdpRelay {
    /// Where the client sends to.
    pub(crate) address: SocketAddr,
    /// Whether nothing comes through.
    pub(crate) is_cut: Arc<AtomicBool>,
}

/// Packets, and when each is to arrive.
type Line = mpsc::UnboundedSender<(Instant, SocketAddr, Vec<u8>)>;

/// A line that ends with this socket.
fn line(socket: Arc<UdpSocket>) -> Line {
    let (line, mut packets) = mpsc::unbounded_channel::<(Instant, SocketAddr, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, to, packet)) = packets.recv().await {
            sleep_until(at.into()).await;
            let _ = socket.send_to(&packet, to).await;
        }
    });
    line
}

impl UdpRelay {
    /// A line on which each packet is under way for so long in either direction.
    pub(crate) fn to(server: SocketAddr, delay: Duration) -> Self {
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let address = RUNTIME.block_on(async {
            let front = Arc::new(UdpSocket::bind((server.ip(), 0)).await.expect("a socket"));
            let back = Arc::new(UdpSocket::bind((server.ip(), 0)).await.expect("a socket"));
            let address = front.local_addr().expect("an address");
            tokio::spawn(async move {
                let (mut there, mut here, mut client) = ([0; 2048], [0; 2048], None);
                let (to_server, to_client) = (line(Arc::clone(&back)), line(Arc::clone(&front)));
                loop {
                    let (line, to, packet) = tokio::select! {
                        Ok((length, from)) = front.recv_from(&mut there) => {
                            client = Some(from);
                            (&to_server, Some(server), &there[..length])
                        }
                        Ok((length, _)) = back.recv_from(&mut here) => {
                            (&to_client, client, &here[..length])
                        }
                        else => {
                            tokio::task::yield_now().await;
                            continue;
                        }
                    };
                    if let Some(to) = to
                        && !cut.load(Ordering::SeqCst)
                    {
                        let _ = line.send((clock::now() + delay, to, packet.to_vec()));
                    }
                }
            });
            address
        });
        Self { address, is_cut }
    }
}
