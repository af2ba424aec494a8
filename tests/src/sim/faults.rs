//! What goes wrong in a run, by name.
//!
//! Does: [`Fault`], one name for each kind; [`Faults`], how often each was injected.
//! In and out: plain values.
//! Must not know: how a fault is injected.
//! Spec: none; the list of faults is the simulator's contract with its users.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// One kind of thing that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Fault {
            /// All of them, in the order in which reports name them.
            pub const ALL: &[Fault] = &[$(Fault::$variant,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$variant => $name,)*
                }
            }
        }
    };
}

faults! {
    /// A stream ends for its reader behind some byte (or packet), in either direction.
    Cut = "stream cut",
    /// What is written from some byte on is lost and nobody is told: a half-open stream.
    Vanish = "stream silent",
    /// Both directions fall silent.
    Dead = "stream dead",
    /// Nothing arrives for a while, then everything does.
    Stall = "stall",
    /// Delays of up to seconds.
    Latency = "latency",
    /// Delays that vary from packet to packet.
    Jitter = "jitter",
    /// Segments of a few bytes.
    Segments = "small segments",
    /// A peer that reads slowly: few bytes may be in flight.
    SlowReader = "slow reader",
    /// The server comes back with its sessions.
    RestartKept = "server restart with sessions",
    /// The server comes back with its keys only.
    RestartLost = "server restart without sessions",
    /// The client's process ends and begins again with the stored key only.
    ClientRestart = "client restart",
    /// The client opens a stream before its former one is dead: two streams of one session.
    Switch = "two streams of a session",
    /// Every salt is another one.
    Salts = "salt change",
    /// The client's clock is wrong from the beginning.
    ClientClock = "client clock off",
    /// The server's clock is wrong from the beginning.
    ServerClock = "server clock off",
    /// The client's clock jumps.
    ClientJump = "client clock jump",
    /// The server's clock jumps.
    ServerJump = "server clock jump",
    /// A packet is lost although its stream lives: an answer that never came.
    Loss = "packet lost",
    /// A packet comes twice.
    Twice = "packet twice",
    /// A packet of earlier comes again, on whatever stream there is then.
    Replay = "packet replayed",
    /// One bit of a packet is another one.
    BitFlip = "bit flipped",
    /// A message or container is refused with a code of `bad_msg_notification`.
    BadMsg = "bad_msg_notification",
    /// A message or container is refused for its salt, which is true.
    BadSalt = "bad_server_salt",
    /// `msg_detailed_info` comes instead of the answer.
    DetailedInfo = "msg_detailed_info for an answer",
    /// `new_session_created` comes although nothing was lost.
    NewSessionForged = "new_session_created unasked",
    /// `new_session_created` comes once more, under another message id.
    NewSessionAgain = "new_session_created repeated",
    /// `new_session_created` comes in a container with the answer.
    NewSessionInContainer = "new_session_created with an answer",
    /// A transport error: -404.
    Status404 = "transport error -404",
    /// A transport error: -429.
    Status429 = "transport error -429",
    /// A transport error: -444.
    Status444 = "transport error -444",
    /// The application takes no events for a while.
    SlowApplication = "slow application",
    /// The application cancels a request, often just when its answer comes.
    Cancel = "cancel",
    /// A request has a deadline that its answer may miss.
    ShortDeadline = "short deadline",
    /// The server's owner answers late.
    LateAnswer = "late answer",
    /// The server's owner never answers.
    NoAnswer = "no answer",
    /// The server's owner answers with an error.
    ErrorAnswer = "error answer",
    /// A stream cannot be opened, and the client is told.
    Refused = "connection refused",
    /// Nobody says whether a stream opens.
    BlackHole = "connection into a black hole",
    /// A stream opens, and nothing ever comes over it.
    Mute = "mute server",
    /// One data centre is not to be reached at all.
    SilentDc = "silent data centre",
    /// The network of the device is another one.
    NetworkChange = "network change",
    /// The device sleeps.
    Sleep = "sleep",
    /// The server wants a pause: FLOOD_WAIT.
    FloodWait = "flood wait",
    /// The server answers -503: it may have executed the call.
    RpcTimeout = "timeout inside the server",
    /// A data centre that is not the account's says that it does not know the account.
    Unregistered = "account unknown elsewhere",
    /// A data centre forgets a key that is no login.
    LostKey = "key forgotten by a server",
    /// The account moves to another data centre.
    Moved = "account moved",
    /// Another session ends the account's logins.
    Revoked = "login ended from elsewhere",
    /// The account signs out.
    SignOut = "sign-out",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each kind was injected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, u64>);

impl Faults {
    /// One more of this kind.
    pub fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// How many of this kind.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or_default()
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Faults) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }
}
