//! What becomes of a call when its request ended.
//!
//! Does: gives answers to whoever asked; moves, pauses, repeats or repairs what the server refused;
//! recognises that somebody signed in or out.
//! In: ends of requests. Out: events; calls on their way again.
//! Must not know: streams.
//! Spec: "Handling API errors"; "User authorization".

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::{Constructor, Decode, Encode, api};

use crate::client::calls::{Call, End, Origin, Place};
use crate::client::link::{Kind, Link, LinkId};
use crate::client::machine::Client;
use crate::client::query::{LOG_OUT, constructor, is_file, may_sign_in, unwrapped};
use crate::client::{Account, CallError, Event, FloodPolicy, Migrate, Route, RpcKind, SignedOut};
use crate::error::{Fate, RequestError, RpcError};
use crate::ids::{DcId, RequestId};
use crate::time::Time;

/// The longest pause after an error of the server. TDLib's sum is a minute.
const MAX_PAUSE_SECS: u64 = 32;

impl Client {
    /// A request of a link's session ended.
    pub(super) fn answered(
        &mut self,
        now: Time,
        link: LinkId,
        inner: RequestId,
        result: Result<Bytes, RequestError>,
    ) {
        let ours = self
            .links
            .get_mut(&link)
            .and_then(|link| link.sent.remove(&inner));
        let Some(id) = ours else {
            return;
        };
        self.calls.put(id, Place::Nowhere);
        let Some(call) = self.calls.get(id) else {
            return;
        };
        match result {
            Ok(body) => self.succeeded(now, link, id, body),
            Err(RequestError::Rpc(error)) => self.refused(now, link, id, error),
            // The server has it, and went away or stayed silent.
            Err(RequestError::TimedOut(_) | RequestError::Lost(_))
                if call.acked && call.method == LOG_OUT =>
            {
                self.logged_out(now, id);
            }
            Err(RequestError::TimedOut(fate)) => {
                let error = RequestError::TimedOut(call.fate_with(fate));
                self.finish(now, id, Err(error.into()));
            }
            Err(RequestError::Cancelled(fate)) => {
                let error = RequestError::Cancelled(call.fate_with(fate));
                self.finish(now, id, Err(error.into()));
            }
            Err(RequestError::Lost(fate)) => {
                let error = RequestError::Lost(call.fate_with(fate));
                self.finish(now, id, Err(error.into()));
            }
            Err(error @ RequestError::BadAnswer) => self.finish(now, id, Err(error.into())),
        }
    }

    fn succeeded(&mut self, now: Time, link: LinkId, id: RequestId, body: Bytes) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        if call.origin == Origin::Application {
            let method = call.method;
            if method == LOG_OUT && link.dc == self.main_dc && self.is_signed_in() {
                self.finish(now, id, Ok(body));
                return self.sign_out(now, SignedOut::Requested);
            }
            if may_sign_in(method)
                && let Some((user_id, bot)) = signed_in(&body)
            {
                self.signed_in(now, link.dc, user_id, bot);
            } else if method == IMPORT && self.is_signed_in() {
                self.set_authorized(now, link.dc, true);
            }
            if link.dc == self.main_dc
                && let Some(call) = self.calls.get(id)
            {
                let query = unwrapped(&call.body);
                self.peers.learn_from_answer(&body);
                self.updates
                    .handle_answer(now, &query, &body, &mut self.peers);
            }
        }
        self.finish(now, id, Ok(body));
    }

    /// Ends a call: tells whoever wanted the answer.
    pub(super) fn finish(&mut self, now: Time, id: RequestId, end: End) {
        let Some(call) = self.calls.take(id) else {
            return;
        };
        match call.origin {
            Origin::Application => self.events.push_back(match end {
                Ok(body) => Event::Response { id, body },
                Err(error) => Event::Failed { id, error },
            }),
            Origin::Need(need) => {
                let result = end.map_err(|error| match error {
                    CallError::Request(error) => error,
                    CallError::SignedOut(_) | CallError::UnknownDc(_) => {
                        RequestError::Lost(Fate::NotSent)
                    }
                });
                self.updates.handle_need(now, need, result, &mut self.peers);
            }
            Origin::Config => self.fetched(now, end.ok().as_ref()),
            Origin::WhoAmI => self.told_who(now, end.ok().as_ref()),
            Origin::Export(to) => self.exported(now, to, end),
            Origin::Import(to) => self.imported(now, to, end),
            // Destroyed or not, the key is forgotten; the link has nothing more to do.
            Origin::Destroy => {}
        }
    }

    /// The server answered with an error.
    fn refused(&mut self, now: Time, link: LinkId, id: RequestId, error: RpcError) {
        let handled = match error.kind() {
            RpcKind::Migrate(Migrate::Account(dc)) => self.migrate_account(now, id, dc),
            RpcKind::Migrate(Migrate::Call(dc)) => self.migrate_call(now, id, dc),
            RpcKind::Wait(wait) => self.wait(now, id, wait),
            RpcKind::SignedOut(reason) => self.not_signed_in(now, link, id, reason),
            RpcKind::NotBound => self.bind_again(now, link, id),
            RpcKind::Server => self.retry(now, id, &error),
            // The session has said again what the application is, if that could help.
            RpcKind::NotInitialized | RpcKind::PasswordNeeded | RpcKind::Other => false,
        };
        if !handled {
            self.finish(now, id, Err(RequestError::Rpc(error).into()));
        }
    }

    /// The call goes to another DC; `false` if it may not any more.
    fn hop(&mut self, now: Time, id: RequestId, to: LinkId, route: Route) -> bool {
        let reachable = self.is_reachable(to);
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        let Some(left) = call.hops_left.checked_sub(1) else {
            return false;
        };
        if !reachable {
            self.finish(now, id, Err(CallError::UnknownDc(to.dc)));
            return true;
        }
        call.hops_left = left;
        call.route = route;
        call.fate = call.fate_with(Fate::NotReceived);
        true
    }

    fn migrate_account(&mut self, now: Time, id: RequestId, dc: DcId) -> bool {
        if self.calls.get(id).is_some_and(|call| call.link.is_some()) {
            return false;
        }
        if !self.hop(now, id, LinkId::main(dc), Route::Main) {
            return false;
        }
        if self.calls.get(id).is_some() {
            self.move_main(now, dc);
            self.place(now, id);
        }
        true
    }

    fn migrate_call(&mut self, now: Time, id: RequestId, dc: DcId) -> bool {
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

    /// The server wants a pause.
    fn wait(&mut self, now: Time, id: RequestId, wait: Duration) -> bool {
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        let sum = call.waited.saturating_add(wait);
        let FloodPolicy::WaitUpTo(max) = call.flood else {
            return false;
        };
        let until = now + wait;
        if sum > max || until >= call.deadline {
            return false;
        }
        call.waited = sum;
        call.fate = call.fate_with(Fate::NotReceived);
        if call.origin == Origin::Application {
            self.events.push_back(Event::FloodWait { id, wait });
        }
        self.calls.put(id, Place::Paused(until));
        true
    }

    /// The server's trouble.
    fn retry(&mut self, now: Time, id: RequestId, error: &RpcError) -> bool {
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        if error.is_timeout() && !call.idempotent {
            return false;
        }
        let Some(left) = call.retries_left.checked_sub(1) else {
            return false;
        };
        let secs = if error.message == "WORKER_BUSY_TOO_LONG_RETRY" {
            1
        } else {
            let doubled = 1_u64.checked_shl(u32::from(call.errors));
            doubled.unwrap_or(MAX_PAUSE_SECS).min(MAX_PAUSE_SECS)
        };
        let until = now + Duration::from_secs(secs);
        if until >= call.deadline {
            return false;
        }
        call.retries_left = left;
        call.errors = call.errors.saturating_add(1);
        call.fate = call.fate_with(Fate::MaybeExecuted);
        self.calls.put(id, Place::Paused(until));
        true
    }

    /// One repair of a call's budget; `false` if it is used up.
    fn repair(&mut self, id: RequestId) -> bool {
        let Some(call) = self.calls.get_mut(id) else {
            return false;
        };
        let Some(left) = call.repairs_left.checked_sub(1) else {
            return false;
        };
        call.repairs_left = left;
        call.fate = call.fate_with(Fate::NotReceived);
        true
    }

    /// A DC does not know the account.
    fn not_signed_in(&mut self, now: Time, link: LinkId, id: RequestId, reason: SignedOut) -> bool {
        let dead_key = matches!(reason, SignedOut::KeyDuplicated | SignedOut::KeyInvalid);
        if link.kind == Kind::Leaving {
            // It is about a key that is forgotten already, and not about the account of now.
            return false;
        }
        // A main DC that the account was sent to and has not reached yet says nothing about it.
        if link.dc == self.main_dc && self.is_signed_in() && !self.lacks_authorization(link.dc) {
            self.sign_out(now, reason);
            return true;
        }
        let importing = matches!(
            self.calls.get(id).map(|call| call.origin),
            Some(Origin::Import(_))
        );
        if dead_key {
            // The first of many answers that say so has dropped it.
            if self.keys.get(&link.dc).is_some_and(|dc| dc.key.is_some()) {
                self.drop_key(now, link.dc);
            }
        } else if !self.is_signed_in() || importing {
            return false;
        } else {
            self.set_authorized(now, link.dc, false);
            // It may be the temporary key that the server lost sight of.
            self.new_temporary_key(now, link);
        }
        let again = !importing && self.repair(id);
        if again {
            self.place(now, id);
        }
        again
    }

    /// The temporary key is not bound any more.
    fn bind_again(&mut self, now: Time, link: LinkId, id: RequestId) -> bool {
        if self.config.pfs.is_none() || !self.repair(id) {
            return false;
        }
        self.new_temporary_key(now, link);
        self.place(now, id);
        true
    }

    fn new_temporary_key(&mut self, now: Time, link: LinkId) {
        if let Some(up) = self.links.get_mut(&link).and_then(Link::up_mut) {
            up.machine.renew_temporary_key(now);
        }
    }

    /// Somebody is signed in on this DC.
    pub(super) fn signed_in(&mut self, now: Time, dc: DcId, user_id: Option<i64>, bot: bool) {
        let former = self.account.as_ref().and_then(|account| account.user_id);
        let is_another = former.is_some() && user_id.is_some() && former != user_id;
        if is_another {
            // What was exported was another one's, and so were the hashes.
            self.peers.clear();
            self.withdraw_imports(now);
            for known in self.keys.keys().copied().collect::<Vec<DcId>>() {
                self.set_authorized(now, known, false);
            }
        }
        // Before calls move there: they need not wait.
        self.set_authorized(now, dc, true);
        self.move_main(now, dc);
        self.account = Some(Account {
            main_dc: dc,
            user_id,
            bot,
            test_mode: self.config.test_mode,
        });
        self.store_account();
        self.tell_updates(now);
        if let Some(user_id) = user_id {
            self.events.push_back(Event::SignedIn { user_id, dc });
        } else {
            self.ask_who(now);
        }
        self.authorize_holders(now);
        self.fetch_now(now);
    }

    /// Whether there is an account, even if it is not known whose.
    pub(super) fn is_signed_in(&self) -> bool {
        self.account
            .as_ref()
            .is_some_and(|account| account.user_id.is_some())
            || self.keys.get(&self.main_dc).is_some_and(|dc| dc.authorized)
    }

    pub(super) fn tell_updates(&mut self, now: Time) {
        let account = self.account.as_ref();
        let user_id = account.and_then(|account| account.user_id);
        let bot = account.is_some_and(|account| account.bot);
        self.updates.set_account(now, user_id, bot);
    }

    /// Sends what the updates need.
    pub(super) fn ask_for_updates(&mut self, now: Time) -> bool {
        let mut any = false;
        while self.closing.is_none()
            && let Some(need) = self.updates.poll_need(now, &self.peers)
        {
            any = true;
            let options = super::CallOptions::default().idempotent();
            self.start_call(now, Origin::Need(need.id), need.body, &options, None);
        }
        any
    }

    /// `auth.logOut` was executed, although no answer came.
    pub(super) fn logged_out(&mut self, now: Time, id: RequestId) {
        let answer = api::types::auth::LoggedOut {
            future_auth_token: None,
        };
        self.finish(now, id, Ok(answer.to_bytes()));
        if self.is_signed_in() {
            self.sign_out(now, SignedOut::Requested);
        }
    }
}

const IMPORT: u32 = <api::functions::auth::ImportAuthorization as mtproto_schema::Function>::ID;

impl Call {
    /// Whether it survives that somebody signs out.
    pub(super) fn is_farewell(&self) -> bool {
        self.origin == Origin::Destroy
    }
}

/// Who signed in with this answer, and whether it is a bot; the id is unknown if the answer is of
/// another layer.
fn signed_in(answer: &Bytes) -> Option<(Option<i64>, bool)> {
    let authorization = match constructor(answer) {
        api::types::auth::LoginTokenSuccess::ID | api::types::auth::SentCodeSuccess::ID => {
            answer.slice(4..)
        }
        _ => answer.clone(),
    };
    if constructor(&authorization) != api::types::auth::Authorization::ID {
        return None;
    }
    let user = api::types::auth::Authorization::from_bytes(&authorization)
        .ok()
        .map(|authorization| authorization.user);
    Some(match user {
        Some(api::enums::User::User(user)) => (Some(user.id), user.bot()),
        Some(api::enums::User::Empty(user)) => (Some(user.id), false),
        None => (None, false),
    })
}
