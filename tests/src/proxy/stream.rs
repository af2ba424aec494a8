//! One stream through the proxy: two sockets, two directions.
//!
//! Does: moves what may move now, and says when more may.
//! In: the time, how the path is, whether it is stalled. Out: bytes from one socket to the other,
//! how the stream fares.
//! Must not know: other streams, what a test wants.
//! Spec: none.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "it counts streams and bytes in 64 bits, adds times of its test's configuration, and has \
              one place for each of two directions; of what peers send it reads nothing"
)]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::SockRef;

use super::{Cut, Direction, Path};
use crate::dice::Dice;

/// Bytes of one direction that are on their way at once: a second of a slow line, and what a test
/// of a hundred streams may hold in memory.
const MAX_HELD: usize = 256 << 10;
/// Bytes read at once.
const READ_SIZE: usize = 16 << 10;
/// Reads, and writes, of one direction before another stream has its turn.
const TURNS: usize = 32;
/// A bounded path hands on what it carries in this time at once: small enough to look smooth.
const QUANTUM: Duration = Duration::from_millis(10);
/// How long the two sides of a stream that was cut may take to close theirs; to close ours before
/// would reset what they have not read.
const LINGER: Duration = Duration::from_secs(1);

/// A socket, and what is known of its readiness: it was told once and holds until the socket says
/// that it would block.
struct End {
    socket: TcpStream,
    readable: bool,
    writable: bool,
}

impl End {
    fn new(socket: TcpStream) -> Self {
        End {
            socket,
            readable: false,
            writable: false,
        }
    }
}

/// Bytes that were read together.
struct Slice {
    due: Instant,
    bytes: Vec<u8>,
    /// So many of them are handed on.
    done: usize,
}

/// One direction.
struct Half {
    slices: VecDeque<Slice>,
    /// Bytes in them.
    held: usize,
    /// When a bounded path is free again.
    free_at: Option<Instant>,
    /// The source has ended.
    eof: bool,
    /// The destination was told so.
    finished: bool,
    /// It is cut behind so many more bytes.
    cut_after: Option<(u64, Cut)>,
    dice: Dice,
}

/// A stream.
pub struct Stream {
    /// The client's socket and the target's.
    ends: [End; 2],
    halves: [Half; 2],
    /// The target has taken the stream.
    connected: bool,
    /// It carries nothing and does not end.
    pub frozen: bool,
    /// It was cut, and is gone at this time at the latest.
    ending: Option<Instant>,
}

/// What is in force for one direction.
pub struct Rules<'a> {
    pub path: &'a Path,
    pub stalled: bool,
    /// The stream that carries so many more bytes is cut.
    pub cut_after: &'a mut Option<(u64, Cut)>,
    pub count: &'a mut u64,
}

/// How a stream fares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fares {
    /// Nothing moves before the time that [`Stream::next`] says, or an event.
    Waits,
    /// There is more to move.
    Again,
    /// The test wants it to end.
    Cut(Cut),
    /// The target did not take it.
    Unreachable,
    /// One of its sides has reset it.
    Broken,
    /// It has ended in order.
    Over,
}

impl Stream {
    /// A stream between a client and a target that is being connected to. `cut_after`: the direction,
    /// the number of bytes and the way in which it will end.
    pub fn new(
        sockets: [TcpStream; 2],
        dice: &mut Dice,
        cut_after: Option<(Direction, u64, Cut)>,
    ) -> Self {
        let half = |direction| Half {
            slices: VecDeque::new(),
            held: 0,
            free_at: None,
            eof: false,
            finished: false,
            cut_after: cut_after
                .filter(|(of, ..)| *of == direction)
                .map(|(_, bytes, how)| (bytes, how)),
            dice: dice.fork(),
        };
        Stream {
            halves: Direction::ALL.map(half),
            ends: sockets.map(End::new),
            connected: false,
            frozen: false,
            ending: None,
        }
    }

    /// It was cut.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// One of the sockets, by its number, is ready.
    pub fn ready(&mut self, end: usize, readable: bool, writable: bool) {
        self.ends[end].readable |= readable;
        self.ends[end].writable |= writable;
    }

    /// Moves what can be moved.
    pub fn pump(&mut self, now: Instant, rules: [Rules<'_>; 2]) -> Fares {
        if let Some(until) = self.ending {
            return self.linger(now, until);
        }
        if !self.connected {
            match self.is_connected() {
                Ok(connected) => self.connected = connected,
                Err(_) => return Fares::Unreachable,
            }
        }
        if self.frozen {
            return Fares::Waits;
        }
        let [client, server] = &mut self.ends;
        let [up, down] = &mut self.halves;
        let [up_rules, down_rules] = rules;
        let connected = self.connected;
        let fares = [
            up.pump(now, client, server, connected, up_rules),
            down.pump(now, server, client, connected, down_rules),
        ];
        let mut all = Fares::Waits;
        for fares in fares {
            match fares {
                Ok(Fares::Waits) => {}
                Ok(fares) if all == Fares::Waits || fares != Fares::Again => all = fares,
                Ok(_) => {}
                Err(_) => return Fares::Broken,
            }
        }
        if self.halves.iter().all(|half| half.finished) {
            return Fares::Over;
        }
        all
    }

    fn is_connected(&mut self) -> io::Result<bool> {
        let server = &self.ends[1];
        if let Some(error) = server.socket.take_error()? {
            return Err(error);
        }
        if !server.writable {
            return Ok(false);
        }
        match server.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// When something moves without an event; a direction that is stalled has no such time.
    pub fn next(&self, stalled: [bool; 2]) -> Option<Instant> {
        if self.ending.is_some() {
            return self.ending;
        }
        if self.frozen || !self.connected {
            return None;
        }
        let halves = self.halves.iter().zip(stalled);
        let due = halves.zip([1, 0]).filter_map(|((half, stalled), to)| {
            let due = half.slices.front()?.due;
            let due = half.free_at.map_or(due, |free| due.max(free));
            (!stalled && self.ends[to].writable).then_some(due)
        });
        due.min()
    }

    /// Begins to end the stream in order.
    pub fn finish(&mut self, now: Instant) {
        if self.is_ending() {
            return;
        }
        // What it carries is lost.
        for half in &mut self.halves {
            half.slices.clear();
        }
        for end in &self.ends {
            // It fails when that side has closed before.
            let _ = end.socket.shutdown(Shutdown::Write);
        }
        self.ending = Some(now + LINGER);
    }

    /// Has the sockets reset when they are dropped.
    pub fn reset(&self) {
        for end in &self.ends {
            reset(&end.socket);
        }
    }

    /// Swallows what comes until both sides have closed.
    fn linger(&mut self, now: Instant, until: Instant) -> Fares {
        let mut buffer = [0; READ_SIZE];
        let mut open = false;
        for (end, half) in self.ends.iter_mut().zip(&mut self.halves) {
            while !half.eof && end.readable {
                match end.socket.read(&mut buffer) {
                    Ok(0) => half.eof = true,
                    Ok(_) => {}
                    Err(e) => match blocked(&e) {
                        Some(true) => end.readable = false,
                        Some(false) => {}
                        None => half.eof = true,
                    },
                }
            }
            open |= !half.eof;
        }
        if open && now < until {
            Fares::Waits
        } else {
            Fares::Over
        }
    }
}

/// Has a socket reset when it is dropped.
pub fn reset(socket: &TcpStream) {
    // It fails where there is nothing left to reset.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Whether an error says that the socket would block (`true`) or that one has to try again.
fn blocked(error: &io::Error) -> Option<bool> {
    let blocks = error.kind() == io::ErrorKind::WouldBlock;
    (blocks || error.kind() == io::ErrorKind::Interrupted).then_some(blocks)
}

impl Half {
    fn pump(
        &mut self,
        now: Instant,
        from: &mut End,
        to: &mut End,
        connected: bool,
        rules: Rules<'_>,
    ) -> io::Result<Fares> {
        if rules.stalled || self.finished {
            return Ok(Fares::Waits);
        }
        self.read(now, from, rules.path)?;
        if !connected {
            return Ok(Fares::Waits);
        }
        let fares = self.write(now, to, rules)?;
        if self.eof && self.slices.is_empty() {
            self.finished = true;
            to.socket.shutdown(Shutdown::Write)?;
        }
        // What was handed on has made room, and no event will tell of it.
        let more = self.may_read(from) && fares == Fares::Waits;
        Ok(if more { Fares::Again } else { fares })
    }

    fn may_read(&self, from: &End) -> bool {
        !self.eof && from.readable && self.held < MAX_HELD
    }

    fn read(&mut self, now: Instant, from: &mut End, path: &Path) -> io::Result<()> {
        let mut buffer = [0; READ_SIZE];
        for _ in 0..TURNS {
            if !self.may_read(from) {
                break;
            }
            match from.socket.read(&mut buffer) {
                Ok(0) => self.eof = true,
                Ok(n) => {
                    let due = now + self.dice.duration(path.latency.clone());
                    // None overtakes another.
                    let due = self.slices.back().map_or(due, |last| due.max(last.due));
                    self.held += n;
                    self.slices.push_back(Slice {
                        due,
                        bytes: buffer[..n].to_vec(),
                        done: 0,
                    });
                }
                Err(e) => match blocked(&e) {
                    Some(would_block) => from.readable = !would_block,
                    None => return Err(e),
                },
            }
        }
        Ok(())
    }

    fn write(&mut self, now: Instant, to: &mut End, rules: Rules<'_>) -> io::Result<Fares> {
        for _ in 0..TURNS {
            let Some(slice) = self.slices.front_mut() else {
                return Ok(Fares::Waits);
            };
            let free = self.free_at.is_none_or(|free| free <= now);
            if slice.due > now || !free || !to.writable {
                return Ok(Fares::Waits);
            }
            let left = &slice.bytes[slice.done..];
            let mut n = left.len() as u64;
            if let Some(sizes) = &rules.path.segments {
                n = n.min(draw(&mut self.dice, sizes));
            }
            if let Some(rate) = rules.path.bytes_per_second {
                let quantum = u128::from(rate.get()) * QUANTUM.as_millis() / 1000;
                n = n.min(u64::try_from(quantum).unwrap_or(u64::MAX).max(1));
            }
            for (left, how) in [*rules.cut_after, self.cut_after].into_iter().flatten() {
                if left == 0 {
                    if *rules.cut_after == Some((left, how)) {
                        *rules.cut_after = None;
                    }
                    return Ok(Fares::Cut(how));
                }
                n = n.min(left);
            }
            // No more than the slice has, which fits.
            match to.socket.write(&left[..n as usize]) {
                Ok(n) => {
                    slice.done += n;
                    self.held -= n;
                    if slice.done == slice.bytes.len() {
                        self.slices.pop_front();
                    }
                    let n = n as u64;
                    *rules.count += n;
                    let cuts = [&mut *rules.cut_after, &mut self.cut_after];
                    for (left, _) in cuts.into_iter().flatten() {
                        *left -= n;
                    }
                    if let Some(rate) = rules.path.bytes_per_second {
                        let took = Duration::from_secs(n) / rate.get();
                        self.free_at = Some(now + took);
                    }
                    if let Some(fares) = self.cut_now(rules.cut_after) {
                        return Ok(fares);
                    }
                }
                Err(e) => match blocked(&e) {
                    Some(would_block) => to.writable = !would_block,
                    None => return Err(e),
                },
            }
        }
        Ok(Fares::Again)
    }

    /// Whether the last byte before a cut was handed on.
    fn cut_now(&self, shared: &mut Option<(u64, Cut)>) -> Option<Fares> {
        if let Some((0, how)) = *shared {
            *shared = None;
            return Some(Fares::Cut(how));
        }
        match self.cut_after {
            Some((0, how)) => Some(Fares::Cut(how)),
            Some(_) | None => None,
        }
    }
}

fn draw(dice: &mut Dice, sizes: &RangeInclusive<u64>) -> u64 {
    dice.range(sizes.clone())
}
