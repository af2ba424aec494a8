//! Saying something.
//!
//! Does: `messages.sendMessage`, `sendMedia`, `forwardMessages`, `editMessage`, `setTyping`.
//! In: a peer and words. Out: the answer of the real server; everybody concerned is told.
//! Must not know: how boxes number messages, how updates look.
//! Spec: "messages.sendMessage", "Forwards", "Editing messages".

use mtproto_schema::Encode;
use mtproto_schema::api::enums::{
    InputPeer, InputReplyTo, MessageEntity, ReplyMarkup, SendMessageAction, Update, Updates,
};
use mtproto_schema::api::functions::messages::{
    EditMessage, ForwardMessages, SendMedia, SendMessage, SetTyping,
};
use mtproto_schema::api::types;

use super::bare::{OFF, bare};
use super::boxes::Event;
use super::entities::{detached, length};
use super::limits::{
    ACTION_BYTES, EDIT_TIME, ENTITIES_BYTES, IDS, MARKUP_BYTES, SENT, TEXT_LENGTH,
};
use super::media::media;
use super::peer::Peer;
use super::publish::{Item, Told};
use super::refusal::{Outcome, bad, ensure, forbidden};
use super::saved::Tl;
use super::world::{Body, Forward, Post, Role, Said, World};
use super::{Cx, Talk};

/// What all ways to send have in common.
struct Extras {
    silent: bool,
    reply_to: Option<Box<InputReplyTo>>,
    schedule_date: Option<i32>,
    send_as: Option<InputPeer>,
}

pub fn send_message(talk: &mut Talk, cx: &mut Cx<'_>, query: SendMessage) -> Outcome<Updates> {
    let to = talk.peer(cx, &query.peer)?;
    if let Some(answer) = talk.sent_before(cx, query.random_id)? {
        return Ok(answer);
    }
    let said = talk.said(cx, &query.message, query.entities, query.reply_markup)?;
    ensure(!said.text.trim().is_empty(), bad("MESSAGE_EMPTY"))?;
    let extras = Extras {
        silent: query.silent,
        reply_to: query.reply_to,
        schedule_date: query.schedule_date,
        send_as: query.send_as,
    };
    talk.send(cx, to, said, query.random_id, &extras)
}

pub fn send_media(talk: &mut Talk, cx: &mut Cx<'_>, query: SendMedia) -> Outcome<Updates> {
    let to = talk.peer(cx, &query.peer)?;
    if let Some(answer) = talk.sent_before(cx, query.random_id)? {
        return Ok(answer);
    }
    let mut said = talk.said(cx, &query.message, query.entities, query.reply_markup)?;
    said.media = Some(Tl(media(cx, query.media)?));
    let extras = Extras {
        silent: query.silent,
        reply_to: query.reply_to,
        schedule_date: query.schedule_date,
        send_as: query.send_as,
    };
    talk.send(cx, to, said, query.random_id, &extras)
}

pub fn forward(talk: &mut Talk, cx: &mut Cx<'_>, query: ForwardMessages) -> Outcome<Updates> {
    let from = talk.peer(cx, &query.from_peer)?;
    let to = talk.peer(cx, &query.to_peer)?;
    ensure(!query.id.is_empty(), bad("MESSAGE_IDS_EMPTY"))?;
    ensure(query.id.len() <= IDS, bad("MESSAGES_TOO_MUCH"))?;
    let paired = query.id.len() == query.random_id.len();
    ensure(paired, bad("RANDOM_ID_INVALID"))?;
    // All of them go at once, so the first stands for the rest.
    let first = query.random_id.first().copied().unwrap_or(0);
    if let Some(answer) = talk.sent_before(cx, first)? {
        return Ok(answer);
    }
    let extras = Extras {
        silent: query.silent,
        reply_to: query.reply_to,
        schedule_date: query.schedule_date,
        send_as: query.send_as,
    };
    let reply_to = talk.may_send(cx, to, &extras)?;

    let owner = World::owner(cx.me, from);
    let mut copies = Vec::new();
    for (id, random_id) in query.id.iter().zip(&query.random_id) {
        let is_there = talk.world.is_in(cx.me, from, *id);
        ensure(is_there, bad("MESSAGE_ID_INVALID"))?;
        let post = talk.world.post(owner, *id);
        let Some((post, Body::Said(said))) = post.map(|post| (post, &post.body)) else {
            return Err(bad("MESSAGE_ID_INVALID"));
        };
        let mut said = said.clone();
        said.markup = None;
        if query.drop_media_captions && said.media.is_some() {
            said.text.clear();
            said.entities.0.clear();
        }
        let saved_from = (to == Peer::User(cx.me)).then_some((from, *id));
        let forward = (!query.drop_author).then(|| talk.origin_of(post, saved_from));
        copies.push((said, forward, *random_id));
    }
    for (said, forward, random_id) in copies {
        let post = Post {
            from: cx.me,
            to,
            date: cx.now,
            edit_date: None,
            silent: extras.silent,
            body: Body::Said(said),
            forward,
            holders: Vec::new(),
        };
        talk.deliver_sent(cx, post, reply_to, random_id);
    }
    let answer = talk.publish(cx, Told::InAnswer);
    talk.remember_sent(cx, first, &answer);
    Ok(answer)
}

pub fn edit(talk: &mut Talk, cx: &mut Cx<'_>, query: EditMessage) -> Outcome<Updates> {
    let peer = talk.peer(cx, &query.peer)?;
    let is_there = talk.world.is_in(cx.me, peer, query.id);
    ensure(is_there, bad("MESSAGE_ID_INVALID"))?;
    ensure(query.schedule_date.is_none(), bad("SCHEDULE_DATE_INVALID"))?;
    ensure(query.media.is_none(), bad("MEDIA_INVALID"))?;
    let owner = World::owner(cx.me, peer);
    let invalid = || bad("MESSAGE_ID_INVALID");
    let post = talk.world.post(owner, query.id).ok_or_else(invalid)?;
    let Body::Said(before) = &post.body else {
        return Err(invalid());
    };
    let may_edit = post.from == cx.me && post.forward.is_none() || talk.runs_broadcast(cx, peer);
    ensure(may_edit, forbidden("MESSAGE_AUTHOR_REQUIRED"))?;
    let is_timeless = matches!(peer, Peer::Channel(_)) || peer == Peer::User(cx.me);
    let in_time = is_timeless || cx.now.saturating_sub(post.date) <= EDIT_TIME;
    ensure(in_time, bad("MESSAGE_EDIT_TIME_EXPIRED"))?;

    let mut after = match &query.message {
        Some(text) => talk.said(cx, text, query.entities, query.reply_markup)?,
        None => {
            let entities = Some(before.entities.0.clone());
            talk.said(cx, &before.text, entities, query.reply_markup)?
        }
    };
    after.media.clone_from(&before.media);
    let is_empty = after.text.trim().is_empty() && after.media.is_none();
    ensure(!is_empty, bad("MESSAGE_EMPTY"))?;
    let is_another = after.text != before.text
        || after.entities.0.to_bytes() != before.entities.0.to_bytes()
        || after.markup.as_ref().map(|m| m.0.to_bytes())
            != before.markup.as_ref().map(|m| m.0.to_bytes());
    ensure(is_another, bad("MESSAGE_NOT_MODIFIED"))?;

    let holders = post.holders.clone();
    let uid = talk
        .world
        .mailbox(owner)
        .and_then(|m| m.held.get(&query.id));
    let uid = uid.map(|held| held.uid);
    if let Some(post) = uid.and_then(|uid| talk.world.posts.get_mut(&uid)) {
        post.body = Body::Said(after);
        post.edit_date = Some(cx.now);
    }
    for (owner, id) in holders {
        talk.record(owner, Event::Edit(id));
    }
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn set_typing(talk: &mut Talk, cx: &mut Cx<'_>, query: SetTyping) -> Outcome<bool> {
    let peer = talk.peer(cx, &query.peer)?;
    let action = query.action;
    // Texts that are being written are for bots' drafts, which nobody keeps here.
    let is_draft = matches!(
        action,
        SendMessageAction::InputSendMessageRichMessageDraftAction(_)
            | SendMessageAction::SendMessageRichMessageDraftAction(_)
            | SendMessageAction::SendMessageTextDraftAction(_)
    );
    ensure(!is_draft, bad("SENDMESSAGE_TYPE_INVALID"))?;
    let is_short = action.to_bytes().len() <= ACTION_BYTES;
    ensure(is_short, bad("SENDMESSAGE_TYPE_INVALID"))?;
    talk.may_write(cx, peer)?;
    let me = Peer::User(cx.me).api();
    let (who, update): (Vec<i64>, _) = match peer {
        Peer::User(to) if talk.world.has_blocked(to, cx.me) => return Ok(true),
        Peer::User(to) => {
            let typing: types::UpdateUserTyping = bare(&[OFF, &cx.me, &action]);
            (vec![to], Update::UserTyping(typing))
        }
        Peer::Chat(chat_id) => {
            let members = talk.world.chats.get(&chat_id);
            let members = members.into_iter().flat_map(|chat| chat.members.keys());
            let typing = types::UpdateChatUserTyping {
                chat_id,
                from_id: me,
                action,
            };
            (members.copied().collect(), Update::ChatUserTyping(typing))
        }
        Peer::Channel(channel_id) => {
            let channel = talk.world.channels.get(&channel_id);
            let channel = channel.filter(|channel| !channel.broadcast);
            let members = channel.into_iter().flat_map(|c| c.members.keys());
            let typing: types::UpdateChannelUserTyping = bare(&[OFF, &channel_id, &me, &action]);
            let update = Update::ChannelUserTyping(Box::new(typing));
            (members.copied().collect(), update)
        }
    };
    for user in who.into_iter().filter(|user| *user != cx.me) {
        talk.news.add(user, Item::Passing(Box::new(update.clone())));
    }
    talk.publish(cx, Told::InOtherWords);
    Ok(true)
}

impl Talk {
    /// Words as they are kept.
    fn said(
        &self,
        cx: &Cx<'_>,
        text: &str,
        entities: Option<Vec<MessageEntity>>,
        markup: Option<Box<ReplyMarkup>>,
    ) -> Outcome<Said> {
        ensure(length(text) <= TEXT_LENGTH, bad("MESSAGE_TOO_LONG"))?;
        // Only bots have buttons; what others send along is ignored.
        let is_bot = cx.people.get(cx.me).is_some_and(|me| me.bot);
        let markup = markup.filter(|_| is_bot).map(|markup| detached(*markup));
        let markup_bytes = markup.as_ref().map_or(0, |m| m.to_bytes().len());
        ensure(markup_bytes <= MARKUP_BYTES, bad("REPLY_MARKUP_TOO_LONG"))?;
        let entities = self.entities(cx, text, entities)?;
        let entities_bytes = entities.to_bytes().len();
        ensure(entities_bytes <= ENTITIES_BYTES, bad("ENTITIES_TOO_LONG"))?;
        Ok(Said {
            text: text.to_owned(),
            entities: Tl(entities),
            media: None,
            markup: markup.map(Tl),
        })
    }

    fn send(
        &mut self,
        cx: &mut Cx<'_>,
        to: Peer,
        said: Said,
        random_id: i64,
        extras: &Extras,
    ) -> Outcome<Updates> {
        let reply_to = self.may_send(cx, to, extras)?;
        let post = Post {
            from: cx.me,
            to,
            date: cx.now,
            edit_date: None,
            silent: extras.silent,
            body: Body::Said(said),
            forward: None,
            holders: Vec::new(),
        };
        self.deliver_sent(cx, post, reply_to, random_id);
        let short = self.news.of(cx.me);
        let short = self.view(cx).sent(short);
        let container = self.publish(cx, Told::InAnswer);
        let answer = short.unwrap_or(container);
        self.remember_sent(cx, random_id, &answer);
        Ok(answer)
    }

    /// Puts a post into boxes; the caller learns which of its messages it is.
    fn deliver_sent(&mut self, cx: &Cx<'_>, post: Post, reply_to: Option<i32>, random_id: i64) {
        let owner = World::owner(cx.me, post.to);
        let last = self.world.mailbox(owner).map_or(0, |m| m.last_id);
        let next = last.saturating_add(1);
        self.news.add(cx.me, Item::Id(next, random_id));
        self.deliver(cx.people, post, reply_to);
    }

    /// Whether the caller may send this there, and which message it replies to.
    fn may_send(&self, cx: &Cx<'_>, to: Peer, extras: &Extras) -> Outcome<Option<i32>> {
        ensure(extras.schedule_date.is_none(), bad("SCHEDULE_DATE_INVALID"))?;
        if let Some(peer) = &extras.send_as {
            let is_me = self.peer(cx, peer)? == Peer::User(cx.me);
            ensure(is_me, bad("SEND_AS_PEER_INVALID"))?;
        }
        self.may_write(cx, to)?;
        let Some(reply_to) = &extras.reply_to else {
            return Ok(None);
        };
        let InputReplyTo::Message(reply_to) = &**reply_to else {
            return Err(bad("REPLY_TO_INVALID"));
        };
        if let Some(peer) = &reply_to.reply_to_peer_id {
            ensure(self.peer(cx, peer)? == to, bad("REPLY_TO_INVALID"))?;
        }
        let id = reply_to.reply_to_msg_id;
        let is_there = self.world.is_in(cx.me, to, id);
        ensure(is_there, bad("REPLY_TO_INVALID"))?;
        Ok(Some(id))
    }

    /// Whether the caller may write there.
    fn may_write(&self, cx: &Cx<'_>, to: Peer) -> Outcome<()> {
        match to {
            Peer::User(to) => {
                let is_bot = |id| cx.people.get(id).is_some_and(|person| person.bot);
                let by_bot = is_bot(cx.me);
                let to_bot = to != cx.me && is_bot(to);
                ensure(!(by_bot && to_bot), bad("USER_IS_BOT"))?;
                ensure(!self.world.has_blocked(cx.me, to), bad("YOU_BLOCKED_USER"))?;
                // Users do not learn that they are blocked; bots do.
                let is_blocked = by_bot && self.world.has_blocked(to, cx.me);
                ensure(!is_blocked, forbidden("USER_IS_BLOCKED"))
            }
            Peer::Chat(id) => {
                let role = self.world.chats.get(&id).and_then(|chat| chat.role(cx.me));
                ensure(role.is_some(), forbidden("CHAT_WRITE_FORBIDDEN"))
            }
            Peer::Channel(id) => {
                let channel = self.open(cx, id)?;
                let may = match channel.role(cx.me) {
                    Some(Role::Creator | Role::Admin) => true,
                    Some(Role::Member) => !channel.broadcast,
                    None => false,
                };
                ensure(may, forbidden("CHAT_WRITE_FORBIDDEN"))
            }
        }
    }

    /// Whether the caller speaks for a broadcast channel.
    fn runs_broadcast(&self, cx: &Cx<'_>, peer: Peer) -> bool {
        let Peer::Channel(id) = peer else {
            return false;
        };
        let channel = self
            .world
            .channels
            .get(&id)
            .filter(|channel| channel.broadcast);
        let role = channel.and_then(|channel| channel.role(cx.me));
        role.is_some_and(|role| role != Role::Member)
    }

    /// Where a message that is forwarded comes from: what is a forward stays one.
    fn origin_of(&self, post: &Post, saved_from: Option<(Peer, i32)>) -> Forward {
        let known = post.forward.clone().map(|forward| Forward {
            saved_from: None,
            ..forward
        });
        let broadcast = match post.to {
            Peer::Channel(id) => self.world.channels.get(&id).filter(|c| c.broadcast),
            Peer::User(_) | Peer::Chat(_) => None,
        };
        let known = known.unwrap_or_else(|| Forward {
            from: match broadcast {
                Some(_) => post.to,
                None => Peer::User(post.from),
            },
            date: post.date,
            channel_post: broadcast.and_then(|_| post.id_in(post.to)),
            saved_from: None,
        });
        Forward {
            saved_from,
            ..known
        }
    }

    /// The answer to a message that was sent already: clients repeat what they do not know the
    /// fate of.
    fn sent_before(&self, cx: &Cx<'_>, random_id: i64) -> Outcome<Option<Updates>> {
        ensure(random_id != 0, bad("RANDOM_ID_EMPTY"))?;
        let account = self.world.accounts.get(&cx.me);
        let mut sent = account.into_iter().flat_map(|account| &account.sent);
        let answer = sent.find(|(id, _)| *id == random_id);
        Ok(answer.map(|(_, answer)| answer.0.clone()))
    }

    fn remember_sent(&mut self, cx: &Cx<'_>, random_id: i64, answer: &Updates) {
        let sent = &mut self.world.account(cx.me).sent;
        sent.push_back((random_id, Tl(answer.clone())));
        if sent.len() > SENT {
            sent.pop_front();
        }
    }
}
