//! A runtime in one thread with a virtual clock, and a pipe in memory.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use mtproto_driver::Runtime;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time stands still while anybody can run and jumps to the next timer when nobody can.
#[derive(Clone)]
pub struct Virtual(Arc<Inner>);

struct Inner {
    start: Instant,
    state: Mutex<State>,
    tasks: Mutex<Vec<Task>>,
    next_timer: AtomicU64,
    woken: Arc<Flag>,
    rounds: AtomicU64,
}

struct State {
    now: Instant,
    timers: BTreeMap<(Instant, u64), Waker>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Virtual {
    #[expect(clippy::disallowed_methods, reason = "any Instant will do")]
    pub fn new() -> Self {
        let start = Instant::now();
        Virtual(Arc::new(Inner {
            start,
            state: Mutex::new(State {
                now: start,
                timers: BTreeMap::new(),
            }),
            tasks: Mutex::default(),
            next_timer: AtomicU64::new(0),
            woken: Arc::new(Flag(AtomicBool::new(true))),
            rounds: AtomicU64::new(0),
        }))
    }

    pub fn elapsed(&self) -> Duration {
        self.now() - self.0.start
    }

    /// How often anything was polled because something woke it: what a busy loop runs up.
    pub fn rounds(&self) -> u64 {
        self.0.rounds.load(Ordering::SeqCst)
    }

    /// Runs until `main` is ready.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = std::pin::pin!(main);
        let waker = Waker::from(self.0.woken.clone());
        let mut cx = Context::from_waker(&waker);
        self.0.woken.0.store(true, Ordering::SeqCst);
        let mut running: Vec<Task> = Vec::new();
        loop {
            while self.0.woken.0.swap(false, Ordering::SeqCst) {
                self.0.rounds.fetch_add(1, Ordering::SeqCst);
                if let Poll::Ready(value) = main.as_mut().poll(&mut cx) {
                    self.0.tasks.lock().unwrap().append(&mut running);
                    return value;
                }
                running.append(&mut self.0.tasks.lock().unwrap());
                running.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
            }
            let mut state = self.state();
            let Some(((at, _), waker)) = state.timers.pop_first() else {
                panic!(
                    "everybody waits and no timer is set, at {:?}",
                    self.elapsed()
                );
            };
            state.now = state.now.max(at);
            drop(state);
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

pub struct Sleep {
    runtime: Virtual,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.runtime.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.runtime.state().timers.remove(&self.key);
    }
}

impl Runtime for Virtual {
    type Stream = Pipe;
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        self.state().now
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep {
            runtime: self.clone(),
            key: (at, self.0.next_timer.fetch_add(1, Ordering::SeqCst)),
        }
    }

    /// The discard port never answers, every other one refuses.
    async fn connect(&self, to: SocketAddr) -> io::Result<Pipe> {
        if to.port() == 9 {
            std::future::pending::<()>().await;
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.lock().unwrap().push(Box::pin(task));
        self.0.woken.0.store(true, Ordering::SeqCst);
    }
}

/// One end of a byte stream in memory; each direction holds `capacity` bytes.
pub struct Pipe {
    incoming: Half,
    outgoing: Half,
}

type Half = Arc<Mutex<Channel>>;

#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    capacity: usize,
    closed: bool,
    /// The reader is gone: writing fails.
    broken: bool,
    waiting: Vec<Waker>,
}

impl Channel {
    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

pub fn duplex(capacity: usize) -> (Pipe, Pipe) {
    let half = || {
        Arc::new(Mutex::new(Channel {
            capacity,
            ..Channel::default()
        }))
    };
    let (a, b) = (half(), half());
    let left = Pipe {
        incoming: a.clone(),
        outgoing: b.clone(),
    };
    let right = Pipe {
        incoming: b,
        outgoing: a,
    };
    (left, right)
}

impl Pipe {
    /// Takes everything that has arrived.
    pub fn take(&self) -> Vec<u8> {
        let mut channel = self.incoming.lock().unwrap();
        channel.wake();
        channel.bytes.drain(..).collect()
    }

    /// Puts bytes in the other side's way; `false` when they do not fit.
    pub fn put(&self, bytes: &[u8]) -> bool {
        let mut channel = self.outgoing.lock().unwrap();
        if channel.bytes.len() + bytes.len() > channel.capacity {
            return false;
        }
        channel.bytes.extend(bytes);
        channel.wake();
        true
    }

    /// Bytes that the other side has not read yet.
    pub fn unread_by_peer(&self) -> usize {
        self.outgoing.lock().unwrap().bytes.len()
    }

    /// The other side's writes fail from here on; what was sent to it can still be read.
    pub fn stop_reading(&self) {
        let mut channel = self.incoming.lock().unwrap();
        channel.broken = true;
        channel.wake();
    }

    pub fn peer_has_closed(&self) -> bool {
        self.incoming.lock().unwrap().closed
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.stop_reading();
        let mut channel = self.outgoing.lock().unwrap();
        channel.closed = true;
        channel.wake();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut channel = self.incoming.lock().unwrap();
        if channel.bytes.is_empty() {
            if channel.closed {
                return Poll::Ready(Ok(0));
            }
            channel.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.len().min(channel.bytes.len());
        for (to, from) in buf.iter_mut().zip(channel.bytes.drain(..n)) {
            *to = from;
        }
        channel.wake();
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut channel = self.outgoing.lock().unwrap();
        if channel.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = buf.len().min(channel.capacity - channel.bytes.len());
        if n == 0 {
            channel.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        channel.bytes.extend(&buf[..n]);
        channel.wake();
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut channel = self.outgoing.lock().unwrap();
        channel.closed = true;
        channel.wake();
        Poll::Ready(Ok(()))
    }
}
