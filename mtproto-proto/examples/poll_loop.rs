//! A server and many clients on one thread, without async: readiness from the operating system,
//! one loop.
//!
//! `cargo run -p mtproto-proto --example poll_loop`

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events may become more; an example leaves out what it does not need"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use mtproto_proto::connection::{ClientConfig, ClientConnection, ClientEvent, Start};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Action, Event as ServerEvent, Server, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{ConnId, DcId, Machine, RequestId, Rng, Time};

const CLIENTS: usize = 16;
const CALLS: usize = 100;
/// Bytes kept for a socket that does not take them, before the machine is asked for more.
const ENOUGH: usize = 64 << 10;
const LISTENER: Token = Token(0);
/// Tokens from here are the server's streams; those below are clients.
const STREAMS: usize = 1_000;

/// A socket and the bytes that it has not taken.
struct Socket {
    stream: TcpStream,
    out: Vec<u8>,
}

impl Socket {
    fn new(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket {
            stream,
            out: Vec::new(),
        })
    }

    /// Writes what the socket takes; asks `more` for more while there is room.
    fn flush(&mut self, mut more: impl FnMut(&mut Vec<u8>) -> bool) -> io::Result<()> {
        loop {
            while self.out.len() < ENOUGH && more(&mut self.out) {}
            if self.out.is_empty() {
                return Ok(());
            }
            match self.stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                // The poller tells when there is room again.
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads once; `None` when there is nothing now, an empty slice at the end.
    fn read<'a>(&mut self, chunk: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match self.stream.read(chunk) {
            Ok(n) => Ok(Some(&chunk[..n])),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

struct Client {
    machine: ClientConnection,
    socket: Socket,
    waiting: Vec<RequestId>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "somebody has to read the clock: the program"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let (started, wall) = (
        Instant::now(),
        SystemTime::now().duration_since(UNIX_EPOCH)?,
    );
    let now = || Time::ZERO + wall + started.elapsed();
    // A program that talks to a real server seeds this from the operating system.
    let mut rng = Rng::from_seed([42; 32]);
    let key = RsaPrivateKey::generate(&mut rng);
    let dc = DcId(2);

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;

    let config = Arc::new(ClientConfig::new(dc, vec![key.public().clone()]));
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let socket = Socket::new(stream, poll.registry(), Token(n + 1))?;
        let rng = Rng::from_rng(&mut rng);
        let mut machine = ClientConnection::new(config.clone(), Start::NewKey, rng, now())?;
        let waiting = (0..CALLS)
            .map(|_| machine.send(now(), b"echo"[..].into(), &SendOptions::default()))
            .collect::<Result<_, _>>()?;
        clients.push(Client {
            machine,
            socket,
            waiting,
        });
    }

    let mut server = Server::new(Arc::new(ServerConfig::new(dc, vec![key])), rng, now());
    let mut streams: BTreeMap<ConnId, Socket> = BTreeMap::new();
    // Never used twice, also when streams have gone.
    let mut accepted = 0;
    let mut events = Events::with_capacity(256);
    let mut chunk = vec![0; 64 << 10];
    while clients.iter().any(|client| !client.waiting.is_empty()) {
        // Sleep until a socket is ready or a machine's deadline has come.
        let deadline = clients
            .iter()
            .filter_map(|client| client.machine.poll_timeout())
            .chain(server.poll_timeout())
            .min();
        let wait = deadline.map(|at| at.saturating_since(now()).max(Duration::from_millis(1)));
        poll.poll(&mut events, wait)?;

        for token in events.iter().map(|event| event.token()) {
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    let token = Token(STREAMS + accepted);
                    accepted += 1;
                    let conn = ConnId(token.0 as u64);
                    streams.insert(conn, Socket::new(stream, poll.registry(), token)?);
                    server.handle_connected(now(), conn);
                }
            } else if let Some(client) = clients.get_mut(token.0 - 1) {
                while let Some(bytes) = client.socket.read(&mut chunk)? {
                    if bytes.is_empty() {
                        client.machine.handle_eof(now())?;
                        break;
                    }
                    client.machine.handle_input(now(), bytes)?;
                }
            } else {
                let conn = ConnId(token.0 as u64);
                let Some(socket) = streams.get_mut(&conn) else {
                    continue;
                };
                while let Some(bytes) = socket.read(&mut chunk)? {
                    if bytes.is_empty() {
                        server.handle_closed(now(), conn);
                        streams.remove(&conn);
                        break;
                    }
                    server.handle_input(now(), conn, bytes);
                }
            }
        }

        server.handle_timeout(now());
        while let Some(event) = server.poll_event() {
            if let ServerEvent::Request { id, body, .. } = event {
                server.respond(now(), id, body);
            }
        }
        while let Some(action) = server.poll_action() {
            if let Action::Close { error, .. } = action {
                return Err(error.into());
            }
        }
        for (conn, socket) in &mut streams {
            socket.flush(|out| server.poll_transmit(now(), *conn, out))?;
        }
        for Client {
            machine,
            socket,
            waiting,
        } in &mut clients
        {
            machine.handle_timeout(now())?;
            while let Some(event) = machine.poll_event() {
                match event {
                    ClientEvent::Response { id, .. } => waiting.retain(|other| *other != id),
                    ClientEvent::Failed { error, .. } => return Err(error.into()),
                    _ => {}
                }
            }
            socket.flush(|out| machine.poll_transmit(now(), out))?;
        }
    }
    println!(
        "{} calls of {CLIENTS} clients in {:?}",
        CLIENTS * CALLS,
        started.elapsed()
    );
    Ok(())
}
