//! Groups and channels.
//!
//! Does: methods of [`Client`].
//! In: a basic group, supergroup or channel, and what to do. Out: what became of it.
//! Must not know: how peers are found.
//! Spec: `messages.createChat`, `getChats`, `getFullChat`, `editChatTitle`, `editChatPhoto`,
//! `addChatUser`, `deleteChatUser` and their `channels` kin.

use mtproto_proto::client::PeerId;
use mtproto_schema::api::{enums, functions, types};

use super::PeerRef;
use super::outgoing::chats_of;
use super::peer::{PeerError, Room, as_user};
use crate::client::{Client, Error};

/// A group or channel that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewChat {
    /// Which.
    pub peer: PeerId,
    /// Users who were not added: their privacy settings forbid it.
    pub missing: Vec<i64>,
}

impl Client {
    /// Makes a basic group.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn create_chat<P: Into<PeerRef>>(
        &self,
        title: &str,
        users: impl IntoIterator<Item = P>,
    ) -> Result<NewChat, Error> {
        let create = functions::messages::CreateChat {
            users: self.input_users(users).await?,
            title: title.into(),
            ttl_period: None,
        };
        let answer = self.invoke(&create).await?;
        let made = chats_of(answer.updates).iter().find_map(|chat| match chat {
            enums::Chat::Chat(chat) => Some(PeerId::Chat(chat.id)),
            enums::Chat::Empty(_)
            | enums::Chat::Forbidden(_)
            | enums::Chat::Channel(_)
            | enums::Chat::ChannelForbidden(_)
            | enums::Chat::CommunityForbidden(_)
            | enums::Chat::Community(_) => None,
        });
        Ok(NewChat {
            peer: made.ok_or(Error::Peer(PeerError::Missing))?,
            missing: ids(&answer.missing_invitees),
        })
    }

    /// Makes a channel, or a supergroup, where everybody may write.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub async fn create_channel(
        &self,
        title: &str,
        about: &str,
        supergroup: bool,
    ) -> Result<PeerId, Error> {
        let create = functions::channels::CreateChannel {
            broadcast: !supergroup,
            megagroup: supergroup,
            for_import: false,
            forum: false,
            title: title.into(),
            about: about.into(),
            geo_point: None,
            ttl_period: None,
        };
        let answer = self.invoke(&create).await?;
        let made = chats_of(answer).iter().find_map(|chat| match chat {
            enums::Chat::Channel(channel) => Some(PeerId::Channel(channel.id)),
            enums::Chat::Empty(_)
            | enums::Chat::Chat(_)
            | enums::Chat::Forbidden(_)
            | enums::Chat::ChannelForbidden(_)
            | enums::Chat::CommunityForbidden(_)
            | enums::Chat::Community(_) => None,
        });
        made.ok_or(Error::Peer(PeerError::Missing))
    }

    /// Groups and channels as the account sees them; those that do not exist are left out.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn chats<P: Into<PeerRef>>(
        &self,
        chats: impl IntoIterator<Item = P>,
    ) -> Result<Vec<enums::Chat>, Error> {
        let peers: Vec<PeerRef> = chats.into_iter().map(Into::into).collect();
        let (mut groups, mut channels) = (Vec::new(), Vec::new());
        for peer in peers {
            match self.room(peer).await? {
                Room::Chat(chat_id) => groups.push(chat_id),
                Room::Channel(channel) => channels.push(channel),
            }
        }
        let mut found = Vec::new();
        if !groups.is_empty() {
            let get = functions::messages::GetChats { id: groups };
            found.extend(all(self.invoke(&get).await?));
        }
        if !channels.is_empty() {
            let get = functions::channels::GetChannels { id: channels };
            found.extend(all(self.invoke(&get).await?));
        }
        found.retain(|chat| !matches!(chat, enums::Chat::Empty(_)));
        Ok(found)
    }

    /// Everything about a group or channel: members, description, settings.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn full_chat(
        &self,
        chat: impl Into<PeerRef>,
    ) -> Result<types::messages::ChatFull, Error> {
        match self.room(chat).await? {
            Room::Chat(chat_id) => {
                let get = functions::messages::GetFullChat { chat_id };
                self.invoke(&get).await
            }
            Room::Channel(channel) => {
                let get = functions::channels::GetFullChannel { channel };
                self.invoke(&get).await
            }
        }
    }

    /// Renames a group or channel.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke); `CHAT_NOT_MODIFIED` for the same title.
    pub async fn edit_title(&self, chat: impl Into<PeerRef>, title: &str) -> Result<(), Error> {
        let title = title.into();
        match self.room(chat).await? {
            Room::Chat(chat_id) => {
                let edit = functions::messages::EditChatTitle { chat_id, title };
                self.invoke(&edit).await.map(drop)
            }
            Room::Channel(channel) => {
                let edit = functions::channels::EditTitle { channel, title };
                self.invoke(&edit).await.map(drop)
            }
        }
    }

    /// Changes a group's or channel's picture: one that was uploaded, one of the server's, or
    /// none ([`enums::InputChatPhoto::Empty`]).
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn edit_photo(
        &self,
        chat: impl Into<PeerRef>,
        photo: enums::InputChatPhoto,
    ) -> Result<(), Error> {
        match self.room(chat).await? {
            Room::Chat(chat_id) => {
                let edit = functions::messages::EditChatPhoto { chat_id, photo };
                self.invoke(&edit).await.map(drop)
            }
            Room::Channel(channel) => {
                let edit = functions::channels::EditPhoto { channel, photo };
                self.invoke(&edit).await.map(drop)
            }
        }
    }

    /// Adds a user to a group or channel; `false` when the user's privacy settings forbid it. In a
    /// basic group the newcomer sees the last 100 messages.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke); `USER_ALREADY_PARTICIPANT`.
    pub async fn add_user(
        &self,
        chat: impl Into<PeerRef>,
        user: impl Into<PeerRef>,
    ) -> Result<bool, Error> {
        let user = user.into();
        let room = self.room(chat).await?;
        let user_id = self.input_user(user).await?;
        let invited = match room {
            Room::Chat(chat_id) => {
                let add = functions::messages::AddChatUser {
                    chat_id,
                    user_id,
                    fwd_limit: SEEN_BY_NEWCOMERS,
                };
                self.invoke(&add).await?
            }
            Room::Channel(channel) => {
                let users = vec![user_id];
                let invite = functions::channels::InviteToChannel { channel, users };
                self.invoke(&invite).await?
            }
        };
        Ok(invited.missing_invitees.is_empty())
    }

    /// Takes a user out of a group or channel, who may come back. [`PeerRef::Me`] leaves it.
    ///
    /// # Errors
    /// Of the peers, or of [`invoke`](Client::invoke).
    pub async fn remove_user(
        &self,
        chat: impl Into<PeerRef>,
        user: impl Into<PeerRef>,
    ) -> Result<(), Error> {
        let user = user.into();
        let room = self.room(chat).await?;
        let participant = self.input_peer(user).await?;
        match room {
            Room::Chat(chat_id) => {
                let delete = functions::messages::DeleteChatUser {
                    revoke_history: false,
                    chat_id,
                    user_id: as_user(participant)?,
                };
                self.invoke(&delete).await.map(drop)
            }
            Room::Channel(channel) if matches!(participant, enums::InputPeer::InputPeerSelf) => {
                let leave = functions::channels::LeaveChannel { channel };
                self.invoke(&leave).await.map(drop)
            }
            // Who is banned is taken out, and stays so when the ban is lifted.
            Room::Channel(channel) => {
                for banned in [true, false] {
                    let edit = functions::channels::EditBanned {
                        channel: channel.clone(),
                        participant: participant.clone(),
                        banned_rights: rights(banned),
                    };
                    self.invoke(&edit).await?;
                }
                Ok(())
            }
        }
    }

    /// Becomes a member of a public channel or supergroup.
    ///
    /// # Errors
    /// Of the peer, or of [`invoke`](Client::invoke).
    pub async fn join_channel(&self, channel: impl Into<PeerRef>) -> Result<(), Error> {
        let channel = self.input_channel(channel).await?;
        let join = functions::channels::JoinChannel { channel };
        self.invoke(&join).await.map(drop)
    }
}

/// The most that the server allows.
const SEEN_BY_NEWCOMERS: i32 = 100;

fn all(answer: enums::messages::Chats) -> Vec<enums::Chat> {
    match answer {
        enums::messages::Chats::Chats(all) => all.chats,
        enums::messages::Chats::Slice(page) => page.chats,
    }
}

fn ids(missing: &[types::MissingInvitee]) -> Vec<i64> {
    missing.iter().map(|missing| missing.user_id).collect()
}

/// Everything is forbidden, for ever, or nothing is.
fn rights(banned: bool) -> types::ChatBannedRights {
    types::ChatBannedRights {
        view_messages: banned,
        send_messages: banned,
        send_media: banned,
        send_stickers: banned,
        send_gifs: banned,
        send_games: banned,
        send_inline: banned,
        embed_links: banned,
        send_polls: banned,
        change_info: banned,
        invite_users: banned,
        pin_messages: banned,
        manage_topics: banned,
        send_photos: banned,
        send_videos: banned,
        send_roundvideos: banned,
        send_audios: banned,
        send_voices: banned,
        send_docs: banned,
        send_plain: banned,
        edit_rank: banned,
        send_reactions: banned,
        manage_linked_peers: banned,
        until_date: 0,
    }
}
