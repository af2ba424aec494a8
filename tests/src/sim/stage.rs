//! What both levels of the simulator share while a run goes on.
//!
//! Does: [`Stage`] holds the clock, the dice, the model, the watch, the man in the middle and the
//! counts; it takes the events of the client's application and judges them.
//! In: events, packets on their way. Out: verdicts, packets to pass on.
//! Must not know: which machines there are.
//! Spec: none.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{AuthKeyId, IncomingId, MsgId, RequestError, RequestId, SessionId, Time};

use super::body;
use super::faults::Faults;
use super::middle::{Middle, Moment, Passed};
use super::model::{Checked, Model, broken};
use super::outcome::Invariant;
use super::watch::{From, Watch};
use super::weather::Weather;
use crate::pair::START;
use crate::rogue::{Packet, Said};
use crate::tamper;
use crate::trace::Trace;
use crate::{Dice, Seed};

/// Packets, events and timers of all machines in one virtual second: a burst of 300 requests with their
/// answers, some times over, when everything held back for a while comes at once.
const MAX_STEPS_PER_SECOND: u64 = 20_000;

/// How the server's end names a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handle {
    Message(SessionId, MsgId),
    Incoming(IncomingId),
}

/// A call that the server's machine gave to its owner.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) key: AuthKeyId,
    pub(super) session: SessionId,
    pub(super) msg_id: MsgId,
    pub(super) handle: Handle,
    /// It was given to an owner before, in an earlier life of the server.
    pub(super) again: bool,
    pub(super) body: Bytes,
}

/// What a client's machine told, in either level's words.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Answer(RequestId, Bytes),
    Failed(RequestId, RequestError),
    Update(Bytes),
    NewSession(i64),
    Missed,
}

/// What all of a run has in common.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) now: Time,
    /// What happens is told on stderr.
    pub(super) narrates: bool,
    /// Where machines write down what is done to them.
    pub(super) trace: Trace,
    pub(super) dice: Dice,
    pub(super) model: Model,
    pub(super) watch: Watch,
    pub(super) middle: Middle,
    pub(super) weather: Weather,
    pub(super) faults: Faults,
    pub(super) keys: BTreeMap<AuthKeyId, AuthKey>,
    /// Nanoseconds that each client's clock is ahead of the run's.
    pub(super) client_skew: Vec<i128>,
    pub(super) server_skew: i128,
    /// Whose application takes no events.
    pub(super) holds: Vec<bool>,
    pub(super) calls: VecDeque<Call>,
    pub(super) streams: u64,
    pub(super) handshakes: u64,
    pub(super) steps: u64,
    second: (u64, u64),
}

impl Stage {
    pub(super) fn new(seed: Seed) -> Self {
        Stage {
            now: START,
            narrates: false,
            trace: Trace::off(),
            dice: Dice::new(seed),
            model: Model::default(),
            watch: Watch::default(),
            middle: Middle::default(),
            weather: Weather::calm(),
            faults: Faults::default(),
            keys: BTreeMap::new(),
            client_skew: Vec::new(),
            server_skew: 0,
            holds: Vec::new(),
            calls: VecDeque::new(),
            streams: 0,
            handshakes: 0,
            steps: 0,
            second: (0, 0),
        }
    }

    /// One more client, whose clock is so far ahead.
    pub(super) fn add_client(&mut self, skew: i128) {
        self.client_skew.push(skew);
        self.holds.push(false);
    }

    pub(super) fn client_now(&self, client: usize) -> Time {
        shift(self.now, self.client_skew[client])
    }

    pub(super) fn server_now(&self) -> Time {
        shift(self.now, self.server_skew)
    }

    /// The run's time at which the client's clock shows this.
    pub(super) fn at_client(&self, client: usize, at: Time) -> Time {
        shift(at, -self.client_skew[client])
    }

    pub(super) fn at_server(&self, at: Time) -> Time {
        shift(at, -self.server_skew)
    }

    /// Tells what happens, to whoever looks for the cause of a violation.
    pub(super) fn narrate(&self, what: impl FnOnce() -> String) {
        if self.narrates {
            let at = self.now.saturating_since(START);
            eprintln!("{:12.6} {}", at.as_secs_f64(), what());
        }
    }

    /// The line brought something, in as many pieces as it liked.
    pub(super) fn arrival(&mut self) {
        self.steps += 1;
    }

    /// A machine did something at this instant.
    pub(super) fn step(&mut self) -> Checked {
        self.steps += 1;
        if self.second.0 != self.now.unix() {
            self.second = (self.now.unix(), 0);
        }
        self.second.1 += 1;
        if self.second.1 > MAX_STEPS_PER_SECOND {
            return broken(Invariant::NoBusyLoop, "too much happens within one second");
        }
        Ok(())
    }

    /// A machine was called at its deadline, and says when it wants to be called next.
    pub(super) fn timer_moved(&self, who: &str, given: Time, next: Option<Time>) -> Checked {
        match next {
            Some(next) if next <= given => broken(
                Invariant::NoBusyLoop,
                format!("the timer of the {who} did not move: called at {given:?}, next {next:?}"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// A packet leaves a machine: it is looked at, and what becomes of it is decided. What does not
    /// open is a handshake's and passes as it is. `salt`: the server's, if anybody can tell.
    pub(super) fn pass(
        &mut self,
        from: From,
        client: usize,
        sealed: &[u8],
        quick_ack: bool,
        salt: Option<i64>,
    ) -> Checked<Option<Vec<Passed>>> {
        let id = sealed
            .first_chunk()
            .map(|id| AuthKeyId(i64::from_le_bytes(*id)));
        let Some(key) = id.and_then(|id| self.keys.get(&id)) else {
            return Ok(None);
        };
        let direction = match from {
            From::Client => Direction::ToServer,
            From::Server => Direction::ToClient,
        };
        let plain = match tamper::open(key, direction, sealed) {
            Ok(plain) => plain,
            Err(error) => {
                return broken(
                    Invariant::SenderRules,
                    format!("a packet of the {from:?} does not open: {error}"),
                );
            }
        };
        let key = key.clone();
        let packet = Packet::new(self.now, plain, quick_ack, sealed.to_vec());
        let server_now = self.server_now();
        self.narrate(|| format!("{from:?} {client} sends {}", told_short(&packet)));
        self.watch
            .sent(from, client, key.id(), &packet, server_now, &self.model)?;
        let mut moment = Moment {
            now: self.now,
            server_now,
            weather: &self.weather,
            salt,
            key: &key,
            dice: &mut self.dice,
            faults: &mut self.faults,
        };
        let passed = self.middle.judge(from, packet, &mut moment);
        self.narrate(|| {
            let all: Vec<_> = passed.iter().map(passed_short).collect();
            format!("    on the way: {}", all.join("; "))
        });
        Ok(Some(passed))
    }

    /// A packet reached the client's machine, which took it.
    pub(super) fn reached_client(&mut self, client: usize, passed: &Passed) {
        self.narrate(|| format!("client {client} got {}", passed_short(passed)));
        if let Some(packet) = &passed.packet {
            let now = self.now;
            self.watch
                .reached_client(client, passed.key, packet, now, &mut self.model);
        }
    }

    /// The client's application got an event.
    pub(super) fn told(&mut self, client: usize, told: Told) -> Checked {
        let now = self.client_now(client);
        self.narrate(|| format!("client {client} is told {told:?}"));
        match told {
            Told::Answer(id, body) => self.model.answered(client, id, &body),
            Told::Failed(id, error) => self.model.failed(client, id, &error, now),
            Told::Update(body) => self.model.update_told(client, &body),
            Told::NewSession(name) => {
                self.watch.told_new_session(client, name);
                Ok(())
            }
            Told::Missed => {
                self.watch.told_missed(client, self.now);
                Ok(())
            }
        }
    }
}

fn passed_short(passed: &Passed) -> String {
    let packet = passed.packet.as_ref();
    format!(
        "to {:?}: {}",
        passed.to,
        packet.map_or("broken".into(), told_short)
    )
}

fn told_short(packet: &Packet) -> String {
    use std::fmt::Write as _;
    let mut out = format!("[session {} id {}", packet.session, packet.msg_id);
    for message in &packet.messages {
        let said = match (body::peel(&message.body), body::updated(&message.body)) {
            (Some(peeled), _) => format!("{:?} after {:?}", peeled.tag, peeled.after),
            (None, Some(number)) => format!("update {number}"),
            (None, None) => match message.said() {
                Said::Result { req, result } => {
                    format!("answer to {req}: {:?}", body::answered(&result))
                }
                said => format!("{said:?}"),
            },
        };
        let _ = write!(out, " | {} #{} {said}", message.msg_id, message.seq_no);
    }
    out + "]"
}

/// A moment on another clock.
pub(super) fn shift(at: Time, by: i128) -> Time {
    let nanos = i128::from(at.as_nanos()) + by;
    Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}
