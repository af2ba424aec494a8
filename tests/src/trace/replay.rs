//! A trace, run again.
//!
//! Does: [`Reader`], a trace's lines as steps; [`replay`], which makes the machines of a full trace
//! anew, does every step to them, and compares every line that this writes with the recorded one.
//! In: a file that anybody may have written. Out: that nothing differs, or the first thing that does.
//! Must not know: what the machines say.
//! Spec: none.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use mtproto_proto::Time;
#[cfg(feature = "client")]
use mtproto_proto::client::Client;
use mtproto_proto::connection::{ClientConnection, ServerConnection};
use mtproto_proto::server::Server;

#[cfg(feature = "client")]
use super::client;
use super::connection::{self, Rest};
use super::file::{Buffer, Kind, Lines, Next, ReadError, Trace};
use super::recorder::{Log, Recordable, Recorder, Unfit};
use super::server;
use super::session::{self, OwnSession};
use super::step::Step;
use super::text::{Pairs, Word};

/// Machines in one trace: a run of the simulator has dozens.
const MAX_MACHINES: usize = 4_096;
/// Of two lines that differ, so much is shown on each side of the first difference.
const AROUND: usize = 60;

/// A line of a full trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was done.
    pub at: Time,
    /// To which machine; names are never used again.
    pub machine: u64,
    /// What was done.
    pub done: Done,
    /// What came of it, as it is written.
    pub outcome: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The machine was made: its kind and what from.
    New(String),
    /// A step of it.
    Step(Step<'static>),
}

/// Reads a full trace, entry by entry.
#[derive(Debug)]
pub struct Reader<R>(Lines<R>);

impl<R: BufRead> Reader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// It is no full trace.
    pub fn open(input: R) -> Result<Self, ReadError> {
        let lines = Lines::open(input)?;
        match lines.kind() {
            Kind::Full => Ok(Reader(lines)),
            Kind::Shareable => Err(ReadError::BadLine {
                line: 1,
                why: "a shareable trace cannot be run again".to_owned(),
            }),
        }
    }
}

/// What cannot be read is an error, and so is a file that is cut off.
impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let why = match self.0.next() {
            Ok(Next::End) => return None,
            Ok(Next::Line(line)) => match entry(line) {
                Some(entry) => return Some(Ok(entry)),
                None => "it is no step that is known",
            },
            Ok(Next::Cut) => "the trace is cut off here",
            Err(error) => return Some(Err(error)),
        };
        Some(Err(ReadError::BadLine {
            line: self.0.number(),
            why: why.to_owned(),
        }))
    }
}

/// `TIME MACHINE WORDS = OUTCOME`.
fn entry(line: &str) -> Option<Entry> {
    let (asked, outcome) = line.split_once(" = ")?;
    let (at, rest) = asked.split_once(' ')?;
    let (machine, words) = rest.split_once(' ')?;
    let done = match words.strip_prefix("new ") {
        Some(words) => Done::New(words.to_owned()),
        None => Done::Step(Step::read(words, OTHERS)?),
    };
    Some(Entry {
        at: Word::read(at)?,
        machine: Word::read(machine)?,
        done,
        outcome: outcome.to_owned(),
    })
}

/// Steps that only some machines have.
const OTHERS: &[&[&str]] = &[
    OwnSession::OTHERS,
    #[cfg(feature = "client")]
    Client::OTHERS,
];

/// A trace that was run again without a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Machines that were made.
    pub machines: u64,
    /// Steps that were done.
    pub steps: u64,
    /// The earliest time that a machine was given; each may have a clock of its own.
    pub from: Option<Time>,
    /// The latest.
    pub to: Option<Time>,
    /// The line at which the file is cut off, if it is.
    pub cut: Option<u64>,
}

/// The first thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The line, from 1.
    pub line: u64,
    /// The step, from 1, counted over all machines.
    pub step: u64,
    /// When, on the machine's clock.
    pub at: Time,
    /// The machine.
    pub machine: u64,
    /// What was recorded.
    pub recorded: String,
    /// What came now.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = self.recorded.bytes().zip(self.got.bytes());
        let from = same.take_while(|(a, b)| a == b).count().max(AROUND) - AROUND;
        let part = |line: &str| -> String {
            let line = String::from_utf8_lossy(line.as_bytes().get(from..).unwrap_or_default());
            line.chars().take(2 * AROUND).collect()
        };
        write!(
            f,
            "step {} (line {}) of machine {} at {:?} differs; from column {}:\n  recorded {}\n  now      {}",
            self.step,
            self.line,
            self.machine,
            self.at,
            from + 1,
            part(&self.recorded),
            part(&self.got)
        )
    }
}

/// Why a trace could not be run again to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    Read(ReadError),
    /// It went on differently.
    Differs(Box<Difference>),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read(error) => error.fmt(f),
            ReplayError::Differs(difference) => difference.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<std::io::Error> for ReplayError {
    fn from(error: std::io::Error) -> Self {
        ReplayError::Read(error.into())
    }
}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> Self {
        ReplayError::Read(error)
    }
}

/// Runs a full trace again.
///
/// A trace that is cut off is run up to there, and the result says so.
///
/// # Errors
/// It cannot be read, or the first thing that differs.
pub fn replay(input: impl BufRead) -> Result<Replayed, ReplayError> {
    replay_lines(&mut Reader::open(input)?.0)
}

pub(super) fn replay_lines(lines: &mut Lines<impl BufRead>) -> Result<Replayed, ReplayError> {
    let mut stage = Stage::new()?;
    let mut replayed = Replayed::default();
    loop {
        let line = match lines.next()? {
            Next::Line(line) => line.to_owned(),
            Next::End => return Ok(replayed),
            Next::Cut => {
                replayed.cut = Some(lines.number());
                return Ok(replayed);
            }
        };
        let number = lines.number();
        let bad = |why: &str| ReadError::BadLine {
            line: number,
            why: why.to_owned(),
        };
        let entry = entry(&line).ok_or_else(|| bad("it is no step that is known"))?;
        replayed.from = Some(replayed.from.map_or(entry.at, |from| from.min(entry.at)));
        replayed.to = replayed.to.max(Some(entry.at));
        replayed.steps += 1;
        replayed.machines += u64::from(matches!(entry.done, Done::New(_)));
        let got = stage.play(&entry).map_err(bad)?;
        if got != line {
            return Err(ReplayError::Differs(Box::new(Difference {
                line: number,
                step: replayed.steps,
                at: entry.at,
                machine: entry.machine,
                recorded: line,
                got,
            })));
        }
    }
}

/// The machines of a trace.
struct Stage {
    trace: Trace,
    written: Buffer,
    machines: BTreeMap<u64, Player>,
}

enum Player {
    Client(Box<Recorder<ClientConnection>>),
    Rest(Rest),
    Server(Box<Recorder<Server>>),
    Session(Box<Recorder<OwnSession>>),
    Connection(Box<Recorder<ServerConnection>>),
    #[cfg(feature = "client")]
    Account(Box<Recorder<Client>>),
}

impl Stage {
    fn new() -> Result<Self, ReadError> {
        let written = Buffer::default();
        let trace = Trace::full_to(written.clone())?;
        written.take();
        Ok(Stage {
            trace,
            written,
            machines: BTreeMap::new(),
        })
    }

    /// Does what an entry says; the line that this writes.
    fn play(&mut self, entry: &Entry) -> Result<String, &'static str> {
        match &entry.done {
            Done::New(words) => self.make(entry.at, entry.machine, words)?,
            Done::Step(step) => self.step(entry.at, entry.machine, step)?,
        }
        let mut line = self.written.take();
        // Without its end.
        line.pop();
        String::from_utf8(line).map_err(|_| "a line that is no text was written")
    }

    fn make(&mut self, now: Time, id: u64, words: &str) -> Result<(), &'static str> {
        const BAD: &str =
            "it does not say what the machine is made from, or in words of a newer release";

        if self.machines.contains_key(&id) {
            return Err("there is such a machine already");
        }
        if self.machines.len() >= MAX_MACHINES {
            return Err("there are too many machines");
        }
        let log = Log::of(&self.trace, id);
        let mut words = words.split(' ');
        let kind = words.next().unwrap_or_default();
        let pairs = Pairs::read(words).ok_or(BAD)?;
        let made = match kind {
            connection::KIND => {
                let resume = |id| match self.machines.remove(&id) {
                    Some(Player::Rest(rest)) if rest.of() == id => Some(rest),
                    _ => None,
                };
                let made = Recorder::<ClientConnection>::again(log, now, pairs, resume);
                // A configuration that contradicts itself makes no machine, as it did not then.
                made.ok_or(BAD)?.ok().map(Box::new).map(Player::Client)
            }
            server::KIND => {
                let made = Recorder::<Server>::again(log, now, pairs);
                Some(Player::Server(Box::new(made.ok_or(BAD)?)))
            }
            session::CLIENT | session::SERVER => {
                let made = Recorder::<OwnSession>::again(log, now, kind, pairs).ok_or(BAD)?;
                Some(Player::Session(Box::new(made)))
            }
            #[cfg(feature = "client")]
            client::KIND => {
                let made = Recorder::<Client>::again(log, now, pairs).ok_or(BAD)?;
                made.ok().map(Box::new).map(Player::Account)
            }
            _ => return Err("no such kind of machine is known"),
        };
        self.machines.extend(made.map(|made| (id, made)));
        Ok(())
    }

    fn step(&mut self, now: Time, id: u64, step: &Step<'_>) -> Result<(), &'static str> {
        let player = self
            .machines
            .remove(&id)
            .ok_or("there is no such machine")?;
        let player = match (player, step) {
            (Player::Client(client), Step::Suspend) => Player::Rest(client.suspend()),
            (Player::Server(server), Step::IntoConnection) => {
                Player::Connection(Box::new(server.into_connection(now)))
            }
            (Player::Connection(connection), Step::IntoServer) => {
                Player::Server(Box::new(connection.into_server(now)))
            }
            (mut player, step) => {
                let fits = match &mut player {
                    Player::Client(client) => apply(client, now, step),
                    Player::Server(server) => apply(server, now, step),
                    Player::Session(session) => apply(session, now, step),
                    Player::Connection(connection) => apply(connection, now, step),
                    #[cfg(feature = "client")]
                    Player::Account(client) => apply(client, now, step),
                    Player::Rest(_) => Err("the machine was suspended"),
                };
                fits?;
                player
            }
        };
        self.machines.insert(id, player);
        Ok(())
    }
}

/// Does a step. Something that was there to be taken and is not leaves its line empty, which is a
/// difference like any other.
fn apply<M: Recordable>(
    recorder: &mut Recorder<M>,
    now: Time,
    step: &Step<'_>,
) -> Result<(), &'static str> {
    match (recorder.apply(now, step), step) {
        (Ok(()), _) | (Err(Unfit), Step::Event | Step::Action | Step::Update) => Ok(()),
        (Err(Unfit), _) => Err("this kind of machine cannot do that"),
    }
}
