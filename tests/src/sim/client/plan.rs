//! What a seed holds before anything happens.
//!
//! Does: [`Plan`]: which data centres, which accounts and how each begins, which faults may happen.
//! In: dice. Out: plain values.
//! Must not know: how a plan is carried out.
//! Spec: none.
//!
//! Each run allows another half of the faults: what hides behind one kind is found where that kind
//! is missing.

use std::collections::BTreeSet;
use std::time::Duration;

use mtproto_proto::transport::Framing;

use crate::Dice;
use crate::sim::Fault;

/// One run in so many makes its keys in handshakes and signs in; a handshake costs as much as a
/// hundred runs' packets.
const SIGNS_IN_ONE_IN: u64 = 48;
/// One run in so many has temporary keys, which are made in handshakes.
const PFS_ONE_IN: u64 = 64;
/// One run in so many ends with a long time in which nobody does anything.
const IDLE_ONE_IN: u64 = 8;
/// Of the accounts that sign in, one in so many has a password: its proof costs 0.1 s.
const PASSWORD_ONE_IN: u64 = 6;

/// Data centres in the order in which a world gets them: clients begin at DC 2.
const DCS: [i16; 4] = [2, 1, 4, 5];

/// Everything that a client's run can meet.
const KINDS: [Fault; 32] = [
    Fault::Cut,
    Fault::Vanish,
    Fault::Stall,
    Fault::Latency,
    Fault::Jitter,
    Fault::Segments,
    Fault::SlowReader,
    Fault::RestartKept,
    Fault::RestartLost,
    Fault::ClientRestart,
    Fault::ClientClock,
    Fault::ServerClock,
    Fault::ServerJump,
    Fault::Status404,
    Fault::Status429,
    Fault::Status444,
    Fault::SlowApplication,
    Fault::Cancel,
    Fault::ShortDeadline,
    Fault::LateAnswer,
    Fault::NoAnswer,
    Fault::ErrorAnswer,
    Fault::Refused,
    Fault::BlackHole,
    Fault::Mute,
    Fault::SilentDc,
    Fault::NetworkChange,
    Fault::Sleep,
    Fault::FloodWait,
    Fault::RpcTimeout,
    Fault::Unregistered,
    Fault::Moved,
];

/// How an account comes to be signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Its key is stored; on the other data centres a key is stored, too, with the account's
    /// authorization or without.
    Stored { elsewhere: Vec<(i16, bool)> },
    /// By a code, and perhaps a password.
    Code { password: bool },
    /// By a bot's token.
    Bot,
}

/// An account.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) home: i16,
    pub(super) begin: Begin,
    /// How wrong the device's clock is, nanoseconds.
    pub(super) clock: i64,
}

/// What a seed holds.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) dcs: Vec<i16>,
    pub(super) people: Vec<Who>,
    /// Things that happen before the weather gets better.
    pub(super) steps: u64,
    pub(super) pfs: Option<Duration>,
    pub(super) framing: Framing,
    pub(super) obfuscated: bool,
    pub(super) allowed: BTreeSet<Fault>,
    /// Updates that may be ready or untaken.
    pub(super) queue: usize,
    /// Calls that may wait.
    pub(super) calls: usize,
    /// Who was signed out signs in again.
    pub(super) comes_back: bool,
    /// The run ends with a thousand hours of nothing.
    pub(super) idle: bool,
}

impl Plan {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let dcs = DCS[..dice.range(2..=4) as usize].to_vec();
        let signs_in = dice.chance(1, SIGNS_IN_ONE_IN);
        let mut allowed: BTreeSet<Fault> =
            KINDS.into_iter().filter(|_| dice.chance(1, 2)).collect();
        // They end accounts or cost handshakes.
        for (kind, one_in) in [
            (Fault::Revoked, 16),
            (Fault::SignOut, 16),
            (Fault::LostKey, 48),
        ] {
            if dice.chance(1, one_in) {
                allowed.insert(kind);
            }
        }
        let framings = [
            Framing::Intermediate,
            Framing::Intermediate,
            Framing::Abridged,
            Framing::PaddedIntermediate,
            Framing::Full,
        ];
        let framing = *dice.choose(&framings);
        let count = dice.range(1..=3);
        let mut has_bot = false;
        let people = (0..count)
            .map(|_| {
                let home = *dice.choose(&dcs);
                let begin = match (signs_in, dice.chance(1, 3)) {
                    (false, _) => Begin::Stored {
                        elsewhere: elsewhere(dice, &dcs, home),
                    },
                    // A bot cannot write to another.
                    (true, true) if !std::mem::replace(&mut has_bot, true) => Begin::Bot,
                    (true, _) => Begin::Code {
                        password: dice.chance(1, PASSWORD_ONE_IN),
                    },
                };
                let clock = if allowed.contains(&Fault::ClientClock) {
                    clock(dice)
                } else {
                    0
                };
                Who { home, begin, clock }
            })
            .collect();
        Plan {
            people,
            steps: dice.range(20..=70),
            pfs: dice
                .chance(1, PFS_ONE_IN)
                .then(|| Duration::from_secs(dice.range(120..=7_200))),
            obfuscated: framing != Framing::Full && dice.chance(1, 3),
            framing,
            queue: *dice.choose(&[1_024, 1_024, 16, 4]),
            calls: *dice.choose(&[16_384, 16_384, 12]),
            comes_back: signs_in && dice.chance(1, 2),
            idle: dice.chance(1, IDLE_ONE_IN),
            allowed,
            dcs,
        }
    }

    pub(super) fn allows(&self, fault: Fault) -> bool {
        self.allowed.contains(&fault)
    }
}

/// Where else keys are stored. Without one the first call there costs a handshake.
fn elsewhere(dice: &mut Dice, dcs: &[i16], home: i16) -> Vec<(i16, bool)> {
    let without = dice.chance(1, 64);
    dcs.iter()
        .filter(|dc| **dc != home && !without)
        .map(|dc| (*dc, dice.chance(1, 2)))
        .collect()
}

/// How wrong a clock is: seconds, hours or years, either way.
pub(super) fn clock(dice: &mut Dice) -> i64 {
    const SECOND: i64 = 1_000_000_000;

    let size = match dice.range(0..=3) {
        0 => 30,
        1 => 600,
        2 => 40 * 3_600,
        _ => 10 * 365 * 86_400,
    };
    let span = i64::try_from(dice.range(0..=2 * size)).unwrap_or(0);
    (span - i64::try_from(size).unwrap_or(0)) * SECOND
}
