//! Asking for what is missing in the common boxes, and what the answers mean.
//!
//! Does: chooses between `updates.getState` and `updates.getDifference`; turns answers and errors
//! into what is to be handed on and done after it.
//! In: answers. Out: the bodies of calls.
//! Must not know: live updates.
//! Spec: "Working with updates", "Recovering gaps"; "updates.getDifference".

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::api::functions::updates::{GetDifference, GetState};

use super::super::fetch::{self, Fetch};
use super::super::incoming::{Incoming, Place};
use super::super::outbox::{Item, Outbox};
use super::super::parse::Answer;
use super::super::state::State;
use super::super::{Cx, NeedId};
use super::{Common, End};
use crate::error::RequestError;
use crate::time::Time;

impl Common {
    /// The body to ask with, if it is time and there is room for an answer.
    pub fn ask(&mut self, id: NeedId, wanted: bool, out: &Outbox) -> Option<Bytes> {
        let allowed = !self.known || (wanted && out.has_room());
        if self.fetch != Fetch::Ready || !allowed {
            return None;
        }
        self.fetch = Fetch::Asked(id);
        self.asked_behind = !self.is_complete();
        self.asked_state = !self.known || self.reset;
        Some(if self.asked_state {
            GetState.to_bytes()
        } else {
            let difference = GetDifference {
                pts: self.pts.value,
                pts_limit: None,
                pts_total_limit: None,
                date: self.date,
                qts: self.qts.value,
                qts_limit: None,
            };
            difference.to_bytes()
        })
    }

    pub fn asked(&self) -> Option<NeedId> {
        match self.fetch {
            Fetch::Asked(id) => Some(id),
            Fetch::Idle | Fetch::Waiting(_) | Fetch::Ready | Fetch::Blocked | Fetch::Staged => None,
        }
    }

    /// Whether the call that is out is `updates.getState`.
    pub fn asked_state(&self) -> bool {
        self.asked_state
    }

    /// The answer is of no use; it is asked for again.
    pub fn ask_again(&mut self) {
        self.fetch = Fetch::Ready;
    }

    /// `updates.getState` was answered.
    pub fn handle_state(&mut self, cx: &mut Cx<'_>, state: State) {
        let reset = core::mem::take(&mut self.reset);
        let lost = core::mem::take(&mut self.lost) || (reset && self.known);
        if lost {
            // What waits may be numbered as it was before. Had the server sent some of it after it
            // looked up the state, the difference brings it again.
            self.pts.pending.clear(cx.budget);
            self.qts.pending.clear(cx.budget);
            self.containers.clear(cx.budget);
            self.again = true;
        }
        let end = End {
            pts: Some(state.pts),
            qts: Some(state.qts),
            seq: Some(state.seq),
            date: Some(state.date),
            force: true,
            more: false,
        };
        self.stage(lost.then_some(Item::Lost(None)), end);
    }

    /// `updates.getDifference` was answered. Gives the updates that belong elsewhere.
    pub fn handle_difference(&mut self, answer: Answer) -> Vec<Incoming> {
        self.unread.clear();
        let mut elsewhere = Vec::new();
        match answer {
            Answer::Empty { date, seq } => {
                let end = End {
                    seq: Some(seq),
                    date: Some(date),
                    ..End::default()
                };
                self.stage([], end);
            }
            Answer::TooLong { pts } => {
                let end = End {
                    pts: Some(pts),
                    force: true,
                    more: true,
                    ..End::default()
                };
                self.stage([Item::Lost(None)], end);
            }
            Answer::Part {
                updates,
                state,
                last,
                peers: _,
            } => {
                let mut items = Vec::with_capacity(updates.len());
                if self.pts.fell(state.pts) || self.qts.fell(state.qts) {
                    items.push(Item::Lost(None));
                }
                for update in updates {
                    match update.place() {
                        Place::Channel { pts: 0, .. }
                        | Place::Pts { .. }
                        | Place::Qts(_)
                        | Place::Other => items.push(Item::Update(update)),
                        Place::Channel { .. } | Place::ChannelTooLong { .. } => {
                            elsewhere.push(update);
                        }
                        Place::PtsChanged => self.reset = true,
                    }
                }
                let end = End {
                    pts: Some(state.pts),
                    qts: Some(state.qts),
                    seq: Some(state.seq),
                    date: Some(state.date),
                    force: false,
                    more: !last,
                };
                self.stage(items, end);
            }
        }
        elsewhere
    }

    /// `updates.getDifference` was answered with something that cannot be read: what could not be
    /// read before is told as it is, and the counters are taken from `updates.getState`.
    pub fn handle_unreadable(&mut self) {
        self.reset = true;
        let raw = core::mem::take(&mut self.unread);
        let items: Vec<_> = raw
            .into_iter()
            .map(|body| Item::Update(Incoming::unread(body)))
            .collect();
        self.stage(
            items,
            End {
                more: true,
                ..End::default()
            },
        );
    }

    /// The call failed.
    pub fn handle_error(&mut self, now: Time, id: NeedId, error: &RequestError) {
        self.failures = self.failures.saturating_add(1);
        let mut pause = fetch::backoff(self.failures, id.0).max(fetch::pause_of(error));
        if !self.asked_state && fetch::is_rpc(error, &["PERSISTENT_TIMESTAMP_INVALID"]) {
            self.reset = true;
            // The first time, `updates.getState` follows at once.
            if self.failures == 1 {
                pause = Duration::ZERO;
            }
        }
        self.again = false;
        self.fetch = Fetch::Waiting(now + pause);
        self.fetch.wake(now);
    }
}
