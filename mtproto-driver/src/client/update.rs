//! One update, pleasant to look at.
//!
//! Does: [`Update`] and, for the most frequent kind, [`NewMessage`].
//! In: an update of the machine. Out: its parts.
//! Must not know: where it came from.
//! Spec: "Working with Updates".

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::client::{PeerId, updates};
use mtproto_schema::api::{enums, types};

/// One update of the account. Cheap to clone.
#[derive(Clone)]
pub struct Update(Arc<updates::Update>);

impl Update {
    /// The update as a type of the API; `None` if it is of a layer that this build does not know.
    pub fn typed(&self) -> Option<&enums::Update> {
        self.0.parsed.as_ref()
    }

    /// The boxed `Update` object.
    pub fn raw(&self) -> &Bytes {
        &self.0.raw
    }

    /// The number of the constructor; `None` for fewer than four bytes.
    pub fn constructor_id(&self) -> Option<u32> {
        self.0.raw.first_chunk().copied().map(u32::from_le_bytes)
    }

    /// The users that came with it.
    pub fn users(&self) -> &[enums::User] {
        &self.0.peers.users
    }

    /// The chats and channels that came with it.
    pub fn chats(&self) -> &[enums::Chat] {
        &self.0.peers.chats
    }

    /// A user that came with it.
    pub fn user(&self, id: i64) -> Option<&types::User> {
        self.users().iter().find_map(|user| match user {
            enums::User::User(user) if user.id == id => Some(&**user),
            enums::User::User(_) | enums::User::Empty(_) => None,
        })
    }

    /// The message, if this update is a new one in a chat or a channel.
    pub fn as_new_message(&self) -> Option<NewMessage<'_>> {
        let message = if let Some(enums::Update::NewMessage(new)) = self.typed() {
            &new.message
        } else if let Some(enums::Update::NewChannelMessage(new)) = self.typed() {
            &new.message
        } else {
            return None;
        };
        let enums::Message::Message(message) = message else {
            return None;
        };
        Some(NewMessage {
            update: self,
            message,
        })
    }
}

impl From<updates::Update> for Update {
    fn from(update: updates::Update) -> Self {
        Update(Arc::new(update))
    }
}

impl fmt::Debug for Update {
    /// Shows the constructor and the length; an update may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.constructor_id().unwrap_or_default();
        write!(f, "Update({id:#010x}, {} bytes)", self.0.raw.len())
    }
}

/// A new message, of others or sent from another device of the account.
#[derive(Clone, Copy)]
pub struct NewMessage<'a> {
    update: &'a Update,
    message: &'a types::Message,
}

impl<'a> NewMessage<'a> {
    /// Its number: of the account, or of the channel.
    pub fn id(&self) -> i32 {
        self.message.id
    }

    /// Its text; empty for a picture without a caption.
    pub fn text(&self) -> &'a str {
        &self.message.message
    }

    /// The chat that it is in: with a user, of a group, of a channel.
    pub fn chat(&self) -> PeerId {
        peer_id(&self.message.peer_id)
    }

    /// Who sent it; `None` for posts of a channel.
    pub fn sender(&self) -> Option<PeerId> {
        if let Some(from) = &self.message.from_id {
            return Some(peer_id(from));
        }
        // In a chat of two the other one is not named.
        let chat = self.chat();
        (matches!(chat, PeerId::User(_)) && !self.is_outgoing()).then_some(chat)
    }

    /// The sender, if it is a user that came with the update.
    pub fn sender_user(&self) -> Option<&'a types::User> {
        let PeerId::User(id) = self.sender()? else {
            return None;
        };
        self.update.user(id)
    }

    /// Whether this account sent it.
    pub fn is_outgoing(&self) -> bool {
        self.message.out
    }

    /// When it was sent: Unix time in seconds.
    pub fn date(&self) -> i32 {
        self.message.date
    }

    /// All of it.
    pub fn message(&self) -> &'a types::Message {
        self.message
    }
}

impl fmt::Debug for NewMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("id", &self.id())
            .field("chat", &self.chat())
            .finish_non_exhaustive()
    }
}

pub(super) fn peer_id(peer: &enums::Peer) -> PeerId {
    match peer {
        enums::Peer::User(peer) => PeerId::User(peer.user_id),
        enums::Peer::Chat(peer) => PeerId::Chat(peer.chat_id),
        enums::Peer::Channel(peer) => PeerId::Channel(peer.channel_id),
    }
}
