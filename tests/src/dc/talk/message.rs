//! A message as one account sees it.
//!
//! Does: the API's `Message` for a box's owner, or a channel's reader: which side it is on, from
//! whom, where; it names the peers in it.
//! In: a box and an id. Out: an API object.
//! Must not know: how the message got there.
//! Spec: "Messages", "Service messages", "Forwards".

use mtproto_schema::api::{enums, types};

use super::bare::{OFF, bare};
use super::boxes::Held;
use super::peer::Peer;
use super::view::{View, text};
use super::world::{Action, Body, Forward, Post, Said};

impl View<'_> {
    /// The message under this id in a box; `None` if it is gone.
    pub fn message(&mut self, owner: Peer, id: i32) -> Option<enums::Message> {
        let world = self.world;
        let held = world.mailbox(owner)?.held.get(&id)?;
        let post = world.posts.get(&held.uid)?;
        let dialog = post.dialog(owner);
        self.name(dialog);
        self.name(Peer::User(post.from));
        Some(match &post.body {
            Body::Said(said) => self.said(owner, id, held, post, said),
            Body::Did(action) => self.did(owner, id, held, post, action),
        })
    }

    /// The message under this id in a box, or a note that it is gone.
    pub fn message_or_empty(&mut self, owner: Peer, id: i32) -> enums::Message {
        let message = self.message(owner, id);
        message.unwrap_or(enums::Message::Empty(types::MessageEmpty {
            id,
            peer_id: None,
        }))
    }

    fn said(
        &mut self,
        owner: Peer,
        id: i32,
        held: &Held,
        post: &Post,
        said: &Said,
    ) -> enums::Message {
        let forward = post
            .forward
            .as_ref()
            .map(|forward| Box::new(self.forward(forward)));
        let reply_to = held.reply_to.map(|to| {
            let header: types::MessageReplyHeader = bare(&[OFF]);
            enums::MessageReplyHeader::MessageReplyHeader(Box::new(types::MessageReplyHeader {
                reply_to_msg_id: Some(to),
                ..header
            }))
        });
        if let Some(enums::MessageMedia::Contact(contact)) = said.media.as_ref().map(|m| &m.0)
            && contact.user_id != 0
        {
            self.name(Peer::User(contact.user_id));
        }
        for entity in &said.entities.0 {
            if let enums::MessageEntity::MentionName(mention) = entity {
                self.name(Peer::User(mention.user_id));
            }
        }
        let peer = post.dialog(owner).api();
        let entities = (!said.entities.0.is_empty()).then(|| said.entities.0.clone());
        enums::Message::Message(Box::new(types::Message {
            out: self.is_out(post),
            mentioned: held.mentioned,
            media_unread: held.unread_mention,
            silent: post.silent,
            post: self.is_broadcast(owner),
            from_id: self.author(owner, post),
            fwd_from: forward,
            reply_to,
            media: said.media.as_ref().map(|media| Box::new(media.0.clone())),
            reply_markup: said.markup.as_ref().map(|m| Box::new(m.0.clone())),
            entities,
            edit_date: post.edit_date,
            ..bare(&[OFF, OFF, &id, &peer, &post.date, &text(&said.text)])
        }))
    }

    fn did(
        &mut self,
        owner: Peer,
        id: i32,
        held: &Held,
        post: &Post,
        action: &Action,
    ) -> enums::Message {
        let peer = post.dialog(owner).api();
        let action = self.action(action);
        enums::Message::Service(Box::new(types::MessageService {
            out: self.is_out(post),
            mentioned: held.mentioned,
            media_unread: held.unread_mention,
            silent: post.silent,
            post: self.is_broadcast(owner),
            from_id: self.author(owner, post),
            ..bare(&[OFF, &id, &peer, &post.date, &action])
        }))
    }

    fn action(&mut self, action: &Action) -> enums::MessageAction {
        match action {
            Action::ChatCreate(title, users) => {
                self.name_users(users);
                enums::MessageAction::ChatCreate(types::MessageActionChatCreate {
                    title: text(title),
                    users: users.clone(),
                })
            }
            Action::ChannelCreate(title) => {
                enums::MessageAction::ChannelCreate(types::MessageActionChannelCreate {
                    title: text(title),
                })
            }
            Action::Title(title) => {
                enums::MessageAction::ChatEditTitle(types::MessageActionChatEditTitle {
                    title: text(title),
                })
            }
            Action::Add(users) => {
                self.name_users(users);
                enums::MessageAction::ChatAddUser(types::MessageActionChatAddUser {
                    users: users.clone(),
                })
            }
            Action::Remove(user_id) => {
                self.name(Peer::User(*user_id));
                enums::MessageAction::ChatDeleteUser(types::MessageActionChatDeleteUser {
                    user_id: *user_id,
                })
            }
            Action::ByLink(inviter_id) => {
                self.name(Peer::User(*inviter_id));
                enums::MessageAction::ChatJoinedByLink(types::MessageActionChatJoinedByLink {
                    inviter_id: *inviter_id,
                })
            }
        }
    }

    fn forward(&mut self, forward: &Forward) -> types::MessageFwdHeader {
        self.name(forward.from);
        let saved_from = forward.saved_from.map(|(peer, id)| {
            self.name(peer);
            types::MessageFwdHeaderSavedFromPeerGroup {
                saved_from_peer: peer.api(),
                saved_from_msg_id: id,
            }
        });
        types::MessageFwdHeader {
            from_id: Some(forward.from.api()),
            channel_post: forward.channel_post,
            saved_from_peer: saved_from,
            ..bare(&[OFF, &forward.date])
        }
    }

    fn name_users(&mut self, users: &[i64]) {
        for user in users {
            self.name(Peer::User(*user));
        }
    }

    /// Whether the viewer said it to others: what one saves for oneself comes in.
    fn is_out(&self, post: &Post) -> bool {
        post.from == self.me && post.to != Peer::User(self.me)
    }

    fn is_broadcast(&self, owner: Peer) -> bool {
        let Peer::Channel(id) = owner else {
            return false;
        };
        let channel = self.world.channels.get(&id);
        channel.is_some_and(|channel| channel.broadcast)
    }

    /// Who said it, where the dialog does not tell: not in what a private chat's other side says,
    /// and a broadcast speaks for itself.
    fn author(&self, owner: Peer, post: &Post) -> Option<enums::Peer> {
        let known = match post.to {
            Peer::User(_) => post.from != self.me,
            Peer::Chat(_) => false,
            Peer::Channel(_) => self.is_broadcast(owner),
        };
        (!known).then(|| Peer::User(post.from).api())
    }
}
