//! Reading back.
//!
//! Does: `messages.getMessages`, `messages.getHistory`, `channels.getMessages`; pages of messages.
//! In: a dialog and where to begin. Out: messages, newest first.
//! Must not know: how they got there.
//! Spec: "Pagination in the API: offsets".

use mtproto_schema::api::enums::messages::Messages;
use mtproto_schema::api::enums::{InputMessage, Message};
use mtproto_schema::api::functions::channels::GetMessages as GetChannelMessages;
use mtproto_schema::api::functions::messages::{GetHistory, GetMessages};
use mtproto_schema::api::types;

use super::bare::{OFF, bare};
use super::contacts::hash_of;
use super::limits::{ANSWER_TEXT, IDS, PAGE};
use super::peer::Peer;
use super::refusal::{Outcome, bad, ensure};
use super::view::{View, count};
use super::world::{Body, World};
use super::{Cx, Talk};

/// Which part of a list of messages a client wants to see.
pub struct Window {
    pub offset_id: i32,
    pub offset_date: i32,
    pub add_offset: i32,
    pub limit: i32,
    pub max_id: i32,
    pub min_id: i32,
    pub hash: i64,
}

pub fn get_messages(talk: &mut Talk, cx: &mut Cx<'_>, query: GetMessages) -> Outcome<Messages> {
    let owner = Peer::User(cx.me);
    let (messages, mut view) = talk.named(cx, owner, &query.id)?;
    Ok(all(messages, &mut view))
}

pub fn get_channel_messages(
    talk: &mut Talk,
    cx: &mut Cx<'_>,
    query: GetChannelMessages,
) -> Outcome<Messages> {
    let owner = Peer::Channel(talk.channel(cx, &query.channel)?);
    let (messages, mut view) = talk.named(cx, owner, &query.id)?;
    let total = messages.len();
    view.name(owner);
    Ok(of_channel(messages, total, owner, &mut view))
}

pub fn get_history(talk: &mut Talk, cx: &mut Cx<'_>, query: GetHistory) -> Outcome<Messages> {
    let peer = talk.peer(cx, &query.peer)?;
    let ids = talk.world.ids(cx.me, peer);
    let window = Window {
        offset_id: query.offset_id,
        offset_date: query.offset_date,
        add_offset: query.add_offset,
        limit: query.limit,
        max_id: query.max_id,
        min_id: query.min_id,
        hash: query.hash,
    };
    Ok(talk.page(cx, peer, ids, &window))
}

impl Talk {
    /// The messages under these names, in their order.
    fn named<'a>(
        &'a self,
        cx: &'a Cx<'_>,
        owner: Peer,
        names: &[InputMessage],
    ) -> Outcome<(Vec<Message>, View<'a>)> {
        ensure(!names.is_empty(), bad("MESSAGE_IDS_EMPTY"))?;
        ensure(names.len() <= IDS, bad("LIMIT_INVALID"))?;
        let mut view = self.view(cx);
        let message = |name: &InputMessage| match name {
            InputMessage::Id(named) => view.message_or_empty(owner, named.id),
            InputMessage::ReplyTo(named) => {
                let held = self
                    .world
                    .mailbox(owner)
                    .and_then(|m| m.held.get(&named.id));
                let original = held.and_then(|held| held.reply_to);
                view.message_or_empty(owner, original.unwrap_or(0))
            }
            // Nothing is pinned, and no button was pressed.
            InputMessage::Pinned | InputMessage::CallbackQuery(_) => {
                view.message_or_empty(owner, 0)
            }
        };
        let messages = names.iter().map(message).collect();
        Ok((messages, view))
    }

    /// The window of a list of messages (`ids`, oldest first, all of one dialog).
    pub(super) fn page(&self, cx: &Cx<'_>, peer: Peer, ids: Vec<i32>, window: &Window) -> Messages {
        let owner = World::owner(cx.me, peer);
        let total = ids.len();
        let date = |id: i32| self.world.post(owner, id).map_or(0, |post| post.date);
        let is_older = |id: i32| {
            (window.offset_id <= 0 || id < window.offset_id)
                && (window.offset_date <= 0 || date(id) < window.offset_date)
        };
        let in_bounds = |id: i32| {
            (window.max_id <= 0 || id < window.max_id) && (window.min_id <= 0 || id > window.min_id)
        };
        let newest_first: Vec<i32> = ids.into_iter().rev().filter(|id| in_bounds(*id)).collect();
        let first = newest_first.iter().take_while(|id| !is_older(**id)).count();
        let (from, to) = window.bounds(first, newest_first.len());
        let shown = newest_first.get(from..to).unwrap_or_default();

        let edited = |id: &i32| {
            let post = self.world.post(owner, *id);
            i64::from(post.and_then(|post| post.edit_date).unwrap_or(0))
        };
        let hash = hash_of(shown.iter().flat_map(|id| [i64::from(*id), edited(id)]));
        if window.hash != 0 && window.hash == hash {
            let count = count(total);
            return Messages::NotModified(types::messages::MessagesNotModified { count });
        }
        let mut view = self.view(cx);
        if !matches!(peer, Peer::User(id) if id == cx.me) {
            view.name(peer);
        }
        let mut room = ANSWER_TEXT;
        let mut messages = Vec::new();
        for id in shown {
            let post = self.world.post(owner, *id);
            let length = match post.map(|post| &post.body) {
                Some(Body::Said(said)) => said.bytes(),
                Some(Body::Did(_)) | None => 0,
            };
            if length > room {
                break;
            }
            room = room.saturating_sub(length);
            messages.extend(view.message(owner, *id));
        }
        match peer {
            Peer::Channel(_) => of_channel(messages, total, owner, &mut view),
            Peer::User(_) | Peer::Chat(_) if messages.len() == total => all(messages, &mut view),
            Peer::User(_) | Peer::Chat(_) => {
                let (users, chats) = view.related();
                Messages::Slice(types::messages::MessagesSlice {
                    messages,
                    users,
                    chats,
                    ..bare(&[
                        OFF,
                        &count(total),
                        &Vec::<Message>::new(),
                        &no_topics(),
                        &Vec::<Message>::new(),
                        &Vec::<Message>::new(),
                    ])
                })
            }
        }
    }
}

impl Window {
    /// The part of a list, newest first, in which `first` is the first message older than the
    /// offset.
    fn bounds(&self, first: usize, len: usize) -> (usize, usize) {
        let limit = usize::try_from(self.limit).unwrap_or(0).min(PAGE);
        let add = isize::try_from(self.add_offset).unwrap_or(0);
        // What lies before the newest message is not made up for: fewer are shown.
        let to = first.saturating_add_signed(add).saturating_add(limit);
        let start = isize::try_from(first)
            .unwrap_or(isize::MAX)
            .saturating_add(add);
        let end = start.saturating_add_unsigned(limit);
        let to = if end < 0 {
            0
        } else {
            to.min(usize::try_from(end).unwrap_or(0))
        };
        let from = usize::try_from(start).unwrap_or(0);
        (from.min(len), to.min(len).max(from.min(len)))
    }
}

/// All messages of an account's own box that there are.
fn all(messages: Vec<Message>, view: &mut View<'_>) -> Messages {
    let (users, chats) = view.related();
    Messages::Messages(types::messages::Messages {
        messages,
        topics: no_topics(),
        chats,
        users,
    })
}

/// Messages of a channel.
fn of_channel(messages: Vec<Message>, total: usize, owner: Peer, view: &mut View<'_>) -> Messages {
    let pts = view.world.mailbox(owner).map_or(1, |mailbox| mailbox.pts);
    let (users, chats) = view.related();
    Messages::ChannelMessages(types::messages::ChannelMessages {
        inexact: false,
        pts,
        count: count(total),
        offset_id_offset: None,
        messages,
        topics: no_topics(),
        chats,
        users,
    })
}

/// No channel has topics.
fn no_topics() -> Vec<mtproto_schema::api::enums::ForumTopic> {
    Vec::new()
}
