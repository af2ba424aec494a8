//! What a run came to, and what many runs did.
//!
//! Does: [`Outcome`] of one seed, [`Report`] of many, [`Violation`] of the invariant that did not
//! hold.
//! In and out: plain values.
//! Must not know: how a run is made.
//! Spec: none.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mtproto_proto::{Fate, RequestError, Time};

use super::faults::{Fault, Faults};
use crate::Seed;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Profile {
    /// Two sessions that exchange sealed packets: no framing, no handshake but in one run of a
    /// thousand. The cheapest, for the most seeds.
    Session,
    /// Client connections against a server over byte streams: framing, reconnecting, temporary
    /// keys.
    Connection,
    /// Whole clients against several data centres. Feature `dc`.
    Client,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 3] = [Profile::Session, Profile::Connection, Profile::Client];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Session => "session",
            Profile::Connection => "connection",
            Profile::Client => "client",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum End {
    /// With its answer.
    Answered,
    /// With an error that the server gave.
    RpcError,
    /// By its deadline.
    TimedOut(FateName),
    /// By its application.
    Cancelled(FateName),
    /// By its retry budget, or with its session.
    Lost(FateName),
    /// What it was to come after failed.
    DependencyFailed,
    /// The answer could not be used.
    BadAnswer,
    /// With its account, which was signed out.
    SignedOut(FateName),
    /// Nobody knows where its data centre is.
    UnknownDc(FateName),
    /// Its data centre does not know the account's key.
    KeyDenied(FateName),
}

/// [`Fate`], in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FateName {
    /// [`Fate::NotSent`].
    NotSent,
    /// [`Fate::NotReceived`].
    NotReceived,
    /// [`Fate::MaybeExecuted`].
    MaybeExecuted,
}

impl From<Fate> for FateName {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::NotSent => FateName::NotSent,
            Fate::NotReceived => FateName::NotReceived,
            Fate::MaybeExecuted => FateName::MaybeExecuted,
        }
    }
}

impl End {
    /// The end that an error is.
    pub fn of(error: &RequestError) -> Self {
        match error {
            RequestError::Rpc(_) => End::RpcError,
            RequestError::TimedOut(fate) => End::TimedOut((*fate).into()),
            RequestError::Cancelled(fate) => End::Cancelled((*fate).into()),
            RequestError::Lost(fate) => End::Lost((*fate).into()),
            RequestError::DependencyFailed(_) => End::DependencyFailed,
            // Or an error that is newer than the simulator.
            _ => End::BadAnswer,
        }
    }

    /// What the end says of the request's execution, if it ended without an answer.
    pub fn fate(self) -> Option<FateName> {
        match self {
            End::Answered | End::RpcError | End::BadAnswer => None,
            End::DependencyFailed => Some(FateName::NotReceived),
            End::TimedOut(fate)
            | End::Cancelled(fate)
            | End::Lost(fate)
            | End::SignedOut(fate)
            | End::UnknownDc(fate)
            | End::KeyDenied(fate) => Some(fate),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, what, fate: &FateName| {
            let fate = match fate {
                FateName::NotSent => "not sent",
                FateName::NotReceived => "not received",
                FateName::MaybeExecuted => "maybe executed",
            };
            write!(f, "{what}, {fate}")
        };
        match self {
            End::Answered => f.write_str("answered"),
            End::RpcError => f.write_str("error of the server"),
            End::TimedOut(fate) => with(f, "deadline", fate),
            End::Cancelled(fate) => with(f, "cancelled", fate),
            End::Lost(fate) => with(f, "lost", fate),
            End::DependencyFailed => f.write_str("dependency failed"),
            End::BadAnswer => f.write_str("bad answer"),
            End::SignedOut(fate) => with(f, "signed out", fate),
            End::UnknownDc(fate) => with(f, "unknown data centre", fate),
            End::KeyDenied(fate) => with(f, "key denied", fate),
        }
    }
}

/// What one run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Virtual time that passed.
    pub time: Duration,
    /// Faults by kind.
    pub faults: Faults,
    /// Requests by their end.
    pub ends: BTreeMap<End, u64>,
    /// Calls of the server's owner, executed.
    pub executed: u64,
    /// Updates that the application got.
    pub updates: u64,
    /// Streams that were opened.
    pub streams: u64,
    /// Instants at which a machine had something to do.
    pub steps: u64,
    /// Whether whole handshakes were run.
    pub handshakes: u64,
}

/// A rule that every run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invariant {
    /// Each request ends exactly once.
    EndsOnce,
    /// It ends in bounded time while the link is up, and never before its deadline by it.
    EndsInTime,
    /// A request is not executed twice, unless it may be.
    NeverTwice,
    /// What a failure says of a request's execution is true.
    FateIsTrue,
    /// An answer is that of its own request, which was executed.
    OwnAnswer,
    /// A request is not executed before those that it comes after.
    Order,
    /// A request is sent at most as often as its budget allows.
    RetryBudget,
    /// What is refused is sent again at once, or ends.
    Repairs,
    /// Content-related messages are acknowledged, those in containers too.
    Acknowledged,
    /// What was acknowledged was delivered.
    AcknowledgedIsDelivered,
    /// No message is delivered twice.
    DeliveredOnce,
    /// Messages are delivered in the order in which they came.
    InOrder,
    /// A packet with a changed bit does not open.
    BitFlip,
    /// The application is told of each new session of the server.
    ToldOfNewSession,
    /// A permanent key outlives everything that the path says.
    KeySurvives,
    /// Ids, sequence numbers, containers and salts are those of an honest sender.
    SenderRules,
    /// Nothing of one session or key appears in another.
    Separate,
    /// Memory is bounded by what is waiting.
    Memory,
    /// Timers move, and nothing keeps its driver busy.
    NoBusyLoop,
    /// An account is signed out only if the world has ended its login, or it asked for it.
    AccountSurvives,
    /// Each update is given to the application, or reported as lost.
    UpdatesComplete,
    /// What is stored at any moment is enough to go on with.
    Resumable,
    /// Streams are opened no faster than promised.
    Pacing,
    /// No data centre delays calls to another.
    NoDelay,
    /// The calls of a calm time are answered.
    Recovers,
}

impl Invariant {
    /// Its words in a report.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::EndsOnce => "each request ends exactly once",
            Invariant::EndsInTime => "each request ends in time",
            Invariant::NeverTwice => "no request is executed twice unasked",
            Invariant::FateIsTrue => "what a failure says of its request is true",
            Invariant::OwnAnswer => "an answer is its own request's",
            Invariant::Order => "no request overtakes what it comes after",
            Invariant::RetryBudget => "a request is sent as often as its budget allows",
            Invariant::Repairs => "what is refused is sent again at once",
            Invariant::Acknowledged => "content-related messages are acknowledged",
            Invariant::AcknowledgedIsDelivered => "what is acknowledged was delivered",
            Invariant::DeliveredOnce => "no message is delivered twice",
            Invariant::InOrder => "messages are delivered in the order in which they came",
            Invariant::BitFlip => "a packet with a changed bit does not open",
            Invariant::ToldOfNewSession => "the application is told of a new session",
            Invariant::KeySurvives => "a permanent key survives",
            Invariant::SenderRules => "senders keep the rules for ids and numbers",
            Invariant::Separate => "sessions and keys share nothing",
            Invariant::Memory => "memory is bounded",
            Invariant::NoBusyLoop => "no busy loop",
            Invariant::AccountSurvives => "no account is lost without a cause",
            Invariant::UpdatesComplete => "no update is lost unreported",
            Invariant::Resumable => "what is stored can be resumed",
            Invariant::Pacing => "streams are opened no faster than promised",
            Invariant::NoDelay => "no data centre delays another",
            Invariant::Recovers => "calls of a calm time are answered",
        }
    }
}

/// An invariant that did not hold: the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number that repeats the run.
    pub seed: Seed,
    /// What was simulated.
    pub profile: Profile,
    /// What did not hold.
    pub invariant: Invariant,
    /// When, in virtual time.
    pub at: Time,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "broken: {}\n  {}\n  profile {}, seed {}, {} s into the run",
            self.invariant.name(),
            self.detail,
            self.profile,
            self.seed,
            self.at.saturating_since(crate::pair::START).as_secs_f64(),
        )
    }
}

impl std::error::Error for Violation {}

/// What many runs did. Adding outcomes in any order gives the same report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    seeds: u64,
    all: Outcome,
}

impl Report {
    /// Adds one run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.fold(outcome);
    }

    /// Adds the runs of another report.
    pub fn merge(&mut self, other: &Report) {
        self.seeds += other.seeds;
        self.fold(&other.all);
    }

    fn fold(&mut self, outcome: &Outcome) {
        let all = &mut self.all;
        all.time += outcome.time;
        all.faults.add(&outcome.faults);
        for (end, count) in &outcome.ends {
            *all.ends.entry(*end).or_default() += count;
        }
        all.executed += outcome.executed;
        all.updates += outcome.updates;
        all.streams += outcome.streams;
        all.steps += outcome.steps;
        all.handshakes += outcome.handshakes;
    }

    /// How many runs.
    pub fn seeds(&self) -> u64 {
        self.seeds
    }

    /// The sum of all runs.
    pub fn total(&self) -> &Outcome {
        &self.all
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.all;
        let hours = all.time.as_secs_f64() / 3_600.0;
        writeln!(f, "{:>12}  seeds", self.seeds)?;
        writeln!(f, "{hours:>12.1}  virtual hours")?;
        writeln!(f, "{:>12}  steps", all.steps)?;
        writeln!(f, "{:>12}  streams", all.streams)?;
        writeln!(f, "{:>12}  handshakes", all.handshakes)?;
        writeln!(f, "{:>12}  calls executed", all.executed)?;
        writeln!(f, "{:>12}  updates delivered", all.updates)?;
        writeln!(f, "{:>12}  faults:", all.faults.total())?;
        for fault in Fault::ALL {
            let count = all.faults.of(*fault);
            if count > 0 {
                writeln!(f, "{count:>14}  {fault}")?;
            }
        }
        writeln!(f, "{:>12}  requests:", all.ends.values().sum::<u64>())?;
        for (end, count) in &all.ends {
            writeln!(f, "{count:>14}  {end}")?;
        }
        Ok(())
    }
}
