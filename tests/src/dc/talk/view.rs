//! What one account sees.
//!
//! Does: [`View`]: users, chats and channels as the API's objects, for one viewer. It notes who is
//! named in what it shows, so that [`View::related`] can give them along.
//! In: the world. Out: API objects.
//! Must not know: who asks for what; access is checked before.
//! Spec: "Peers", "Working with Updates".

use std::collections::BTreeSet;

use mtproto_schema::Str;
use mtproto_schema::api::{enums, types};

use super::bare::{OFF, bare};
use super::peer::Peer;
use super::world::{Channel, Chat, Role, World};
use crate::dc::people::People;

/// What one account sees.
pub struct View<'a> {
    pub(super) world: &'a World,
    pub(super) people: &'a People,
    /// Who looks.
    pub(super) me: i64,
    /// Unix seconds.
    pub(super) now: i32,
    named: BTreeSet<Peer>,
}

/// A text, as an API object has it.
pub fn text(text: &str) -> Str {
    Str::from(text)
}

/// A number of things, as an API object has it.
pub fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl<'a> View<'a> {
    /// What this account sees.
    pub fn new(world: &'a World, people: &'a People, me: i64, now: i32) -> Self {
        View {
            world,
            people,
            me,
            now,
            named: BTreeSet::new(),
        }
    }

    /// Has this peer given along.
    pub fn name(&mut self, peer: Peer) {
        self.named.insert(peer);
    }

    /// Whether something shown names this peer.
    pub fn names(&self, peer: Peer) -> bool {
        self.named.contains(&peer)
    }

    /// Everybody who was named.
    pub fn related(&mut self) -> (Vec<enums::User>, Vec<enums::Chat>) {
        let (mut users, mut chats) = (Vec::new(), Vec::new());
        for peer in std::mem::take(&mut self.named) {
            match peer {
                Peer::User(id) => users.push(self.user(id)),
                Peer::Chat(_) | Peer::Channel(_) => chats.push(self.group(peer)),
            }
        }
        (users, chats)
    }

    /// A user.
    pub fn user(&self, id: i64) -> enums::User {
        let Some(person) = self.people.get(id) else {
            return enums::User::Empty(types::UserEmpty { id });
        };
        let account = self.world.accounts.get(&self.me);
        let contact = account.and_then(|account| account.contacts.get(&id));
        let is_me = id == self.me;
        let knows_me = self.world.has_contact(id, self.me);
        let (first, last) = match contact {
            Some(contact) => (&contact.first_name, &contact.last_name),
            None => (&person.first_name, &person.last_name),
        };
        let filled = |name: &String| (!name.is_empty()).then(|| text(name));
        let sees_phone = !person.bot && (is_me || contact.is_some() || knows_me);
        let user: types::User = bare(&[OFF, OFF, &id]);
        enums::User::User(Box::new(types::User {
            self_: is_me,
            contact: contact.is_some(),
            mutual_contact: contact.is_some() && knows_me,
            access_hash: Some(person.access_hash),
            first_name: filled(first),
            last_name: filled(last),
            username: person.username.as_deref().map(text),
            phone: filled(&person.phone).filter(|_| sees_phone),
            status: (!person.bot).then(|| self.status(id)),
            bot_info_version: person.bot.then_some(1),
            ..user
        }))
    }

    /// When a user was seen.
    pub fn status(&self, id: i64) -> enums::UserStatus {
        match self.world.accounts.get(&id).and_then(|a| a.online) {
            Some(expires) if expires > self.now => {
                enums::UserStatus::Online(types::UserStatusOnline { expires })
            }
            Some(was_online) => enums::UserStatus::Offline(types::UserStatusOffline { was_online }),
            None => enums::UserStatus::Empty,
        }
    }

    /// A chat or a channel.
    pub fn group(&self, peer: Peer) -> enums::Chat {
        let (Peer::User(id) | Peer::Chat(id) | Peer::Channel(id)) = peer;
        if let Peer::Channel(id) = peer
            && let Some(channel) = self.world.channels.get(&id)
        {
            return self.channel(id, channel);
        }
        match self.world.chats.get(&id) {
            Some(chat) => self.chat(id, chat),
            None => enums::Chat::Empty(types::ChatEmpty { id }),
        }
    }

    fn chat(&self, id: i64, chat: &Chat) -> enums::Chat {
        let role = chat.role(self.me);
        let left = chat.gone.get(&self.me) == Some(&false);
        if role.is_none() && !left {
            let title = text(&chat.title);
            return enums::Chat::Forbidden(types::ChatForbidden { id, title });
        }
        let photo = enums::ChatPhoto::Empty;
        let members = count(chat.members.len());
        let title = text(&chat.title);
        let (date, version) = (chat.date, chat.version);
        enums::Chat::Chat(Box::new(types::Chat {
            creator: role == Some(Role::Creator),
            left,
            admin_rights: role.and_then(chat_rights),
            default_banned_rights: Some(no_ban()),
            ..bare(&[OFF, &id, &title, &photo, &members, &date, &version])
        }))
    }

    fn channel(&self, id: i64, channel: &Channel) -> enums::Chat {
        let title = text(&channel.title);
        if !channel.is_open_to(self.me) {
            return enums::Chat::ChannelForbidden(types::ChannelForbidden {
                broadcast: channel.broadcast,
                megagroup: !channel.broadcast,
                monoforum: false,
                id,
                access_hash: channel.access_hash,
                title,
                until_date: None,
            });
        }
        let role = channel.role(self.me);
        let channel_object: types::Channel = bare(&[
            OFF,
            OFF,
            &id,
            &title,
            &enums::ChatPhoto::Empty,
            &channel.date,
        ]);
        enums::Chat::Channel(Box::new(types::Channel {
            creator: role == Some(Role::Creator),
            left: role.is_none(),
            broadcast: channel.broadcast,
            megagroup: !channel.broadcast,
            access_hash: Some(channel.access_hash),
            username: channel.username.as_deref().map(text),
            admin_rights: role.and_then(channel_rights),
            default_banned_rights: (!channel.broadcast).then(no_ban),
            participants_count: Some(count(channel.members.len())),
            ..channel_object
        }))
    }
}

/// What an admin of a chat may do; members have no rights object.
fn chat_rights(role: Role) -> Option<types::ChatAdminRights> {
    (role != Role::Member).then(|| types::ChatAdminRights {
        change_info: true,
        delete_messages: true,
        ban_users: true,
        invite_users: true,
        pin_messages: true,
        other: true,
        add_admins: role == Role::Creator,
        ..bare(&[OFF])
    })
}

/// What an admin of a channel may do; members have no rights object.
pub fn channel_rights(role: Role) -> Option<types::ChatAdminRights> {
    chat_rights(role).map(|rights| types::ChatAdminRights {
        post_messages: true,
        edit_messages: true,
        ..rights
    })
}

/// Nothing is forbidden.
fn no_ban() -> types::ChatBannedRights {
    bare(&[OFF, &0])
}

/// Everything is forbidden, for good.
pub fn full_ban() -> types::ChatBannedRights {
    types::ChatBannedRights {
        view_messages: true,
        send_messages: true,
        ..bare(&[OFF, &i32::MAX])
    }
}
