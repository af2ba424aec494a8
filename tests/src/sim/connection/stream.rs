//! One byte stream of the connection level, with what the one in the middle does to its packets.
//!
//! Does: [`Stream`] takes the frames that machines write, lets the stage pass the packets in them,
//! frames what becomes of them, and says which packets a reader has read in full.
//! In: frames of the intermediate framing, or (opaque) any bytes. Out: bytes over two [`Wire`]s.
//! Must not know: machines.
//! Spec: "MTProto transports", Intermediate.

use std::collections::VecDeque;

use mtproto_proto::Time;

use crate::sim::faults::Fault;
use crate::sim::middle::{Passed, To};
use crate::sim::model::Checked;
use crate::sim::run::Forged;
use crate::sim::stage::Stage;
use crate::sim::watch::From;
use crate::sim::weather::{Weather, happens};
use crate::wire::Arrival;
use crate::{Dice, Wire};

/// What a client of this framing begins with.
const PREAMBLE: [u8; 4] = [0xee; 4];
/// Asks for, or is, a quick acknowledgement.
const QUICK: u32 = 1 << 31;
/// What cuts and silences begin within, in bytes.
const SOON: u64 = 1_500;

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    wire: Wire,
    /// Not yet taken by the wire.
    outbox: Vec<u8>,
    /// Bytes handed over so far.
    written: u64,
    /// Packets on their way, by where they end.
    marks: VecDeque<(u64, Box<Passed>)>,
    /// Where the wire breaks.
    breaks_at: Option<u64>,
}

impl Way {
    fn new(dice: &mut Dice, weather: &Weather) -> Self {
        let mut way = Way {
            wire: Wire::new(dice.fork()),
            outbox: Vec::new(),
            written: 0,
            marks: VecDeque::new(),
            breaks_at: None,
        };
        way.feel(weather);
        way
    }

    /// The weather changed. What is not broken by the time of calm does not break.
    pub(super) fn feel(&mut self, weather: &Weather) {
        self.wire
            .latency(weather.latency)
            .jitter(weather.jitter)
            .segments(1.max(weather.segments / 2)..=weather.segments)
            .capacity(weather.capacity);
        if weather.calm {
            self.wire.stall_until(Time::ZERO);
            if self.breaks_at.is_some_and(|at| at > self.wire.written()) {
                self.wire.cut_after(u64::MAX);
            }
        }
    }

    /// Hands the wire what it takes; whether it took everything.
    pub(super) fn flush(&mut self, now: Time) -> bool {
        if !self.outbox.is_empty() {
            let taken = self.wire.write(now, &self.outbox);
            self.outbox.drain(..taken);
        }
        self.outbox.is_empty() && !self.wire.is_full()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
    }

    fn put_packet(&mut self, passed: Passed, quick_ack: bool) {
        let len = passed.sealed.len() as u32 | if quick_ack { QUICK } else { 0 };
        self.put(&len.to_le_bytes());
        self.put(&passed.sealed);
        self.marks.push_back((self.written, Box::new(passed)));
    }

    /// What has arrived.
    pub(super) fn read(&mut self, now: Time) -> Option<Arrival> {
        self.wire.read(now)
    }

    /// The packets that have been read in full.
    pub(super) fn read_packets(&mut self) -> Vec<Passed> {
        let mut all = Vec::new();
        while let Some((end, _)) = self.marks.front()
            && *end <= self.wire.delivered()
            && let Some((_, passed)) = self.marks.pop_front()
        {
            all.push(*passed);
        }
        all
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.wire.next_arrival()
    }

    pub(super) fn close(&mut self, now: Time) {
        self.flush(now);
        self.wire.close(now);
    }

    pub(super) fn cut(&mut self, dice: &mut Dice) {
        let after = dice.range(0..=SOON);
        if self.breaks_after(after) {
            self.wire.cut_after(after);
        }
    }

    pub(super) fn vanish(&mut self, after: u64) {
        if self.breaks_after(after) {
            self.wire.vanish_after(after);
        }
    }

    /// Whether it breaks then: not if it is broken.
    fn breaks_after(&mut self, bytes: u64) -> bool {
        let written = self.wire.written();
        if self.breaks_at.is_some_and(|at| at <= written) {
            return false;
        }
        self.breaks_at = Some(written + bytes);
        true
    }

    pub(super) fn stall(&mut self, until: Time) {
        self.wire.stall_until(until);
    }
}

/// A byte stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) client: usize,
    pub(super) to_server: Way,
    pub(super) to_client: Way,
    /// The client's end is open.
    pub(super) used: bool,
    /// The server's end is open.
    pub(super) served: bool,
    /// Its framing is another one: nobody looks into it.
    opaque: bool,
    begun: bool,
}

impl Stream {
    pub(super) fn new(stage: &mut Stage, client: usize, opaque: bool) -> Self {
        let weather = stage.weather.clone();
        Stream {
            client,
            to_server: Way::new(&mut stage.dice, &weather),
            to_client: Way::new(&mut stage.dice, &weather),
            used: true,
            served: true,
            opaque,
            begun: false,
        }
    }

    pub(super) fn ways(&mut self) -> [&mut Way; 2] {
        [&mut self.to_server, &mut self.to_client]
    }

    /// Puts something between two frames, if it can be seen where they end; whether it could.
    pub(super) fn forge(&mut self, forged: Forged) -> bool {
        if self.opaque || !self.begun {
            return false;
        }
        match forged {
            Forged::Status(code) => {
                self.to_client.put(&4_u32.to_le_bytes());
                self.to_client.put(&code.to_le_bytes());
            }
            // A server may well begin a handshake.
            Forged::Packet(passed) if passed.to == To::Server && passed.key.0 == 0 => {
                self.to_server
                    .put(&(passed.sealed.len() as u32).to_le_bytes());
                self.to_server.put(&passed.sealed);
            }
            Forged::Packet(passed) | Forged::Copy(passed) => match passed.to {
                To::Client => self.to_client.put_packet(passed, false),
                To::Server => self.to_server.put_packet(passed, false),
            },
        }
        true
    }

    /// A machine wrote one frame.
    pub(super) fn frame(&mut self, stage: &mut Stage, from: From, bytes: &[u8]) -> Checked {
        let mut rest = bytes;
        if from == From::Client && !std::mem::replace(&mut self.begun, true) && !self.opaque {
            rest = bytes.strip_prefix(&PREAMBLE).unwrap_or(bytes);
            self.to_server.put(&PREAMBLE);
        }
        let head = rest.first_chunk().map(|head| u32::from_le_bytes(*head));
        let packet = rest.get(4..).unwrap_or_default();
        let whole = head.is_some_and(|head| (head & !QUICK) as usize == packet.len());
        let passed = if self.opaque || !whole {
            None
        } else {
            let quick = head.is_some_and(|head| head & QUICK != 0);
            stage.pass(from, self.client, packet, quick, None)?
        };
        let Some(all) = passed else {
            match from {
                From::Client => self.to_server.put(rest),
                From::Server => self.to_client.put(rest),
            }
            return Ok(());
        };
        if from == From::Server && happens(&mut stage.dice, stage.weather.status) {
            let (code, fault) = *stage.dice.choose(&[
                (-404, Fault::Status404),
                (-429, Fault::Status429),
                (-444, Fault::Status444),
            ]);
            stage.faults.count(fault);
            self.to_client.put(&4_u32.to_le_bytes());
            self.to_client.put(&i32::to_le_bytes(code));
        }
        for passed in all {
            let quick = passed
                .packet
                .as_ref()
                .is_some_and(|packet| packet.quick_ack);
            match passed.to {
                To::Server => self.to_server.put_packet(passed, quick),
                To::Client => self.to_client.put_packet(passed, false),
            }
        }
        Ok(())
    }
}
