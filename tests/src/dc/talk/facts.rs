//! What an account has to know besides its messages.
//!
//! Does: [`Fact`]: names a thing whose newest state counts, not the way there. A change is told in a
//! container with the account's next `seq`; who missed it gets the state in a difference, once.
//! In: nothing. Out: keys.
//! Must not know: what the state is; it is looked up when it is told.
//! Spec: "Working with Updates": updates without `pts`, `seq`.

use serde::{Deserialize, Serialize};

/// A thing whose newest state an account has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fact {
    /// The names of this user.
    Name(i64),
    /// Whether this user is blocked.
    Blocked(i64),
    /// What the bar above the chat with this user offers: whether it is a contact.
    Settings(i64),
    /// The members of this chat.
    Members(i64),
    /// This channel, and whether one belongs to it.
    Channel(i64),
    /// Up to where one has read this channel.
    ChannelRead(i64),
    /// Up to where others have read one's messages in this channel.
    ChannelReadByOthers(i64),
}
