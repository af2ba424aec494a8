//! One direction of a stream that carries whole packets.
//!
//! Does: [`Pipe`] delays, stalls, breaks off and loses, in order, like a byte stream cut between
//! packets.
//! In: packets and the time. Out: the same, later.
//! Must not know: what is in them.
//! Spec: none.

use std::collections::VecDeque;
use std::time::Duration;

use mtproto_proto::Time;

use crate::Dice;
use crate::sim::middle::Passed;
use crate::sim::weather::Weather;

/// What comes out.
#[derive(Debug)]
pub(super) enum Cargo {
    Packet(Box<Passed>),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Cut,
    Vanish,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    queue: VecDeque<(Time, Cargo)>,
    latest: Time,
    stalled_until: Time,
    /// After so many more packets.
    breaks: Option<(u64, Break)>,
    vanished: bool,
    ended: bool,
}

impl Pipe {
    /// Takes a packet.
    pub(super) fn write(&mut self, now: Time, passed: Passed, weather: &Weather, dice: &mut Dice) {
        if self.ended || self.vanished {
            return;
        }
        match &mut self.breaks {
            Some((0, Break::Cut)) => return self.end(now),
            Some((0, Break::Vanish)) => {
                self.vanished = true;
                return;
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let delay = weather.latency + dice.duration(Duration::ZERO..=weather.jitter);
        self.latest = self.latest.max(now + delay);
        let cargo = Cargo::Packet(Box::new(passed));
        self.queue.push_back((self.latest, cargo));
    }

    /// The writer ends it.
    pub(super) fn end(&mut self, now: Time) {
        if !self.ended && !self.vanished {
            self.ended = true;
            self.latest = self.latest.max(now + Duration::from_millis(1));
            self.queue.push_back((self.latest, Cargo::End));
        }
    }

    /// It ends after so many more packets.
    pub(super) fn cut_after(&mut self, packets: u64) {
        self.breaks = Some((packets, Break::Cut));
    }

    /// It loses everything after so many more packets.
    pub(super) fn vanish_after(&mut self, packets: u64) {
        self.breaks = Some((packets, Break::Vanish));
    }

    /// Holds everything back.
    pub(super) fn stall_until(&mut self, until: Time) {
        self.stalled_until = until;
    }

    /// What has not broken yet does not break, and nothing is held back; what has stays broken.
    pub(super) fn calm_down(&mut self) {
        self.breaks = None;
        self.stalled_until = Time::ZERO;
    }

    /// What has arrived.
    pub(super) fn read(&mut self, now: Time) -> Option<Cargo> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop_front().map(|(_, cargo)| cargo)
    }

    /// When something arrives next.
    pub(super) fn next(&self) -> Option<Time> {
        let (at, _) = self.queue.front()?;
        Some((*at).max(self.stalled_until))
    }
}
