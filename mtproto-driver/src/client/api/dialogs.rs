//! The list of chats.
//!
//! Does: [`Client::dialogs`] and [`Client::all_dialogs`].
//! In: nothing. Out: chats with their newest message, the most recent first, pinned ones in front.
//! Must not know: how pages are turned.
//! Spec: `messages.getDialogs`; "Pagination in the API".

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use mtproto_proto::client::PeerId;
use mtproto_proto::client::updates::Related;
use mtproto_schema::api::{enums, functions, types};

use super::pages::{PAGE, Page, Pages, Turn};
use super::peer::find;
use crate::client::update::peer_id;
use crate::client::{Client, Error};

impl Client {
    /// The first dialogs: pinned ones, then the most recent; the server gives at most 100.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn dialogs(&self, limit: i32) -> Result<Vec<Dialog>, Error> {
        let first = functions::messages::GetDialogs {
            limit,
            ..FromTop::start().call()
        };
        Ok(Dialog::all(self.invoke(&first).await?).0)
    }

    /// All dialogs, each once, fetched as they are asked for.
    pub fn all_dialogs(&self) -> Dialogs {
        Dialogs(Pages::new(self, FromTop::start()))
    }
}

/// A chat of the list of chats.
#[derive(Clone)]
pub struct Dialog {
    dialog: Box<types::Dialog>,
    message: Option<enums::Message>,
    related: Arc<Related>,
}

impl Dialog {
    /// Those of an answer, and whether there are no others. Folders are left out: their dialogs
    /// come by themselves.
    fn all(answer: enums::messages::Dialogs) -> (Vec<Self>, bool) {
        let (dialogs, messages, users, chats, whole) = match answer {
            enums::messages::Dialogs::Dialogs(all) => {
                (all.dialogs, all.messages, all.users, all.chats, true)
            }
            enums::messages::Dialogs::Slice(page) => {
                (page.dialogs, page.messages, page.users, page.chats, false)
            }
            enums::messages::Dialogs::NotModified(_) => return (Vec::new(), true),
        };
        let related = Arc::new(Related { users, chats });
        let mut all = Vec::with_capacity(dialogs.len());
        for dialog in dialogs {
            if let enums::Dialog::Dialog(dialog) = dialog {
                let top = (peer_id(&dialog.peer), dialog.top_message);
                let message = messages.iter().find(|message| place(message) == Some(top));
                all.push(Dialog {
                    message: message.cloned(),
                    dialog,
                    related: related.clone(),
                });
            }
        }
        (all, whole)
    }

    /// Whom or what the chat is with.
    pub fn peer(&self) -> PeerId {
        peer_id(&self.dialog.peer)
    }

    /// The title of the group or channel, or the user's name.
    pub fn title(&self) -> String {
        match self.peer() {
            PeerId::User(id) => self.user(id).map(name),
            PeerId::Chat(id) | PeerId::Channel(id) => self.chat_title(id),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Messages that the account has not read.
    pub fn unread_count(&self) -> i32 {
        self.dialog.unread_count
    }

    /// Whether it stands in front of all that are not.
    pub fn is_pinned(&self) -> bool {
        self.dialog.pinned
    }

    /// The newest message.
    pub fn top_message(&self) -> Option<&enums::Message> {
        self.message.as_ref()
    }

    /// As the API has it.
    pub fn raw(&self) -> &types::Dialog {
        &self.dialog
    }

    /// The users that came with it.
    pub fn users(&self) -> &[enums::User] {
        &self.related.users
    }

    /// The chats and channels that came with it.
    pub fn chats(&self) -> &[enums::Chat] {
        &self.related.chats
    }

    fn user(&self, id: i64) -> Option<&types::User> {
        self.users().iter().find_map(|user| match user {
            enums::User::User(user) if user.id == id => Some(&**user),
            enums::User::User(_) | enums::User::Empty(_) => None,
        })
    }

    fn chat_title(&self, id: i64) -> Option<String> {
        let titles = self.chats().iter().filter_map(|chat| match chat {
            enums::Chat::Chat(chat) => Some((chat.id, &chat.title)),
            enums::Chat::Channel(chat) => Some((chat.id, &chat.title)),
            enums::Chat::Forbidden(chat) => Some((chat.id, &chat.title)),
            enums::Chat::ChannelForbidden(chat) => Some((chat.id, &chat.title)),
            enums::Chat::Empty(_)
            | enums::Chat::CommunityForbidden(_)
            | enums::Chat::Community(_) => None,
        });
        let mut titles = titles.filter(|(chat, _)| *chat == id);
        titles.next().map(|(_, title)| title.to_string())
    }

    /// The newest message's number and date.
    fn top(&self) -> (i32, i32) {
        let date = match &self.message {
            Some(enums::Message::Message(message)) => message.date,
            Some(enums::Message::Service(message)) => message.date,
            Some(enums::Message::Empty(_)) | None => 0,
        };
        (self.dialog.top_message, date)
    }
}

impl fmt::Debug for Dialog {
    /// Shows no names: they are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog")
            .field("peer", &self.peer())
            .field("unread_count", &self.unread_count())
            .finish_non_exhaustive()
    }
}

/// Dialogs, fetched page by page as they are asked for.
///
/// After an error the next question tries the same page again.
pub struct Dialogs(Pages<FromTop>);

impl Dialogs {
    /// The next dialog; `None` at the end.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// As for [`Client::invoke`].
    pub async fn next(&mut self) -> Option<Result<Dialog, Error>> {
        self.0.next().await
    }
}

impl Stream for Dialogs {
    type Item = Result<Dialog, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Dialogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialogs(..)")
    }
}

/// Turns the pages of the list.
#[derive(Clone)]
struct FromTop {
    date: i32,
    id: i32,
    peer: enums::InputPeer,
    /// A dialog moves when something is said in it while the pages are turned.
    seen: BTreeSet<PeerId>,
}

impl FromTop {
    fn start() -> Self {
        FromTop {
            date: 0,
            id: 0,
            peer: enums::InputPeer::Empty,
            seen: BTreeSet::new(),
        }
    }

    fn call(&self) -> functions::messages::GetDialogs {
        functions::messages::GetDialogs {
            // They are all on the first page.
            exclude_pinned: self.id != 0,
            folder_id: None,
            offset_date: self.date,
            offset_id: self.id,
            offset_peer: self.peer.clone(),
            limit: PAGE,
            hash: 0,
        }
    }
}

impl Turn for FromTop {
    type Item = Dialog;

    async fn turn(mut self, client: Client) -> Result<Page<Self>, Error> {
        let answer = client.invoke(&self.call()).await?;
        let (mut items, whole) = Dialog::all(answer);
        // Pinned dialogs stand out of the order of time.
        let last = items
            .iter()
            .rev()
            .find(|dialog| !dialog.is_pinned() && dialog.top().1 > 0);
        let offset = last.or(items.last()).and_then(|dialog| {
            let (id, date) = dialog.top();
            let peer = find(dialog.peer(), dialog.users(), dialog.chats())?;
            Some((id, date, peer))
        });
        items.retain(|dialog| self.seen.insert(dialog.peer()));
        // A page with nothing new leads nowhere.
        let next = match offset {
            Some((id, date, peer)) if !whole && !items.is_empty() => {
                (self.id, self.date, self.peer) = (id, date, peer);
                Some(self)
            }
            Some(_) | None => None,
        };
        Ok(Page { items, next })
    }
}

fn name(user: &types::User) -> String {
    let parts = [&user.first_name, &user.last_name];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(|part| part.as_str())
        .collect();
    parts.join(" ")
}

fn place(message: &enums::Message) -> Option<(PeerId, i32)> {
    match message {
        enums::Message::Message(message) => Some((peer_id(&message.peer_id), message.id)),
        enums::Message::Service(message) => Some((peer_id(&message.peer_id), message.id)),
        enums::Message::Empty(_) => None,
    }
}
