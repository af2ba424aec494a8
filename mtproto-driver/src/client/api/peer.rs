//! Whom or what a call is about.
//!
//! Does: [`PeerRef`], every way to name a user, chat or channel; finds what the API wants in calls.
//! In: ids, names, objects of the API. Out: `InputPeer` and its kin, with access hashes.
//! Must not know: what they are used for.
//! Spec: "Peers: IDs & access hashes"; `contacts.resolveUsername`, `contacts.resolvePhone`.

use std::{error, fmt};

use mtproto_proto::client::PeerId;
use mtproto_schema::api::{enums, functions, types};

use crate::client::update::peer_id;
use crate::client::{Client, Error};

/// Names a user, a chat or a channel.
///
/// A text is a username (`"durov"`, `"@durov"`), a phone number of the address book (`"+4915…"`),
/// or `"me"`.
///
/// An id works once the account has seen it: in a dialog, an update, an answer; that of a basic
/// group always does. Names cost a call
/// each time, which Telegram limits to some hundred a day, and can change hands: keep the
/// [`PeerId`] that [`resolve_username`](Client::resolve_username) gives.
#[derive(Clone)]
#[non_exhaustive]
pub enum PeerRef {
    /// The account itself: the chat "Saved messages".
    Me,
    /// By its id; the access hash is remembered.
    Id(PeerId),
    /// By its username, without `@`.
    Username(String),
    /// By its phone number, international.
    Phone(String),
    /// As the API wants it: id and access hash are at hand.
    Input(enums::InputPeer),
}

/// Why a [`PeerRef`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The account has not seen it, so that its access hash is not known; or it was forgotten for
    /// others (`Limits::peers`).
    Unknown(PeerId),
    /// The server's answer does not hold what was asked for.
    Missing,
    /// It is not a user.
    NotAUser,
    /// It is not a channel or supergroup.
    NotAChannel,
    /// It is not a chat or a channel.
    NotAChat,
}

impl Client {
    /// What the API wants in calls, with the access hash that is remembered or asked for.
    ///
    /// # Errors
    /// [`Error::Peer`] when it is not known; names are asked for, as by
    /// [`invoke`](Client::invoke).
    pub async fn input_peer(&self, peer: impl Into<PeerRef>) -> Result<enums::InputPeer, Error> {
        match peer.into() {
            PeerRef::Me => Ok(enums::InputPeer::InputPeerSelf),
            PeerRef::Input(peer) => Ok(peer),
            // These have no access hash.
            PeerRef::Id(PeerId::Chat(chat_id)) => {
                Ok(enums::InputPeer::Chat(types::InputPeerChat { chat_id }))
            }
            PeerRef::Id(id) => {
                let known = self.with(move |machine, _| machine.peers().input_peer(id));
                known.await?.ok_or(Error::Peer(PeerError::Unknown(id)))
            }
            PeerRef::Username(username) => {
                let resolve = functions::contacts::ResolveUsername {
                    username: username.into(),
                    referer: None,
                };
                found(&self.invoke(&resolve).await?)
            }
            PeerRef::Phone(phone) => {
                let resolve = functions::contacts::ResolvePhone {
                    phone: phone.into(),
                };
                found(&self.invoke(&resolve).await?)
            }
        }
    }

    /// [`input_peer`](Client::input_peer) for methods that take only users.
    ///
    /// # Errors
    /// As for [`input_peer`](Client::input_peer), and when it is none.
    pub async fn input_user(&self, user: impl Into<PeerRef>) -> Result<enums::InputUser, Error> {
        as_user(self.input_peer(user).await?)
    }

    /// [`input_peer`](Client::input_peer) for methods that take only channels and supergroups.
    ///
    /// # Errors
    /// As for [`input_peer`](Client::input_peer), and when it is none.
    pub async fn input_channel(
        &self,
        channel: impl Into<PeerRef>,
    ) -> Result<enums::InputChannel, Error> {
        match as_room(self.input_peer(channel).await?)? {
            Room::Channel(channel) => Ok(channel),
            Room::Chat(_) => Err(Error::Peer(PeerError::NotAChannel)),
        }
    }

    /// Several users, one after the other.
    pub(super) async fn input_users<P: Into<PeerRef>>(
        &self,
        users: impl IntoIterator<Item = P>,
    ) -> Result<Vec<enums::InputUser>, Error> {
        let users: Vec<PeerRef> = users.into_iter().map(Into::into).collect();
        let mut input = Vec::with_capacity(users.len());
        for user in users {
            input.push(self.input_user(user).await?);
        }
        Ok(input)
    }

    /// A chat or a channel, for which the API has different methods.
    pub(super) async fn room(&self, peer: impl Into<PeerRef>) -> Result<Room, Error> {
        as_room(self.input_peer(peer).await?)
    }
}

/// A group of any kind.
pub(super) enum Room {
    Chat(i64),
    Channel(enums::InputChannel),
}

pub(super) fn as_user(peer: enums::InputPeer) -> Result<enums::InputUser, Error> {
    match peer {
        enums::InputPeer::InputPeerSelf => Ok(enums::InputUser::InputUserSelf),
        enums::InputPeer::User(user) => Ok(enums::InputUser::InputUser(types::InputUser {
            user_id: user.user_id,
            access_hash: user.access_hash,
        })),
        enums::InputPeer::UserFromMessage(user) => {
            Ok(enums::InputUser::FromMessage(types::InputUserFromMessage {
                peer: *user.peer,
                msg_id: user.msg_id,
                user_id: user.user_id,
            }))
        }
        enums::InputPeer::Empty
        | enums::InputPeer::Chat(_)
        | enums::InputPeer::Channel(_)
        | enums::InputPeer::ChannelFromMessage(_) => Err(Error::Peer(PeerError::NotAUser)),
    }
}

fn as_room(peer: enums::InputPeer) -> Result<Room, Error> {
    match peer {
        enums::InputPeer::Chat(chat) => Ok(Room::Chat(chat.chat_id)),
        enums::InputPeer::Channel(_) | enums::InputPeer::ChannelFromMessage(_) => as_channel(&peer)
            .map(Room::Channel)
            .ok_or(Error::Peer(PeerError::NotAChat)),
        enums::InputPeer::Empty
        | enums::InputPeer::InputPeerSelf
        | enums::InputPeer::User(_)
        | enums::InputPeer::UserFromMessage(_) => Err(Error::Peer(PeerError::NotAChat)),
    }
}

/// `None` for users and chats.
pub(super) fn as_channel(peer: &enums::InputPeer) -> Option<enums::InputChannel> {
    match peer {
        enums::InputPeer::Channel(channel) => {
            Some(enums::InputChannel::InputChannel(types::InputChannel {
                channel_id: channel.channel_id,
                access_hash: channel.access_hash,
            }))
        }
        enums::InputPeer::ChannelFromMessage(channel) => Some(enums::InputChannel::FromMessage(
            types::InputChannelFromMessage {
                peer: (*channel.peer).clone(),
                msg_id: channel.msg_id,
                channel_id: channel.channel_id,
            },
        )),
        enums::InputPeer::Empty
        | enums::InputPeer::InputPeerSelf
        | enums::InputPeer::Chat(_)
        | enums::InputPeer::User(_)
        | enums::InputPeer::UserFromMessage(_) => None,
    }
}

/// The peer that a name stands for, from the users and chats of the same answer.
fn found(answer: &types::contacts::ResolvedPeer) -> Result<enums::InputPeer, Error> {
    let id = peer_id(&answer.peer);
    let found = find(id, &answer.users, &answer.chats);
    found.ok_or(Error::Peer(PeerError::Missing))
}

/// The peer with its access hash, if it is among these.
pub(super) fn find(
    id: PeerId,
    users: &[enums::User],
    chats: &[enums::Chat],
) -> Option<enums::InputPeer> {
    let users = users.iter().map(PeerRef::from);
    let mut all = users.chain(chats.iter().map(PeerRef::from));
    all.find_map(|peer| {
        let PeerRef::Input(peer) = peer else {
            return None;
        };
        (id_of(&peer) == Some(id)).then_some(peer)
    })
}

fn id_of(peer: &enums::InputPeer) -> Option<PeerId> {
    match peer {
        enums::InputPeer::User(user) => Some(PeerId::User(user.user_id)),
        enums::InputPeer::Chat(chat) => Some(PeerId::Chat(chat.chat_id)),
        enums::InputPeer::Channel(channel) => Some(PeerId::Channel(channel.channel_id)),
        enums::InputPeer::Empty
        | enums::InputPeer::InputPeerSelf
        | enums::InputPeer::UserFromMessage(_)
        | enums::InputPeer::ChannelFromMessage(_) => None,
    }
}

impl From<&str> for PeerRef {
    fn from(name: &str) -> Self {
        let name = name.trim();
        if name == "me" {
            return PeerRef::Me;
        }
        if let Some(phone) = name.strip_prefix('+') {
            return PeerRef::Phone(phone.into());
        }
        PeerRef::Username(name.strip_prefix('@').unwrap_or(name).into())
    }
}

impl From<&String> for PeerRef {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<String> for PeerRef {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<PeerId> for PeerRef {
    fn from(id: PeerId) -> Self {
        PeerRef::Id(id)
    }
}

impl From<&PeerRef> for PeerRef {
    fn from(peer: &PeerRef) -> Self {
        peer.clone()
    }
}

impl From<enums::InputPeer> for PeerRef {
    fn from(peer: enums::InputPeer) -> Self {
        PeerRef::Input(peer)
    }
}

impl From<&enums::Peer> for PeerRef {
    fn from(peer: &enums::Peer) -> Self {
        PeerRef::Id(peer_id(peer))
    }
}

impl From<&types::User> for PeerRef {
    fn from(user: &types::User) -> Self {
        match user.access_hash {
            // A hash that came with `min` is good for photos only.
            Some(access_hash) if !user.min => {
                PeerRef::Input(enums::InputPeer::User(types::InputPeerUser {
                    user_id: user.id,
                    access_hash,
                }))
            }
            Some(_) | None => PeerRef::Id(PeerId::User(user.id)),
        }
    }
}

impl From<&enums::User> for PeerRef {
    fn from(user: &enums::User) -> Self {
        match user {
            enums::User::User(user) => (&**user).into(),
            enums::User::Empty(user) => PeerRef::Id(PeerId::User(user.id)),
        }
    }
}

impl From<&enums::Chat> for PeerRef {
    fn from(chat: &enums::Chat) -> Self {
        let group =
            |chat_id| PeerRef::Input(enums::InputPeer::Chat(types::InputPeerChat { chat_id }));
        let channel = |channel_id, access_hash| {
            PeerRef::Input(enums::InputPeer::Channel(types::InputPeerChannel {
                channel_id,
                access_hash,
            }))
        };
        match chat {
            enums::Chat::Empty(chat) => group(chat.id),
            enums::Chat::Chat(chat) => group(chat.id),
            enums::Chat::Forbidden(chat) => group(chat.id),
            enums::Chat::Channel(found) => match found.access_hash {
                Some(access_hash) if !found.min => channel(found.id, access_hash),
                Some(_) | None => PeerRef::Id(PeerId::Channel(found.id)),
            },
            enums::Chat::ChannelForbidden(found) => channel(found.id, found.access_hash),
            enums::Chat::CommunityForbidden(found) => PeerRef::Id(PeerId::Channel(found.id)),
            enums::Chat::Community(found) => PeerRef::Id(PeerId::Channel(found.id)),
        }
    }
}

impl fmt::Debug for PeerRef {
    /// Shows no names, numbers and access hashes: they are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerRef::Me => f.write_str("Me"),
            PeerRef::Id(id) => id.fmt(f),
            PeerRef::Username(_) => f.write_str("Username(..)"),
            PeerRef::Phone(_) => f.write_str("Phone(..)"),
            PeerRef::Input(peer) => write!(f, "Input({:?})", id_of(peer)),
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Unknown(id) => write!(
                f,
                "the account has not seen {id:?}, so its access hash is not known; look at its dialogs, or name it by its username"
            ),
            PeerError::Missing => {
                f.write_str("the server's answer does not hold what was asked for")
            }
            PeerError::NotAUser => f.write_str("this is not a user"),
            PeerError::NotAChannel => f.write_str("this is not a channel or supergroup"),
            PeerError::NotAChat => f.write_str("this is not a chat or channel"),
        }
    }
}

impl error::Error for PeerError {}
