//! Requests of HTTP/2, several at once on each connection.

use std::{future::poll_fn, io, rc::Rc, sync::LazyLock};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{self, SendRequest},
};
use http::Request;
use lb::clock;
use tokio::{
    task::{self, JoinSet},
    time,
};

use super::{AFTER_AN_ERROR, Answer, Habit, Tally};

/// The windows of browsers: bodies do not wait for them.
const STREAM_WINDOW: u32 = 6 << 20;
const WINDOW: u32 = 15 << 20;

/// What bodies are made of.
static BODY: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 1 << 20].into());

/// Sends requests for ever, on as many streams as the workload says; `first` is the number of the first.
pub(super) async fn work(habit: Rc<Habit>, tally: Rc<Tally>, first: usize) {
    loop {
        if let Ok(client) = Client::connect(&habit).await {
            let mut streams = JoinSet::new();
            for number in first..first + habit.streams {
                let (client, habit, tally) = (client.clone(), Rc::clone(&habit), Rc::clone(&tally));
                streams
                    .spawn_local(async move { while client.ask(&habit, &tally, number).await {} });
            }
            streams.join_all().await;
        }
        tally.failed();
        time::sleep(AFTER_AN_ERROR).await;
    }
}

/// A connection, which ends with its last copy.
#[derive(Debug, Clone)]
pub(super) struct Client(SendRequest<Bytes>);

impl Client {
    /// Connects; its task is one of this thread.
    pub(super) async fn connect(habit: &Habit) -> io::Result<Self> {
        let socket = habit.connector().connect().await?;
        let mut builder = client::Builder::new();
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(WINDOW);
        let (requests, connection) = builder.handshake(socket).await.map_err(io::Error::other)?;
        task::spawn_local(connection);
        Ok(Self(requests))
    }

    /// Sends one request. Returns whether the connection has answered.
    async fn ask(&self, habit: &Habit, tally: &Tally, number: usize) -> bool {
        let begun = clock::now();
        tally.begins(number, begun);
        let answer = self.round_trip(habit).await;
        match &answer {
            Ok(answer) if habit.likes(answer) => tally.answered(begun),
            Ok(_) => tally.failed(),
            Err(_) => {}
        }
        answer.is_ok()
    }

    pub(super) async fn round_trip(&self, habit: &Habit) -> Result<Answer, h2::Error> {
        let mut ready = self.0.clone().ready().await?;
        let request = Request::builder()
            .method(if habit.sends > 0 { "POST" } else { "GET" })
            .uri(format!("https://example.com/{}", habit.gets))
            .header("user-agent", "bench")
            .header("accept", "*/*");
        let request = match habit.sends {
            0 => request,
            length => request.header("content-length", length),
        };
        let request = request.body(()).expect("a request");
        let (response, body) = ready.send_request(request, habit.sends == 0)?;
        if habit.sends > 0 {
            send(body, BODY.slice(..habit.sends)).await?;
        }
        let (head, mut body) = response.await?.into_parts();
        let mut length = 0;
        while let Some(piece) = body.data().await {
            let piece = piece?.len();
            body.flow_control().release_capacity(piece)?;
            length += piece;
        }
        Ok(Answer { status: head.status.as_u16(), length: Some(length) })
    }
}

async fn send(mut stream: SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else { break };
        let piece = body.split_to(room?.min(body.len()));
        stream.send_data(piece, body.is_empty())?;
    }
    Ok(())
}
