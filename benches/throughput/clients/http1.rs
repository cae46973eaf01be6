//! Requests of HTTP/1.1, one after the other on each connection.

use std::{io, rc::Rc};

use lb::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};

use super::{
    AFTER_AN_ERROR, Answer, Habit, Tally,
    connect::{Connector, Socket},
};
use crate::started;

const BUFFER: usize = 128 << 10;
const MAX_FIELDS: usize = 64;

/// Sends requests for ever.
pub(super) async fn work(habit: Rc<Habit>, tally: Rc<Tally>, number: usize) {
    let mut client = Client::new(&habit);
    loop {
        let begun = clock::now();
        tally.begins(number, begun);
        match client.round_trip(&habit).await {
            Ok(answer) if habit.likes(&answer) => tally.answered(begun),
            _ => {
                tally.failed();
                client.connection = None;
                time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
}

/// A client, with the connection that its next request may be sent on.
pub(super) struct Client {
    connector: Connector,
    pub(super) connection: Option<Box<dyn Socket>>,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) fn new(habit: &Habit) -> Self {
        Self { connector: habit.connector(), connection: None, buffer: vec![0; BUFFER] }
    }

    pub(super) async fn round_trip(&mut self, habit: &Habit) -> io::Result<Answer> {
        let mut socket = match self.connection.take() {
            Some(socket) => socket,
            None => self.connector.connect().await?,
        };
        socket.write_all(&habit.request).await?;
        let (answer, keeps_the_connection) = read_answer(&mut socket, &mut self.buffer).await?;
        if habit.is_fresh {
            // The side that closes first keeps the port for a minute; real clients leave that to the
            // server. One that ends TLS without saying so is as good.
            while socket.read(&mut self.buffer).await.unwrap_or_default() > 0 {}
        } else if keeps_the_connection {
            self.connection = Some(socket);
        }
        Ok(answer)
    }
}

/// Reads an answer to its last byte. Returns with it whether the connection is kept.
async fn read_answer(
    socket: &mut Box<dyn Socket>,
    buffer: &mut [u8],
) -> io::Result<(Answer, bool)> {
    let mut filled = 0;
    loop {
        match socket.read(&mut buffer[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
        let Some((answer, keeps, length)) = parse(&buffer[..filled])? else { continue };
        let mut missing = length.saturating_sub(filled);
        while missing > 0 {
            match socket.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => missing = missing.saturating_sub(read),
            }
        }
        return Ok((answer, keeps));
    }
}

/// Returns the answer with its whole length; `None` while its header is incomplete. An answer
/// without a length is an error page of the proxy, which ends with the connection.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer, bool, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(header) = parsed else { return Ok(None) };
    let length = started::content_length(response.headers);
    let is_close = |field: &httparse::Header<'_>| {
        field.name.eq_ignore_ascii_case("connection") && field.value.eq_ignore_ascii_case(b"close")
    };
    let keeps = length.is_some() && !response.headers.iter().any(is_close);
    let status = response.code.unwrap_or_default();
    Ok(Some((Answer { status, length }, keeps, header + length.unwrap_or_default())))
}
