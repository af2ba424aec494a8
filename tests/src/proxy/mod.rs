//! A TCP proxy on loopback that makes trouble on demand, between any client and any server.
//!
//! Does: [`Proxy`] listens at a free port, forwards streams to a target, and delays, stalls, narrows,
//! chops and cuts them as a test says while it runs.
//! In: a target, a [`Seed`], what a test wants to go wrong. Out: an address, [`Counts`].
//! Must not know: what the bytes mean; any async runtime.
//! Spec: none.
//!
//! One thread serves all streams; it ends when the [`Proxy`] is dropped, and with it every stream. A
//! setting is in force when the method that changes it returns. What is random is drawn from the
//! seed, for each stream apart; *when* it is drawn is the operating system's affair, so a run over
//! real sockets is alike under one seed, not the same. For runs that are the same bit for bit there
//! are [`wire`](crate::wire) and [`pair`](mod@crate::pair).
//!
//! | a test wants | |
//! | --- | --- |
//! | latency, jitter, a narrow path, small segments | [`set_path`](Proxy::set_path) |
//! | nothing to move for a while, or for ever | [`stall`](Proxy::stall), [`go_on`](Proxy::go_on) |
//! | streams that died without a word, while new ones work | [`freeze`](Proxy::freeze) |
//! | streams that end | [`cut`](Proxy::cut), [`cut_after`](Proxy::cut_after), [`cut_each`](Proxy::cut_each) |
//! | a server that is silent, refuses, or hangs up | [`set_door`](Proxy::set_door) |
//! | a server that comes back at another port | [`set_target`](Proxy::set_target) |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::time::Duration;
//!
//! use mtproto_test::Seed;
//! use mtproto_test::proxy::{Cut, Direction, Path, Proxy};
//!
//! let server = TcpListener::bind("127.0.0.1:0")?;
//! let proxy = Proxy::start(server.local_addr()?, Seed(7))?;
//! let slow = Path::new().latency(Duration::from_millis(5)..=Duration::from_millis(20));
//! proxy.set_path(Direction::ToServer, slow);
//! // The stream ends behind the third byte that goes to the server from now on.
//! proxy.cut_after(Direction::ToServer, 3, Cut::Fin);
//!
//! let mut client = TcpStream::connect(proxy.addr())?;
//! let (mut stream, _) = server.accept()?;
//! client.write_all(b"hello")?;
//! let mut heard = Vec::new();
//! stream.read_to_end(&mut heard)?;
//! assert_eq!(heard, b"hel");
//! assert_eq!(proxy.counts().to_server, 3);
//! # Ok::<(), std::io::Error>(())
//! ```

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod engine;
mod stream;
mod values;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;

pub use values::{Counts, Cut, Direction, Door, Path};

use crate::dice::{SEED_VARIABLE, Seed};
use engine::{Engine, Job};

/// Jobs that wait for the thread. A caller waits for its own, so there is one for each thread that
/// calls; more of them wait a little longer.
const MAX_JOBS: usize = 16;

/// A running proxy. It stops when it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    seed: Seed,
    jobs: SyncSender<Job>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens at a free port of `127.0.0.1` and forwards to `target`, at first without any fault.
    /// Nobody has to listen at the target yet.
    ///
    /// # Errors
    /// If the operating system gives no port or no thread.
    pub fn start(target: SocketAddr, seed: Seed) -> io::Result<Self> {
        let (jobs, receiver) = sync_channel(MAX_JOBS);
        let (engine, addr, waker) = Engine::new(target, seed, receiver)?;
        let thread = std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || engine.run())?;
        Ok(Proxy {
            addr,
            seed,
            jobs,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it listens; the same for as long as it lives.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where streams that are opened from now on lead.
    pub fn set_target(&self, target: SocketAddr) {
        self.ask(move |engine| engine.target = target);
    }

    /// What becomes of clients that connect from now on.
    ///
    /// # Errors
    /// If the port, which was given up to refuse, cannot be had again.
    pub fn set_door(&self, door: Door) -> io::Result<()> {
        self.ask(move |engine| engine.set_door(door))
    }

    /// How bytes fare that come from now on, on all streams.
    #[expect(
        clippy::indexing_slicing,
        reason = "one place for each of two directions"
    )]
    pub fn set_path(&self, direction: Direction, path: Path) {
        self.ask(move |engine| engine.paths[direction as usize] = path);
    }

    /// Neither reads nor writes in this direction, on all streams, present and later, for this time
    /// or until [`go_on`](Proxy::go_on). The operating systems' buffers fill, and then the sender
    /// waits.
    pub fn stall(&self, direction: Direction, time: Option<Duration>) {
        self.ask(move |engine| engine.stall(direction, time));
    }

    /// Ends all stalls. What was frozen stays so.
    pub fn go_on(&self) {
        self.ask(Engine::go_on);
    }

    /// The streams that are open now carry nothing any more and do not end, as behind a router that
    /// has forgotten them; later ones do. How many there were.
    pub fn freeze(&self) -> usize {
        self.ask(Engine::freeze)
    }

    /// Ends all streams, with what they still carry; how many there were.
    pub fn cut(&self, how: Cut) -> usize {
        self.ask(move |engine| engine.cut(how))
    }

    /// Ends the stream that carries the `bytes`-th byte of this direction from now on, behind that
    /// byte; with 0, the one that would carry the next byte, before it. Only one, and only once;
    /// replaces what was said before of this direction.
    #[expect(
        clippy::indexing_slicing,
        reason = "one place for each of two directions"
    )]
    pub fn cut_after(&self, direction: Direction, bytes: u64, how: Cut) {
        self.ask(move |engine| engine.cut_after[direction as usize] = Some((bytes, how)));
    }

    /// Ends every stream that is opened from now on after some number of bytes of this range, in one
    /// of its directions, in one of the ways: the seed says which. `None`: no longer.
    pub fn cut_each(&self, after: Option<RangeInclusive<u64>>) {
        self.ask(move |engine| engine.cut_each = after);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.ask(|engine| engine.counts())
    }

    /// Has the thread do something, and waits until it is done.
    #[expect(
        clippy::expect_used,
        reason = "the thread ends with the proxy, not before"
    )]
    fn ask<T: Send + 'static>(&self, job: impl FnOnce(&mut Engine) -> T + Send + 'static) -> T {
        let (reply, answer) = sync_channel(1);
        let job = move |engine: &mut Engine| {
            // Whoever asked waits.
            let _ = reply.send(job(engine));
            true
        };
        let sent = self.jobs.send(Box::new(job)).is_ok() && self.waker.wake().is_ok();
        let answer = sent.then(|| answer.recv().ok()).flatten();
        answer.expect("the proxy's thread runs until it is dropped")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the proxy had {SEED_VARIABLE}={}", self.seed);
        }
        // Both fail when the thread has ended, which only a panic there brings about.
        let _ = self.jobs.send(Box::new(|_| false));
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("addr", &self.addr)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
