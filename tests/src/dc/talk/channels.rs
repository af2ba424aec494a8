//! Channels and supergroups.
//!
//! Does: `channels.createChannel`, `getChannels`, `getFullChannel`, `editTitle`, `checkUsername`,
//! `updateUsername`, `deleteChannel`.
//! In: titles, names. Out: updates; all members are told.
//! Must not know: who comes and goes.
//! Spec: "Channels, supergroups, gigagroups and basic groups", "Usernames".

use std::collections::BTreeMap;

use mtproto_schema::api::enums::messages::Chats;
use mtproto_schema::api::enums::{InputChannel, Updates};
use mtproto_schema::api::functions::channels::{
    CheckUsername, CreateChannel, DeleteChannel, EditTitle, GetChannels, GetFullChannel,
    UpdateUsername,
};
use mtproto_schema::api::types;
use mtproto_schema::api::types::messages::ChatFull;

use super::boxes::Mailbox;
use super::chats::title;
use super::facts::Fact;
use super::limits::{CHANNEL_ABOUT_LENGTH, GROUPS, IDS};
use super::peer::Peer;
use super::publish::Told;
use super::refusal::{Outcome, bad, ensure};
use super::users::is_username;
use super::world::{Action, Channel, Member, Role};
use super::{Cx, Talk};

pub fn create(talk: &mut Talk, cx: &mut Cx<'_>, query: CreateChannel) -> Outcome<Updates> {
    let title = title(&query.title)?;
    let about = query.about.trim();
    let fits = about.chars().count() <= CHANNEL_ABOUT_LENGTH;
    ensure(fits, bad("CHAT_ABOUT_TOO_LONG"))?;
    ensure(!query.forum, bad("CHANNEL_FORUM_MISSING"))?;
    let room = talk.world.channels.len() < GROUPS;
    ensure(room, bad("CHANNELS_TOO_MUCH"))?;
    talk.world.last_group = talk.world.last_group.saturating_add(1);
    let id = talk.world.last_group;
    let creator = Member {
        role: Role::Creator,
        inviter: cx.me,
        date: cx.now,
        read_inbox: 0,
        read_outbox: 0,
    };
    let channel = Channel {
        access_hash: i64::from_le_bytes(cx.rng.array()),
        title: title.clone(),
        about: about.to_owned(),
        username: None,
        broadcast: !query.megagroup,
        date: cx.now,
        members: BTreeMap::from([(cx.me, creator)]),
        banned: BTreeMap::new(),
        mailbox: Mailbox::default(),
        invite: None,
    };
    talk.world.channels.insert(id, channel);
    talk.tell(cx.me, Fact::Channel(id));
    talk.act(cx, Peer::Channel(id), Action::ChannelCreate(title));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn get(talk: &mut Talk, cx: &mut Cx<'_>, query: GetChannels) -> Outcome<Chats> {
    ensure(query.id.len() <= IDS, bad("LIMIT_INVALID"))?;
    let view = talk.view(cx);
    let mut chats = Vec::new();
    for named in &query.id {
        // Those that one may not look into have a form of their own.
        let id = talk.channel_named(cx, named)?;
        chats.push(view.group(Peer::Channel(id)));
    }
    Ok(Chats::Chats(types::messages::Chats { chats }))
}

pub fn get_full(talk: &mut Talk, cx: &mut Cx<'_>, query: GetFullChannel) -> Outcome<ChatFull> {
    let id = talk.channel(cx, &query.channel)?;
    let mut view = talk.view(cx);
    let full_chat = view.full_channel(id);
    let full_chat = full_chat.ok_or_else(|| bad("CHANNEL_INVALID"))?;
    let (users, chats) = view.related();
    Ok(ChatFull {
        full_chat,
        chats,
        users,
    })
}

pub fn edit_title(talk: &mut Talk, cx: &mut Cx<'_>, query: EditTitle) -> Outcome<Updates> {
    let id = talk.channel_of_admin(cx, &query.channel)?;
    let title = title(&query.title)?;
    if let Some(channel) = talk.world.channels.get_mut(&id) {
        ensure(channel.title != title, bad("CHAT_NOT_MODIFIED"))?;
        channel.title.clone_from(&title);
    }
    talk.act(cx, Peer::Channel(id), Action::Title(title));
    Ok(talk.publish(cx, Told::InAnswer))
}

pub fn check_username(talk: &mut Talk, cx: &mut Cx<'_>, query: CheckUsername) -> Outcome<bool> {
    // The empty channel stands for one that is yet to be made.
    if !matches!(query.channel, InputChannel::Empty) {
        talk.channel_of_creator(cx, &query.channel)?;
    }
    ensure(is_username(&query.username), bad("USERNAME_INVALID"))?;
    Ok(talk.by_username(cx, &query.username).is_none())
}

pub fn update_username(talk: &mut Talk, cx: &mut Cx<'_>, query: UpdateUsername) -> Outcome<bool> {
    let id = talk.channel_of_creator(cx, &query.channel)?;
    let name = query.username.as_str();
    if !name.is_empty() {
        ensure(is_username(name), bad("USERNAME_INVALID"))?;
        let theirs = talk.by_username(cx, name);
        let is_free = theirs.is_none_or(|peer| peer == Peer::Channel(id));
        ensure(is_free, bad("USERNAME_OCCUPIED"))?;
    }
    let username = (!name.is_empty()).then(|| name.to_owned());
    if let Some(channel) = talk.world.channels.get_mut(&id) {
        ensure(channel.username != username, bad("USERNAME_NOT_MODIFIED"))?;
        channel.username = username;
    }
    talk.tell_channel(id);
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

pub fn delete(talk: &mut Talk, cx: &mut Cx<'_>, query: DeleteChannel) -> Outcome<Updates> {
    let id = talk.channel_of_creator(cx, &query.channel)?;
    talk.tell_channel(id);
    if let Some(channel) = talk.world.channels.get_mut(&id) {
        // The id stays taken, for it may be named in messages elsewhere.
        channel.members.clear();
        channel.username = None;
        channel.invite = None;
        let posts = std::mem::take(&mut channel.mailbox).held.into_values();
        for held in posts {
            talk.world.posts.remove(&held.uid);
        }
    }
    Ok(talk.publish(cx, Told::InAnswer))
}

impl Talk {
    /// The channel that a client names and has made.
    fn channel_of_creator(&self, cx: &Cx<'_>, input: &InputChannel) -> Outcome<i64> {
        let id = self.channel_of_admin(cx, input)?;
        let role = self.world.channels.get(&id).and_then(|c| c.role(cx.me));
        let is_creator = role == Some(Role::Creator);
        ensure(is_creator, bad("CHAT_ADMIN_REQUIRED")).map(|()| id)
    }

    /// Tells the members of a channel that it is another.
    fn tell_channel(&mut self, id: i64) {
        let channel = self.world.channels.get(&id);
        let members = channel.into_iter().flat_map(|c| c.members.keys().copied());
        for member in members.collect::<Vec<i64>>() {
            self.tell(member, Fact::Channel(id));
        }
    }
}
