//! One account over many streams: Telegram's API as a machine.
//!
//! Does: keeps a stream to each DC that is needed, sends calls where they belong, signs in, keeps
//! updates in order; says what to connect, what to store and what happened.
//! In: calls, bytes of streams, the time. Out: [`Action`]s, [`Event`]s, updates, [`Change`]s.
//! Must not know: sockets, files, clocks.
//! Spec: "Calling methods", "Handling API errors", "Working with updates", "User authorization".
//!
//! ```text
//! send(body) ─► calls.rs: a call with its budgets ─► route ─► link.rs: (DC, calls | files)
//!     held: authorize.rs brings the account's authorization to that DC first
//!     waiting: dial.rs says when and where to connect, streams.rs runs what is connected
//!     sent: a request of the link's session; the session survives its streams
//! answer ─► answers.rs: given to whoever asked, or moved (migrate.rs), paused (pauses.rs), repeated,
//!     repaired; order.rs: what was to come after it follows, or ends
//! ```

mod answers;
mod authorize;
mod calls;
mod closing;
mod config;
mod dc;
mod dial;
mod doubt;
mod event;
mod fetch;
mod link;
mod machine;
mod migrate;
mod order;
mod pauses;
mod peers;
pub mod portable;
mod public_keys;
mod query;
mod rpc_error;
pub mod sign_in;
mod sign_out;
pub mod snapshot;
mod stored;
mod streams;
mod submit;
mod timers;
pub mod updates;

pub use config::{CallOptions, Config, FloodPolicy, Limits, Route};
pub use dc::{DcOption, DcTable};
pub use event::{Action, CallError, Disconnected, Event, SignedOut, Target};
pub use machine::Client;
pub use peers::{Peer, PeerId, Peers};
pub use rpc_error::{Migrate, RpcKind};
pub use snapshot::{Account, Change, Key, Snapshot, SnapshotError};
