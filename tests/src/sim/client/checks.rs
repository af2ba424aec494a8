//! The good time of a run: what has to hold when nothing breaks any more.
//!
//! Does: waits until everything has recovered, then asks, writes, silences one data centre, waits for
//! a thousand hours, closes.
//! In: a run after its storm. Out: nothing, or the invariant that does not hold.
//! Must not know: which faults there were.
//! Spec: none; the invariants are the project's own.

use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::client::Route;

use super::ledger::{Checked, broken};
use super::lines::Closed;
use super::rig::{Rig, shift};
use crate::sim::{Fault, Invariant};

/// After this everything works again: streams that are silent are noticed within half a minute,
/// attempts to connect wait for 16 s at most and take 10, answers of the storm come up to 70 s late,
/// calls end within 180 s, errors of the server pause a call for a minute.
const RECOVERY: Duration = Duration::from_secs(200);
/// A call over a line that works is answered so soon, a new stream and an export included.
const PROMPT: Duration = Duration::from_secs(5);
/// An import that failed is tried again after up to 32 s.
const UNHURRIED: Duration = Duration::from_secs(50);
/// A message reaches whoever is connected within this time; a gap is waited for 0.7 s.
const DELIVERY: Duration = Duration::from_secs(5);
/// How long nobody does anything.
const IDLE: Duration = Duration::from_secs(1_000 * 3_600);
/// Timers of a client in that time: closing idle streams and storing what changed.
const IDLE_TIMERS: u64 = 40;
/// A client that is told to close is closed after this time.
const CLOSING: Duration = Duration::from_secs(6);

impl Rig {
    /// Who is signed in and has to be served.
    fn members(&self) -> Vec<usize> {
        let all = 0..self.people.len();
        all.filter(|index| self.people[*index].is_in()).collect()
    }

    /// After a while everybody is served.
    pub(super) fn recover(&mut self) -> Checked {
        // Whoever was signing in gets as far as that.
        for _ in 0..20 {
            self.sign_in()?;
            self.run(RECOVERY / 20)?;
        }
        // What the storm left behind at data centres that nobody has asked since is met now: keys
        // that are gone, clocks that have jumped.
        for index in self.members() {
            for dc in self.dcs() {
                for route in [Route::Dc(DcId(dc)), Route::Media(DcId(dc))] {
                    self.upload(index, route, 16)?;
                }
            }
        }
        self.run(RECOVERY)?;
        for index in self.members() {
            let user = self.people[index].user;
            for other in self.others(user) {
                let id = self.write(index, other)?;
                self.expect_answer(index, id, PROMPT);
            }
            let id = self.read(index, user)?;
            self.expect_answer(index, id, PROMPT);
            for dc in self.dcs() {
                let id = self.upload(index, Route::Dc(DcId(dc)), 16)?;
                self.expect_answer(index, id, UNHURRIED);
            }
            self.friend_writes(user)?;
        }
        self.run(UNHURRIED)
    }

    /// One data centre falls silent; nobody at another one waits for it.
    pub(super) fn one_is_silent(&mut self) -> Checked {
        let dc = *self.dice.choose(&self.plan.dcs);
        self.closed
            .insert(dc, (mtproto_proto::Time::MAX, Closed::BlackHole));
        self.silence(dc, Closed::BlackHole);
        self.count(Fault::SilentDc);
        for _ in 0..4 {
            for index in self.members() {
                let user = self.people[index].user;
                // It is asked, too, and does not answer.
                self.nearest(index, DcId(dc))?;
                if self.home(index) != DcId(dc) {
                    for other in self.others(user) {
                        let id = self.write(index, other)?;
                        self.expect_answer(index, id, PROMPT);
                    }
                }
                let others = self.dcs().into_iter().filter(|other| *other != dc);
                for other in others.collect::<Vec<i16>>() {
                    let id = self.nearest(index, DcId(other))?;
                    self.expect_answer(index, id, PROMPT);
                }
            }
            self.run(Duration::from_secs(10))?;
        }
        self.closed.clear();
        for _ in 0..20 {
            self.sign_in()?;
            self.run(RECOVERY / 20)?;
        }
        Ok(())
    }

    /// Nothing is lost, nothing is there twice.
    pub(super) fn everything_arrived(&mut self) -> Checked {
        for index in self.members() {
            let user = self.people[index].user;
            self.friend_writes(user)?;
        }
        self.run(DELIVERY)?;
        for index in 0..self.people.len() {
            let person = &self.people[index];
            let missing = person.inbox.missing(self.ledger.mail(person.user));
            if person.is_in() && !missing.is_empty() {
                let detail = format!(
                    "{index} ({}) got {} messages and not {missing:?}",
                    person.user,
                    person.inbox.len()
                );
                return broken(Invariant::UpdatesComplete, detail);
            }
            if person.is_in() && !person.inbox.has_begun() {
                let detail = format!("{index} has no state of updates");
                return broken(Invariant::UpdatesComplete, detail);
            }
            self.check_store(index)?;
            self.can_resume(index)?;
        }
        self.check_boxes()
    }

    /// Who is not connected costs nothing, and is there when asked.
    pub(super) fn idle(&mut self) -> Checked {
        if !self.plan.idle {
            return Ok(());
        }
        for index in 0..self.people.len() {
            self.people[index].stays = false;
            self.restart_person(index)?;
            let user = self.people[index].user;
            if self.people[index].is_in() {
                self.read(index, user)?;
            }
        }
        self.run(RECOVERY)?;
        let before: Vec<u64> = self.people.iter().map(|person| person.fired).collect();
        self.run(IDLE)?;
        for (index, before) in before.into_iter().enumerate() {
            let fired = self.people[index].fired - before;
            if fired > IDLE_TIMERS {
                let detail = format!("{index} woke up {fired} times while nobody did anything");
                return broken(Invariant::NoBusyLoop, detail);
            }
        }
        for index in self.members() {
            let user = self.people[index].user;
            let id = self.read(index, user)?;
            self.expect_answer(index, id, PROMPT);
        }
        self.run(PROMPT)
    }

    /// Clients close, and everything has an end.
    pub(super) fn close(&mut self) -> Checked {
        for index in 0..self.people.len() {
            let id = self.nearest(index, DcId(self.plan.dcs[0]))?;
            let _ = id;
            self.tell(index, |client, now| client.close(now));
        }
        self.run(CLOSING)?;
        for (index, person) in self.people.iter().enumerate() {
            if !person.client.is_closed() {
                let detail = format!("{index} does not close: {:?}", person.client);
                return broken(Invariant::Recovers, detail);
            }
            if let Some((id, call)) = person.calls.first_key_value() {
                let detail = format!("call {id} of {index} has no end: {call:?}");
                return broken(Invariant::EndsOnce, detail);
            }
            let local = shift(self.now, person.clock);
            if person.client.poll_timeout().is_some_and(|at| at > local) {
                let detail = format!("{index} is closed and wants to be woken");
                return broken(Invariant::NoBusyLoop, detail);
            }
            self.check_store(index)?;
        }
        Ok(())
    }
}
