//! The session's timers: one slot each.
//!
//! Does: a fixed table, no heap.
//! In: deadlines. Out: the earliest, and which are due.
//! Must not know: what a timer means.
//! Spec: none.

use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Acknowledgements have waited long enough.
    Ack,
    /// The peer was silent; ask whether it lives.
    Ping,
    /// The ping was not followed by anything.
    Silence,
    /// What was sent has not been acknowledged for long; ask what became of it.
    Unacked,
    /// The owner is to hear again that updates may be missing.
    Missed,
}

const ALL: [Timer; 5] = [
    Timer::Ack,
    Timer::Ping,
    Timer::Silence,
    Timer::Unacked,
    Timer::Missed,
];

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    ack: Option<Time>,
    ping: Option<Time>,
    silence: Option<Time>,
    unacked: Option<Time>,
    missed: Option<Time>,
}

impl Timers {
    fn slot(&mut self, timer: Timer) -> &mut Option<Time> {
        match timer {
            Timer::Ack => &mut self.ack,
            Timer::Ping => &mut self.ping,
            Timer::Silence => &mut self.silence,
            Timer::Unacked => &mut self.unacked,
            Timer::Missed => &mut self.missed,
        }
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Option<Time>) {
        *self.slot(timer) = at;
    }

    pub(crate) fn get(&mut self, timer: Timer) -> Option<Time> {
        *self.slot(timer)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        [self.ack, self.ping, self.silence, self.unacked, self.missed]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes one timer that is due.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Timer> {
        ALL.into_iter()
            .find(|timer| self.slot(*timer).take_if(|at| *at <= now).is_some())
    }
}
