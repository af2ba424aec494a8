//! How calls get on their way, and how they are given up.
//!
//! Does: takes calls, finds the link of each, hands it to the link's session.
//! In: bodies with options. Out: requests of sessions.
//! Must not know: what answers mean (`answers.rs` does).
//! Spec: "Calling methods"; "Working with Different Data Centers".

use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::calls::{Call, MAX_HOPS, MAX_REPAIRS, Origin, Place};
use crate::client::dial::{candidates, is_reachable};
use crate::client::link::{Link, LinkId, Stream};
use crate::client::machine::Client;
use crate::client::query::{constructor, needs_user, unwrapped};
use crate::client::{CallError, CallOptions, Route};
use crate::error::{Fate, RequestError, SendError};
use crate::ids::{DcId, RequestId};
use crate::session::{MAX_BODY, SendOptions};
use crate::time::Time;

/// Beyond the application's calls a session takes so many of the client's own: updates of the
/// account and of ten channels, the configuration, authorizations of a handful of DCs.
pub(super) const OWN_CALLS: usize = 256;

impl Client {
    /// Takes a call of the application.
    pub(super) fn submit(
        &mut self,
        now: Time,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<RequestId, SendError> {
        if self.closing.is_some() {
            return Err(SendError::Ended);
        }
        let got = body.len();
        let max = MAX_BODY.saturating_sub(self.config.init.prefix().len());
        if got > max {
            return Err(SendError::TooLarge { got, max });
        }
        if got < 4 || !got.is_multiple_of(4) {
            return Err(SendError::Unaligned { got });
        }
        let max = self.config.limits.calls;
        if self.calls.of_application() >= max {
            return Err(SendError::TooMany { max });
        }
        Ok(self.start_call(now, Origin::Application, body, options, None))
    }

    /// Sends a call of the client's own.
    pub(super) fn start_call(
        &mut self,
        now: Time,
        origin: Origin,
        body: Bytes,
        options: &CallOptions,
        link: Option<LinkId>,
    ) -> RequestId {
        let timeout = self.config.session.request_timeout;
        let id = self.calls.add(Call {
            origin,
            method: constructor(&unwrapped(&body)),
            body,
            route: options.route,
            link,
            deadline: now + options.deadline.unwrap_or(timeout),
            idempotent: options.idempotent,
            flood: options.flood.unwrap_or(self.config.flood),
            waited: core::time::Duration::ZERO,
            retries_left: options.max_retries.unwrap_or(self.config.max_retries),
            errors: 0,
            hops_left: MAX_HOPS,
            repairs_left: MAX_REPAIRS,
            fate: Fate::NotSent,
            acked: false,
            place: Place::Nowhere,
        });
        self.place(now, id);
        id
    }

    /// Puts a call to the link that it belongs to.
    pub(super) fn place(&mut self, now: Time, id: RequestId) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let link = call.link.unwrap_or(match call.route {
            Route::Main => LinkId::main(self.main_dc),
            Route::Dc(dc) => LinkId::main(dc),
            Route::Media(dc) => LinkId::media(dc),
        });
        let hold = needs_user(call.method) && self.lacks_authorization(link.dc);
        if !self.links.contains_key(&link) {
            if !self.is_reachable(link) {
                return self.finish(now, id, Err(CallError::UnknownDc(link.dc)));
            }
            self.links.insert(link, Link::new());
        }
        let Some(to) = self.links.get_mut(&link) else {
            return;
        };
        if hold {
            to.held.insert(id);
            self.calls.put(id, Place::Held(link));
            self.authorize(now, link.dc);
        } else {
            to.waiting.insert(id);
            self.calls.put(id, Place::Waiting(link));
        }
    }

    /// Whether the table has an address that the link can use.
    pub(super) fn is_reachable(&self, link: LinkId) -> bool {
        let wire = link.wire(self.config.test_mode);
        is_reachable(self.dcs(), &self.config, link.dc, link.is_media(), wire)
    }

    pub(super) fn candidates(&self, link: LinkId) -> Vec<super::dial::Candidate> {
        let wire = link.wire(self.config.test_mode);
        candidates(self.dcs(), &self.config, link.dc, link.is_media(), wire)
    }

    /// Hands what waits to the link's session.
    pub(super) fn flush(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Stream::Up(up) = &mut link.stream else {
            return;
        };
        while let Some(first) = link.waiting.pop_first() {
            let Some(call) = self.calls.get(first) else {
                continue;
            };
            let options = SendOptions {
                deadline: Some(call.deadline.saturating_since(now)),
                idempotent: call.idempotent,
                ..SendOptions::default()
            };
            match up.machine.send(now, call.body.clone(), &options) {
                Ok(inner) => {
                    link.sent.insert(inner, first);
                    if let Some(call) = self.calls.get_mut(first) {
                        call.acked = false;
                    }
                    self.calls.put(first, Place::Sent(id, inner));
                }
                Err(SendError::TooMany { .. } | SendError::Ended) => {
                    link.waiting.insert(first);
                    return;
                }
                // `submit` has looked; an export of a hostile server may be large.
                Err(SendError::TooLarge { .. } | SendError::Unaligned { .. }) => {
                    let error = RequestError::Lost(Fate::NotSent);
                    self.finish(now, first, Err(error.into()));
                    return self.flush(now, id);
                }
            }
        }
    }

    /// Calls that waited for another main DC go to the present one.
    pub(super) fn reroute(&mut self, now: Time, from: DcId) {
        let Some(link) = self.links.get_mut(&LinkId::main(from)) else {
            return;
        };
        let mut moved = Vec::new();
        for set in [&mut link.waiting, &mut link.held] {
            set.retain(|id| {
                let goes = self
                    .calls
                    .get(*id)
                    .is_some_and(|call| call.route == Route::Main && call.link.is_none());
                if goes {
                    moved.push(*id);
                }
                !goes
            });
        }
        for id in moved {
            self.place(now, id);
        }
    }

    /// The application does not want it any more.
    pub(super) fn give_up(&mut self, now: Time, id: RequestId) {
        if self
            .calls
            .get(id)
            .is_some_and(|call| call.origin == Origin::Application)
        {
            let fate = self.withdraw(now, id);
            self.finish(now, id, Err(RequestError::Cancelled(fate).into()));
        }
    }

    /// Takes a call from wherever it is; what is known of its fate.
    pub(super) fn withdraw(&mut self, now: Time, id: RequestId) -> Fate {
        let Some(call) = self.calls.get(id) else {
            return Fate::NotSent;
        };
        let fate = match call.place {
            Place::Nowhere | Place::Paused(_) => Fate::NotSent,
            Place::Waiting(link) | Place::Held(link) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.waiting.remove(&id);
                    link.held.remove(&id);
                }
                Fate::NotSent
            }
            Place::Sent(link, inner) => match self.links.get_mut(&link) {
                Some(link) => match link.up_mut() {
                    Some(up) => {
                        let fate = up.machine.withdraw(now, inner);
                        link.sent.remove(&inner);
                        fate.unwrap_or(Fate::MaybeExecuted)
                    }
                    None => link.withdraw(inner),
                },
                None => Fate::MaybeExecuted,
            },
        };
        let fate = call.fate_with(fate);
        self.calls.put(id, Place::Nowhere);
        fate
    }
}
