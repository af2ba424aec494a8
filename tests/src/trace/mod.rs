//! Record and replay: a bug report can be a file.
//!
//! Does: [`shareable`] watches the streams of clients and writes what can be given away.
//! [`Recorder`] wraps a machine and writes down what is done to it and what comes of it; [`replay`]
//! does the same to a new machine, without network or clock, and names the first byte, event or timer
//! that differs. [`show`] does for either kind what the program `replay` prints.
//! In: machines, or a file. Out: a file, or a verdict.
//! Must not know: sockets, drivers.
//! Spec: none.
//!
//! # A bug report
//!
//! Three lines, for a connection or for a client with all its streams:
//!
//! ```no_run
//! use mtproto_driver::client::{Config, Options};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut options = Options::new(Config::production(12345, "your api_hash"));
//! let tap = mtproto_test::trace::shareable("bug.trace")?;
//! options.record(tap.clone());
//! // … open a client with these options, and let happen what goes wrong …
//! tap.finish()?;
//! # Ok(())
//! # }
//! ```
//!
//! `cargo run -p mtproto-test --bin replay bug.trace` prints what is in it; look through that and
//! attach the file. It holds when each packet went which way, its message ids, sequence numbers,
//! containers and padding, service messages as they were, names of methods and objects, codes and
//! names of errors. It does not hold keys, salts or session ids (others stand in their place, the same
//! ones each time), what was said (as many random bytes), or handshakes (their lengths). A method that
//! no schema knows still shows its first four bytes.
//!
//! # A run that can be run again
//!
//! **A full trace contains the keys and the seed that they were made from. Whoever has the file owns
//! the account.** It is readable by its owner only, and says so in its first lines. Make one with a
//! test account.
//!
//! ```
//! use std::sync::Arc;
//!
//! use mtproto_proto::connection::{ClientConfig, ClientConnection};
//! use mtproto_proto::crypto::RsaPublicKey;
//! use mtproto_proto::{DcId, Machine, Time};
//! use mtproto_test::trace::{Begin, Buffer, Recorder, Trace, replay};
//!
//! # const PEM: &str = include_str!("../../../mtproto-proto/examples/test-key.pem");
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = Buffer::default(); // `Trace::full("secret.trace")?` writes to a file
//! let trace = Trace::full_to(file.clone())?;
//!
//! // Wherever there was a machine, there is a recorder; `Driver` and `Pair` take it as well.
//! let config = Arc::new(ClientConfig::new(DcId(2), vec![RsaPublicKey::from_pem(PEM)?]));
//! let now = Time::from_unix(1_750_000_000);
//! let seed = [7; 32]; // outside of examples from the operating system
//! let mut connection =
//!     Recorder::<ClientConnection>::new(&trace, config, Begin::NewKey, seed, now)?;
//! let mut out = Vec::new();
//! assert!(connection.poll_transmit(now, &mut out));
//! trace.finish()?;
//!
//! let replayed = replay(&file.take()[..])?;
//! assert_eq!((replayed.machines, replayed.steps), (1, 2));
//! # Ok(())
//! # }
//! ```
//!
//! # The file
//!
//! Lines of text: `mtproto-trace 1 full` (or `shareable`), comments behind `#`, then one line for each
//! step, and `end` with their number. A step of a full trace is the time in nanoseconds, the number of
//! the machine, what was done with its arguments, ` = `, what came of it, and after `@` the next timer
//! if it is another one. A replay does what stands before the ` = ` and compares the whole line.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a machine does the steps that it knows, and refuses all others"
)]

#[cfg(feature = "client")]
mod client;
mod config;
mod connection;
mod file;
mod masks;
mod names;
mod recorder;
mod replay;
mod said;
mod scrub;
mod server;
mod session;
mod shareable;
mod show;
mod step;
mod text;
mod transcript;

pub use connection::{Begin, Rest};
pub use file::{Buffer, Kind, MAX_LINE, ReadError, Trace};
pub use recorder::{Recordable, Recorder, Unfit};
pub use replay::{Difference, Done, Entry, Reader, ReplayError, Replayed, replay};
pub use server::HasServer;
pub use session::{OwnSession, ServedStart, SessionStart};
pub use shareable::{Shareable, shareable, shareable_to};
pub use show::{Verdict, show};
pub use step::Step;
pub use transcript::Shown;
