//! A socket of UDP that processes share: the one that reads from it passes on what belongs to those before it,
//! and these get their packets from there alone.

use std::{
    fmt::Write as _,
    io::{self, IoSlice, IoSliceMut},
    net::SocketAddr,
    os::unix::net::UnixDatagram as Outbox,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use quinn::{
    AsyncUdpSocket, Runtime as _, TokioRuntime, UdpPoller,
    udp::{EcnCodepoint, RecvMeta, Transmit},
};
use rustix::{
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags, sendmsg},
};
use tokio::{io::ReadBuf, net::UnixDatagram};

use super::quic_ids::ConnectionIds;
use crate::process::udp::relay::Relay;

/// Whether this process reads from a socket, or gets what is passed on to it.
#[derive(Debug, Clone, Default)]
pub struct Reading(Arc<Hands>);

/// What is known of the processes that read. Either may become known first.
#[derive(Debug, Default)]
struct Hands {
    is_passed_on: AtomicBool,
    /// Whether no later process is there that could read.
    is_last: AtomicBool,
}

impl Reading {
    /// From this call on the next process reads, for as long as it is there.
    pub fn pass_on(&self) {
        self.0.is_passed_on.store(true, Ordering::SeqCst);
    }

    /// Whether this process reads.
    #[must_use]
    pub fn is_here(&self) -> bool {
        !self.0.is_passed_on.load(Ordering::SeqCst) || self.is_last()
    }

    fn is_last(&self) -> bool {
        self.0.is_last.load(Ordering::SeqCst)
    }
}

/// The socket as this process has it.
#[derive(Debug)]
pub(super) struct SharedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    ids: ConnectionIds,
    reading: Reading,
    inbox: UnixDatagram,
    outboxes: Vec<(u8, Outbox)>,
}

impl SharedSocket {
    /// # Errors
    ///
    /// When the system refuses to use a socket.
    pub(super) fn new(
        socket: std::net::UdpSocket,
        relay: Relay,
        ids: ConnectionIds,
        reading: Reading,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            socket: TokioRuntime.wrap_udp_socket(socket)?,
            ids,
            reading,
            inbox: UnixDatagram::from_std(relay.inbox)?,
            outboxes: relay.outboxes,
        }))
    }

    /// The next packets that were passed on to this process. They come no more once no later process is there,
    /// and this one reads again.
    fn poll_inbox(&self, cx: &mut Context<'_>, buffer: &mut IoSliceMut<'_>) -> Poll<RecvMeta> {
        while !self.reading.is_last() {
            let mut message = ReadBuf::new(buffer);
            let came = ready!(self.inbox.poll_recv(cx, &mut message));
            let message = message.filled();
            if came.is_err() || message.is_empty() {
                self.reading.0.is_last.store(true, Ordering::SeqCst);
            } else if let Some(meta) = unlabelled(message) {
                return Poll::Ready(meta);
            }
        }
        Poll::Pending
    }

    /// Which outbox a datagram goes to that belongs to a process before this one.
    fn outbox(&self, datagram: &[u8]) -> Option<usize> {
        let maker = self.ids.maker_of(datagram)?;
        self.outboxes.iter().position(|(ordinal, _)| *ordinal == maker)
    }

    /// Passes on what belongs to processes before this one, and keeps the rest.
    fn sort(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let end_of = |start: usize| meta.len.min(start + meta.stride.max(1));
        let (mut kept, mut start) = (0, 0);
        while start < meta.len {
            let mut end = end_of(start);
            let outbox = self.outbox(&buffer[start..end]);
            while end < meta.len && self.outbox(&buffer[end..end_of(end)]) == outbox {
                end = end_of(end);
            }
            let is_passed_on = outbox
                .is_some_and(|outbox| send(&self.outboxes[outbox].1, &buffer[start..end], meta));
            if !is_passed_on {
                if kept != start {
                    buffer.copy_within(start..end, kept);
                }
                kept += end - start;
            }
            start = end;
        }
        meta.len = kept;
    }
}

impl AsyncUdpSocket for SharedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if let (Some(buffer), Some(meta)) = (buffers.first_mut(), metas.first_mut())
            && let Poll::Ready(passed) = self.poll_inbox(cx, buffer)
        {
            *meta = passed;
            return Poll::Ready(Ok(1));
        }
        if !self.reading.is_here() {
            return Poll::Pending;
        }
        let count = ready!(self.socket.poll_recv(cx, buffers, metas))?;
        if !self.outboxes.is_empty() {
            for (buffer, meta) in buffers.iter_mut().zip(&mut *metas).take(count) {
                self.sort(buffer, meta);
            }
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

/// Passes datagrams on. Returns whether there is a process that could take them; one that is too busy loses
/// them, as any receiver does.
fn send(outbox: &Outbox, datagrams: &[u8], meta: &RecvMeta) -> bool {
    let label = label(meta);
    let message = [IoSlice::new(datagrams), IoSlice::new(&label)];
    let sent = sendmsg(outbox, &message, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL);
    !matches!(sent, Err(Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED))
}

/// What goes behind datagrams that are passed on: where they came from, the size of each, their mark of
/// congestion, where they came to, and the length of all this in one byte.
fn label(meta: &RecvMeta) -> Vec<u8> {
    let ecn = meta.ecn.map_or(0, |ecn| ecn as u8);
    let mut label = format!("{} {} {ecn}", meta.addr, meta.stride);
    if let Some(ip) = meta.dst_ip {
        // A text takes everything.
        let _ = write!(label, " {ip}");
    }
    let length = label.len() as u8;
    let mut label = label.into_bytes();
    label.push(length);
    label
}

/// Reads the label behind datagrams; `None` if they have none.
fn unlabelled(message: &[u8]) -> Option<RecvMeta> {
    let (length, rest) = message.split_last()?;
    let datagrams = rest.len().checked_sub(usize::from(*length))?;
    let mut words = str::from_utf8(&rest[datagrams..]).ok()?.split(' ');
    Some(RecvMeta {
        addr: words.next()?.parse().ok()?,
        stride: words.next()?.parse().ok()?,
        ecn: EcnCodepoint::from_bits(words.next()?.parse().ok()?),
        dst_ip: words.next().map(str::parse).transpose().ok()?,
        len: datagrams,
    })
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::UdpSocket, time::Duration};

    use quinn_proto::ConnectionIdGenerator as _;
    use tokio::time::timeout;

    use super::*;

    const NAME: &str = "udp:here";

    /// Processes that share a socket, and a client of it.
    struct Processes {
        client: UdpSocket,
        udp: UdpSocket,
        next: Vec<crate::process::handover::NamedSocket>,
    }

    impl Processes {
        fn none() -> Self {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            udp.set_nonblocking(true).unwrap();
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(udp.local_addr().unwrap()).unwrap();
            Self { client, udp, next: Vec::new() }
        }

        fn start(&mut self) -> (Arc<SharedSocket>, Reading) {
            let mut given = Vec::new();
            for (name, socket) in &self.next {
                given.push((name.clone(), socket.try_clone().unwrap()));
            }
            let (relay, next) = Relay::take(NAME, &mut given).unwrap();
            self.next = next;
            let ids = ConnectionIds { key: 7, ordinal: relay.ordinal };
            let reading = Reading::default();
            let udp = self.udp.try_clone().unwrap();
            (SharedSocket::new(udp, relay, ids, reading.clone()).unwrap(), reading)
        }

        /// A datagram for a connection of this process.
        fn send(&self, ordinal: u8, text: &str) {
            let id = ConnectionIds { key: 7, ordinal }.generate_cid();
            self.client.send(&[&[0x40], &id[..], text.as_bytes()].concat()).unwrap();
        }
    }

    /// The texts that come to a process until this one comes.
    async fn texts(socket: &SharedSocket, last: &str) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            let mut bytes = [0; 4096];
            let came = poll_fn(|cx| {
                let mut meta = [RecvMeta::default()];
                let buffers = &mut [IoSliceMut::new(&mut bytes)];
                socket.poll_recv(cx, buffers, &mut meta).map_ok(|count| (count, meta[0]))
            });
            let (count, meta) = timeout(Duration::from_secs(10), came).await.unwrap().unwrap();
            assert_eq!(count, 1);
            for datagram in bytes[..meta.len].chunks(meta.stride) {
                texts.push(String::from_utf8(datagram[10..].to_vec()).unwrap());
            }
        }
        texts
    }

    async fn has_nothing(socket: &SharedSocket) -> bool {
        timeout(Duration::from_millis(20), texts(socket, "nothing")).await.is_err()
    }

    #[tokio::test]
    async fn each_process_gets_its_own_packets_through_the_last_one() {
        let mut processes = Processes::none();
        let (first, reading) = processes.start();
        processes.send(0, "a");
        assert_eq!(texts(&first, "a").await, ["a"]);
        let (second, reading_of_second) = processes.start();
        reading.pass_on();
        processes.send(0, "b");
        processes.send(1, "c");
        assert!(has_nothing(&first).await, "the other one has not read it");
        assert_eq!(texts(&second, "c").await, ["c"]);
        assert_eq!(texts(&first, "b").await, ["b"]);
        let (third, _) = processes.start();
        reading_of_second.pass_on();
        for (ordinal, text) in [(2, "d"), (1, "e"), (0, "f"), (2, "g")] {
            processes.send(ordinal, text);
        }
        assert_eq!(texts(&third, "g").await, ["d", "g"]);
        assert_eq!(texts(&second, "e").await, ["e"]);
        assert_eq!(texts(&first, "f").await, ["f"]);
        // What belongs to a process that has ended is answered by the last one.
        drop(second);
        processes.send(1, "h");
        assert_eq!(texts(&third, "h").await, ["h"]);
    }

    #[tokio::test]
    async fn a_process_reads_again_when_no_later_one_is_there() {
        let mut processes = Processes::none();
        let (first, reading) = processes.start();
        let (second, _) = processes.start();
        processes.next.clear();
        reading.pass_on();
        processes.send(0, "a");
        assert!(has_nothing(&second).await);
        assert_eq!(texts(&first, "a").await, ["a"]);
        processes.send(0, "b");
        assert!(has_nothing(&first).await && !reading.is_here());
        drop(second);
        assert_eq!(texts(&first, "b").await, ["b"]);
        assert!(reading.is_here());
    }

    #[tokio::test]
    async fn a_process_reads_on_when_the_next_one_had_ended_before_it_was_to_read() {
        let mut processes = Processes::none();
        let (first, reading) = processes.start();
        processes.next.clear();
        processes.send(0, "a");
        assert_eq!(texts(&first, "a").await, ["a"]);
        assert!(has_nothing(&first).await, "it has seen that nobody is there");
        reading.pass_on();
        processes.send(0, "b");
        assert_eq!(texts(&first, "b").await, ["b"]);
    }

    #[tokio::test]
    async fn datagrams_that_came_together_are_told_apart() {
        let mut processes = Processes::none();
        let (first, _) = processes.start();
        let (second, reading) = processes.start();
        reading.pass_on();
        let datagrams = [(0, "a"), (1, "b"), (1, "c"), (0, "d"), (0, "e"), (1, "f"), (0, "")];
        let mut buffer: Vec<u8> = Vec::new();
        for (ordinal, text) in datagrams {
            let id = ConnectionIds { key: 7, ordinal }.generate_cid();
            buffer.extend([&[0x40], &id[..], text.as_bytes()].concat());
        }
        let mut came = meta("127.0.0.1", 11, buffer.len());
        second.sort(&mut buffer, &mut came);
        let kept: Vec<u8> = buffer[..came.len].chunks(11).map(|datagram| datagram[10]).collect();
        assert_eq!(kept, b"bcf");
        first.reading.pass_on();
        assert_eq!(texts(&first, "").await, ["a", "d", "e", ""]);
    }

    fn meta(ip: &str, stride: usize, len: usize) -> RecvMeta {
        RecvMeta {
            addr: format!("{ip}:443").parse().unwrap(),
            stride,
            len,
            ecn: Some(EcnCodepoint::Ce),
            dst_ip: Some("fe80::1".parse().unwrap()),
        }
    }

    #[test]
    fn a_label_says_all_that_the_system_has_said() {
        for ip in ["127.0.0.1", "[::1]", "[fe80::ffff:ffff:ffff:ffff%4294967295]"] {
            for mut meta in [meta(ip, 1200, 3000), meta(ip, 1, 1)] {
                for _ in 0..2 {
                    let message = [vec![b'x'; meta.len], label(&meta)].concat();
                    assert_eq!(format!("{:?}", unlabelled(&message)), format!("Some({meta:?})"));
                    (meta.ecn, meta.dst_ip) = (None, None);
                }
            }
        }
        for message in [&b""[..], b"x", b"\xff", b"x \x01", b"127.0.0.1:1 1\x0d"] {
            assert!(unlabelled(message).is_none());
        }
    }
}
