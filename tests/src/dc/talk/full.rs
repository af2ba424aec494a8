//! Everything about one user, chat or channel.
//!
//! Does: the API's `UserFull`, `ChatFull` and `ChannelFull`, for one viewer.
//! In: ids. Out: API objects; it names the peers in them.
//! Must not know: who asks for what; access is checked before.
//! Spec: "users.getFullUser", "messages.getFullChat", "channels.getFullChannel".

use mtproto_schema::api::{enums, types};

use super::bare::{OFF, bare};
use super::invites::exported;
use super::peer::Peer;
use super::view::{View, count, text};
use super::world::{Member, Role};

impl View<'_> {
    /// Everything about a user.
    pub fn full_user(&mut self, id: i64) -> types::UserFull {
        self.name(Peer::User(id));
        let about = self.world.accounts.get(&id).map(|account| &account.about);
        let about = about.filter(|about| !about.is_empty());
        let settings = self.settings(id);
        let notify: types::PeerNotifySettings = bare(&[OFF]);
        let both = |members: &std::collections::BTreeMap<i64, Member>| {
            members.contains_key(&id) && members.contains_key(&self.me) && id != self.me
        };
        let chats = self.world.chats.values().filter(|chat| both(&chat.members));
        let groups = self
            .world
            .channels
            .values()
            .filter(|channel| !channel.broadcast);
        let common = chats
            .count()
            .saturating_add(groups.filter(|group| both(&group.members)).count());
        let is_bot = self.people.get(id).is_some_and(|person| person.bot);
        types::UserFull {
            blocked: self.world.has_blocked(self.me, id),
            about: about.map(|about| text(about)),
            bot_info: is_bot.then(|| {
                Box::new(types::BotInfo {
                    user_id: Some(id),
                    ..bare(&[OFF])
                })
            }),
            ..bare(&[OFF, OFF, &id, &settings, &notify, &count(common)])
        }
    }

    /// Everything about a chat.
    pub fn full_chat(&mut self, id: i64) -> enums::ChatFull {
        let participants = self.participants(id);
        let notify: types::PeerNotifySettings = bare(&[OFF]);
        let chat = self.world.chats.get(&id);
        let invite = chat
            .filter(|chat| chat.role(self.me).is_some_and(|role| role != Role::Member))
            .and_then(|chat| chat.invite.as_ref());
        enums::ChatFull::ChatFull(Box::new(types::ChatFull {
            exported_invite: invite.map(exported),
            ..bare(&[OFF, &id, &text(""), &participants, &notify])
        }))
    }

    /// Everything about a channel; `None` if there is none.
    pub fn full_channel(&mut self, id: i64) -> Option<enums::ChatFull> {
        let peer = Peer::Channel(id);
        self.name(peer);
        let channel = self.world.channels.get(&id)?;
        let role = channel.role(self.me);
        let runs = role.is_some_and(|role| role != Role::Member);
        let admins = channel.members.values().filter(|m| m.role != Role::Member);
        let (inbox, outbox) = self.world.read_up_to(self.me, peer);
        let unread = self.world.unread(self.me, peer);
        let photo = enums::Photo::Empty(types::PhotoEmpty { id: 0 });
        let notify: types::PeerNotifySettings = bare(&[OFF]);
        let bots = Vec::<types::BotInfo>::new();
        let pts = channel.mailbox.pts;
        Some(enums::ChatFull::ChannelFull(Box::new(types::ChannelFull {
            can_view_participants: runs || !channel.broadcast,
            can_set_username: role == Some(Role::Creator),
            can_delete_channel: role == Some(Role::Creator),
            participants_count: Some(count(channel.members.len())),
            admins_count: runs.then(|| count(admins.count())),
            kicked_count: runs.then(|| types::ChannelFullKickedCountGroup {
                kicked_count: count(channel.banned.len()),
                banned_count: 0,
            }),
            exported_invite: channel.invite.as_ref().filter(|_| runs).map(exported),
            ..bare(&[
                OFF,
                OFF,
                &id,
                &text(&channel.about),
                &inbox,
                &outbox,
                &unread,
                &photo,
                &notify,
                &bots,
                &pts,
            ])
        })))
    }
}
