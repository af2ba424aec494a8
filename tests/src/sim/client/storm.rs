//! The bad time of a run: calls of every kind, and everything that goes wrong.
//!
//! Does: one step after another: somebody does something, something breaks, time passes.
//! In: a plan, dice. Out: a run in which all of it happened.
//! Must not know: what must hold.
//! Spec: none.

use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::client::Route;

use super::ledger::Checked;
use super::lines::Closed;
use super::person::Person;
use super::plan::clock;
use super::rig::Rig;
use crate::sim::Fault;

/// The largest part that is uploaded: a few packets of a slow line.
const LARGE_PART: u64 = 6_000;

impl Rig {
    /// Everything that happens before the weather gets better.
    pub(super) fn storm(&mut self) -> Checked {
        for _ in 0..self.plan.steps {
            self.sign_in()?;
            for _ in 0..self.dice.range(0..=3) {
                self.act()?;
            }
            self.trouble()?;
            let time = self.pause();
            self.run(time)?;
        }
        Ok(())
    }

    fn pause(&mut self) -> Duration {
        let most = match self.dice.range(0..=39) {
            0..=9 => 50,
            10..=24 => 2_000,
            25..=36 => 20_000,
            37 | 38 => 300_000,
            _ => 4_000_000,
        };
        Duration::from_millis(self.dice.range(0..=most))
    }

    fn any_dc(&mut self) -> DcId {
        DcId(*self.dice.choose(&self.plan.dcs))
    }

    /// Somebody does something.
    fn act(&mut self) -> Checked {
        let index = self.dice.index(self.people.len());
        let user = self.people[index].user;
        let others = self.others(user);
        let other = *self.dice.choose(&others);
        if self.dice.chance(1, 5) {
            return self.friend_writes(user);
        }
        if self.people[index].asleep.is_some() {
            return Ok(());
        }
        match self.dice.range(0..=15) {
            0..=5 => self.write(index, other)?,
            6 | 7 => self.read(index, other)?,
            8 | 9 => {
                let dc = self.any_dc();
                let size = 4 * self.dice.range(1..=LARGE_PART / 4);
                self.upload(index, Route::Media(dc), size as usize)?
            }
            10 | 11 => {
                let dc = self.any_dc();
                self.upload(index, Route::Dc(dc), 16)?
            }
            12 | 13 => {
                let dc = self.any_dc();
                self.nearest(index, dc)?
            }
            14 => {
                let stays = self.people[index].stays;
                let wanted = self.dice.chance(3, 4) && stays;
                self.tell(index, |client, now| client.want_updates(now, wanted));
                None
            }
            _ => {
                self.updates_taken(index);
                None
            }
        };
        Ok(())
    }

    /// Something breaks.
    fn trouble(&mut self) -> Checked {
        for _ in 0..self.dice.range(0..=3) {
            match self.dice.range(0..=4) {
                0 => self.break_line(),
                1 => self.break_centre(),
                2 => self.break_account()?,
                _ => self.break_device()?,
            }
        }
        Ok(())
    }

    fn break_line(&mut self) {
        let lines: Vec<u64> = self.lines.keys().copied().collect();
        if lines.is_empty() {
            return;
        }
        let id = *self.dice.choose(&lines);
        let (up, down) = (self.dice.range(0..=600), self.dice.range(0..=600));
        let at_once = self.dice.chance(1, 2);
        if self.strikes(Fault::Cut, 2)
            && let Some(line) = self.lines.get_mut(&id)
        {
            if at_once {
                line.cut(0, 0);
            } else {
                line.cut(up, down);
            }
        } else if self.strikes(Fault::Vanish, 2) {
            let (up, down) = (self.dice.chance(2, 3), self.dice.chance(2, 3));
            if let Some(line) = self.lines.get_mut(&id) {
                line.vanish(up, down);
            }
        } else if self.strikes(Fault::Stall, 2) {
            let until = self.now + Duration::from_millis(self.dice.range(100..=50_000));
            let both = self.dice.chance(1, 2);
            if let Some(line) = self.lines.get_mut(&id) {
                line.down.stall_until(until);
                if both {
                    line.up.stall_until(until);
                }
            }
        } else {
            self.forge(id);
        }
    }

    /// Somebody on the path speaks for the server.
    fn forge(&mut self, id: u64) {
        let words = [
            (Fault::Status404, -404),
            (Fault::Status429, -429),
            (Fault::Status444, -444),
        ];
        for (fault, code) in words {
            let Some(frame) = self.forged(code) else {
                return;
            };
            let can = self.lines.get(&id).is_some_and(|line| line.can_forge());
            if can && self.strikes(fault, 3) {
                let now = self.now;
                if let Some(line) = self.lines.get_mut(&id) {
                    let _ = line.down.write(now, &frame);
                }
                return;
            }
        }
    }

    fn break_centre(&mut self) {
        let dc = self.any_dc().0;
        if self.strikes(Fault::RestartKept, 3) {
            self.restart_centre(dc, true);
        } else if self.strikes(Fault::RestartLost, 3) {
            self.restart_centre(dc, false);
        } else if self.strikes(Fault::SilentDc, 3) {
            let kinds = [
                Closed::BlackHole,
                Closed::BlackHole,
                Closed::Refused,
                Closed::Mute,
            ];
            let closed = *self.dice.choose(&kinds);
            let most = *self.dice.choose(&[5, 60, 60, 900]);
            let until = self.now + Duration::from_secs(self.dice.range(1..=most));
            self.silence(dc, closed);
            self.closed.insert(dc, (until, closed));
        } else if self.strikes(Fault::ServerJump, 4) {
            // A running machine's clock goes on, or jumps ahead.
            let by = clock(&mut self.dice).abs() % (3_600 * 1_000_000_000);
            let centre = self.centre(dc);
            centre.clock = centre.clock.saturating_add(by);
        } else if self.strikes(Fault::LostKey, 4) {
            self.lose_key(dc);
        }
    }

    /// Nobody hears of a data centre any more.
    pub(super) fn silence(&mut self, dc: i16, closed: Closed) {
        for id in self.lines_of(dc) {
            if let Some(line) = self.lines.get_mut(&id) {
                match closed {
                    Closed::Refused => line.cut(0, 0),
                    Closed::BlackHole | Closed::Mute | Closed::Status(_) => {
                        line.vanish(true, true);
                    }
                }
            }
        }
    }

    /// A data centre forgets a key that is no account's login.
    fn lose_key(&mut self, dc: i16) {
        let index = self.dice.index(self.people.len());
        let person = &self.people[index];
        let id = DcId(dc);
        let is_login = [Some(self.home(index)), person.stored_main()].contains(&Some(id))
            || person.client.main_dc() == id;
        let Some((key, _)) = person.store.dc(id).filter(|_| !is_login) else {
            return;
        };
        let key = key.auth_key_id();
        self.world.key_destroyed(id, key);
        self.centre(dc).keys.remove(&key);
        self.restart_centre(dc, false);
    }

    fn break_account(&mut self) -> Checked {
        let index = self.dice.index(self.people.len());
        let user = self.people[index].user;
        if !self.people[index].is_in() || self.people[index].asleep.is_some() {
            return Ok(());
        }
        if !self.people[index].moved && self.strikes(Fault::Moved, 12) {
            let dc = self.any_dc();
            let key = self.people[index].key_at(dc);
            let knows = key.is_none_or(|at| self.centre(dc.0).keys.contains_key(&at.key));
            // Once, and not to where the client takes a key for a login that is lost already.
            if knows {
                self.people[index].moved = true;
                // The plan has no other data centres.
                let _ = self.world.move_to(user, dc);
            }
        } else if self.strikes(Fault::Revoked, 4) {
            self.world.revoke(user);
            self.people[index].ended = true;
        } else if self.strikes(Fault::SignOut, 4) {
            self.leave(index)?;
        }
        Ok(())
    }

    fn break_device(&mut self) -> Checked {
        let index = self.dice.index(self.people.len());
        if self.people[index].asleep.is_some() {
            return Ok(());
        }
        if self.strikes(Fault::ClientRestart, 4) {
            if self.dice.chance(1, 2) {
                return self.restart_person(index);
            }
            let events = self.dice.range(0..=12);
            self.people[index].ends_after = Some(events);
        } else if self.strikes(Fault::NetworkChange, 4) {
            self.take_actions(index)?;
            self.people[index].forget_dials();
            self.tell(index, |client, now| client.network_changed(now));
        } else if self.strikes(Fault::Sleep, 6) {
            let most = *self.dice.choose(&[10, 300, 20_000]);
            let until = self.now + Duration::from_secs(self.dice.range(1..=most));
            // What it wanted before it fell asleep was done.
            self.take_actions(index)?;
            self.people[index].asleep = Some(until);
        } else if self.strikes(Fault::SlowApplication, 4) {
            self.people[index].takes ^= true;
        } else if self.strikes(Fault::Cancel, 2) {
            let calls: Vec<_> = self.people[index].calls.keys().copied().collect();
            if !calls.is_empty() {
                let id = *self.dice.choose(&calls);
                self.tell(index, |client, now| client.cancel(now, id));
            }
        } else {
            let online = self.dice.chance(1, 2);
            self.tell(index, |client, now| client.set_online(now, online));
        }
        Ok(())
    }

    /// The weather gets better: nothing breaks any more, everybody is awake.
    pub(super) fn calm(&mut self) -> Checked {
        self.stormy = false;
        self.closed.clear();
        for id in self.lines.keys().copied().collect::<Vec<u64>>() {
            let silent = self.dice.chance(1, 2);
            if let Some(line) = self.lines.get_mut(&id) {
                line.heal(self.now, silent);
            }
        }
        for index in 0..self.people.len() {
            let person: &mut Person = &mut self.people[index];
            person.asleep = person.asleep.map(|_| self.now);
            person.ends_after = None;
            person.takes = true;
            person.stays = true;
            self.settle()?;
            self.tell(index, |client, now| {
                client.connect(now);
                client.want_updates(now, true);
            });
            self.updates_taken(index);
        }
        Ok(())
    }
}
