//! One run: storms, then calm, with requests all the way.
//!
//! Does: [`run`] drives a [`Level`] through stretches of bad weather, submits, cancels and pushes,
//! deals blows, then lets everything become calm and demands that all is well within bounds.
//! In: a level with its machines. Out: an outcome, or what is broken.
//! Must not know: which machines the level has.
//! Spec: none.

mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{RequestId, Time};

use super::body::{self, Tag};
use super::faults::Fault;
use super::middle::Passed;
use super::model::{Broken, Checked, Submission, broken};
use super::outcome::{End, Invariant, Outcome};
use super::owner::{Answer, Owner};
use super::stage::{Handle, Stage};
use super::weather::{Weather, happens};
use crate::pair::START;
pub(super) use script::{play, scripts};

/// A request that is submitted when all is calm ends within this time. A stream that fell silent
/// before is noticed by a ping after 15 s and its missing pong 15 s later; where only one direction
/// did, answers of the storm come for another 40 s and each puts the ping off. If the clock turns out
/// to be wrong only then, what is in flight is in a session that is over, where nobody can be asked:
/// 60 s of nothing but pongs end the stream, and the next ping shows it 15 s later.
pub(super) const FRESH_BOUND: Duration = Duration::from_secs(150);
/// One that was submitted before ends within this time of calm: the same, twice if the first new
/// stream came while it was still stormy.
pub(super) const OLD_BOUND: Duration = Duration::from_secs(300);
/// Acknowledgements of a client wait 30 s.
const ACK_WAIT: Duration = Duration::from_secs(40);
/// Longest deadline of a request that must be answered before it.
const LONG: Duration = Duration::from_secs(900);
/// Requests until one is answered in calm. A server that lost its sessions remembers the newest message
/// of a key, and whoever else has the key may have been 30 s ahead: until then it refuses.
const TRIES: u32 = 4;
/// Between two of them.
const TRY_AGAIN: Duration = Duration::from_secs(12);
/// Requests in a burst.
const BURST: u64 = 300;
/// What a machine may hold beyond the bodies that wait: its own small messages.
const MEMORY_SLACK: usize = 256 << 10;
/// Steps in one idle hour: 60 pings, each with its timer, its way and its pong; and temporary keys of
/// a minute, which are made anew every 45 s in four round trips.
const IDLE_STEPS_PER_HOUR: u64 = 60 * 12 + 80 * 24;
/// Hours that a run is idle if it is.
const IDLE_HOURS: u64 = 50;

/// What goes wrong once, beside what the weather does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    Cut,
    Vanish,
    Dead,
    Stall(Duration),
    RestartKept,
    RestartLost,
    ClientRestart,
    Switch,
    Salts,
    ClientJump(Duration),
    ServerJump(Duration),
}

/// What somebody on the path, without a key, says between two packets.
#[derive(Clone, Debug)]
pub(super) enum Forged {
    /// A transport error.
    Status(i32),
    /// A packet that opens for nobody.
    Packet(Passed),
    /// One of the packets that were kept, once more.
    Copy(Passed),
}

/// The machines of one profile, and the streams between them.
pub(super) trait Level {
    /// How many clients there are.
    fn clients(&self) -> usize;
    /// Submits a request.
    fn submit(
        &mut self,
        stage: &mut Stage,
        client: usize,
        body: Bytes,
        options: &SendOptions,
    ) -> Option<RequestId>;
    /// Cancels one.
    fn cancel(&mut self, stage: &mut Stage, client: usize, id: RequestId);
    /// Answers a call.
    fn respond(&mut self, stage: &mut Stage, handle: Handle, answer: Answer);
    /// Pushes an update to a client, if it has a session; whether it was queued.
    fn push(&mut self, stage: &mut Stage, client: usize, body: Bytes) -> bool;
    /// Deals a blow to a client or to the server; whether it could.
    ///
    /// # Errors
    /// If something breaks by it.
    fn strike(&mut self, stage: &mut Stage, client: usize, blow: Blow) -> Checked<bool>;
    /// The weather changed.
    fn feel(&mut self, stage: &mut Stage);
    /// Puts something that nobody said into a client's stream; whether it could.
    fn forge(&mut self, stage: &mut Stage, client: usize, forged: Forged) -> bool;
    /// Does everything that is to be done at this instant.
    ///
    /// # Errors
    /// If an invariant breaks.
    fn settle(&mut self, stage: &mut Stage) -> Checked;
    /// When something is to be done next.
    fn next(&self, stage: &Stage) -> Option<Time>;
    /// Bytes that a client's machine holds, by its own account, and whether it is running.
    fn queued_bytes(&self, client: usize) -> usize;
    /// Whether a client's machine gets the time now.
    fn is_running(&self, client: usize) -> bool;
    /// What only this level can check at the end.
    ///
    /// # Errors
    /// If an invariant is broken.
    fn check_end(&mut self, stage: &mut Stage) -> Checked;
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Submit(usize),
    Burst(usize),
    Cancel(Tag),
    Push(usize),
    Strike(usize, Blow),
    Hold(usize, bool),
}

struct Run<'a, L> {
    level: L,
    stage: &'a mut Stage,
    owner: Owner,
    deeds: BTreeMap<(Time, u64), Deed>,
    deeds_made: u64,
    tags: u64,
    updates: u64,
    /// Since when it is calm.
    calm: Option<Time>,
}

/// Runs a level to its end.
///
/// # Errors
/// The first invariant that breaks.
pub(super) fn run<L: Level>(level: L, stage: &mut Stage, storms: bool) -> Result<Outcome, Broken> {
    let mut run = Run::new(level, stage);
    if storms {
        let stretches = run.stage.dice.range(1..=5);
        for _ in 0..stretches {
            run.storm()?;
        }
    }
    run.calm()?;
    if run.stage.dice.chance(1, 256) {
        run.idle()?;
    }
    Ok(run.outcome())
}

impl<'a, L: Level> Run<'a, L> {
    fn new(level: L, stage: &'a mut Stage) -> Self {
        Run {
            level,
            stage,
            owner: Owner::default(),
            deeds: BTreeMap::new(),
            deeds_made: 0,
            tags: 0,
            updates: 0,
            calm: None,
        }
    }

    fn outcome(self) -> Outcome {
        let stage = self.stage;
        let (executed, updates) = stage.model.totals();
        Outcome {
            time: stage.now.saturating_since(START),
            faults: stage.faults.clone(),
            ends: stage.model.ends_by_kind().clone(),
            executed,
            updates,
            streams: stage.streams,
            steps: stage.steps,
            handshakes: stage.handshakes,
        }
    }

    /// One stretch of bad weather.
    fn storm(&mut self) -> Checked {
        let stage = &mut *self.stage;
        stage.weather = Weather::roll(&mut stage.dice, &mut stage.faults);
        self.level.feel(stage);
        let stage = &mut *self.stage;
        let most = if stage.dice.chance(1, 20) { 7_200 } else { 50 };
        let length = Duration::from_millis(stage.dice.range(100..=most * 1_000));
        let clients = self.level.clients();
        for _ in 0..stage.dice.range(0..=8) {
            let client = self.stage.dice.index(clients);
            self.plan(length, Deed::Submit(client));
        }
        let stage = &mut *self.stage;
        if stage.dice.chance(1, 60) {
            let client = stage.dice.index(clients);
            self.plan(length, Deed::Burst(client));
        }
        for _ in 0..self.stage.dice.range(0..=3) {
            let client = self.stage.dice.index(clients);
            self.plan(length, Deed::Push(client));
        }
        if self.stage.dice.chance(1, 8) {
            let client = self.stage.dice.index(clients);
            self.plan(length, Deed::Hold(client, true));
            self.plan(length, Deed::Hold(client, false));
            self.stage.faults.count(Fault::SlowApplication);
        }
        for _ in 0..self.stage.dice.range(0..=2) {
            let client = self.stage.dice.index(clients);
            let blow = self.blow();
            self.plan(length, Deed::Strike(client, blow));
        }
        let end = self.stage.now + length;
        self.until(end, |_| false).map(drop)
    }

    fn blow(&mut self) -> Blow {
        let dice = &mut self.stage.dice;
        let far = |dice: &mut crate::Dice| {
            let most = *dice.choose(&[5, 60, 600, 4_000, 86_400]);
            Duration::from_secs(dice.range(1..=most))
        };
        match dice.range(0..=22) {
            0..=4 => Blow::Cut,
            5..=7 => Blow::Vanish,
            8 => Blow::Dead,
            9..=11 => Blow::Stall(dice.duration(Duration::ZERO..=Duration::from_secs(20))),
            12 | 13 => Blow::RestartKept,
            14 | 15 => Blow::RestartLost,
            16 => Blow::ClientRestart,
            17 | 18 => Blow::Switch,
            19 | 20 => Blow::Salts,
            21 => Blow::ClientJump(far(dice)),
            _ => Blow::ServerJump(far(dice)),
        }
    }

    fn plan(&mut self, within: Duration, deed: Deed) {
        let at = self.stage.now + self.stage.dice.duration(Duration::ZERO..=within);
        self.plan_at(at, deed);
    }

    fn plan_at(&mut self, at: Time, deed: Deed) {
        self.deeds_made += 1;
        self.deeds.insert((at, self.deeds_made), deed);
    }

    /// The end of each run: nothing goes wrong any more, and everything comes right in time.
    fn calm(&mut self) -> Checked {
        self.stage.weather = Weather::calm();
        self.deeds.clear();
        for hold in &mut self.stage.holds {
            *hold = false;
        }
        self.level.feel(self.stage);
        let began = self.stage.now;
        self.calm = Some(began);
        let clients = self.level.clients();
        let mut fresh = Vec::new();
        for client in 0..clients {
            for _ in 0..self.stage.dice.range(1..=3) {
                fresh.extend(self.submit_with(client, Some(LONG), true));
            }
        }
        self.demand(&fresh, FRESH_BOUND)?;
        for client in 0..clients {
            self.demand_answer(client)?;
            self.stage.watch.settled.insert(client);
        }
        // Containers, both ways, whose members have to be acknowledged.
        let mut fresh = Vec::new();
        for client in 0..clients {
            for _ in 0..self.stage.dice.range(2..=4) {
                fresh.extend(self.submit_with(client, Some(LONG), true));
                self.push(client);
            }
        }
        self.demand(&fresh, FRESH_BOUND)?;
        let end = self.stage.now + ACK_WAIT;
        self.until(end, |_| false)?;
        // Whoever has something to say has acknowledged by now.
        let mut last = Vec::new();
        for client in 0..clients {
            last.extend(self.submit_with(client, Some(LONG), true));
        }
        self.demand(&last, FRESH_BOUND)?;
        // What is left from the storms.
        let end = (began + OLD_BOUND).max(self.stage.now);
        self.until(end, |run| run.owed().is_none())?;
        if let Some(tag) = self.owed() {
            return broken(
                Invariant::EndsInTime,
                format!("{tag:?} has not ended after {OLD_BOUND:?} of calm"),
            );
        }
        let left: Vec<_> = (0..clients)
            .flat_map(|client| {
                let open = self.stage.model.open(client);
                open.map(|request| (client, request.submission.id, request.submission.tag))
                    .collect::<Vec<_>>()
            })
            .collect();
        for (client, id, tag) in left {
            self.stage.model.cancelled(tag);
            self.level.cancel(self.stage, client, id);
        }
        let end = self.stage.now + Duration::from_secs(2);
        self.until(end, |_| false)?;
        let open = self.stage.model.open_count();
        if open > 0 {
            return broken(Invariant::EndsOnce, format!("{open} requests never ended"));
        }
        for client in 0..clients {
            let queued = self.level.queued_bytes(client);
            if queued > 0 {
                return broken(
                    Invariant::Memory,
                    format!("{queued} bytes are queued and nothing waits"),
                );
            }
        }
        self.stage.watch.check_delivered(&self.stage.model)?;
        self.level.check_end(self.stage)
    }

    /// Hours in which nothing is asked for.
    fn idle(&mut self) -> Checked {
        let before = self.stage.steps;
        let end = self.stage.now + Duration::from_secs(3_600 * IDLE_HOURS);
        self.until(end, |_| false)?;
        let steps = self.stage.steps - before;
        let most = IDLE_STEPS_PER_HOUR * IDLE_HOURS * self.level.clients() as u64;
        if steps > most {
            return broken(
                Invariant::NoBusyLoop,
                format!("{steps} steps in {IDLE_HOURS} idle hours, at most {most} are needed"),
            );
        }
        Ok(())
    }

    /// These have to be answered within `bound`.
    fn demand(&mut self, tags: &[Tag], bound: Duration) -> Checked {
        let ended = |run: &Self, tag: Tag| {
            let request = run.stage.model.get(tag);
            request.is_none_or(|request| request.ended.is_some())
        };
        let end = self.stage.now + bound;
        self.until(end, |run| tags.iter().all(|tag| ended(run, *tag)))?;
        if let Some(tag) = tags.iter().find(|tag| !ended(self, **tag)) {
            return broken(
                Invariant::EndsInTime,
                format!("{tag:?} was submitted in calm and has not ended after {bound:?}"),
            );
        }
        Ok(())
    }

    /// Sooner or later the client is answered: what the storm left behind may cost it the first
    /// requests, but not more.
    fn demand_answer(&mut self, client: usize) -> Checked {
        for _ in 0..TRIES {
            let Some(tag) = self.submit_with(client, Some(LONG), true) else {
                break;
            };
            self.demand(&[tag], FRESH_BOUND)?;
            let end = self.stage.model.get(tag).and_then(|request| request.ended);
            if matches!(end, Some(End::Answered)) {
                return Ok(());
            }
            let end = self.stage.now + TRY_AGAIN;
            self.until(end, |_| false)?;
        }
        broken(
            Invariant::EndsInTime,
            format!("client {client} is calm and gets no answer to {TRIES} requests"),
        )
    }

    /// A request that the server owes an answer.
    fn owed(&self) -> Option<Tag> {
        (0..self.level.clients())
            .flat_map(|client| self.stage.model.open(client))
            .find(|request| !self.waits_in_vain(request.submission.tag))
            .map(|request| request.submission.tag)
    }

    fn waits_in_vain(&self, tag: Tag) -> bool {
        self.stage.model.get(tag).is_some_and(|request| {
            request.submission.unanswered
                || request
                    .submission
                    .after
                    .iter()
                    .any(|tag| self.waits_in_vain(*tag))
        })
    }

    /// Lets time pass until `done` holds, at most until `end`; whether it held.
    fn until(&mut self, end: Time, mut done: impl FnMut(&Self) -> bool) -> Checked<bool> {
        loop {
            self.settle()?;
            if done(self) {
                return Ok(true);
            }
            let next = [
                self.level.next(self.stage),
                self.owner.next(),
                self.deeds.keys().next().map(|(at, _)| *at),
            ];
            match next.into_iter().flatten().min() {
                Some(at) if at <= end => self.stage.now = self.stage.now.max(at),
                Some(_) | None => {
                    self.stage.now = self.stage.now.max(end);
                    return Ok(false);
                }
            }
            while let Some((at, number)) = self.deeds.keys().next().copied()
                && at <= self.stage.now
                && let Some(deed) = self.deeds.remove(&(at, number))
            {
                self.act(deed)?;
            }
        }
    }

    /// Everything that happens at this instant, and the checks after it.
    fn settle(&mut self) -> Checked {
        loop {
            self.level.settle(self.stage)?;
            let mut busy = false;
            while let Some(call) = self.stage.calls.pop_front() {
                self.owner.take(call, self.stage)?;
                busy = true;
            }
            while let Some((handle, answer)) = self.owner.due(self.stage)? {
                self.level.respond(self.stage, handle, answer);
                busy = true;
            }
            if !busy {
                break;
            }
        }
        let stage = &mut *self.stage;
        stage.watch.check(stage.now, &stage.holds, &stage.model)?;
        for client in 0..self.level.clients() {
            if self.level.is_running(client) && !stage.holds[client] {
                stage
                    .model
                    .check_deadlines(client, stage.client_now(client))?;
            }
        }
        Ok(())
    }

    fn act(&mut self, deed: Deed) -> Checked {
        self.stage.narrate(|| format!("{deed:?}"));
        match deed {
            Deed::Submit(client) => {
                self.submit_with(client, None, false);
            }
            Deed::Burst(client) => {
                for _ in 0..self.stage.dice.range(20..=BURST) {
                    self.submit_with(client, None, false);
                }
                let waits: usize = self.stage.model.open(client).count();
                let queued = self.level.queued_bytes(client);
                if queued > waits * body::MAX_LEN + MEMORY_SLACK {
                    return broken(
                        Invariant::Memory,
                        format!("{queued} bytes are queued for {waits} requests"),
                    );
                }
            }
            Deed::Cancel(tag) => {
                let request = self.stage.model.get(tag);
                let open = request.filter(|request| request.ended.is_none());
                let ids = open.map(|request| (request.submission.client, request.submission.id));
                if let Some((client, id)) = ids {
                    self.stage.faults.count(Fault::Cancel);
                    self.stage.model.cancelled(tag);
                    self.level.cancel(self.stage, client, id);
                }
            }
            Deed::Push(client) => self.push(client),
            Deed::Hold(client, hold) => self.stage.holds[client] = hold,
            Deed::Strike(client, blow) => self.strike(client, blow)?,
        }
        Ok(())
    }

    fn strike(&mut self, client: usize, blow: Blow) -> Checked {
        if blow == Blow::RestartLost {
            self.owner.forget();
            self.stage.calls.clear();
            self.stage.model.server_forgot();
            self.stage.watch.server_forgot();
            self.stage.middle.server_forgot();
        }
        if self.level.strike(self.stage, client, blow)? {
            self.stage.faults.count(match blow {
                Blow::Cut => Fault::Cut,
                Blow::Vanish => Fault::Vanish,
                Blow::Dead => Fault::Dead,
                Blow::Stall(_) => Fault::Stall,
                Blow::RestartKept => Fault::RestartKept,
                Blow::RestartLost => Fault::RestartLost,
                Blow::ClientRestart => Fault::ClientRestart,
                Blow::Switch => Fault::Switch,
                Blow::Salts => Fault::Salts,
                Blow::ClientJump(_) => Fault::ClientJump,
                Blow::ServerJump(_) => Fault::ServerJump,
            });
        }
        Ok(())
    }

    fn push(&mut self, client: usize) {
        self.updates += 1;
        let words = self.stage.dice.range(0..=40) as usize;
        let body = body::update(self.updates, words);
        self.level.push(self.stage, client, body);
    }

    /// Submits a request. In calm it is one that has to be answered.
    fn submit_with(
        &mut self,
        client: usize,
        deadline: Option<Duration>,
        calm: bool,
    ) -> Option<Tag> {
        let stage = &mut *self.stage;
        self.tags += 1;
        let tag = Tag(self.tags);
        let dice = &mut stage.dice;
        let words = match dice.range(0..=40) {
            0 => dice.range(0..=body::MAX_WORDS as u64),
            1..=5 => dice.range(0..=600),
            _ => dice.range(0..=20),
        };
        let mut options = SendOptions::default();
        let deadline = deadline.unwrap_or_else(|| match dice.range(0..=9) {
            0 | 1 => {
                stage.faults.count(Fault::ShortDeadline);
                Duration::from_millis(dice.range(0..=4_000))
            }
            2 | 3 => LONG,
            _ => Duration::from_secs(dice.range(5..=120)),
        });
        options = options.deadline(deadline);
        options.idempotent = dice.chance(1, 2);
        options.quick_ack = dice.chance(1, 8);
        let retries = if !calm && dice.chance(1, 4) {
            dice.range(0..=4) as u8
        } else {
            5
        };
        options.max_retries = Some(retries);
        let unanswered = !calm && happens(dice, stage.weather.unanswered);
        let after: Vec<(Tag, RequestId)> =
            if dice.chance(1, 6) && self.level.is_running(client) && !stage.holds[client] {
                // In calm only what was submitted in calm is sure to be answered.
                let from = self.calm.unwrap_or(Time::ZERO);
                let open: Vec<_> = stage
                    .model
                    .open(client)
                    .filter(|r| r.since >= from && !r.cancelled)
                    .map(|r| (r.submission.tag, r.submission.id))
                    .collect();
                let mut after = Vec::new();
                for _ in 0..dice.range(1..=2) {
                    if !open.is_empty() {
                        after.push(*dice.choose(&open));
                    }
                }
                after.sort();
                after.dedup();
                after
            } else {
                Vec::new()
            };
        options.after = after.iter().map(|(_, id)| *id).collect();
        let client_now = stage.client_now(client);
        let body = body::call(tag, words as usize);
        let id = self.level.submit(stage, client, body, &options)?;
        let submission = Submission {
            client,
            tag,
            id,
            idempotent: options.idempotent,
            deadline: client_now + deadline,
            retries,
            after: after.into_iter().map(|(tag, _)| tag).collect(),
            unanswered,
        };
        stage.model.submitted(submission, stage.now);
        if !calm && stage.dice.chance(1, 10) {
            let most = if stage.dice.chance(1, 2) {
                stage.weather.latency * 4
            } else {
                Duration::from_secs(20)
            };
            self.plan(most, Deed::Cancel(tag));
        }
        Some(tag)
    }
}
