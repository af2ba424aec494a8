//! The messages of a chat, page by page.
//!
//! Does: [`Client::history`] and [`Client::search`], a page at a time or all of it as a stream.
//! In: a chat. Out: messages, newest first.
//! Must not know: how pages are turned.
//! Spec: `messages.getHistory`, `messages.search`; "Pagination in the API".

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use mtproto_proto::client::PeerId;
use mtproto_proto::client::updates::Related;
use mtproto_schema::api::{enums, functions, types};

use super::PeerRef;
use super::pages::{PAGE, Page, Pages, Turn};
use crate::client::update::peer_id;
use crate::client::{Client, Error};

impl Client {
    /// The newest messages of a chat, newest first; the server gives at most 100.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn history(
        &self,
        chat: impl Into<PeerRef>,
        limit: i32,
    ) -> Result<Vec<StoredMessage>, Error> {
        let peer = self.input_peer(chat).await?;
        let answer = self.invoke(&get_history(peer, 0, limit)).await?;
        Ok(StoredMessage::all(answer))
    }

    /// All messages of a chat, newest first, fetched as they are asked for.
    pub fn all_history(&self, chat: impl Into<PeerRef>) -> History {
        let turn = Messages {
            chat: Chat::Named(chat.into()),
            query: None,
            before: 0,
        };
        History(Pages::new(self, turn))
    }

    /// The newest messages of a chat that have these words, newest first; the server gives at most
    /// 100.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn search(
        &self,
        chat: impl Into<PeerRef>,
        words: &str,
        limit: i32,
    ) -> Result<Vec<StoredMessage>, Error> {
        let query = Query {
            words: words.into(),
            filter: enums::MessagesFilter::InputMessagesFilterEmpty,
        };
        let peer = self.input_peer(chat).await?;
        let answer = self.invoke(&query.search(peer, 0, limit)).await?;
        Ok(StoredMessage::all(answer))
    }

    /// All messages of a chat that have these words and are of this kind, newest first, fetched as
    /// they are asked for.
    pub fn all_found(
        &self,
        chat: impl Into<PeerRef>,
        words: &str,
        filter: enums::MessagesFilter,
    ) -> History {
        let turn = Messages {
            chat: Chat::Named(chat.into()),
            query: Some(Query {
                words: words.into(),
                filter,
            }),
            before: 0,
        };
        History(Pages::new(self, turn))
    }
}

/// A message of a chat's history.
#[derive(Clone)]
pub struct StoredMessage {
    message: enums::Message,
    related: Arc<Related>,
}

impl StoredMessage {
    /// Those of an answer; numbers without a message are left out.
    pub(super) fn all(answer: enums::messages::Messages) -> Vec<Self> {
        let (messages, users, chats) = match answer {
            enums::messages::Messages::Messages(page) => (page.messages, page.users, page.chats),
            enums::messages::Messages::Slice(page) => (page.messages, page.users, page.chats),
            enums::messages::Messages::ChannelMessages(page) => {
                (page.messages, page.users, page.chats)
            }
            enums::messages::Messages::NotModified(_) => return Vec::new(),
        };
        let related = Arc::new(Related { users, chats });
        let there = |message: &enums::Message| !matches!(message, enums::Message::Empty(_));
        let messages = messages.into_iter().filter(there);
        let stored = |message| StoredMessage {
            message,
            related: related.clone(),
        };
        messages.map(stored).collect()
    }

    /// Its number: of the account, or of the channel.
    pub fn id(&self) -> i32 {
        match &self.message {
            enums::Message::Message(message) => message.id,
            enums::Message::Service(message) => message.id,
            enums::Message::Empty(message) => message.id,
        }
    }

    /// When it was sent: Unix time in seconds.
    pub fn date(&self) -> i32 {
        match &self.message {
            enums::Message::Message(message) => message.date,
            enums::Message::Service(message) => message.date,
            enums::Message::Empty(_) => 0,
        }
    }

    /// Its text; empty for a picture without a caption, and for what was not said but done, like
    /// adding a user.
    pub fn text(&self) -> &str {
        match &self.message {
            enums::Message::Message(message) => &message.message,
            enums::Message::Service(_) | enums::Message::Empty(_) => "",
        }
    }

    /// Whether this account sent it.
    pub fn is_outgoing(&self) -> bool {
        match &self.message {
            enums::Message::Message(message) => message.out,
            enums::Message::Service(message) => message.out,
            enums::Message::Empty(_) => false,
        }
    }

    /// The chat that it is in.
    pub fn chat(&self) -> Option<PeerId> {
        match &self.message {
            enums::Message::Message(message) => Some(peer_id(&message.peer_id)),
            enums::Message::Service(message) => Some(peer_id(&message.peer_id)),
            enums::Message::Empty(message) => message.peer_id.as_ref().map(peer_id),
        }
    }

    /// Who sent it; `None` for posts of a channel.
    pub fn sender(&self) -> Option<PeerId> {
        let from = match &self.message {
            enums::Message::Message(message) => message.from_id.as_ref(),
            enums::Message::Service(message) => message.from_id.as_ref(),
            enums::Message::Empty(_) => None,
        };
        if let Some(from) = from {
            return Some(peer_id(from));
        }
        // In a chat of two the other one is not named.
        let chat = self.chat()?;
        (matches!(chat, PeerId::User(_)) && !self.is_outgoing()).then_some(chat)
    }

    /// All of it, if it is a message and not something that was done.
    pub fn message(&self) -> Option<&types::Message> {
        match &self.message {
            enums::Message::Message(message) => Some(message),
            enums::Message::Service(_) | enums::Message::Empty(_) => None,
        }
    }

    /// As the API has it.
    pub fn raw(&self) -> &enums::Message {
        &self.message
    }

    /// The users that came with it.
    pub fn users(&self) -> &[enums::User] {
        &self.related.users
    }

    /// The chats and channels that came with it.
    pub fn chats(&self) -> &[enums::Chat] {
        &self.related.chats
    }
}

impl fmt::Debug for StoredMessage {
    /// Shows no text: it is private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage")
            .field("id", &self.id())
            .field("chat", &self.chat())
            .finish_non_exhaustive()
    }
}

/// Messages, newest first, fetched page by page as they are asked for.
///
/// After an error the next question tries the same page again.
pub struct History(Pages<Messages>);

impl History {
    /// The next older message; `None` at the end.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// Of the peer, or of [`Client::invoke`].
    pub async fn next(&mut self) -> Option<Result<StoredMessage, Error>> {
        self.0.next().await
    }
}

impl Stream for History {
    type Item = Result<StoredMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("History(..)")
    }
}

#[derive(Clone)]
struct Query {
    words: String,
    filter: enums::MessagesFilter,
}

impl Query {
    fn search(
        self,
        peer: enums::InputPeer,
        before: i32,
        limit: i32,
    ) -> functions::messages::Search {
        functions::messages::Search {
            peer,
            q: self.words.into(),
            from_id: None,
            saved_peer_id: None,
            saved_reaction: None,
            top_msg_id: None,
            filter: self.filter,
            min_date: 0,
            max_date: 0,
            offset_id: before,
            add_offset: 0,
            limit,
            max_id: 0,
            min_id: 0,
            hash: 0,
        }
    }
}

/// Turns the pages of a chat.
#[derive(Clone)]
struct Messages {
    chat: Chat,
    query: Option<Query>,
    /// Messages with lower numbers are next; 0 for the newest.
    before: i32,
}

/// A name is asked for once.
#[derive(Clone)]
enum Chat {
    Named(PeerRef),
    Known(enums::InputPeer),
}

impl Turn for Messages {
    type Item = StoredMessage;

    async fn turn(mut self, client: Client) -> Result<Page<Self>, Error> {
        let peer = match self.chat {
            Chat::Known(peer) => peer,
            Chat::Named(name) => client.input_peer(name).await?,
        };
        self.chat = Chat::Known(peer.clone());
        let answer = match self.query.clone() {
            None => {
                let get = get_history(peer, self.before, PAGE);
                client.invoke(&get).await?
            }
            Some(query) => {
                let search = query.search(peer, self.before, PAGE);
                client.invoke(&search).await?
            }
        };
        let whole = matches!(answer, enums::messages::Messages::Messages(_));
        let items = StoredMessage::all(answer);
        let lowest = items.iter().map(StoredMessage::id).min();
        // A server that gives the same page again gives it for ever.
        let older = lowest.filter(|lowest| self.before == 0 || *lowest < self.before);
        let next = older
            .filter(|_| !whole)
            .map(|before| Messages { before, ..self });
        Ok(Page { items, next })
    }
}

fn get_history(peer: enums::InputPeer, before: i32, limit: i32) -> functions::messages::GetHistory {
    functions::messages::GetHistory {
        peer,
        offset_id: before,
        offset_date: 0,
        add_offset: 0,
        limit,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}
