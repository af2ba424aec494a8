//! Errors: what can go wrong, and what is known then.
//!
//! Spec: "Handling API errors".
//!
//! Every call ends, and [`Error`](crate::client::Error) says how. Much is not an error at all, for
//! the client deals with it: streams that break, wrong clocks, salts, DCs that send elsewhere,
//! servers that fail for a moment, pauses up to `Config::flood`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use mtproto_driver::Client;
//! use mtproto_driver::client::{CallOptions, Error, FloodPolicy, PeerError};
//! use mtproto_proto::Fate;
//! use mtproto_schema::api::functions::help::GetConfig;
//!
//! async fn careful(client: &Client) -> Result<(), Error> {
//!     match client.send_message("somebody", "hello").await {
//!         Ok(sent) => println!("message {}", sent.id),
//!         // The server's own: a code and a name.
//!         Err(Error::Rpc(error)) if error.message == "USERNAME_NOT_OCCUPIED" => {}
//!         Err(Error::Rpc(error)) => println!("{} {}", error.code, error.message),
//!         Err(Error::Peer(PeerError::Unknown(_))) => println!("never seen"),
//!         // Whether a call without an answer may be repeated.
//!         Err(Error::TimedOut(Fate::MaybeExecuted)) => println!("look before you repeat it"),
//!         Err(Error::TimedOut(_)) => println!("it did not arrive"),
//!         Err(Error::SignedOut { reason: why, .. }) => println!("signed out: {why:?}"),
//!         Err(error) => return Err(error),
//!     }
//!
//!     // One call with its own patience.
//!     let mut options = CallOptions::default();
//!     options.deadline = Some(Duration::from_secs(5));
//!     options.flood = Some(FloodPolicy::Fail);
//!     client.invoke_with(&GetConfig, options).await.map(drop)
//! }
//! ```
//!
//! [`Error::fate`](crate::client::Error::fate) says of any failure what is known of the call, and
//! [`Client::progress`](crate::Client::progress) of a call before it ends. Calls that only make sense
//! one after the other are told so with
//! [`CallOptions::after`](crate::client::CallOptions::after): they leave together, the server executes
//! them in order, and none when the one before failed. [`Client::submit`](crate::Client::submit) has
//! an example.
//!
//! A text is for people and says what to do; a variant is for programs. A message is sent once,
//! even if its call had to be sent twice: a `random_id` sees to it.
//!
//! [`Client::events`](crate::Client::events) tells what happens without a call: connections, pauses,
//! a store that fails.
