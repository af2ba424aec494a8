//! Calls and accounts that a server sends elsewhere.
//!
//! Does: sends a call to another DC, within its budget; moves the main DC with the account.
//! In: errors of code 303. Out: calls on their way again, a new main DC.
//! Must not know: streams; other errors (`answers.rs` does).
//! Spec: "Working with Different Data Centers"; "Handling API errors", 303.

use crate::client::link::LinkId;
use crate::client::machine::Client;
use crate::client::query::is_file;
use crate::client::{Account, CallError, Event, Route};
use crate::ids::{DcId, RequestId};
use crate::time::Time;

impl Client {
    /// The call goes to another DC; `false` if it may not any more.
    fn hop(&mut self, now: Time, id: RequestId, to: LinkId, route: Route) -> bool {
        let reachable = self.is_reachable(to);
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        let Some(left) = call.hops_left.checked_sub(1) else {
            return false;
        };
        let fate = call.fate_refused();
        if !reachable {
            let dc = to.dc;
            self.finish(now, id, Err(CallError::UnknownDc { dc, fate }));
            return true;
        }
        call.hops_left = left;
        call.route = route;
        call.fate = fate;
        true
    }

    /// The account is on another DC, says one.
    pub(super) fn migrate_account(
        &mut self,
        now: Time,
        link: LinkId,
        id: RequestId,
        dc: DcId,
    ) -> bool {
        let Some(call) = self.calls.get(id) else {
            return true;
        };
        if call.link.is_some() {
            return false;
        }
        if call.route != Route::Main {
            // Whoever chose the DC, or was sent there for one call, asked nobody where the account
            // lives.
            return self.migrate_call(now, id, dc);
        }
        // A DC that was left meanwhile knows less than the one that the account went to.
        let to = if link.dc == self.main_dc {
            dc
        } else {
            self.main_dc
        };
        if !self.hop(now, id, LinkId::main(to), Route::Main) {
            return false;
        }
        if self.calls.get(id).is_some() {
            self.move_main(now, to);
            self.place(now, id);
        }
        true
    }

    pub(super) fn migrate_call(&mut self, now: Time, id: RequestId, dc: DcId) -> bool {
        let Some(call) = self.calls.get(id) else {
            return true;
        };
        if call.link.is_some() {
            return false;
        }
        let media = is_file(call.method) || matches!(call.route, Route::Media(_));
        let (to, route) = if media {
            (LinkId::media(dc), Route::Media(dc))
        } else {
            (LinkId::main(dc), Route::Dc(dc))
        };
        let moved = self.hop(now, id, to, route);
        if moved {
            self.place(now, id);
        }
        moved
    }

    /// The account's DC is another one.
    pub(super) fn move_main(&mut self, now: Time, dc: DcId) {
        if self.main_dc == dc {
            return;
        }
        let former = core::mem::replace(&mut self.main_dc, dc);
        let test_mode = self.config.test_mode;
        let account = self.account.get_or_insert(Account {
            main_dc: dc,
            user_id: None,
            bot: false,
            test_mode,
        });
        account.main_dc = dc;
        self.store_account();
        self.events.push_back(Event::MainDcChanged { dc });
        self.reroute(now, former);
    }
}
