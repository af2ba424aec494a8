//! The clock of a run, and everything that hangs on it.
//!
//! Does: [`Rig`] jumps from instant to instant and lets clients, servers and streams do what is due.
//! In: a plan. Out: what the run came to, or the invariant that did not hold.
//! Must not know: what is asked of the clients, which faults come when.
//! Spec: none; the contract of `Machine` about time is what it relies on and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::{ConnId, DcId, Time};

use super::centre::Centre;
use super::ledger::{Checked, Ledger, broken};
use super::lines::{Closed, Line};
use super::person::Person;
use super::plan::Plan;
use crate::Dice;
use crate::dc::world::World;
use crate::dc::{Account, DcConfig};
use crate::pair::START;
use crate::sim::{Fault, Invariant, Outcome};
use crate::trace::Trace;

/// The key of all servers of a run; its making takes a second.
pub(super) static RSA: LazyLock<RsaPrivateKey> = LazyLock::new(|| {
    let pem = include_str!("../../../tests/keys/server.pem");
    RsaPrivateKey::from_pem(pem).expect("the file is a key")
});

/// Rounds at one instant; a burst of a hundred answers takes about as many.
const MAX_ROUNDS: u32 = 20_000;
/// Timers of one client in one virtual second: a dozen streams with a few timers each.
const MAX_TIMERS: u32 = 200;
/// Who writes to everybody without ever being a client.
pub(super) const FRIEND: &str = "9996629999";

/// The address of a data centre.
pub(super) fn addr(dc: i16) -> SocketAddr {
    let third = u8::try_from(dc).unwrap_or(u8::MAX);
    (Ipv4Addr::new(10, 0, third, 1), 443).into()
}

/// Moves a time by a clock's error.
pub(super) fn shift(time: Time, by: i64) -> Time {
    let nanos = time.as_nanos();
    Time::from_nanos(if by < 0 {
        nanos.saturating_sub(by.unsigned_abs())
    } else {
        nanos.saturating_add(by.unsigned_abs())
    })
}

/// The whole of a run.
pub(super) struct Rig {
    pub(super) plan: Plan,
    pub(super) now: Time,
    pub(super) dice: Dice,
    pub(super) world: World,
    pub(super) friend: i64,
    pub(super) centres: BTreeMap<i16, Centre>,
    pub(super) people: Vec<Person>,
    pub(super) lines: BTreeMap<u64, Line>,
    /// The line that a client knows by this name.
    pub(super) names: BTreeMap<(usize, ConnId), u64>,
    pub(super) last_line: u64,
    /// Data centres that cannot be reached, how, and until when.
    pub(super) closed: BTreeMap<i16, (Time, Closed)>,
    /// Faults happen.
    pub(super) stormy: bool,
    pub(super) ledger: Ledger,
    pub(super) outcome: Outcome,
    /// Of everything that was written and when: two runs of a seed have the same.
    pub(super) digest: u64,
    narrates: bool,
    /// Where machines write down what is done to them.
    pub(super) trace: Trace,
}

impl Rig {
    pub(super) fn new(mut dice: Dice, narrates: bool, trace: Trace) -> Self {
        let plan = Plan::new(&mut dice);
        let dcs = plan.dcs.iter().map(|dc| (DcId(*dc), addr(*dc))).collect();
        let config = DcConfig::default();
        let mut world = World::new(dcs, &config, dice.rng()).expect("no faults are configured");
        let friend = world.add(Account::user(FRIEND)).expect("a test number");
        let mut rig = Rig {
            centres: plan
                .dcs
                .iter()
                .map(|dc| (*dc, Centre::new(*dc, &plan, &mut dice, &trace)))
                .collect(),
            people: Vec::new(),
            lines: BTreeMap::new(),
            names: BTreeMap::new(),
            last_line: 0,
            closed: BTreeMap::new(),
            stormy: true,
            ledger: Ledger::default(),
            outcome: Outcome::default(),
            digest: 0xcbf2_9ce4_8422_2325,
            narrates,
            trace,
            now: START,
            world,
            friend,
            plan,
            dice,
        };
        for (index, who) in rig.plan.people.clone().into_iter().enumerate() {
            let person = Person::new(&mut rig, index, who);
            rig.people.push(person);
        }
        rig
    }

    /// Tells what happens, if anybody listens.
    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.narrates {
            let at = self.now.saturating_since(START).as_secs_f64();
            eprintln!("{at:>12.3} {}", what());
        }
    }

    pub(super) fn count(&mut self, fault: Fault) {
        self.say(|| format!("fault: {fault}"));
        self.outcome.faults.count(fault);
    }

    /// Whether a fault that the plan allows happens now, one time in so many.
    pub(super) fn strikes(&mut self, fault: Fault, one_in: u64) -> bool {
        let strikes = self.stormy && self.plan.allows(fault) && self.dice.chance(1, one_in);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// Adds to the digest.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        let words = self.now.as_nanos().to_le_bytes();
        for byte in words.iter().chain(bytes) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) -> Checked {
        self.run_until(time, |_| false).map(|_| ())
    }

    /// Lets time pass until this holds; whether it did.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Checked<bool> {
        let end = self.now + limit;
        loop {
            self.settle()?;
            if done(self) {
                return Ok(true);
            }
            match self.next_instant() {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => {
                    self.now = end;
                    self.settle()?;
                    return Ok(done(self));
                }
            }
        }
    }

    fn next_instant(&self) -> Option<Time> {
        let people = self.people.iter().filter_map(Person::next);
        let lines = self.lines.values();
        let lines = lines.filter_map(|line| line.next(self.people[line.person].asleep));
        let centres = self.centres.values().filter_map(Centre::next);
        people.chain(lines).chain(centres).min()
    }

    /// Everything that happens at this instant.
    pub(super) fn settle(&mut self) -> Checked {
        self.outcome.steps += 1;
        for round in 0.. {
            if round > MAX_ROUNDS {
                return broken(Invariant::NoBusyLoop, "an instant does not end");
            }
            let mut any = false;
            for person in 0..self.people.len() {
                any |= self.serve_person(person)?;
            }
            for dc in self.dcs() {
                any |= self.serve_centre(dc)?;
            }
            let lines: Vec<u64> = self.lines.keys().copied().collect();
            for line in lines {
                any |= self.serve_line(line)?;
            }
            if !any {
                return self.check_deadlines();
            }
        }
        Ok(())
    }

    pub(super) fn dcs(&self) -> Vec<i16> {
        self.centres.keys().copied().collect()
    }

    /// A client's timers, actions, events and updates.
    fn serve_person(&mut self, index: usize) -> Checked<bool> {
        let mut any = false;
        let person = &mut self.people[index];
        if let Some(until) = person.asleep {
            if until > self.now {
                return Ok(false);
            }
            person.asleep = None;
            any = true;
        }
        let local = shift(self.now, person.clock);
        if person.client.poll_timeout().is_some_and(|at| at <= local) {
            any = true;
            person.client.handle_timeout(local);
            let next = person.client.poll_timeout();
            if next.is_some_and(|at| at <= local) {
                let detail = format!("a timer of {index} did not move: {:?}", person.client);
                return broken(Invariant::NoBusyLoop, detail);
            }
            if person.timers.0 != self.now.unix() {
                person.timers = (self.now.unix(), 0);
            }
            person.timers.1 += 1;
            person.fired += 1;
            if person.timers.1 > MAX_TIMERS {
                let detail = format!("{MAX_TIMERS} timers of {index} in a second");
                return broken(Invariant::NoBusyLoop, detail);
            }
        }
        any |= self.take_actions(index)?;
        any |= self.take_events(index)?;
        any |= self.take_updates(index)?;
        Ok(any)
    }

    /// Calls end by their deadline, whatever happens.
    fn check_deadlines(&self) -> Checked {
        for (index, person) in self.people.iter().enumerate() {
            let late = person.overdue(self.now);
            if let Some((id, call)) = late {
                return broken(
                    Invariant::EndsInTime,
                    format!("call {id} of {index} goes on beyond its deadline: {call:?}"),
                );
            }
        }
        Ok(())
    }

    /// The lines of a data centre.
    pub(super) fn lines_of(&self, dc: i16) -> Vec<u64> {
        let lines = self.lines.iter().filter(|(_, line)| line.dc == dc);
        lines.map(|(id, _)| *id).collect()
    }

    /// Users that are not `me` and can be written to.
    pub(super) fn others(&self, me: i64) -> Vec<i64> {
        let users: BTreeSet<i64> = self.people.iter().map(|person| person.user).collect();
        let users = users.into_iter().filter(|user| *user != me);
        users.chain([self.friend]).collect()
    }
}
