//! Who may name whom.
//!
//! Does: turns the `Input..` forms of users, chats and channels into ids, and refuses what the
//! caller cannot know. Access hashes are one per user or channel, the same for every viewer.
//! In: what a client names. Out: ids, or the real server's refusals.
//! Must not know: what is done with them.
//! Spec: "Peers: access hash", "min constructors".

use mtproto_schema::api::enums::{InputChannel, InputPeer, InputUser};

use super::peer::Peer;
use super::refusal::{Outcome, bad, ensure};
use super::view::View;
use super::world::{Channel, Chat, Role, World};
use super::{Cx, Talk};

/// A user who can be named with nothing.
const NO_HASH: i64 = 0;

impl Talk {
    /// The user that a client names, for methods that take users.
    pub(super) fn user(&self, cx: &Cx<'_>, input: &InputUser) -> Outcome<i64> {
        let invalid = bad("USER_ID_INVALID");
        match input {
            InputUser::Empty => Err(invalid),
            InputUser::InputUserSelf => Ok(cx.me),
            InputUser::InputUser(user) => {
                let fits = self.is_user(cx, user.user_id, user.access_hash);
                ensure(fits, invalid).map(|()| user.user_id)
            }
            InputUser::FromMessage(from) => {
                let peer = Peer::User(from.user_id);
                self.seen_in(cx, &from.peer, from.msg_id, peer)?;
                Ok(from.user_id)
            }
        }
    }

    /// The peer that a client names, to read or write there.
    pub(super) fn peer(&self, cx: &Cx<'_>, input: &InputPeer) -> Outcome<Peer> {
        let invalid = bad("PEER_ID_INVALID");
        match input {
            InputPeer::Empty => Err(invalid),
            InputPeer::InputPeerSelf => Ok(Peer::User(cx.me)),
            InputPeer::User(user) => {
                let fits = self.is_user(cx, user.user_id, user.access_hash);
                ensure(fits, invalid).map(|()| Peer::User(user.user_id))
            }
            InputPeer::Chat(chat) => {
                let known = self.world.chats.get(&chat.chat_id);
                let known = known.is_some_and(|chat| chat.knows(cx.me));
                ensure(known, invalid).map(|()| Peer::Chat(chat.chat_id))
            }
            InputPeer::Channel(channel) => {
                let id = channel.channel_id;
                self.reachable(cx, id, channel.access_hash)?;
                Ok(Peer::Channel(id))
            }
            InputPeer::UserFromMessage(from) => {
                let peer = Peer::User(from.user_id);
                self.seen_in(cx, &from.peer, from.msg_id, peer)
            }
            InputPeer::ChannelFromMessage(from) => {
                let peer = Peer::Channel(from.channel_id);
                self.seen_in(cx, &from.peer, from.msg_id, peer)?;
                self.open(cx, from.channel_id)?;
                Ok(peer)
            }
        }
    }

    /// The channel that a client names, whether it may be read or not.
    pub(super) fn channel_named(&self, cx: &Cx<'_>, input: &InputChannel) -> Outcome<i64> {
        let invalid = bad("CHANNEL_INVALID");
        match input {
            InputChannel::Empty => Err(invalid),
            InputChannel::InputChannel(named) => {
                let id = named.channel_id;
                self.exists(cx, id, named.access_hash).map(|()| id)
            }
            InputChannel::FromMessage(from) => {
                let peer = Peer::Channel(from.channel_id);
                self.seen_in(cx, &from.peer, from.msg_id, peer)?;
                Ok(from.channel_id)
            }
        }
    }

    /// The channel that a client names and may read.
    pub(super) fn channel(&self, cx: &Cx<'_>, input: &InputChannel) -> Outcome<i64> {
        let id = self.channel_named(cx, input)?;
        self.open(cx, id)?;
        Ok(id)
    }

    /// The channel that a client names and runs: as its creator or an admin.
    pub(super) fn channel_of_admin(&self, cx: &Cx<'_>, input: &InputChannel) -> Outcome<i64> {
        let id = self.channel(cx, input)?;
        let role = self.world.channels.get(&id).and_then(|c| c.role(cx.me));
        let runs = role.is_some_and(|role| role != Role::Member);
        ensure(runs, bad("CHAT_ADMIN_REQUIRED")).map(|()| id)
    }

    /// The chat with this id, if the caller belongs to it.
    pub(super) fn chat_of_member(&self, cx: &Cx<'_>, id: i64) -> Outcome<&Chat> {
        let chat = self.world.chats.get(&id).filter(|chat| chat.knows(cx.me));
        let chat = chat.ok_or_else(|| bad("CHAT_ID_INVALID"))?;
        // The real server words this like the other one for who was put out.
        ensure(chat.role(cx.me).is_some(), bad("CHAT_ID_INVALID"))?;
        Ok(chat)
    }

    fn is_user(&self, cx: &Cx<'_>, id: i64, access_hash: i64) -> bool {
        let Some(person) = cx.people.get(id) else {
            return false;
        };
        // Bots may name by id alone whom they have talked with, and everybody oneself.
        let is_bot = cx.people.get(cx.me).is_some_and(|me| me.bot);
        let talked = || {
            let account = self.world.accounts.get(&cx.me);
            account.is_some_and(|account| account.dialogs.contains_key(&Peer::User(id)))
        };
        person.access_hash == access_hash
            || access_hash == NO_HASH && (id == cx.me || is_bot && talked())
    }

    fn exists(&self, cx: &Cx<'_>, id: i64, access_hash: i64) -> Outcome<()> {
        let channel = self.world.channels.get(&id);
        let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
        let is_bot = cx.people.get(cx.me).is_some_and(|me| me.bot);
        let is_known = is_bot && access_hash == NO_HASH && channel.role(cx.me).is_some();
        let fits = channel.access_hash == access_hash || is_known;
        ensure(fits, bad("CHANNEL_INVALID"))
    }

    fn reachable(&self, cx: &Cx<'_>, id: i64, access_hash: i64) -> Outcome<()> {
        self.exists(cx, id, access_hash)?;
        self.open(cx, id).map(|_| ())
    }

    /// The channel with this id, if the caller may read it.
    pub(super) fn open(&self, cx: &Cx<'_>, id: i64) -> Outcome<&Channel> {
        let channel = self.world.channels.get(&id);
        let channel = channel.ok_or_else(|| bad("CHANNEL_INVALID"))?;
        ensure(channel.is_open_to(cx.me), bad("CHANNEL_PRIVATE"))?;
        Ok(channel)
    }

    /// A peer known from a message that the caller has.
    fn seen_in(&self, cx: &Cx<'_>, place: &InputPeer, id: i32, peer: Peer) -> Outcome<Peer> {
        // A place that is itself named by a message would be a chain without end.
        let direct = !matches!(
            place,
            InputPeer::UserFromMessage(_) | InputPeer::ChannelFromMessage(_)
        );
        ensure(direct, bad("PEER_ID_INVALID"))?;
        let place = self.peer(cx, place)?;
        let has = self.world.is_in(cx.me, place, id);
        ensure(has, bad("MSG_ID_INVALID"))?;
        let mut view = View::new(&self.world, cx.people, cx.me, cx.now);
        view.message(World::owner(cx.me, place), id);
        ensure(view.names(peer), bad("PEER_ID_INVALID")).map(|()| peer)
    }
}

impl Chat {
    /// Whether somebody belongs to the chat or once did.
    pub(super) fn knows(&self, user: i64) -> bool {
        self.members.contains_key(&user) || self.gone.contains_key(&user)
    }
}
