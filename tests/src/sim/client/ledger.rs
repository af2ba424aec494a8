//! The reference model: what was asked for, what was executed, what was said to whom.
//!
//! Does: [`Ledger`] takes submissions, executions and ends of calls that change something, and says
//! which invariant they break.
//! In: calls by their tags. Out: nothing, or what is [`broken`].
//! Must not know: clients, servers, streams.
//! Spec: none; the invariants are the project's own.

use std::collections::BTreeMap;

pub(super) use crate::sim::model::{Broken, Checked, broken};
use crate::sim::{End, FateName, Invariant};

/// Tells calls apart: the `random_id` of a message, the `file_id` of a part.
pub(super) type Tag = i64;

/// What a call does when it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A message to this user.
    Message { to: i64 },
    /// A part of a file.
    Part,
}

#[derive(Debug)]
struct Entry {
    from: i64,
    deed: Deed,
    idempotent: bool,
    executed: u32,
    end: Option<End>,
}

/// What is known of all calls that change something.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last: Tag,
    entries: BTreeMap<Tag, Entry>,
    /// To each user, in the order in which the world took it.
    mail: BTreeMap<i64, Vec<Tag>>,
    pub(super) executed: u64,
}

impl Ledger {
    /// A call that is about to be sent.
    pub(super) fn submit(&mut self, from: i64, deed: Deed, idempotent: bool) -> Tag {
        self.last += 1;
        let entry = Entry {
            from,
            deed,
            idempotent,
            executed: 0,
            end: None,
        };
        self.entries.insert(self.last, entry);
        self.last
    }

    /// The world has executed it.
    pub(super) fn executed(&mut self, tag: Tag) -> Checked {
        self.executed += 1;
        let Some(entry) = self.entries.get_mut(&tag) else {
            return broken(Invariant::OwnAnswer, format!("nobody sent {tag}"));
        };
        entry.executed += 1;
        if entry.executed > 1 && !entry.idempotent {
            return broken(
                Invariant::NeverTwice,
                format!("{tag} was executed {} times: {entry:?}", entry.executed),
            );
        }
        if let Some(fate @ (FateName::NotSent | FateName::NotReceived)) =
            entry.end.and_then(End::fate)
        {
            return broken(
                Invariant::FateIsTrue,
                format!("{tag} is executed after it ended as {fate:?}"),
            );
        }
        if let Deed::Message { to } = entry.deed
            && entry.executed == 1
        {
            self.mail.entry(to).or_default().push(tag);
        }
        Ok(())
    }

    /// The application was told how it ended.
    pub(super) fn ended(&mut self, tag: Tag, end: End) -> Checked {
        let Some(entry) = self.entries.get_mut(&tag) else {
            return broken(Invariant::EndsOnce, format!("nobody sent {tag}"));
        };
        if let Some(before) = entry.end.replace(end) {
            return broken(
                Invariant::EndsOnce,
                format!("{tag} ended as {before}, and again as {end}"),
            );
        }
        let denies = matches!(end.fate(), Some(FateName::NotSent | FateName::NotReceived));
        match (end, entry.executed) {
            (End::Answered, 0) => broken(
                Invariant::OwnAnswer,
                format!("{tag} was answered and never executed"),
            ),
            (_, 1..) if denies => broken(
                Invariant::FateIsTrue,
                format!("{tag} was executed and ended as {end}: {entry:?}"),
            ),
            _ => Ok(()),
        }
    }

    /// All messages to a user so far, oldest first.
    pub(super) fn mail(&self, user: i64) -> &[Tag] {
        self.mail.get(&user).map_or(&[], Vec::as_slice)
    }

    /// Who sent it, and to whom, if it is a message.
    pub(super) fn message(&self, tag: Tag) -> Option<(i64, i64)> {
        let entry = self.entries.get(&tag)?;
        match entry.deed {
            Deed::Message { to } => Some((entry.from, to)),
            Deed::Part => None,
        }
    }

    /// What a history has to hold of each message: how often it is there.
    pub(super) fn check_history(&self, user: i64, found: &BTreeMap<Tag, u32>) -> Checked {
        for (tag, entry) in &self.entries {
            let times = found.get(tag).copied().unwrap_or(0);
            if entry.deed != (Deed::Message { to: user }) {
                if times > 0 {
                    return broken(
                        Invariant::OwnAnswer,
                        format!("{tag} lies in the history of {user}: {entry:?}"),
                    );
                }
                continue;
            }
            let fits = match entry.end {
                Some(End::Answered) => times == 1,
                _ => times == entry.executed.min(1),
            };
            if !fits {
                return broken(
                    Invariant::NeverTwice,
                    format!("{tag} is {times} times in the history of {user}: {entry:?}"),
                );
            }
        }
        Ok(())
    }
}
