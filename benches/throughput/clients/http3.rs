//! Requests of HTTP/3, several at once on each connection. Frames and fields are those of `lb`, so that a
//! client costs little beside QUIC itself.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use lb::{
    clock,
    http3::{Part, RequestFrames, headers, qpack, settings},
};
use quinn::{ClientConfig, Connection, Endpoint, SendStream, crypto::rustls::QuicClientConfig};
use tokio::{task::JoinSet, time};

use super::{AFTER_AN_ERROR, Answer, Habit, Tally, connect};

/// The most bytes that are read at once.
const PIECE: usize = 1 << 20;
/// The most bytes of an answer's fields.
const FIELDS: u64 = 1 << 16;

/// Sends requests for ever, on as many streams as the workload says; `first` is the number of the first.
pub(super) async fn work(habit: Rc<Habit>, tally: Rc<Tally>, first: usize) {
    loop {
        if let Ok(client) = Client::connect(&habit).await {
            let client = Rc::new(client);
            let mut streams = JoinSet::new();
            for number in first..first + habit.streams {
                let (client, habit, tally) =
                    (Rc::clone(&client), Rc::clone(&habit), Rc::clone(&tally));
                streams
                    .spawn_local(async move { while client.ask(&habit, &tally, number).await {} });
            }
            streams.join_all().await;
        }
        tally.failed();
        time::sleep(AFTER_AN_ERROR).await;
    }
}

/// A connection, on a port of its own.
#[derive(Debug)]
pub(super) struct Client {
    quic: Connection,
    request: Bytes,
    // Both end with it.
    _endpoint: Endpoint,
    _control: SendStream,
}

impl Client {
    pub(super) async fn connect(habit: &Habit) -> io::Result<Self> {
        let mut tls = connect::config();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
        let config = ClientConfig::new(Arc::new(crypto));
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let connecting = endpoint.connect_with(config, habit.proxy, "example.com");
        let quic = connecting.map_err(io::Error::other)?.await?;
        let mut control = quic.open_uni().await?;
        control.write_all(&settings()).await?;
        Ok(Self { quic, request: request(habit), _endpoint: endpoint, _control: control })
    }

    /// Sends one request. Returns whether the connection has answered.
    async fn ask(&self, habit: &Habit, tally: &Tally, number: usize) -> bool {
        let begun = clock::now();
        tally.begins(number, begun);
        let answer = self.round_trip().await;
        match &answer {
            Some(answer) if habit.likes(answer) => tally.answered(begun),
            Some(_) => tally.failed(),
            None => {}
        }
        answer.is_some()
    }

    /// `None` if the connection has ended.
    pub(super) async fn round_trip(&self) -> Option<Answer> {
        let (mut send, mut recv) = self.quic.open_bi().await.ok()?;
        send.write_all(&self.request).await.ok()?;
        send.finish().ok()?;
        let mut answer = Answer { status: 0, length: Some(0) };
        let mut frames = RequestFrames::default();
        while let Some(chunk) = recv.read_chunk(PIECE, true).await.ok()? {
            let mut input = chunk.bytes;
            while let Some(part) = frames.next(&mut input).ok()? {
                match part {
                    Part::Head(list) => answer.status = status(list)?,
                    Part::Data(piece) => {
                        answer.length = answer.length.map(|length| length + piece.len());
                    }
                    Part::Trailers(_) => {}
                }
            }
        }
        Some(answer)
    }
}

/// The frame of a GET: methods and the like are numbers of QPACK's static table.
fn request(habit: &Habit) -> Bytes {
    let path = format!("/{}", habit.gets);
    let mut list = vec![0, 0, 0xd1, 0xd7];
    for (name, value) in
        [(&[0x50][..], "example.com"), (&[0x51], path.as_str()), (&[0x5f, 80], "bench")]
    {
        list.extend_from_slice(name);
        list.push(value.len() as u8);
        list.extend_from_slice(value.as_bytes());
    }
    // Accept: */*.
    list.push(0xdd);
    headers(&list)
}

fn status(list: Bytes) -> Option<u16> {
    let lines = qpack::decode(list, FIELDS).ok()?;
    str::from_utf8(&lines.first()?.value).ok()?.parse().ok()
}
