//! The proxy's thread: accepts, gives every stream its turn, does what is asked.
//!
//! Does: [`Engine`] owns the listener and all streams.
//! In: jobs, what the operating system says of sockets, the time. Out: streams that move or end.
//! Must not know: how a stream moves its bytes (`stream.rs` does), who asks.
//! Spec: none.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "it counts streams and bytes in 64 bits, adds times of its test's configuration, and has \
              one place for each of two directions; of what peers send it reads nothing"
)]

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Socket, Type};

use super::stream::{Fares, Rules, Stream, reset};
use super::{Counts, Cut, Direction, Door, Path};
use crate::dice::{Dice, Seed};

/// Streams at once: a test of many clients has a few hundred.
const MAX_STREAMS: usize = 1_024;
/// Clients that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;
/// Events taken at once; the others come the next time.
const EVENTS: usize = 256;
/// How long to wait after a client could not be accepted, usually for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How long a client that was hung up on may take to close its side.
const LINGER: Duration = Duration::from_secs(1);

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);

/// Something that was asked for; `false`: to end.
pub type Job = Box<dyn FnOnce(&mut Engine) -> bool + Send>;

/// Everything that the thread owns.
pub struct Engine {
    /// Where later streams lead.
    pub target: SocketAddr,
    /// How bytes fare, by direction.
    pub paths: [Path; 2],
    /// Which stream is cut next, by direction.
    pub cut_after: [Option<(u64, Cut)>; 2],
    /// When each later stream is cut.
    pub cut_each: Option<RangeInclusive<u64>>,
    addr: SocketAddr,
    poll: Poll,
    jobs: Receiver<Job>,
    listener: Listener,
    door: Door,
    /// Clients may be waiting to be accepted.
    acceptable: bool,
    /// Not before.
    accept_at: Option<Instant>,
    stalls: [Option<Stall>; 2],
    streams: BTreeMap<usize, Stream>,
    /// Clients to whom nothing ever happens.
    silent: Vec<TcpStream>,
    /// Clients that were hung up on, and when they are no longer waited for.
    leaving: Vec<(Instant, TcpStream)>,
    next_id: usize,
    counts: Counts,
    dice: Dice,
}

enum Listener {
    Listening(TcpListener),
    /// The port is kept by a socket that does not listen, if it could be had.
    Refusing(Option<Socket>),
}

#[derive(Clone, Copy)]
enum Stall {
    Until(Instant),
    ForEver,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the proxy is there for what runs in real time"
)]
fn now() -> Instant {
    Instant::now()
}

impl Engine {
    /// Listens at a free port.
    pub fn new(
        target: SocketAddr,
        seed: Seed,
        jobs: Receiver<Job>,
    ) -> io::Result<(Self, SocketAddr, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let listener = listen(&poll, reserve((Ipv4Addr::LOCALHOST, 0).into())?)?;
        let addr = listener.local_addr()?;
        let engine = Engine {
            target,
            paths: Default::default(),
            cut_after: [None; 2],
            cut_each: None,
            addr,
            poll,
            jobs,
            listener: Listener::Listening(listener),
            door: Door::Open,
            acceptable: false,
            accept_at: None,
            stalls: [None; 2],
            streams: BTreeMap::new(),
            silent: Vec::new(),
            leaving: Vec::new(),
            next_id: 1,
            counts: Counts::default(),
            dice: Dice::new(seed),
        };
        Ok((engine, addr, waker))
    }

    /// Works until told to end.
    #[expect(
        clippy::panic,
        reason = "without the operating system there is nothing to go on with"
    )]
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut again = false;
        loop {
            let timeout = if again {
                Some(Duration::ZERO)
            } else {
                let now = now();
                self.next().map(|due| {
                    due.saturating_duration_since(now)
                        .max(Duration::from_millis(1))
                })
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => panic!("the operating system does not tell of sockets any more: {e}"),
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    LISTENER => self.acceptable = true,
                    Token(token) => {
                        if let Some(stream) = self.streams.get_mut(&(token / 2)) {
                            let broken = event.is_error();
                            stream.ready(
                                token % 2,
                                event.is_readable() || event.is_read_closed() || broken,
                                event.is_writable() || event.is_write_closed() || broken,
                            );
                        }
                    }
                }
            }
            self.accept();
            while let Ok(job) = self.jobs.try_recv() {
                if !job(&mut self) {
                    return;
                }
            }
            again = self.pump();
        }
    }

    /// When something happens without an event.
    fn next(&self) -> Option<Instant> {
        let stalled = self.stalls.map(|stall| stall.is_some());
        let stalls = self.stalls.iter().filter_map(|stall| match stall {
            Some(Stall::Until(until)) => Some(*until),
            Some(Stall::ForEver) | None => None,
        });
        let streams = self.streams.values().filter_map(|s| s.next(stalled));
        let leaving = self.leaving.iter().map(|(until, _)| *until);
        stalls
            .chain(streams)
            .chain(leaving)
            .chain(self.accept_at)
            .min()
    }

    fn accept(&mut self) {
        let now = now();
        if self.accept_at.is_some_and(|at| at > now) {
            return;
        }
        self.accept_at = None;
        while self.acceptable {
            let Listener::Listening(listener) = &self.listener else {
                self.acceptable = false;
                return;
            };
            match listener.accept() {
                Ok((client, _)) => self.accepted(now, client),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.acceptable = false,
                // The client was faster.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.accept_at = Some(now + ACCEPT_RETRY);
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, now: Instant, client: TcpStream) {
        if self.streams.len() + self.silent.len() + self.leaving.len() >= MAX_STREAMS {
            self.counts.turned_away += 1;
            return reset(&client);
        }
        match self.door {
            Door::Silent => {
                self.counts.swallowed += 1;
                self.silent.push(client);
            }
            Door::HangUp(how) => {
                self.counts.turned_away += 1;
                self.hang_up(now, client, how);
            }
            Door::Open | Door::Refuse => {
                self.counts.accepted += 1;
                if let Err(client) = self.lead(client) {
                    self.counts.unreachable += 1;
                    reset(&client);
                }
            }
        }
    }

    /// Opens a stream to the target; gives the client back if there is none.
    fn lead(&mut self, client: TcpStream) -> Result<(), TcpStream> {
        let Ok(server) = TcpStream::connect(self.target) else {
            return Err(client);
        };
        let id = self.next_id;
        self.next_id += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut sockets = [client, server];
        for (end, socket) in sockets.iter_mut().enumerate() {
            // Without, segments would be joined and wait for each other. A socket that does not
            // even take this is found out by the next line.
            let _ = socket.set_nodelay(true);
            let token = Token(id * 2 + end);
            if self.poll.registry().register(socket, token, both).is_err() {
                let [client, _] = sockets;
                return Err(client);
            }
        }
        let cut = self.cut_each.clone().map(|range| {
            let direction = *self.dice.choose(&Direction::ALL);
            let how = *self.dice.choose(&[Cut::Fin, Cut::Rst]);
            (direction, self.dice.range(range), how)
        });
        let stream = Stream::new(sockets, &mut self.dice, cut);
        self.streams.insert(id, stream);
        Ok(())
    }

    fn hang_up(&mut self, now: Instant, client: TcpStream, how: Cut) {
        match how {
            Cut::Rst => reset(&client),
            Cut::Fin => {
                // It fails when the client has closed before.
                let _ = client.shutdown(Shutdown::Write);
                self.leaving.push((now + LINGER, client));
            }
        }
    }

    /// Gives every stream its turn; whether there is more to do at once.
    fn pump(&mut self) -> bool {
        let now = now();
        self.leaving.retain(|(until, _)| *until > now);
        for stall in &mut self.stalls {
            stall.take_if(|stall| matches!(stall, Stall::Until(until) if *until <= now));
        }
        let stalled = self.stalls.map(|stall| stall.is_some());
        let [up, down] = &mut self.cut_after;
        let mut again = false;
        self.streams.retain(|_, stream| {
            let rules = [
                Rules {
                    path: &self.paths[0],
                    stalled: stalled[0],
                    cut_after: up,
                    count: &mut self.counts.to_server,
                },
                Rules {
                    path: &self.paths[1],
                    stalled: stalled[1],
                    cut_after: down,
                    count: &mut self.counts.to_client,
                },
            ];
            match stream.pump(now, rules) {
                Fares::Waits => return true,
                Fares::Again => {
                    again = true;
                    return true;
                }
                Fares::Cut(how) => {
                    self.counts.cut += 1;
                    return cut(now, stream, how);
                }
                Fares::Over => {}
                Fares::Broken => stream.reset(),
                Fares::Unreachable => {
                    self.counts.unreachable += 1;
                    stream.reset();
                }
            }
            false
        });
        again
    }

    /// What becomes of later clients.
    pub fn set_door(&mut self, door: Door) -> io::Result<()> {
        match (&mut self.listener, door) {
            (Listener::Listening(_), Door::Refuse) => {
                // First the listener goes, then the port is kept by one that does not listen.
                self.listener = Listener::Refusing(None);
                self.listener = Listener::Refusing(reserve(self.addr).ok());
            }
            (Listener::Refusing(kept), Door::Open | Door::Silent | Door::HangUp(_)) => {
                let kept = match kept.take() {
                    Some(kept) => kept,
                    None => reserve(self.addr)?,
                };
                self.listener = Listener::Listening(listen(&self.poll, kept)?);
                self.acceptable = true;
            }
            (Listener::Refusing(_), Door::Refuse)
            | (Listener::Listening(_), Door::Open | Door::Silent | Door::HangUp(_)) => {}
        }
        self.door = door;
        Ok(())
    }

    /// Nothing moves in this direction.
    pub fn stall(&mut self, direction: Direction, time: Option<Duration>) {
        let stall = match time {
            Some(time) => Stall::Until(now() + time),
            None => Stall::ForEver,
        };
        self.stalls[direction as usize] = Some(stall);
    }

    /// Everything moves.
    pub fn go_on(&mut self) {
        self.stalls = [None; 2];
    }

    /// The present streams carry nothing any more.
    pub fn freeze(&mut self) -> usize {
        for stream in self.streams.values_mut() {
            stream.frozen = true;
        }
        self.streams.len()
    }

    /// The present streams end.
    pub fn cut(&mut self, how: Cut) -> usize {
        let now = now();
        let before = self.counts.cut;
        self.streams.retain(|_, stream| {
            self.counts.cut += u64::from(!stream.is_ending());
            cut(now, stream, how)
        });
        for client in std::mem::take(&mut self.silent) {
            self.counts.cut += 1;
            self.hang_up(now, client, how);
        }
        usize::try_from(self.counts.cut - before).unwrap_or(usize::MAX)
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let ending = self.streams.values().filter(|stream| stream.is_ending());
        Counts {
            open: self.streams.len() - ending.count() + self.silent.len(),
            ..self.counts
        }
    }
}

/// Cuts a stream; whether it is still to be served.
fn cut(now: Instant, stream: &mut Stream, how: Cut) -> bool {
    match how {
        Cut::Fin => {
            stream.finish(now);
            true
        }
        Cut::Rst => {
            stream.reset();
            false
        }
    }
}

/// A socket that has the port and does not listen: who connects is refused.
fn reserve(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Streams of the former listener may still be there. Elsewhere this allows what it must not.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn listen(poll: &Poll, socket: Socket) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    Ok(listener)
}
