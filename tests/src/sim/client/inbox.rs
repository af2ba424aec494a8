//! What an application was given of the messages to its account.
//!
//! Does: [`Inbox`] checks that each message comes once, in order, none is invented and none is lost,
//! also over ends of the process.
//! In: messages, what the store held when a process began. Out: nothing, or what does not hold.
//! Must not know: how updates travel.
//! Spec: "Working with updates".

use std::collections::BTreeSet;

use super::ledger::{Checked, Ledger, Tag, broken};
use crate::sim::Invariant;

/// The messages that an application was given.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// How much mail there was when the state began to be stored; none: there is no state.
    since: Option<usize>,
    /// Given, ever.
    seen: BTreeSet<Tag>,
    /// Given, and behind what was stored when this process began: they may not come again.
    behind: BTreeSet<Tag>,
    /// Given to this process, outgoing ones too.
    here: BTreeSet<i32>,
    newest: i32,
}

impl Inbox {
    /// A state is stored; everything from now on has to come.
    pub(super) fn begin(&mut self, mail: usize) {
        self.since.get_or_insert(mail);
    }

    /// The state is forgotten: somebody signed out.
    pub(super) fn forget(&mut self) {
        self.since = None;
    }

    /// Another process begins; `expected` lies between the stored state and now.
    pub(super) fn restart(&mut self, expected: &BTreeSet<Tag>) {
        self.behind = self.seen.difference(expected).copied().collect();
        self.here.clear();
        self.newest = 0;
    }

    /// A message came: its id, and its tag if it is one to the account.
    pub(super) fn take(
        &mut self,
        user: i64,
        id: i32,
        tag: Option<Tag>,
        ledger: &Ledger,
    ) -> Checked {
        if !self.here.insert(id) {
            let detail = format!("message {id} ({tag:?}) came twice to {user}");
            return broken(Invariant::DeliveredOnce, detail);
        }
        if id < self.newest {
            let detail = format!("message {id} came to {user} after {}", self.newest);
            return broken(Invariant::InOrder, detail);
        }
        self.newest = id;
        let Some(tag) = tag else {
            return Ok(());
        };
        if ledger.message(tag).is_none_or(|(_, to)| to != user) {
            let detail = format!("{user} got {tag}, which is not for it");
            return broken(Invariant::OwnAnswer, detail);
        }
        if self.behind.contains(&tag) {
            let detail = format!("{tag} came again to {user}, although it was stored as taken");
            return broken(Invariant::DeliveredOnce, detail);
        }
        self.seen.insert(tag);
        Ok(())
    }

    /// What should have come and did not.
    pub(super) fn missing(&self, mail: &[Tag]) -> Vec<Tag> {
        let since = self.since.unwrap_or(mail.len());
        let due = mail.get(since..).unwrap_or_default();
        let missing = due.iter().filter(|tag| !self.seen.contains(tag));
        missing.copied().collect()
    }

    /// How many came.
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether a state is stored.
    pub(super) fn has_begun(&self) -> bool {
        self.since.is_some()
    }
}
