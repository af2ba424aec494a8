//! With whom one talks.
//!
//! Does: [`Peer`], a user, a chat or a channel.
//! In: ids. Out: the API's `Peer`, and one number for all three, as the bot API has it.
//! Must not know: whether there is such a peer.
//! Spec: "Peers".

use mtproto_schema::api::enums;
use mtproto_schema::api::types::{PeerChannel, PeerChat, PeerUser};
use serde::{Deserialize, Serialize};

/// A user, a chat or a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "i64", from = "i64")]
pub enum Peer {
    /// The user with this id.
    User(i64),
    /// The chat with this id.
    Chat(i64),
    /// The channel with this id.
    Channel(i64),
}

/// Channels lie below this, chats between this and 0, users above 0.
const CHANNELS: i64 = -1_000_000_000_000;

impl Peer {
    /// The API's form.
    pub fn api(self) -> enums::Peer {
        match self {
            Peer::User(user_id) => enums::Peer::User(PeerUser { user_id }),
            Peer::Chat(chat_id) => enums::Peer::Chat(PeerChat { chat_id }),
            Peer::Channel(channel_id) => enums::Peer::Channel(PeerChannel { channel_id }),
        }
    }
}

impl From<Peer> for i64 {
    fn from(peer: Peer) -> i64 {
        match peer {
            Peer::User(id) => id,
            Peer::Chat(id) => id.wrapping_neg(),
            Peer::Channel(id) => CHANNELS.wrapping_sub(id),
        }
    }
}

impl From<i64> for Peer {
    fn from(id: i64) -> Peer {
        if id <= CHANNELS {
            Peer::Channel(CHANNELS.wrapping_sub(id))
        } else if id < 0 {
            Peer::Chat(id.wrapping_neg())
        } else {
            Peer::User(id)
        }
    }
}
