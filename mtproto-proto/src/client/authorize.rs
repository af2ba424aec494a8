//! The account on DCs other than its own.
//!
//! Does: exports the account's authorization and imports it on a DC, once per key, before the first
//! call there that needs a user.
//! In: calls that wait for it. Out: calls of its own; what waited goes on, or fails.
//! Must not know: streams.
//! Spec: "User authorization", "Working with Different Data Centers".

use alloc::vec::Vec;
use core::time::Duration;

use mtproto_schema::{Constructor, Decode, Encode, api};

use crate::client::calls::{End, Origin};
use crate::client::link::LinkId;
use crate::client::machine::Client;
use crate::client::query::constructor;
use crate::client::{CallError, CallOptions, SignedOut};
use crate::error::{Fate, RequestError};
use crate::ids::DcId;
use crate::time::Time;

/// Exports or imports in a row that servers may refuse while calls wait. What fails for other
/// reasons is tried for as long as calls wait, until their deadlines.
const MAX_REFUSALS: u8 = 5;
/// The longest pause between two attempts.
const MAX_PAUSE_SECS: u64 = 60;

/// How the account's authorization gets to a DC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Import {
    step: Step,
    failures: u8,
    /// Those of the failures that were a server's word.
    refusals: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Running,
    /// It failed and is tried again at this time.
    After(Time),
}

impl Import {
    /// When to go on.
    pub(super) fn timer(&self) -> Option<Time> {
        match self.step {
            Step::After(at) => Some(at),
            Step::Idle | Step::Running => None,
        }
    }
}

impl Client {
    /// Whether calls that need a user have to wait before they go to this DC.
    pub(super) fn lacks_authorization(&self, dc: DcId) -> bool {
        self.is_signed_in() && !self.keys.get(&dc).is_some_and(|dc| dc.authorized)
    }

    /// Calls wait for the account on this DC.
    pub(super) fn authorize(&mut self, now: Time, dc: DcId) {
        if self.dc(dc).import.step == Step::Idle {
            self.export(now, dc);
        }
    }

    /// Goes on where the time has come.
    pub(super) fn authorize_again(&mut self, now: Time) {
        let due: Vec<DcId> = self
            .keys
            .iter()
            .filter(|(_, dc)| dc.import.timer().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for dc in due {
            if self.holder(dc).is_some() {
                self.export(now, dc);
            } else {
                self.dc(dc).import = Import::default();
            }
        }
    }

    fn export(&mut self, now: Time, to: DcId) {
        if !self.lacks_authorization(to) {
            // Somebody signed in right there.
            return self.release(now, to);
        }
        // The account's own DC, or after it moved one that still knows it: a DC that has the account
        // from elsewhere may refuse to hand it on, so another one is asked after each failure.
        let knows = |dc: &DcId| *dc != to && !self.lacks_authorization(*dc);
        let turn = usize::from(self.keys.get(&to).map_or(0, |dc| dc.import.failures));
        let all: Vec<DcId> = self.keys.keys().copied().filter(knows).collect();
        let from = Some(self.main_dc)
            .filter(knows)
            .or_else(|| all.get(turn.checked_rem(all.len())?).copied());
        self.dc(to).import.step = Step::Running;
        let Some(from) = from else {
            // No key of ours is the account's: without one there is no way back to it.
            return self.sign_out(now, SignedOut::Revoked);
        };
        let query = api::functions::auth::ExportAuthorization {
            dc_id: i32::from(to.0),
        };
        let link = Some(LinkId::main(from));
        let options = CallOptions::default();
        self.start_call(now, Origin::Export(to), query.to_bytes(), &options, link);
    }

    pub(super) fn exported(&mut self, now: Time, to: DcId, end: End) {
        let exported = end.and_then(|answer| {
            api::types::auth::ExportedAuthorization::from_bytes(&answer)
                .map_err(|_| RequestError::BadAnswer.into())
        });
        match exported {
            Ok(exported) => {
                // Nobody waits any more: it is exported anew when somebody does.
                let Some(link) = self.holder(to) else {
                    self.dc(to).import = Import::default();
                    return;
                };
                let query = api::functions::auth::ImportAuthorization {
                    id: exported.id,
                    bytes: exported.bytes,
                };
                let options = CallOptions::default();
                self.start_call(
                    now,
                    Origin::Import(to),
                    query.to_bytes(),
                    &options,
                    Some(link),
                );
            }
            Err(error) => self.import_failed(now, to, &error),
        }
    }

    pub(super) fn imported(&mut self, now: Time, to: DcId, end: End) {
        let imported = end.and_then(|answer| {
            let is_one = constructor(&answer) == api::types::auth::Authorization::ID;
            is_one.then_some(()).ok_or(RequestError::BadAnswer.into())
        });
        match imported {
            Ok(()) => {
                self.set_authorized(now, to, true);
                self.release(now, to);
            }
            Err(error) => self.import_failed(now, to, &error),
        }
    }

    /// Tries again after a while, or tells those who wait that it is in vain.
    fn import_failed(&mut self, now: Time, to: DcId, error: &CallError) {
        // There is nothing left to export, or no way to get it.
        let over = matches!(
            error,
            CallError::SignedOut { .. } | CallError::UnknownDc { .. }
        ) || self.closing.is_some();
        let import = &mut self.dc(to).import;
        import.failures = import.failures.saturating_add(1);
        let is_word = matches!(
            error,
            CallError::Request(RequestError::Rpc(_) | RequestError::BadAnswer)
        );
        if is_word {
            import.refusals = import.refusals.saturating_add(1);
        }
        if !over && import.refusals < MAX_REFUSALS {
            let secs = 1_u64
                .checked_shl(u32::from(import.failures))
                .unwrap_or(MAX_PAUSE_SECS)
                .min(MAX_PAUSE_SECS);
            import.step = Step::After(now + Duration::from_secs(secs));
            return;
        }
        *import = Import::default();
        for id in self.take_held(to) {
            let fate = self.calls.get(id).map(|call| call.fate_with(Fate::NotSent));
            let error = error.with_fate(fate.unwrap_or(Fate::NotSent));
            self.finish(now, id, Err(error));
        }
    }

    /// The account is another one: what is on its way is the former one's.
    pub(super) fn withdraw_imports(&mut self, now: Time) {
        let ids: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| matches!(call.origin, Origin::Export(_) | Origin::Import(_)))
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            self.withdraw(now, id);
            self.calls.take(id);
        }
        self.forget_imports();
    }

    /// Begins wherever calls wait.
    pub(super) fn authorize_holders(&mut self, now: Time) {
        for dc in self.keys.keys().copied().collect::<Vec<DcId>>() {
            if self.holder(dc).is_some() {
                self.authorize(now, dc);
            }
        }
    }

    /// The account is on this DC: what waited for it goes on.
    fn release(&mut self, now: Time, dc: DcId) {
        self.dc(dc).import = Import::default();
        for call in self.take_held(dc) {
            self.place(now, call);
        }
    }

    /// Nobody is signed in any more.
    pub(super) fn forget_imports(&mut self) {
        for dc in self.keys.values_mut() {
            dc.import = Import::default();
        }
    }

    /// A link of this DC on which calls wait for the account.
    fn holder(&self, dc: DcId) -> Option<LinkId> {
        [LinkId::main(dc), LinkId::media(dc)]
            .into_iter()
            .find(|id| self.links.get(id).is_some_and(|link| !link.held.is_empty()))
    }

    fn take_held(&mut self, dc: DcId) -> Vec<crate::RequestId> {
        let mut held = Vec::new();
        for id in [LinkId::main(dc), LinkId::media(dc)] {
            if let Some(link) = self.links.get_mut(&id) {
                held.extend(core::mem::take(&mut link.held));
            }
        }
        held.sort_unstable();
        held
    }
}
