//! What people do with Telegram, in a few words each.
//!
//! Does: methods of [`Client`](super::Client) over the API's own: they find access hashes, fill in
//! what is the same in every call, choose between the methods for chats and for channels, and
//! unpack answers.
//! In: plain arguments. Out: plain answers.
//! Must not know: how a call travels. Whatever is not here is one
//! [`invoke`](super::Client::invoke) away.
//! Spec: the page of each method that is named.

mod chats;
mod contacts;
mod dialogs;
mod help;
mod history;
mod messages;
mod outgoing;
mod pages;
mod peer;
mod users;

use std::io;
use std::sync::Arc;

pub use chats::NewChat;
pub use contacts::{BlockedPeer, FoundPeers, NewContact};
pub use dialogs::{Dialog, Dialogs};
pub use history::{History, StoredMessage};
pub use outgoing::{OutgoingMessage, Sent};
pub use peer::{PeerError, PeerRef};

use super::Error;

/// A number that makes the server take a repeated call for the same one.
fn random_id() -> Result<i64, Error> {
    let entropy = |error| Error::Entropy(Arc::new(io::Error::from(error)));
    Ok(getrandom::u64().map_err(entropy)?.cast_signed())
}
