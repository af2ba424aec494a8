//! How to write a client of Telegram with these crates, chapter by chapter.
//!
//! Does: explains, with code that compiles.
//! In and out: nothing; these modules are empty.
//! Must not know: anything that the reference of the types says better.
//! Spec: named where it matters.
//!
//! | Chapter | Answers |
//! | --- | --- |
//! | [`signing_in`] | codes, passwords, bots, QR codes, signing out |
//! | [`updates`] | what others do, each thing once and in order, over restarts too |
//! | [`sessions`] | where an account is kept, encryption, taking it elsewhere |
//! | [`several_accounts`] | many accounts in one process |
//! | [`errors`] | what can go wrong, and what is known then |
//! | [`former_client`] | what the Elixir client could do, here |
//!
//! # The first ten lines
//!
//! ```no_run
//! use mtproto_driver::client::{Config, Error};
//! use mtproto_driver::{Client, Runtime, SessionFile};
//!
//! async fn hello<R: Runtime>(runtime: R) -> Result<(), Box<dyn std::error::Error>> {
//!     // api_id and api_hash are yours: my.telegram.org/apps.
//!     let config = Config::production(12345, "0123456789abcdef0123456789abcdef");
//!     let client = Client::open(&runtime, config, SessionFile::open("me.session")?).await?;
//!     let me = client.get_me().await?;
//!     client.send_message("me", format!("Hello from {}", me.id)).await?;
//!     client.close().await?;
//!     Ok(())
//! }
//! ```
//!
//! `R` is the runtime: `mtproto_tokio::Tokio` or `mtproto_async_std::AsyncStd`, whose crates
//! re-export everything here and have an `open` of their own. A [`Client`](crate::Client) opens
//! streams when a call needs them, finds the DC that a call belongs to, waits when the server asks
//! for a pause, and goes on over a new stream when one breaks.
//!
//! # Every method
//!
//! [`Client`](crate::Client) has methods for what is done most. All others are one step away, as
//! types or, with the feature `json`, by name:
//!
//! ```no_run
//! # use mtproto_driver::{Client, client::Error};
//! use mtproto_schema::api::functions;
//!
//! # async fn example(client: &Client) -> Result<(), Error> {
//! let state = client.invoke(&functions::updates::GetState).await?;
//! println!("{} unread", state.unread_count);
//! # #[cfg(feature = "json")] {
//! let answer = client.invoke_json("help.getNearestDc", &serde_json::json!({})).await?;
//! println!("{}", answer["country"]);
//! # }
//! # Ok(())
//! # }
//! ```

pub mod errors;
pub mod former_client;
pub mod sessions;
pub mod several_accounts;
pub mod signing_in;
pub mod updates;
