//! Where a stream to a DC may go, and when the next attempt may begin.
//!
//! Does: orders the addresses of a DC; paces attempts and backs off after failures.
//! In: the table of DCs, how attempts went, the time. Out: candidates, moments.
//! Must not know: streams and what travels over them (`link.rs` does).
//! Spec: "Working with Different Data Centers"; "Transport obfuscation". The paces are TDLib's.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use rand_core::Rng as _;

use crate::client::{Config, DcOption, DcTable};
use crate::ids::DcId;
use crate::rng::Rng;
use crate::time::Time;
use crate::transport::{Framing, Obfuscation, ProxySecret};

/// The ports of Telegram's servers; an address with one of them may also be tried at the others.
const PORTS: [u16; 3] = [443, 80, 5222];
/// At most so many attempts within this time.
type Rule = (Duration, usize);
/// Attempts of one link while nobody looks. TDLib's numbers.
const OFFLINE: [Rule; 3] = [
    (Duration::from_secs(1), 1),
    (Duration::from_secs(4), 2),
    (Duration::from_secs(8), 3),
];
/// The same while the user waits. TDLib's numbers.
const ONLINE: [Rule; 2] = [(Duration::from_secs(1), 4), (Duration::from_secs(5), 5)];
/// The same when a server has refused, whoever waits. TDLib's numbers.
const REFUSED: [Rule; 3] = OFFLINE;
/// The same whatever happens, also on a network that changes all the time. TDLib's numbers.
const SANITY: [Rule; 1] = [(Duration::from_secs(5), 10)];
/// The longest pause between two attempts, as TDLib's on a desktop.
const MAX_BACKOFF_SECS: u64 = 16;

/// One way to reach a DC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) addr: SocketAddr,
    pub(super) framing: Framing,
    pub(super) obfuscation: Option<Obfuscation>,
}

/// All ways to reach a DC, the best first. `wire` is the DC as the obfuscation names it.
/// `tables`: the earlier ones are tried before the later ones.
pub(super) fn candidates(
    tables: &[&DcTable],
    config: &Config,
    dc: DcId,
    media: bool,
    wire: DcId,
) -> Vec<Candidate> {
    let all = tables.iter().flat_map(|table| usable(table, dc, media));
    let mut options: Vec<&DcOption> = all.collect();
    // Stable: what the server told first stays first.
    options.sort_by_key(|option| {
        (
            option.addr.is_ipv6() != config.prefer_ipv6,
            media && !option.media_only,
        )
    });
    let mut out: Vec<Candidate> = Vec::new();
    // Every address at its own port before any at another one.
    for turn in 0..PORTS.len() {
        for option in &options {
            let Some(port) = port(option, turn) else {
                continue;
            };
            let addr = SocketAddr::new(option.addr.ip(), port);
            let Some((framing, obfuscation)) = transport(option, config, wire) else {
                continue;
            };
            let candidate = Candidate {
                addr,
                framing,
                obfuscation,
            };
            if !out.contains(&candidate) {
                out.push(candidate);
            }
        }
    }
    out
}

/// Whether there is any.
pub(super) fn is_reachable(
    tables: &[&DcTable],
    config: &Config,
    dc: DcId,
    media: bool,
    wire: DcId,
) -> bool {
    let mut all = tables.iter().flat_map(|table| usable(table, dc, media));
    all.any(|option| transport(option, config, wire).is_some())
}

fn usable(table: &DcTable, dc: DcId, media: bool) -> impl Iterator<Item = &DcOption> {
    table
        .get(dc)
        .filter(move |option| !option.cdn && !option.is_static && (media || !option.media_only))
}

/// Its own port, then the others of the well-known ones if it is one of them.
fn port(option: &DcOption, turn: usize) -> Option<u16> {
    let own = option.addr.port();
    let Some(before) = turn.checked_sub(1) else {
        return Some(own);
    };
    if option.this_port_only || !PORTS.contains(&own) {
        return None;
    }
    PORTS.into_iter().filter(|port| *port != own).nth(before)
}

/// How to speak there; `None` if it wants what we cannot.
fn transport(
    option: &DcOption,
    config: &Config,
    wire: DcId,
) -> Option<(Framing, Option<Obfuscation>)> {
    let (mut framing, mut obfuscation) = (config.framing, config.obfuscation.clone());
    if option.tcpo_only || option.secret.is_some() {
        let wanted = obfuscation.get_or_insert_default();
        match option.secret.as_deref() {
            None | Some([]) => {}
            Some(secret) => {
                let secret = ProxySecret::from_bytes(secret).ok()?;
                framing = secret.framing().unwrap_or(framing);
                wanted.secret = Some(secret);
            }
        }
        if framing == Framing::Full {
            // It cannot be obfuscated.
            framing = Framing::Intermediate;
        }
    }
    if let Some(obfuscation) = &mut obfuscation {
        obfuscation.dc = Some(wire);
    }
    Some((framing, obfuscation))
}

/// The latest of something that happens again and again, as many as rules look back at.
#[derive(Debug, Default)]
struct Recent(Vec<Time>);

impl Recent {
    fn add(&mut self, now: Time, rules: &[Rule]) {
        let looks_back = rules.iter().map(|(_, count)| *count).max().unwrap_or(0);
        while self.0.len() >= looks_back.max(1) {
            self.0.remove(0);
        }
        self.0.push(now);
    }

    /// When all of the rules allow one more.
    fn next(&self, rules: &[Rule]) -> Time {
        rules
            .iter()
            .filter_map(|(within, count)| {
                let at = self.0.len().checked_sub(*count)?;
                Some(*self.0.get(at)? + *within)
            })
            .max()
            .unwrap_or(Time::ZERO)
    }
}

/// When the next attempt of a link may begin, and where it goes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Attempts on this network.
    attempts: Recent,
    /// Attempts on whichever network.
    ever: Recent,
    /// Ends by the server's word.
    refusals: Recent,
    /// In a row, without a proof of life between.
    failures: u32,
    not_before: Time,
    /// The last failure was the server's word and not that of the network.
    refused: bool,
    /// Attempts that came to nothing since something worked: which candidate is next.
    turn: usize,
    /// What was tried last.
    last: Option<Candidate>,
    /// What worked last: it is tried first, wherever it is in the list.
    good: Option<Candidate>,
}

impl Pace {
    /// The earliest moment for the next attempt. While the user waits only the number of attempts
    /// counts, unless it was a server that refused.
    pub(super) fn next(&self, online: bool) -> Time {
        let rules: &[Rule] = if online { &ONLINE } else { &OFFLINE };
        let limit = self
            .attempts
            .next(rules)
            .max(self.refusals.next(&REFUSED))
            .max(self.ever.next(&SANITY));
        if online && !self.refused {
            limit
        } else {
            limit.max(self.not_before)
        }
    }

    /// Which of the candidates is next.
    pub(super) fn choose<'a>(&self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        let is_good = |one: &&Candidate| self.good.as_ref() == Some(*one);
        let good = candidates.iter().filter(is_good);
        let others = candidates.iter().filter(|one| !is_good(one));
        good.chain(others)
            .nth(self.turn.checked_rem(candidates.len())?)
    }

    /// An attempt begins.
    pub(super) fn attempted(&mut self, now: Time, to: &Candidate) {
        self.last = Some(to.clone());
        // The longer memory serves both.
        self.attempts.add(now, &ONLINE);
        self.ever.add(now, &SANITY);
    }

    /// It did not lead to a server with our key. `refused`: by the server's word.
    pub(super) fn failed(&mut self, now: Time, refused: bool, rng: &mut Rng) {
        let secs = 1_u64
            .checked_shl(self.failures)
            .unwrap_or(MAX_BACKOFF_SECS)
            .min(MAX_BACKOFF_SECS);
        // Up to a quarter less, so that clients that were cut off together do not return together.
        let full = Duration::from_secs(secs);
        let less = u64::from(rng.next_u32()).checked_rem(secs.saturating_mul(250));
        let less = Duration::from_millis(less.unwrap_or(0));
        self.not_before = now + full.saturating_sub(less);
        self.failures = self.failures.saturating_add(1);
        self.refused = refused;
        if refused {
            self.refusals.add(now, &REFUSED);
        }
        self.turn = self.turn.wrapping_add(1);
    }

    /// The server has proved that it has our key.
    pub(super) fn succeeded(&mut self) {
        if let Some(last) = self.last.take() {
            self.good = Some(last);
            self.turn = 0;
        }
        self.forgive();
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.refused = false;
        self.not_before = Time::ZERO;
    }

    /// The network is another one: what happened on the former one says nothing.
    pub(super) fn clear(&mut self) {
        self.forgive();
        self.attempts = Recent::default();
        self.refusals = Recent::default();
    }
}
