//! The end, in good order.
//!
//! Does: hands what waits to the sessions, lets the driver take it, then closes the streams and ends
//! what is left, each call with its fate.
//! In: the wish to close, the time. Out: [`Action::Close`]s, failures.
//! Must not know: what calls mean.
//! Spec: none.

use alloc::vec::Vec;

use crate::client::Action;
use crate::client::calls::Place;
use crate::client::link::{Link, LinkId};
use crate::client::machine::Client;
use crate::error::RequestError;
use crate::time::Time;

impl Client {
    /// What waits is handed to the sessions; nothing new is begun.
    pub(super) fn begin_close(&mut self, now: Time, until: Time) {
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            self.flush(now, id);
            if let Some(up) = self.links.get_mut(&id).and_then(Link::up_mut) {
                up.machine.close();
            }
        }
        self.closing = Some(until);
        self.keep = false;
        self.store_keys(now, true);
    }

    /// While closing: ends the links that have written everything.
    pub(super) fn finish_closing(&mut self, now: Time) {
        let Some(until) = self.closing else {
            return;
        };
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            let goes_on = link.up().is_some_and(|up| {
                let useful = up.connected || link.has_calls();
                useful && now < until && !up.machine.is_drained()
            });
            if goes_on {
                continue;
            }
            if let Some(conn) = link.suspend() {
                self.actions.push_back(Action::Close { conn });
            }
            self.fail_closed(now, id);
            self.links.remove(&id);
        }
        if self.links.is_empty() {
            let rest: Vec<_> = self.calls.ids().collect();
            for call in rest {
                let fate = self.withdraw(now, call);
                self.finish(now, call, Err(RequestError::Lost(fate).into()));
            }
        }
    }

    /// Ends the calls of a link that is closed, each with its fate.
    fn fail_closed(&mut self, now: Time, id: LinkId) {
        let ids: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| matches!(call.place, Place::Waiting(at) | Place::Held(at) | Place::Sent(at, _) if at == id))
            .map(|(call, _)| call)
            .collect();
        for call in ids {
            let fate = self.withdraw(now, call);
            self.finish(now, call, Err(RequestError::Lost(fate).into()));
        }
    }
}
