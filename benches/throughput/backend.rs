//! A backend: answers `/N` with N bytes after its delay, and everything else at once, so that a
//! slow backend passes its health checks.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::LocalSet,
    time,
};

use crate::{group::Group, machine, role, started};

/// The size of a buffer: several reads of a large body.
const BUFFER: usize = 128 << 10;
const MAX_FIELDS: usize = 64;

/// A backend in a process of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    process: Group,
}

impl Backend {
    pub(crate) fn start(delay_ms: u64) -> Self {
        let mut command = Command::new(started::this_program());
        command.args(["backend", "--delay-ms", &delay_ms.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = Group::start(&mut command).expect("this program, once more");
        let mut line = String::new();
        let stdout = process.stdout().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        let port: u16 = line.trim().parse().expect("a port");
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), process }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// The answers by size, each made once.
type Answers = Rc<RefCell<HashMap<usize, Rc<[u8]>>>>;

/// Serves until the bench ends.
pub(crate) fn serve(delay: Duration) {
    role::end_with_the_bench();
    machine::allow_many_files();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        println!("{}", listener.local_addr().expect("it is bound").port());
        let answers = Answers::default();
        loop {
            if let Ok((socket, _)) = listener.accept().await {
                tokio::task::spawn_local(converse(socket, delay, Rc::clone(&answers)));
            }
        }
    });
}

/// Answers until the proxy closes the connection.
async fn converse(mut socket: TcpStream, delay: Duration, answers: Answers) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let Some(request) = parse(&buffer[..filled])? else {
            match socket.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let mut missing = request.length.saturating_sub(filled);
        while missing > 0 {
            match socket.read(&mut buffer).await? {
                0 => return Ok(()),
                read => missing = missing.saturating_sub(read),
            }
        }
        filled = 0;
        if request.answer.is_some() && !delay.is_zero() {
            time::sleep(delay).await;
        }
        let size = request.answer.unwrap_or_default();
        let answer = Rc::clone(answers.borrow_mut().entry(size).or_insert_with(|| answer(size)));
        socket.write_all(&answer).await?;
    }
}

/// The parts of a request that matter.
struct Request {
    /// The length of the request, with its body.
    length: usize,
    /// The number of bytes requested; `None` for a health check.
    answer: Option<usize>,
}

/// Reads a request; `None` while its header is incomplete. Bodies always have a length here.
fn parse(bytes: &[u8]) -> io::Result<Option<Request>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(header) = parsed else { return Ok(None) };
    let length = header + started::content_length(request.headers).unwrap_or_default();
    let path = request.path.unwrap_or_default();
    Ok(Some(Request { length, answer: path.trim_start_matches('/').parse().ok() }))
}

fn answer(size: usize) -> Rc<[u8]> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + size, b'x');
    answer.into()
}
