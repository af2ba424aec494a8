//! What became of every request, and whether that can be true.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mtproto_driver::client::Error;
use mtproto_proto::Fate;

use crate::dc::Dc;
use crate::load::End;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Changes nothing.
    Read,
    /// Says something, with a `random_id`: the server takes it once however often it comes.
    Message,
    /// Must not run twice, and leaves no trace but in the log.
    Once,
    /// Must not run twice: founds a group.
    Group,
}

impl Kind {
    pub fn is_idempotent(self) -> bool {
        matches!(self, Kind::Read | Kind::Message)
    }
}

/// One request.
#[derive(Debug)]
pub struct Entry {
    n: usize,
    kind: Kind,
    /// The text or the title.
    name: String,
    digest: String,
    /// Trouble that was over when it was submitted.
    settled: usize,
    /// Trouble that had begun when it ended.
    begun: usize,
    restarted: usize,
    end: Option<End>,
}

/// All requests, and the trouble that they met.
#[derive(Default)]
pub struct Book {
    entries: Mutex<Vec<Entry>>,
    /// Requests that have ended.
    ended: AtomicUsize,
    /// Kills, or cuts, that have begun.
    pub begun: AtomicUsize,
    /// Those after which the server was there again.
    pub restarted: AtomicUsize,
    /// Those after which somebody who asked later has had an answer.
    settled: AtomicUsize,
}

/// How many requests ended how.
#[derive(Default)]
pub struct Tally {
    pub answered: BTreeMap<Kind, usize>,
    pub maybe: usize,
    pub not_sent: usize,
    pub not_received: usize,
    /// Executions beyond the first, of requests that may be.
    pub again: usize,
    /// Answered, and not in the log.
    pub unlogged: usize,
}

impl Entry {
    pub fn new(book: &Book, n: usize, kind: Kind, name: String, digest: String) -> Self {
        Entry {
            n,
            kind,
            name,
            digest,
            settled: book.settled.load(Ordering::SeqCst),
            begun: 0,
            restarted: book.restarted.load(Ordering::SeqCst),
            end: None,
        }
    }

    pub fn end(&mut self, book: &Book, end: End) {
        self.begun = book.begun.load(Ordering::SeqCst);
        if end.is_ok() {
            book.settled.fetch_max(self.restarted, Ordering::SeqCst);
        }
        self.end = Some(end);
        book.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Book {
    /// How many requests have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub fn add(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
    }

    /// Compares what the client was told with what the server did. At each kill or cut so many
    /// requests may have been on their way.
    pub fn check(&self, dc: &Dc, total: usize, at_once: usize) -> Tally {
        let entries = self.entries.lock().unwrap();
        let executed = dc.executed();
        let numbers: BTreeSet<usize> = entries.iter().map(|entry| entry.n).collect();
        assert_eq!(
            (entries.len(), numbers.len()),
            (total, total),
            "each ended once"
        );
        let mut tally = Tally::default();
        for entry in &*entries {
            let runs = executed.get(&entry.digest).map_or(&[][..], Vec::as_slice);
            if let Some(refused) = runs.iter().find(|run| run.error.is_some()) {
                panic!("{entry:?}: {refused:?}");
            }
            match entry.end.as_ref().unwrap() {
                Ok(()) => {
                    if runs.is_empty() {
                        // The process may die between saving what it did and its log; only then.
                        assert!(entry.begun > entry.settled, "lost: {entry:?}");
                        tally.unlogged += 1;
                    }
                    *tally.answered.entry(entry.kind).or_default() += 1;
                }
                Err(Error::Lost(fate) | Error::TimedOut(fate)) => {
                    assert!(!entry.kind.is_idempotent(), "given up: {entry:?}");
                    match fate {
                        Fate::NotSent => tally.not_sent += 1,
                        Fate::NotReceived => tally.not_received += 1,
                        Fate::MaybeExecuted => {
                            // It met trouble, or the client ought to know better.
                            assert!(entry.begun > entry.settled, "no reason: {entry:?}");
                            tally.maybe += 1;
                        }
                    }
                    let known = *fate != Fate::MaybeExecuted;
                    assert!(
                        !known || runs.is_empty(),
                        "executed all the same: {entry:?}"
                    );
                }
                Err(error) => panic!("{error:?}: {entry:?}"),
            }
            // One digest stands for all reads.
            if entry.kind != Kind::Read {
                let again = runs.len().saturating_sub(1);
                assert!(again == 0 || entry.kind.is_idempotent(), "twice: {entry:?}");
                tally.again += again;
            }
        }
        let most = at_once * self.begun.load(Ordering::SeqCst);
        assert!(tally.maybe <= most, "{} of {most}", tally.maybe);
        tally
    }

    /// Compares what is there in the end with what the client was told: every text and every title
    /// once, all of which it was told that they are, and none of which it was told that they are not.
    pub fn check_found(&self, kind: Kind, found: &[String]) {
        let entries = self.entries.lock().unwrap();
        let once: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(
            once.len(),
            found.len(),
            "{kind:?}: something is there twice"
        );
        let mut possible = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.kind == kind) {
            let there = once.contains(entry.name.as_str());
            match entry.end.as_ref().unwrap() {
                Ok(()) => assert!(there, "lost: {entry:?}"),
                Err(Error::Lost(fate) | Error::TimedOut(fate)) => {
                    let known = *fate != Fate::MaybeExecuted;
                    assert!(!known || !there, "executed all the same: {entry:?}");
                }
                Err(error) => panic!("{error:?}: {entry:?}"),
            }
            possible.insert(entry.name.as_str());
        }
        assert!(
            once.is_subset(&possible),
            "{kind:?}: something that nobody sent"
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            answered,
            maybe,
            not_sent,
            not_received,
            again,
            unlogged,
        } = self;
        write!(
            f,
            "answered {answered:?}, maybe executed {maybe}, not sent {not_sent}, not received \
             {not_received}, harmlessly repeated {again}, not logged {unlogged}"
        )
    }
}
