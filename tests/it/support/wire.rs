//! The bytes of a client's connection, as they are or over TLS.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use rustls::{ClientConnection, StreamOwned};

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// The connection itself.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Sends these bytes, which are the first of this session, and shakes hands.
    pub(crate) fn over_tls<'a>(
        self,
        mut session: ClientConnection,
        first: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Self> {
        let Self::Plain(mut socket) = self else { panic!("it is TLS already") };
        for piece in first {
            socket.write_all(piece)?;
        }
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// Whether bytes are there to be read, or the other side has closed; does not wait. Bytes that only
    /// TLS is concerned with do not count.
    pub(crate) fn received_something(&mut self) -> bool {
        let _ = self.socket().set_nonblocking(true);
        let has_come = match self {
            Self::Plain(socket) => is_there(socket.peek(&mut [0])),
            Self::Tls(stream) => {
                let (session, socket) = (&mut stream.conn, &mut stream.sock);
                let read = session.read_tls(socket);
                let has_ended = is_there(read) && socket.peek(&mut [0]).is_ok_and(|read| read == 0);
                let state = session.process_new_packets();
                has_ended || state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
            }
        };
        let _ = self.socket().set_nonblocking(false);
        has_come
    }
}

fn is_there(read: io::Result<usize>) -> bool {
    read.map_or_else(|error| error.kind() != io::ErrorKind::WouldBlock, |_| true)
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
