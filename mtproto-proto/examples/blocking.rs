//! A client and a server on blocking sockets: `std::net`, a thread each, no runtime.
//!
//! `cargo run -p mtproto-proto --example blocking`
//!
//! [`drive`] is all that a machine needs: write what it gives, read with its next deadline as the
//! time-out, hand over what came.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events may become more; an example leaves out what it does not need"
)]

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, ServerConnection, Start,
};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Event as ServerEvent, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Machine, Rng, Time};
use mtproto_schema::mtproto::functions::Ping;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The wall clock, read once, and a clock that never runs backwards from there.
struct Clock {
    started: Instant,
    wall: Duration,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "somebody has to read the clock: the program"
    )]
    fn new() -> Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Clock {
            started: Instant::now(),
            wall,
        })
    }

    fn now(&self) -> Time {
        Time::ZERO + self.wall + self.started.elapsed()
    }
}

/// Runs a machine over a socket until `on_event` has what it wants.
fn drive<M: Machine>(
    machine: &mut M,
    socket: &mut TcpStream,
    clock: &Clock,
    mut on_event: impl FnMut(&mut M, M::Event, Time) -> ControlFlow<()>,
) -> Result<()> {
    let mut out = Vec::new();
    let mut chunk = [0; 64 << 10];
    let mut ended = Ok(());
    loop {
        // Also after an error: the last events, and perhaps a last frame.
        while let Some(event) = machine.poll_event() {
            if on_event(machine, event, clock.now()).is_break() {
                return Ok(());
            }
        }
        while machine.poll_transmit(clock.now(), &mut out) {
            socket.write_all(&out)?;
            out.clear();
        }
        ended?;
        let wait = machine
            .poll_timeout()
            .map(|at| at.saturating_since(clock.now()));
        // Zero would mean "for ever" to the socket.
        socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        ended = match socket.read(&mut chunk) {
            Ok(0) => machine.handle_eof(clock.now()),
            Ok(n) => machine.handle_input(clock.now(), &chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                machine.handle_timeout(clock.now())
            }
            Err(e) => return Err(e.into()),
        };
    }
}

fn main() -> Result<()> {
    let clock = Clock::new()?;
    // A program that talks to a real server seeds this from the operating system.
    let mut rng = Rng::from_seed([42; 32]);
    let key = RsaPrivateKey::generate(&mut rng);
    let public = key.public().clone();
    let dc = DcId(2);

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server_rng = Rng::from_rng(&mut rng);
    let server =
        thread::spawn(move || serve(&listener, ServerConfig::new(dc, vec![key]), server_rng));

    let mut socket = TcpStream::connect(address)?;
    let config = Arc::new(ClientConfig::new(dc, vec![public]));
    let mut client = ClientConnection::new(config, Start::NewKey, rng, clock.now())?;
    let ping = client.call(clock.now(), &Ping { ping_id: 7 }, &SendOptions::default())?;
    let echo = client.send(clock.now(), b"echo"[..].into(), &SendOptions::default())?;
    drive(
        &mut client,
        &mut socket,
        &clock,
        |_, event, _| match event {
            ClientEvent::KeyCreated(state) => {
                println!("key {} made", state.auth_key_id());
                ControlFlow::Continue(())
            }
            ClientEvent::Response { id, body } if id == ping.id() => {
                println!("pong {:?}", ping.decode(&body).map(|pong| pong.ping_id));
                ControlFlow::Continue(())
            }
            ClientEvent::Response { id, body } if id == echo => {
                println!("answer {body:?}");
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        },
    )?;
    drop(socket);
    server.join().map_err(|_| "the server panicked")?
}

/// Serves one client: every call is answered with its own body.
fn serve(listener: &TcpListener, config: ServerConfig, rng: Rng) -> Result<()> {
    let clock = Clock::new()?;
    let (mut socket, _) = listener.accept()?;
    let mut machine = ServerConnection::new(Arc::new(config), rng, clock.now());
    let ended = drive(&mut machine, &mut socket, &clock, |machine, event, now| {
        if let ServerEvent::Request { id, body, .. } = event {
            machine.server().respond(now, id, body);
        }
        ControlFlow::Continue(())
    });
    println!(
        "server: {}",
        ended.expect_err("it serves until the client is gone")
    );
    Ok(())
}
