//! The deadline of a machine.
//!
//! Does: [`Timer`] says when the machine is to be told that time has passed: when it is due and
//! what had arrived before is read.
//! In: the machine's deadline. Out: wait, look again, or tell the machine.
//! Must not know: what the deadline is for.
//! Spec: none.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use mtproto_proto::Time;

use crate::{Clock, Runtime};

/// No sleep is longer: a monotonic clock may stand still while the computer sleeps, and somebody
/// has to look at the wall clock afterwards.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How much is read past a due deadline before the machine hears of it. What is behind this had
/// not yet arrived when the deadline passed: a receive buffer (Linux: 6 MiB) and the rest of a
/// frame fit.
const READ_BEFORE_TIMEOUT: usize = 8 * 1024 * 1024;

/// A century: as good as never, and no clock's end.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// This much later. Who configures a time that no clock reaches waits as long as a clock can say.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time.min(NEVER)).unwrap_or(now)
}

/// Keeps one deadline.
pub(crate) struct Timer<R: Runtime> {
    alarm: Option<Alarm<R>>,
    /// Read since the deadline became due.
    read_while_due: usize,
}

struct Alarm<R: Runtime> {
    at: Instant,
    sleep: Pin<Box<R::Sleep>>,
}

/// What the deadline asks for.
pub(crate) enum Timed {
    /// Nothing before the alarm rings.
    Waits,
    /// To look again: it rang, or there is more to read first.
    Again,
    /// To tell the machine.
    Due,
}

impl<R: Runtime> Timer<R> {
    pub(crate) fn new() -> Self {
        Timer {
            alarm: None,
            read_while_due: 0,
        }
    }

    /// So many bytes were read.
    pub(crate) fn note_read(&mut self, n: usize) {
        self.read_while_due = self.read_while_due.saturating_add(n);
    }

    /// What `deadline` asks for. `just_read`: the sockets may hold more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R,
        clock: &mut Clock,
        deadline: Option<Time>,
        just_read: bool,
    ) -> Timed {
        let now = clock.time(runtime.now());
        if deadline.is_none_or(|at| at > now) {
            self.read_while_due = 0;
        }
        let Some(deadline) = deadline else {
            self.alarm = None;
            return Timed::Waits;
        };
        if deadline <= now {
            // What the sockets hold comes first.
            if just_read && self.read_while_due <= READ_BEFORE_TIMEOUT {
                return Timed::Again;
            }
            self.read_while_due = 0;
            return Timed::Due;
        }
        let longest = later(runtime.now(), LONGEST_SLEEP);
        let at = clock.instant(deadline).unwrap_or(longest);
        match self.poll_at(cx, runtime, at.min(longest)) {
            true => Timed::Again,
            false => Timed::Waits,
        }
    }

    /// `true` when the alarm went off. One that is set for an earlier moment stays: a deadline
    /// that is put off again and again, as by every packet, then costs no new timer.
    pub(crate) fn poll_at(&mut self, cx: &mut Context<'_>, runtime: &R, at: Instant) -> bool {
        if self.alarm.as_ref().is_none_or(|alarm| alarm.at > at) {
            self.alarm = Some(Alarm {
                at,
                sleep: Box::pin(runtime.sleep_until(at)),
            });
        }
        let rang = self
            .alarm
            .as_mut()
            .is_some_and(|alarm| alarm.sleep.as_mut().poll(cx).is_ready());
        if rang {
            self.alarm = None;
        }
        rang
    }

    pub(crate) fn stop(&mut self) {
        self.alarm = None;
    }
}
