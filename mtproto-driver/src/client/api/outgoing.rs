//! A message to send, and what became of it.
//!
//! Does: [`OutgoingMessage`], a text with what goes with it; [`Sent`].
//! In: what to say. Out: the fields of a call; the message's id from the answer.
//! Must not know: to whom.
//! Spec: `messages.sendMessage`; "Working with Updates".

use std::fmt;

use mtproto_schema::api::{enums, types};

/// A text with what goes with it. A `&str` or a `String` is one.
///
/// ```
/// use mtproto_driver::client::OutgoingMessage;
///
/// let message = OutgoingMessage::new("yes").reply_to(17).silent();
/// # drop(message);
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct OutgoingMessage {
    pub(super) text: String,
    pub(super) entities: Option<Vec<enums::MessageEntity>>,
    pub(super) reply_to: Option<i32>,
    pub(super) silent: bool,
    pub(super) no_webpage: bool,
    pub(super) schedule_date: Option<i32>,
}

impl OutgoingMessage {
    /// A plain text; with media, its caption.
    pub fn new(text: impl Into<String>) -> Self {
        OutgoingMessage {
            text: text.into(),
            ..OutgoingMessage::default()
        }
    }

    /// Bold, links, mentions, …: offsets and lengths count UTF-16 units.
    pub fn entities(mut self, entities: Vec<enums::MessageEntity>) -> Self {
        self.entities = Some(entities);
        self
    }

    /// An answer to this message of the same chat.
    pub fn reply_to(mut self, message_id: i32) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Without a sound where it arrives.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Without a preview of the first link.
    pub fn no_webpage(mut self) -> Self {
        self.no_webpage = true;
        self
    }

    /// Sent by the server at this time: Unix seconds.
    pub fn schedule(mut self, date: i32) -> Self {
        self.schedule_date = Some(date);
        self
    }

    pub(super) fn input_reply_to(&self) -> Option<Box<enums::InputReplyTo>> {
        let reply_to_msg_id = self.reply_to?;
        let reply = types::InputReplyToMessage {
            reply_to_msg_id,
            top_msg_id: None,
            reply_to_peer_id: None,
            quote_text: None,
            quote_entities: None,
            quote_offset: None,
            monoforum_peer_id: None,
            todo_item_id: None,
            poll_option: None,
        };
        Some(Box::new(enums::InputReplyTo::Message(Box::new(reply))))
    }
}

impl From<&str> for OutgoingMessage {
    fn from(text: &str) -> Self {
        OutgoingMessage::new(text)
    }
}

impl From<String> for OutgoingMessage {
    fn from(text: String) -> Self {
        OutgoingMessage::new(text)
    }
}

impl fmt::Debug for OutgoingMessage {
    /// Shows no text: it is private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("len", &self.text.len())
            .field("reply_to", &self.reply_to)
            .finish_non_exhaustive()
    }
}

/// A message that the server took.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// Its number in the chat.
    pub id: i32,
    /// When: Unix time in seconds; 0 if the server did not say.
    pub date: i32,
    /// All of it, if the server sent it back: for text to a user it often does not.
    pub message: Option<types::Message>,
}

impl Sent {
    /// The message that was sent with this `random_id`, as the answer tells.
    pub(super) fn of(answer: enums::Updates, random_id: i64) -> Option<Self> {
        if let enums::Updates::UpdateShortSentMessage(sent) = answer {
            return Some(Sent {
                id: sent.id,
                date: sent.date,
                message: None,
            });
        }
        let updates = updates_of(answer);
        let id = updates.iter().find_map(|update| {
            let enums::Update::MessageId(given) = update else {
                return None;
            };
            (given.random_id == random_id).then_some(given.id)
        })?;
        let message = updates
            .into_iter()
            .filter_map(new_message)
            .find(|message| message.id == id);
        Some(Sent {
            id,
            date: message.as_ref().map_or(0, |message| message.date),
            message,
        })
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("id", &self.id)
            .field("date", &self.date)
            .finish_non_exhaustive()
    }
}

/// The updates of an answer.
pub(super) fn updates_of(answer: enums::Updates) -> Vec<enums::Update> {
    match answer {
        enums::Updates::Updates(updates) => updates.updates,
        enums::Updates::Combined(updates) => updates.updates,
        enums::Updates::UpdateShort(update) => vec![update.update],
        enums::Updates::TooLong
        | enums::Updates::UpdateShortMessage(_)
        | enums::Updates::UpdateShortChatMessage(_)
        | enums::Updates::UpdateShortSentMessage(_) => Vec::new(),
    }
}

/// The chats that came with an answer.
pub(super) fn chats_of(answer: enums::Updates) -> Vec<enums::Chat> {
    match answer {
        enums::Updates::Updates(updates) => updates.chats,
        enums::Updates::Combined(updates) => updates.chats,
        enums::Updates::UpdateShort(_)
        | enums::Updates::TooLong
        | enums::Updates::UpdateShortMessage(_)
        | enums::Updates::UpdateShortChatMessage(_)
        | enums::Updates::UpdateShortSentMessage(_) => Vec::new(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of some two hundred kinds three are new messages"
)]
fn new_message(update: enums::Update) -> Option<types::Message> {
    let message = match update {
        enums::Update::NewMessage(new) => new.message,
        enums::Update::NewChannelMessage(new) => new.message,
        enums::Update::NewScheduledMessage(new) => new.message,
        _ => return None,
    };
    match message {
        enums::Message::Message(message) => Some(*message),
        enums::Message::Service(_) | enums::Message::Empty(_) => None,
    }
}
