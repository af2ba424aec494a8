//! News as containers of updates.
//!
//! Does: [`View::container`] for answers, [`View::pushed`] for everybody else, which takes the short
//! forms where the real server does; [`View::update`] for each piece, also in differences.
//! In: [`Item`]s. Out: `Updates`.
//! Must not know: to whom they go.
//! Spec: "Working with Updates".

use mtproto_schema::api::enums::{Update, Updates};
use mtproto_schema::api::{enums, types};

use super::bare::{OFF, bare};
use super::boxes::{Event, Logged};
use super::facts::Fact;
use super::peer::Peer;
use super::publish::Item;
use super::view::{View, text};
use super::world::{Body, Role, Said};

impl View<'_> {
    /// A container of all of it, for the session that asked.
    pub fn container(&mut self, items: &[Item], seq: i32) -> Updates {
        let updates = items.iter().filter_map(|item| self.update(item)).collect();
        let (users, chats) = self.related();
        Updates::Updates(Box::new(types::Updates {
            updates,
            users,
            chats,
            date: self.now,
            seq,
        }))
    }

    /// A container for everybody else; `None` if it would be empty.
    pub fn pushed(&mut self, items: &[Item], seq: i32) -> Option<Updates> {
        let items: Vec<Item> = items
            .iter()
            .filter(|item| !matches!(item, Item::Id(..)))
            .cloned()
            .collect();
        match items.as_slice() {
            [] => None,
            [Item::Passing(update)] => Some(Updates::UpdateShort(Box::new(types::UpdateShort {
                update: (**update).clone(),
                date: self.now,
            }))),
            [Item::Own(logged)] => {
                let short = self.short(logged);
                Some(short.unwrap_or_else(|| self.container(&items, seq)))
            }
            items => Some(self.container(items, seq)),
        }
    }

    /// Text in a private chat, to a client that knows the other side: there were messages before.
    fn short(&self, logged: &Logged) -> Option<Updates> {
        let Event::New(id) = logged.event else {
            return None;
        };
        let owner = Peer::User(self.me);
        let held = self.world.mailbox(owner)?.held.get(&id)?;
        let post = self.world.posts.get(&held.uid)?;
        let Peer::User(user_id) = post.dialog(owner) else {
            return None;
        };
        let Body::Said(said) = &post.body else {
            return None;
        };
        let messages = self.world.ids_after(self.me, Peer::User(user_id), 0);
        let is_known = messages.take(2).count() > 1;
        if !is_known || user_id == self.me || !said.is_plain() || post.forward.is_some() {
            return None;
        }
        // A reply's header and mentions may name others.
        if held.reply_to.is_some() || !said.entities.0.is_empty() {
            return None;
        }
        let (pts, pts_count) = (logged.pts, logged.count);
        let message = text(&said.text);
        let short: types::UpdateShortMessage =
            bare(&[OFF, &id, &user_id, &message, &pts, &pts_count, &post.date]);
        Some(Updates::UpdateShortMessage(Box::new(
            types::UpdateShortMessage {
                out: post.from == self.me,
                silent: post.silent,
                ..short
            },
        )))
    }

    /// The answer to text in a private chat: what the client does not know of its message yet.
    /// Not with oneself: clients could not tell which of their saved chats it is in.
    pub fn sent(&self, items: &[Item]) -> Option<Updates> {
        let [Item::Id(..), Item::Own(logged)] = items else {
            return None;
        };
        let Event::New(id) = logged.event else {
            return None;
        };
        let post = self.world.post(Peer::User(self.me), id)?;
        let (Peer::User(to), Body::Said(said)) = (post.to, &post.body) else {
            return None;
        };
        if to == self.me {
            return None;
        }
        let entities = &said.entities.0;
        said.is_plain().then(|| {
            Updates::UpdateShortSentMessage(types::UpdateShortSentMessage {
                out: true,
                entities: (!entities.is_empty()).then(|| entities.clone()),
                ..bare(&[OFF, &id, &logged.pts, &logged.count, &post.date])
            })
        })
    }

    /// One update; `None` if what it is about is gone.
    pub fn update(&mut self, item: &Item) -> Option<Update> {
        match item {
            Item::Id(id, random_id) => Some(Update::MessageId(types::UpdateMessageId {
                id: *id,
                random_id: *random_id,
            })),
            Item::Own(logged) => self.own(logged),
            Item::Channel(id, logged) => self.of_channel(*id, logged),
            Item::Fact(fact) => Some(self.fact(*fact)),
            Item::Passing(update) => {
                self.name_in_passing(update);
                Some((**update).clone())
            }
        }
    }

    fn own(&mut self, logged: &Logged) -> Option<Update> {
        let (pts, pts_count) = (logged.pts, logged.count);
        let owner = Peer::User(self.me);
        Some(match &logged.event {
            Event::New(id) => Update::NewMessage(types::UpdateNewMessage {
                message: self.message(owner, *id)?,
                pts,
                pts_count,
            }),
            Event::Edit(id) => Update::EditMessage(types::UpdateEditMessage {
                message: self.message(owner, *id)?,
                pts,
                pts_count,
            }),
            Event::Delete(ids) => Update::DeleteMessages(types::UpdateDeleteMessages {
                messages: ids.clone(),
                pts,
                pts_count,
            }),
            Event::ReadInbox(peer, max_id) => {
                self.name(*peer);
                let unread = self.world.unread(self.me, *peer);
                let read: types::UpdateReadHistoryInbox =
                    bare(&[OFF, &peer.api(), max_id, &unread, &pts, &pts_count]);
                Update::ReadHistoryInbox(read)
            }
            Event::ReadOutbox(peer, max_id) => {
                self.name(*peer);
                Update::ReadHistoryOutbox(types::UpdateReadHistoryOutbox {
                    peer: peer.api(),
                    max_id: *max_id,
                    pts,
                    pts_count,
                })
            }
            Event::Contents(ids) => {
                let read: types::UpdateReadMessagesContents = bare(&[OFF, ids, &pts, &pts_count]);
                Update::ReadMessagesContents(read)
            }
        })
    }

    fn of_channel(&mut self, id: i64, logged: &Logged) -> Option<Update> {
        let (pts, pts_count) = (logged.pts, logged.count);
        let owner = Peer::Channel(id);
        self.name(owner);
        match &logged.event {
            Event::New(id) => Some(Update::NewChannelMessage(types::UpdateNewChannelMessage {
                message: self.message(owner, *id)?,
                pts,
                pts_count,
            })),
            Event::Edit(id) => Some(Update::EditChannelMessage(
                types::UpdateEditChannelMessage {
                    message: self.message(owner, *id)?,
                    pts,
                    pts_count,
                },
            )),
            Event::Delete(ids) => Some(Update::DeleteChannelMessages(
                types::UpdateDeleteChannelMessages {
                    channel_id: id,
                    messages: ids.clone(),
                    pts,
                    pts_count,
                },
            )),
            // These are of one reader, not of the channel.
            Event::ReadInbox(..) | Event::ReadOutbox(..) | Event::Contents(_) => None,
        }
    }

    fn fact(&mut self, fact: Fact) -> Update {
        match fact {
            Fact::Name(user_id) => {
                self.name(Peer::User(user_id));
                let person = self.people.get(user_id);
                let name = |name: fn(&crate::dc::people::Person) -> &str| {
                    text(person.map(name).unwrap_or_default())
                };
                let username = person.and_then(|person| person.username.as_deref());
                let usernames = username.map(|username| types::Username {
                    editable: true,
                    active: true,
                    ..bare(&[OFF, &text(username)])
                });
                Update::UserName(Box::new(types::UpdateUserName {
                    user_id,
                    first_name: name(|person| &person.first_name),
                    last_name: name(|person| &person.last_name),
                    usernames: usernames.into_iter().collect(),
                }))
            }
            Fact::Blocked(id) => {
                self.name(Peer::User(id));
                Update::PeerBlocked(types::UpdatePeerBlocked {
                    blocked: self.world.has_blocked(self.me, id),
                    blocked_my_stories_from: false,
                    peer_id: Peer::User(id).api(),
                })
            }
            Fact::Settings(id) => {
                self.name(Peer::User(id));
                Update::PeerSettings(Box::new(types::UpdatePeerSettings {
                    peer: Peer::User(id).api(),
                    settings: self.settings(id),
                }))
            }
            Fact::Members(id) => Update::ChatParticipants(types::UpdateChatParticipants {
                participants: self.participants(id),
            }),
            Fact::Channel(channel_id) => {
                self.name(Peer::Channel(channel_id));
                Update::Channel(types::UpdateChannel { channel_id })
            }
            Fact::ChannelRead(channel_id) => {
                let channel = Peer::Channel(channel_id);
                self.name(channel);
                let (max_id, _) = self.world.read_up_to(self.me, channel);
                let unread = self.world.unread(self.me, channel);
                let pts = self.world.mailbox(channel).map_or(1, |mailbox| mailbox.pts);
                let read: types::UpdateReadChannelInbox =
                    bare(&[OFF, &channel_id, &max_id, &unread, &pts]);
                Update::ReadChannelInbox(read)
            }
            Fact::ChannelReadByOthers(channel_id) => {
                let channel = Peer::Channel(channel_id);
                self.name(channel);
                let (_, max_id) = self.world.read_up_to(self.me, channel);
                Update::ReadChannelOutbox(types::UpdateReadChannelOutbox { channel_id, max_id })
            }
        }
    }

    /// What the bar above the chat with this user offers.
    pub fn settings(&self, user: i64) -> types::PeerSettings {
        let is_contact = self.world.has_contact(self.me, user);
        let is_stranger = user != self.me && !is_contact;
        let is_bot = self.people.get(user).is_some_and(|person| person.bot);
        types::PeerSettings {
            add_contact: is_stranger && !is_bot,
            block_contact: is_stranger && !self.world.has_blocked(self.me, user),
            ..bare(&[OFF])
        }
    }

    /// The members of a chat, as far as the viewer may know them.
    pub fn participants(&mut self, chat_id: i64) -> enums::ChatParticipants {
        self.name(Peer::Chat(chat_id));
        let world = self.world;
        let chat = world.chats.get(&chat_id);
        let Some(chat) = chat.filter(|chat| chat.role(self.me).is_some()) else {
            return enums::ChatParticipants::Forbidden(bare(&[OFF, &chat_id]));
        };
        let participants = chat.members.iter().map(|(user, member)| {
            self.name(Peer::User(*user));
            let (inviter, date) = (member.inviter, member.date);
            match member.role {
                Role::Creator => enums::ChatParticipant::Creator(bare(&[OFF, user])),
                Role::Admin => enums::ChatParticipant::Admin(bare(&[OFF, user, &inviter, &date])),
                Role::Member => {
                    enums::ChatParticipant::ChatParticipant(bare(&[OFF, user, &inviter, &date]))
                }
            }
        });
        enums::ChatParticipants::ChatParticipants(types::ChatParticipants {
            chat_id,
            participants: participants.collect(),
            version: chat.version,
        })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the API's updates only these two pass by with a peer"
    )]
    fn name_in_passing(&mut self, update: &Update) {
        match update {
            Update::UserStatus(status) => self.name(Peer::User(status.user_id)),
            Update::UserTyping(typing) => self.name(Peer::User(typing.user_id)),
            _ => {}
        }
    }
}

impl Said {
    /// Whether it is text and nothing else.
    fn is_plain(&self) -> bool {
        self.media.is_none() && self.markup.is_none()
    }
}
