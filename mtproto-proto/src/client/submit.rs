//! How calls get on their way, and how they are given up.
//!
//! Does: takes calls, finds the link of each, hands it to the link's session.
//! In: bodies with options. Out: requests of sessions.
//! Must not know: what answers mean (`answers.rs` does).
//! Spec: "Calling methods"; "Working with Different Data Centers".

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::calls::{Call, MAX_HOPS, MAX_REPAIRS, Origin, Place};
use crate::client::dial::{candidates, is_reachable};
use crate::client::link::{Link, LinkId, Stream};
use crate::client::machine::Client;
use crate::client::order::broken;
use crate::client::query::{constructor, needs_user, unwrapped};
use crate::client::{CallError, CallOptions, DcTable, Route};
use crate::error::{Fate, RequestError, SendError};
use crate::ids::{DcId, RequestId};
use crate::session::{MAX_AFTER, MAX_BODY, SendOptions, wrapper_len};
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
        let after = options
            .after
            .iter()
            .filter(|first| self.calls.get(**first).is_some())
            .collect::<BTreeSet<_>>()
            .len();
        if after > MAX_AFTER {
            return Err(SendError::TooManyDependencies {
                got: after,
                max: MAX_AFTER,
            });
        }
        let got = body.len();
        let prefix = self.config.init.prefix().len();
        let max = MAX_BODY.saturating_sub(prefix.saturating_add(wrapper_len(after)));
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
        let max = self.config.limits.call_bytes;
        let got = got.saturating_add(self.calls.application_bytes());
        if got > max && self.calls.of_application() > 0 {
            return Err(SendError::TooManyBytes { got, max });
        }
        // The application does not know yet.
        if let Some(first) = self.calls.untold_of(&options.after) {
            let id = self.calls.next_id();
            self.tell_failed(id, broken(first, Fate::NotSent));
            return Ok(id);
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
            for_account: false,
            after: options.after.clone(),
            broken: None,
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
        let link = self.link_for(call);
        if !self.may_follow(link, call) {
            return self.calls.put(id, Place::Behind);
        }
        let hold = needs_user(call.method) && self.lacks_authorization(link.dc);
        if !self.links.contains_key(&link) {
            if !self.is_reachable(link) {
                let (dc, fate) = (link.dc, call.fate_with(Fate::NotSent));
                return self.finish(now, id, Err(CallError::UnknownDc { dc, fate }));
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

    /// The link that a call belongs to.
    pub(super) fn link_for(&self, call: &Call) -> LinkId {
        call.link.unwrap_or(match call.route {
            Route::Main => LinkId::main(self.main_dc),
            Route::Dc(dc) => LinkId::main(dc),
            Route::Media(dc) => LinkId::media(dc),
        })
    }

    /// Where the addresses of DCs are, in the order in which they are tried.
    fn tables(&self) -> Vec<&DcTable> {
        // What a server tells may be wrong, and then nobody else is left to tell better.
        let own = self.told_dcs.then_some(&self.config.dcs);
        core::iter::once(self.dcs()).chain(own).collect()
    }

    /// Whether the table has an address that the link can use.
    pub(super) fn is_reachable(&self, link: LinkId) -> bool {
        let wire = link.wire(self.config.test_mode);
        let tables = self.tables();
        is_reachable(&tables, &self.config, link.dc, link.is_media(), wire)
    }

    pub(super) fn candidates(&self, link: LinkId) -> Vec<super::dial::Candidate> {
        let wire = link.wire(self.config.test_mode);
        let tables = self.tables();
        candidates(&tables, &self.config, link.dc, link.is_media(), wire)
    }

    /// Hands what waits to the link's session.
    pub(super) fn flush(&mut self, now: Time, id: LinkId) {
        while self.links.get(&id).is_some_and(|link| link.up().is_some())
            && let Some(first) = self.links.get_mut(&id).and_then(|l| l.waiting.pop_first())
        {
            if !self.hand_over(now, id, first) {
                return;
            }
        }
    }

    /// Hands one call to the link's session, or puts it where it has to wait; `false` if the
    /// session takes no more.
    fn hand_over(&mut self, now: Time, at: LinkId, id: RequestId) -> bool {
        let Some(after) = self.order_in(at, id) else {
            self.calls.put(id, Place::Behind);
            return true;
        };
        if self.joins_pause(now, at.dc, id) {
            return true;
        }
        let for_account = self.is_signed_in();
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        let Some(link) = self.links.get_mut(&at) else {
            return false;
        };
        let Stream::Up(up) = &mut link.stream else {
            link.waiting.insert(id);
            return false;
        };
        let options = SendOptions {
            deadline: Some(call.deadline.saturating_since(now)),
            idempotent: call.idempotent,
            after,
            ..SendOptions::default()
        };
        match up.machine.send(now, call.body.clone(), &options) {
            Ok(inner) => {
                call.acked = false;
                call.for_account = for_account;
                link.sent.insert(inner, id);
                up.used = true;
                self.calls.put(id, Place::Sent(at, inner));
                self.let_follow(now, at, id);
                true
            }
            Err(SendError::TooMany { .. } | SendError::TooManyBytes { .. } | SendError::Ended) => {
                link.waiting.insert(id);
                false
            }
            // `submit` has looked; an export of a hostile server may be large.
            Err(
                SendError::TooLarge { .. }
                | SendError::Unaligned { .. }
                | SendError::TooManyDependencies { .. },
            ) => {
                let error = RequestError::Lost(call.fate_with(Fate::NotSent));
                self.finish(now, id, Err(error.into()));
                true
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
            Place::Nowhere | Place::Paused(_) | Place::Behind => Fate::NotSent,
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
