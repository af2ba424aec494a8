//! Everything that happens because time passed.
//!
//! Does: the earliest deadline of all rooms, and what is due in each.
//! In: the time. Out: the same calls that other inputs make.
//! Must not know: what is done when a timer fires.
//! Spec: none.

use crate::client::calls::Place;
use crate::client::link::Stream;
use crate::client::machine::Client;
use crate::client::{CallError, Disconnected};
use crate::error::RequestError;
use crate::machine::Machine;
use crate::time::Time;

impl Client {
    /// The earliest of all.
    pub(super) fn next_timer(&self) -> Option<Time> {
        if self.is_closed() {
            return None;
        }
        let idle = self.config.limits.idle;
        let links = self.links.iter().filter_map(|(id, link)| {
            let own = match &link.stream {
                Stream::Connecting { until, .. } => Some(*until),
                Stream::Up(_) => link.machine_timeout(),
                Stream::Down if self.closing.is_none() && self.is_wanted(*id) => self
                    .may_dial(*id)
                    .then(|| link.pace.next(self.online))
                    .filter(|_| link.has_calls() || self.is_reachable(*id)),
                Stream::Down => None,
            };
            let rest = link.rests_at(idle);
            own.into_iter().chain(rest).min()
        });
        let keys = self
            .keys
            .values()
            .filter_map(|dc| dc.store_at.into_iter().chain(dc.import.timer()).min());
        links
            .chain(keys)
            .chain(self.calls.next_timeout())
            .chain(self.updates.poll_timeout())
            .chain(self.fetch_timer())
            .chain(self.closing.filter(|_| !self.links.is_empty()))
            .min()
    }

    /// Lets deadlines pass.
    pub(super) fn run_timers(&mut self, now: Time) {
        let idle = self.config.limits.idle;
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            match &mut link.stream {
                Stream::Down => {}
                Stream::Connecting { until, .. } => {
                    if *until <= now {
                        self.stream_ended(now, id, Disconnected::NotConnected, true);
                        continue;
                    }
                }
                Stream::Up(up) => {
                    if up.machine.poll_timeout().is_some_and(|at| at <= now) {
                        // The error stays in the machine, where `settle` finds it.
                        let _ = up.machine.handle_timeout(now);
                    }
                }
            }
            if self.links.get(&id).is_some_and(|link| {
                link.rests_at(idle).is_some_and(|at| at <= now) && !link.has_calls()
            }) {
                self.stream_ended(now, id, Disconnected::Idle, true);
            }
        }
        // Sessions tell the fate of what has expired.
        self.drain_links(now);
        while let Some(id) = self.calls.expired(now) {
            let fate = self.withdraw(now, id);
            let error = CallError::Request(RequestError::TimedOut(fate));
            self.finish(now, id, Err(error));
        }
        while let Some(id) = self.calls.rested(now) {
            self.calls.put(id, Place::Nowhere);
            self.place(now, id);
        }
        self.authorize_again(now);
        self.store_keys(now, false);
        if self.updates.poll_timeout().is_some_and(|at| at <= now) {
            self.updates.handle_timeout(now);
        }
        self.fetch_if_due(now);
    }
}
