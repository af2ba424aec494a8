//! The server's owner: who executes calls and answers them.
//!
//! Does: [`Owner`] executes each call that the server's machine gives it, at once or after those that
//! it is to come after, and answers at once, late, with an error or never.
//! In: calls. Out: answers that are due.
//! Must not know: machines, packets.
//! Spec: "Calling API methods", invokeAfterMsg.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::{MsgId, SessionId, Time};

use super::body;
use super::faults::Fault;
use super::model::Checked;
use super::stage::{Call, Handle, Stage};
use super::weather::happens;

/// An answer, or an error.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Result(Bytes),
    Error(i32, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Done,
    Failed,
}

/// An answer that waits for its time.
#[derive(Debug)]
struct Due {
    handle: Handle,
    name: (SessionId, MsgId),
    answer: Answer,
}

/// Executes and answers.
#[derive(Debug, Default)]
pub(super) struct Owner {
    states: BTreeMap<(SessionId, MsgId), State>,
    waiting: VecDeque<(Call, body::Peeled)>,
    answers: BTreeMap<(Time, u64), Due>,
    count: u64,
}

impl Owner {
    /// The process ended, and with it what it was about to answer.
    pub(super) fn forget(&mut self) {
        *self = Owner {
            count: self.count,
            ..Owner::default()
        };
    }

    /// When the next answer is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.answers.keys().next().map(|(at, _)| *at)
    }

    /// The next answer that is due.
    pub(super) fn due(&mut self, stage: &mut Stage) -> Checked<Option<(Handle, Answer)>> {
        if self.next().is_none_or(|at| at > stage.now) {
            return Ok(None);
        }
        let Some((_, due)) = self.answers.pop_first() else {
            return Ok(None);
        };
        let Due {
            handle,
            name,
            answer,
        } = due;
        let state = match answer {
            Answer::Result(_) => State::Done,
            Answer::Error(..) => State::Failed,
        };
        self.states.insert(name, state);
        for (call, peeled) in std::mem::take(&mut self.waiting) {
            self.consider(call, peeled, stage)?;
        }
        Ok(Some((handle, answer)))
    }

    /// A call came.
    pub(super) fn take(&mut self, call: Call, stage: &mut Stage) -> Checked {
        // What it did with the call before the restart it still knows.
        if call.again && self.states.contains_key(&(call.session, call.msg_id)) {
            return Ok(());
        }
        let Some(peeled) = body::peel(&call.body) else {
            self.answer(
                &call,
                stage.now,
                Answer::Error(400, "INPUT_METHOD_INVALID".into()),
            );
            return Ok(());
        };
        self.consider(call, peeled, stage)
    }

    fn consider(&mut self, call: Call, peeled: body::Peeled, stage: &mut Stage) -> Checked {
        let states: Vec<_> = peeled
            .after
            .iter()
            .map(|id| self.states.get(&(call.session, *id)).copied())
            .collect();
        let name = (call.session, call.msg_id);
        if states
            .iter()
            .any(|state| matches!(state, None | Some(State::Failed)))
        {
            self.answer(
                &call,
                stage.now,
                Answer::Error(400, "MSG_WAIT_FAILED".into()),
            );
            return Ok(());
        }
        if states.iter().any(|state| *state != Some(State::Done)) {
            self.states.insert(name, State::Waits);
            self.waiting.push_back((call, peeled));
            return Ok(());
        }
        self.states.insert(name, State::Runs);
        let tag = peeled.tag;
        stage.narrate(|| format!("executed {tag:?} as {}", call.msg_id));
        stage
            .model
            .executed(tag, call.key, call.session, call.msg_id)?;
        let request = stage.model.get(tag);
        if request.is_none_or(|request| request.submission.unanswered) {
            stage.faults.count(Fault::NoAnswer);
            return Ok(());
        }
        let mut at = stage.now;
        if happens(&mut stage.dice, stage.weather.late) {
            stage.faults.count(Fault::LateAnswer);
            let most = if stage.dice.chance(1, 10) {
                40_000
            } else {
                3_000
            };
            at = at + Duration::from_millis(stage.dice.range(1..=most));
        }
        let answer = if happens(&mut stage.dice, stage.weather.error) {
            stage.faults.count(Fault::ErrorAnswer);
            Answer::Error(400, body::error_of(tag))
        } else {
            let words = if stage.dice.chance(1, 12) { 1_500 } else { 20 };
            Answer::Result(body::answer(tag, stage.dice.range(0..=words) as usize))
        };
        self.answer(&call, at, answer);
        Ok(())
    }

    fn answer(&mut self, call: &Call, at: Time, answer: Answer) {
        self.count += 1;
        let name = (call.session, call.msg_id);
        let due = Due {
            handle: call.handle,
            name,
            answer,
        };
        self.answers.insert((at, self.count), due);
    }
}
