//! What becomes of a call when its request ended.
//!
//! Does: gives answers to whoever asked; moves, pauses, repeats or repairs what the server refused;
//! recognises that somebody signed in or out.
//! In: ends of requests. Out: events; calls on their way again.
//! Must not know: streams.
//! Spec: "Handling API errors"; "User authorization".

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::{Constructor, Decode, Encode, api};

use crate::client::calls::{Call, End, Origin, Place};
use crate::client::link::{Kind, Link, LinkId};
use crate::client::machine::Client;
use crate::client::query::{LOG_OUT, constructor, may_sign_in, unwrapped};
use crate::client::{Account, CallError, Event, FloodPolicy, Migrate, RpcKind, SignedOut};
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
            Err(RequestError::DependencyFailed(_)) => {
                // The session names its own requests.
                if !self.order_broken(now, id) && !self.place_again(now, id) {
                    let error = RequestError::Lost(Fate::NotReceived);
                    self.finish(now, id, Err(error.into()));
                }
            }
            Err(RequestError::BadAnswer) => {
                self.finish(now, id, Err(RequestError::BadAnswer.into()));
            }
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

    /// Ends a call, and what was to come after it if it failed: tells whoever wanted the answers.
    pub(super) fn finish(&mut self, now: Time, id: RequestId, end: End) {
        // One behind the other, thousands of them would exhaust the stack.
        let mut ends = VecDeque::from([(id, end)]);
        while let Some((id, end)) = ends.pop_front() {
            let Some(call) = self.calls.take(id) else {
                continue;
            };
            let error = end.as_ref().err().cloned();
            self.tell(now, id, &call, end);
            for dependant in self.calls.dependants(id) {
                let end = self.predecessor_ended(now, dependant, id, error.as_ref());
                ends.extend(end.map(|end| (dependant, end)));
            }
        }
    }

    fn tell(&mut self, now: Time, id: RequestId, call: &Call, end: End) {
        match call.origin {
            Origin::Application => match end {
                Ok(body) => self.events.push_back(Event::Response { id, body }),
                Err(error) => self.tell_failed(id, error),
            },
            Origin::Need(need) => {
                let result = end.map_err(|error| match error {
                    CallError::Request(error) => error,
                    CallError::SignedOut { fate, .. }
                    | CallError::UnknownDc { fate, .. }
                    | CallError::KeyDenied { fate, .. } => RequestError::Lost(fate),
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

    /// Tells the application that a call failed.
    pub(super) fn tell_failed(&mut self, id: RequestId, error: CallError) {
        self.calls.failed(id);
        self.events.push_back(Event::Failed { id, error });
    }

    /// The server answered with an error.
    fn refused(&mut self, now: Time, link: LinkId, id: RequestId, error: RpcError) {
        let handled = match error.kind() {
            RpcKind::Migrate(Migrate::Account(dc)) => self.migrate_account(now, link, id, dc),
            RpcKind::Migrate(Migrate::Call(dc)) => self.migrate_call(now, id, dc),
            RpcKind::Wait(wait) => {
                if error.is_of_method()
                    && let Some(call) = self.calls.get(id)
                {
                    self.pauses.add(now, link.dc, call.method, now + wait);
                }
                self.pause(now, id, wait, Fate::NotReceived)
            }
            RpcKind::SignedOut(reason) => self.not_signed_in(now, link, id, reason),
            RpcKind::NotBound => self.bind_again(now, link, id),
            RpcKind::Server if error.is_of_order() && self.order_broken(now, id) => true,
            RpcKind::Server => self.retry(now, id, &error),
            // The session has said again what the application is, if that could help.
            RpcKind::NotInitialized | RpcKind::PasswordNeeded | RpcKind::Other => false,
        };
        if !handled {
            self.finish(now, id, Err(RequestError::Rpc(error).into()));
        }
    }

    /// The server wants a pause, of the call or of its method; `fate` is that of its last sending.
    /// `false` if it may not wait for so long.
    fn pause(&mut self, now: Time, id: RequestId, wait: Duration, fate: Fate) -> bool {
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
        call.fate = match fate {
            Fate::NotReceived => call.fate_refused(),
            Fate::NotSent | Fate::MaybeExecuted => call.fate_with(fate),
        };
        if call.origin == Origin::Application {
            self.events.push_back(Event::FloodWait { id, wait });
        }
        self.calls.put(id, Place::Paused(until));
        true
    }

    /// Another call of the method was told to pause. Whoever may not wait for so long asks the
    /// server: its word may have been about one chat.
    pub(super) fn joins_pause(&mut self, now: Time, dc: DcId, id: RequestId) -> bool {
        let Some(call) = self.calls.get(id) else {
            return true;
        };
        match self.pauses.of(now, dc, call.method) {
            Some(until) => self.pause(now, id, until.saturating_since(now), Fate::NotSent),
            None => false,
        }
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

    /// The call is sent again, at the price of one repair.
    fn place_again(&mut self, now: Time, id: RequestId) -> bool {
        let again = self.repair(id);
        if again {
            self.place(now, id);
        }
        again
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
        call.fate = call.fate_refused();
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
        // A call that was sent before somebody signed in says nothing about that account either.
        let meant = self.calls.get(id).is_none_or(|call| call.for_account);
        if link.dc == self.main_dc && self.is_signed_in() && !self.lacks_authorization(link.dc) {
            if !meant && !dead_key {
                let again = self.repair(id);
                if again {
                    self.place(now, id);
                }
                return again;
            }
            if let Some(call) = self.calls.get_mut(id) {
                call.fate = call.fate_refused();
            }
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
            // Calls that were made before the application learnt of it.
            if let Some(reason) = self.signed_out.filter(|_| !importing)
                && let Some(call) = self.calls.get(id)
            {
                let fate = call.fate_refused();
                self.finish(now, id, Err(CallError::SignedOut { reason, fate }));
                return true;
            }
            return false;
        } else {
            self.set_authorized(now, link.dc, false);
            // It may be the temporary key that the server lost sight of.
            self.new_temporary_key(now, link);
        }
        !importing && self.place_again(now, id)
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
        self.signed_out = None;
        self.pauses.clear();
        if is_another {
            // What was exported was another one's, and so were the hashes.
            self.peers.clear();
            self.withdraw_imports(now);
            self.forget_authorizations(now);
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

    /// Whether there is an account, even if it is not known whose, or has not reached the DC that it
    /// was sent to.
    pub(super) fn is_signed_in(&self) -> bool {
        match &self.account {
            Some(account) => {
                account.user_id.is_some() || self.keys.values().any(|dc| dc.authorized)
            }
            None => self.keys.get(&self.main_dc).is_some_and(|dc| dc.authorized),
        }
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
