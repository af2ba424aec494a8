//! Sockets and threads: what carries bytes between clients and the one owner of the server.
//!
//! Does: accepts, reads, writes and closes streams. One thread accepts; each stream has one thread
//! that reads and one that writes, so that a client that never reads holds up nobody else.
//! In: listeners. Out: [`Input`]s to the owner, in order for each stream; the owner hands one
//! buffer at a time to a stream's writer and learns when it is written.
//! Must not know: what the bytes mean.
//! Spec: none.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mtproto_proto::ConnId;

use super::owner::Owner;

/// Streams of one listener at once, two threads each; a test of many clients has a few hundred. Its
/// server is told of fewer ([`SERVED`]), and decides who gives way.
const MAX_STREAMS: usize = 1_024;

/// Streams of one listener that its server serves; the others are those that it has closed and that
/// have not gone yet …
pub const SERVED: usize = 768;

/// … and those that are only to be told that there is no place.
pub const REFUSED: usize = 128;

/// Sessions of one listener's server: several of each stream. What the world remembers of each, how
/// its last thousand calls ended, takes some twenty kilobytes.
pub const SESSIONS: usize = 4_096;

/// Inputs that wait for the owner; with [`READ_SIZE`] the bound of what is read and not handled.
const MAX_INPUTS: usize = 256;

/// Bytes read at once.
const READ_SIZE: usize = 16 << 10;

/// How long a write may make no progress before the stream is given up: a client that does not
/// read for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the acceptor waits after a failure, usually a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The stack of a thread that only copies bytes.
const STACK: usize = 128 << 10;

/// What the owner is told.
pub enum Input {
    /// A stream was accepted.
    Opened(ConnId, Stream),
    /// A stream delivered bytes.
    Bytes(ConnId, Vec<u8>),
    /// The buffer given to this stream is written.
    Written(ConnId),
    /// A stream is over; the last input that names it.
    Closed(ConnId),
    /// Something that a test wants done.
    Do(Box<dyn FnOnce(&mut Owner) + Send>),
    /// Save and close everything.
    Stop,
    /// Close everything at once.
    Kill,
}

/// The owner's end of a stream.
pub struct Stream {
    /// The number of the listener that accepted it.
    pub listener: usize,
    /// Where the other end is.
    pub ip: IpAddr,
    socket: TcpStream,
    outbox: Option<SyncSender<Vec<u8>>>,
    /// Streams of its listener.
    streams: Arc<AtomicUsize>,
}

impl Stream {
    /// Gives a buffer to the writer, which must have written the last one.
    pub fn write(&self, buffer: Vec<u8>) {
        if let Some(outbox) = &self.outbox {
            // It fails when the writer has ended, and then `Closed` is on its way.
            let _ = outbox.try_send(buffer);
        }
    }

    /// Ends the stream once what was given to the writer is written.
    pub fn finish(&mut self) {
        self.outbox = None;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Both threads end by this; they are not joined, for they may wait for room among the
        // inputs of the very owner that drops the stream. It fails when the client was faster.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What all listeners share.
#[derive(Clone)]
pub struct Net {
    inputs: SyncSender<Input>,
    /// The id of the next stream: no two streams of one owner have the same.
    next: Arc<AtomicU64>,
}

impl Net {
    /// No listeners yet; what happens goes to the receiver.
    pub fn new() -> (Self, Receiver<Input>) {
        let (inputs, receiver) = sync_channel(MAX_INPUTS);
        let net = Net {
            inputs,
            next: Arc::new(AtomicU64::new(1)),
        };
        (net, receiver)
    }

    /// Tells the owner something.
    ///
    /// # Errors
    /// If it has ended.
    pub fn send(&self, input: Input) -> Result<(), Gone> {
        self.inputs.send(input).map_err(|_| Gone)
    }
}

/// The owner has ended.
#[derive(Debug)]
pub struct Gone;

/// An accepting thread.
pub struct Acceptor {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    /// Starts to accept; the listener is known by this number.
    ///
    /// # Errors
    /// If the system gives no thread, or does not tell where it listens.
    pub fn start(net: Net, number: usize, listener: TcpListener) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = stop.clone();
            spawn("accept", move || accept(&net, number, &listener, &stop))?
        };
        Ok(Acceptor {
            addr,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which sees that it has to stop; if there is no more room for
        // a connection, the next client does it.
        let woken = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take()
            && woken
        {
            let _ = thread.join();
        }
    }
}

fn spawn(what: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("testdc {what}"))
        .stack_size(STACK)
        .spawn(body)
}

fn accept(net: &Net, number: usize, listener: &TcpListener, stop: &AtomicBool) {
    let streams = Arc::new(AtomicUsize::new(0));
    loop {
        let socket = listener.accept();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok((socket, from)) = socket else {
            thread::sleep(ACCEPT_RETRY);
            continue;
        };
        if streams.fetch_add(1, Ordering::Relaxed) >= MAX_STREAMS {
            streams.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (outbox, buffers) = sync_channel(1);
        // From here on the stream's `Drop` gives its place back.
        let stream = Stream {
            listener: number,
            ip: from.ip(),
            socket,
            outbox: Some(outbox),
            streams: streams.clone(),
        };
        match open(net, stream, buffers) {
            Ok(()) => {}
            Err(Failed::Stopped) => return,
            Err(Failed::Socket) => thread::sleep(ACCEPT_RETRY),
        }
    }
}

enum Failed {
    Stopped,
    Socket,
}

impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Self {
        Failed::Socket
    }
}

/// Starts a stream's threads and tells the owner, before its first bytes.
fn open(net: &Net, stream: Stream, buffers: Receiver<Vec<u8>>) -> Result<(), Failed> {
    let conn = ConnId(net.next.fetch_add(1, Ordering::Relaxed));
    let (start, started) = sync_channel(0);
    stream.socket.set_nodelay(true)?;
    stream.socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (reading, writing) = (stream.socket.try_clone()?, stream.socket.try_clone()?);
    let (to_read, to_write) = (net.inputs.clone(), net.inputs.clone());
    spawn("read", move || {
        if started.recv().is_ok() {
            read(conn, reading, &to_read);
        }
    })?;
    spawn("write", move || write(conn, writing, &buffers, &to_write))?;
    if net.send(Input::Opened(conn, stream)).is_err() || start.send(()).is_err() {
        return Err(Failed::Stopped);
    }
    Ok(())
}

fn read(conn: ConnId, mut socket: TcpStream, inputs: &SyncSender<Input>) {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                if inputs
                    .send(Input::Bytes(
                        conn,
                        buffer.get(..n).unwrap_or_default().to_vec(),
                    ))
                    .is_err()
                {
                    return;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // The owner is gone when this fails.
    let _ = inputs.send(Input::Closed(conn));
}

fn write(
    conn: ConnId,
    mut socket: TcpStream,
    buffers: &Receiver<Vec<u8>>,
    inputs: &SyncSender<Input>,
) {
    for buffer in buffers {
        if socket.write_all(&buffer).is_err() || inputs.send(Input::Written(conn)).is_err() {
            break;
        }
    }
    // Ends the reader, which tells the owner.
    let _ = socket.shutdown(Shutdown::Both);
}
