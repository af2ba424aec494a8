//! Users, chats and channels that were seen, with their access hashes: bounded.
//!
//! Does: remembers by what hash a peer may be called; forgets the one not seen for longest; says
//! what to store when something changed, not at each sighting.
//! In: users and chats of updates and answers. Out: what calls want (`InputPeer`, ..), [`Change`]s.
//! Must not know: names, photos, who is whose friend.
//! Spec: "Accessing peer info", "Min constructors".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Decode, Reader, tl};

use crate::client::{Change, Key, Snapshot};

/// Who or what a message may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PeerId {
    /// A user, bots included.
    User(i64),
    /// A basic group.
    Chat(i64),
    /// A channel, supergroup or community.
    Channel(i64),
}

impl From<&enums::Peer> for PeerId {
    fn from(peer: &enums::Peer) -> Self {
        match peer {
            enums::Peer::User(peer) => PeerId::User(peer.user_id),
            enums::Peer::Chat(peer) => PeerId::Chat(peer.chat_id),
            enums::Peer::Channel(peer) => PeerId::Channel(peer.channel_id),
        }
    }
}

/// What is remembered of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: PeerId,
    /// 0 for basic groups, and for others of whom none was told.
    pub access_hash: i64,
    /// The hash is good for little (`min`), or there is none: it never replaces a full one, and no
    /// call takes it.
    pub min: bool,
}

/// Users, chats and channels that were seen.
#[derive(Debug)]
pub struct Peers {
    known: BTreeMap<PeerId, Entry>,
    /// By when they were seen last.
    order: BTreeSet<(u64, PeerId)>,
    seen: u64,
    max: usize,
    changed: BTreeSet<PeerId>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    peer: Peer,
    seen: u64,
    /// The store knows of it, or has been told to.
    stored: bool,
}

impl Peers {
    /// With what was stored; at most `max` are kept, and at least one.
    pub fn new(stored: &Snapshot, max: usize) -> Self {
        let mut peers = Peers {
            known: BTreeMap::new(),
            order: BTreeSet::new(),
            seen: 0,
            max: max.max(1),
            changed: BTreeSet::new(),
        };
        for (key, value) in stored.iter() {
            if let Key::Peer(id) = key
                && let Some(peer) = from_bytes(id, value)
            {
                peers.put(peer, true);
            }
        }
        peers
    }

    /// What is known of a peer.
    pub fn get(&self, id: PeerId) -> Option<Peer> {
        self.known.get(&id).map(|entry| entry.peer)
    }

    /// As the API wants it in calls; `None` without its access hash.
    pub fn input_peer(&self, id: PeerId) -> Option<enums::InputPeer> {
        let access_hash = self.hash(id)?;
        Some(match id {
            PeerId::User(user_id) => enums::InputPeer::User(types::InputPeerUser {
                user_id,
                access_hash,
            }),
            PeerId::Chat(chat_id) => enums::InputPeer::Chat(types::InputPeerChat { chat_id }),
            PeerId::Channel(channel_id) => enums::InputPeer::Channel(types::InputPeerChannel {
                channel_id,
                access_hash,
            }),
        })
    }

    /// A user as the API wants it in calls; `None` without its access hash.
    pub fn input_user(&self, user_id: i64) -> Option<enums::InputUser> {
        let access_hash = self.hash(PeerId::User(user_id))?;
        Some(enums::InputUser::InputUser(types::InputUser {
            user_id,
            access_hash,
        }))
    }

    /// A channel as the API wants it in calls; `None` without its access hash.
    pub fn input_channel(&self, channel_id: i64) -> Option<enums::InputChannel> {
        let access_hash = self.hash(PeerId::Channel(channel_id))?;
        Some(enums::InputChannel::InputChannel(types::InputChannel {
            channel_id,
            access_hash,
        }))
    }

    /// Learns from an answer or an update.
    pub fn learn(&mut self, users: &[enums::User], chats: &[enums::Chat]) {
        let users = users.iter().filter_map(of_user);
        for peer in users.chain(chats.iter().filter_map(of_chat)) {
            self.put(peer, false);
        }
    }

    /// Learns from an answer to a call: of those that bring users and chats, the common ones.
    /// Boxed `Updates` are left to [`Updates::handle_answer`](super::updates::Updates::handle_answer).
    pub fn learn_from_answer(&mut self, answer: &Bytes) {
        use types::{auth, channels, contacts, messages, updates, users};

        let Some(id) = Reader::new(answer).peek_u32() else {
            return;
        };
        macro_rules! either {
            ($($ty:ty: $($field:ident)+;)*) => {
                match id {
                    $(<$ty>::ID => {
                        if let Ok(answer) = <$ty>::from_bytes(answer) {
                            $(self.$field(&answer.$field);)+
                        }
                    })*
                    _ => {}
                }
            };
        }
        either! {
            auth::Authorization: user;
            channels::ChannelParticipant: users chats;
            channels::ChannelParticipants: users chats;
            contacts::Blocked: users chats;
            contacts::BlockedSlice: users chats;
            contacts::Contacts: users;
            contacts::Found: users chats;
            contacts::ImportedContacts: users;
            contacts::ResolvedPeer: users chats;
            contacts::TopPeers: users chats;
            messages::ChannelMessages: users chats;
            messages::ChatFull: users chats;
            messages::Chats: chats;
            messages::ChatsSlice: chats;
            messages::Dialogs: users chats;
            messages::DialogsSlice: users chats;
            messages::DiscussionMessage: users chats;
            messages::ForumTopics: users chats;
            messages::Messages: users chats;
            messages::MessagesSlice: users chats;
            messages::PeerDialogs: users chats;
            messages::SavedDialogs: users chats;
            messages::SavedDialogsSlice: users chats;
            types::ChatInviteAlready: chat;
            types::ChatInvitePeek: chat;
            updates::ChannelDifference: users chats;
            updates::ChannelDifferenceTooLong: users chats;
            updates::Difference: users chats;
            updates::DifferenceSlice: users chats;
            users::UserFull: users chats;
            users::Users: users;
            users::UsersSlice: users;
        }
        match id {
            // users.getUsers and its like. Other vectors fail at their first element.
            tl::VECTOR => self.users(&Vec::from_bytes(answer).unwrap_or_default()),
            types::User::ID => {
                if let Ok(user) = enums::User::from_bytes(answer) {
                    self.user(&user);
                }
            }
            _ => {}
        }
    }

    /// What is to be stored since the last call.
    pub fn poll_change(&mut self) -> Option<Change> {
        let id = self.changed.pop_first()?;
        if let Some(entry) = self.known.get_mut(&id) {
            entry.stored = true;
        }
        Some(self.change(id))
    }

    /// All as changes.
    pub fn changes(&self) -> Vec<Change> {
        self.known.keys().map(|id| self.change(*id)).collect()
    }

    /// Forgets all: another account has other hashes.
    pub fn clear(&mut self) {
        let stored = self.known.iter().filter(|(_, entry)| entry.stored);
        // Removals that were not told yet stay.
        self.changed.retain(|id| !self.known.contains_key(id));
        self.changed.extend(stored.map(|(id, _)| *id));
        self.known.clear();
        self.order.clear();
    }

    fn users(&mut self, users: &[enums::User]) {
        self.learn(users, &[]);
    }

    fn chats(&mut self, chats: &[enums::Chat]) {
        self.learn(&[], chats);
    }

    fn user(&mut self, user: &enums::User) {
        self.learn(core::slice::from_ref(user), &[]);
    }

    fn chat(&mut self, chat: &enums::Chat) {
        self.learn(&[], core::slice::from_ref(chat));
    }

    fn hash(&self, id: PeerId) -> Option<i64> {
        let peer = self.get(id)?;
        (!peer.min).then_some(peer.access_hash)
    }

    fn put(&mut self, new: Peer, stored: bool) {
        let told = !stored;
        self.seen = self.seen.saturating_add(1);
        let seen = self.seen;
        match self.known.get_mut(&new.id) {
            Some(entry) => {
                self.order.remove(&(entry.seen, new.id));
                entry.seen = seen;
                if worth(&new) >= worth(&entry.peer) && entry.peer != new {
                    entry.peer = new;
                    self.changed.insert(new.id);
                }
            }
            None => {
                while self.known.len() >= self.max {
                    self.evict();
                }
                // A removal that was not told yet: the store still has it.
                let stored = stored || self.changed.contains(&new.id);
                self.known.insert(
                    new.id,
                    Entry {
                        peer: new,
                        seen,
                        stored,
                    },
                );
                if told {
                    self.changed.insert(new.id);
                }
            }
        }
        self.order.insert((seen, new.id));
    }

    fn evict(&mut self) {
        let Some((_, id)) = self.order.pop_first() else {
            return;
        };
        match self.known.remove(&id) {
            // The store is told to forget it. What it never heard of needs no change, so that
            // changes do not pile up while nobody fetches them.
            Some(Entry { stored: true, .. }) => self.changed.insert(id),
            Some(Entry { stored: false, .. }) | None => self.changed.remove(&id),
        };
    }

    fn change(&self, id: PeerId) -> Change {
        Change {
            key: Key::Peer(id),
            value: self.get(id).map(to_bytes),
        }
    }
}

/// A full hash is worth more than a `min` one, and that more than none.
fn worth(peer: &Peer) -> u8 {
    match (peer.min, peer.access_hash) {
        (false, _) => 2,
        (true, 0) => 0,
        (true, _) => 1,
    }
}

fn of_user(user: &enums::User) -> Option<Peer> {
    match user {
        enums::User::User(user) => {
            Some(with_hash(PeerId::User(user.id), user.access_hash, user.min))
        }
        enums::User::Empty(_) => None,
    }
}

fn of_chat(chat: &enums::Chat) -> Option<Peer> {
    let group = |id| {
        Some(Peer {
            id: PeerId::Chat(id),
            access_hash: 0,
            min: false,
        })
    };
    let channel = |id, hash, min| Some(with_hash(PeerId::Channel(id), hash, min));
    match chat {
        enums::Chat::Empty(_) => None,
        enums::Chat::Chat(chat) => group(chat.id),
        enums::Chat::Forbidden(chat) => group(chat.id),
        enums::Chat::Channel(chat) => channel(chat.id, chat.access_hash, chat.min),
        enums::Chat::ChannelForbidden(chat) => channel(chat.id, Some(chat.access_hash), false),
        enums::Chat::CommunityForbidden(chat) => channel(chat.id, chat.access_hash, false),
        enums::Chat::Community(chat) => channel(chat.id, chat.access_hash, chat.min),
    }
}

fn with_hash(id: PeerId, access_hash: Option<i64>, min: bool) -> Peer {
    Peer {
        id,
        access_hash: access_hash.unwrap_or_default(),
        min: min || access_hash.is_none(),
    }
}

/// The format of this release.
const VERSION: u8 = 1;

fn to_bytes(peer: Peer) -> Bytes {
    let mut out = Vec::with_capacity(10);
    out.extend_from_slice(&[VERSION, u8::from(peer.min)]);
    out.extend_from_slice(&peer.access_hash.to_le_bytes());
    out.into()
}

fn from_bytes(id: PeerId, bytes: &[u8]) -> Option<Peer> {
    let (head, hash) = bytes.split_first_chunk::<2>()?;
    let min = match head {
        [VERSION, 0] => false,
        [VERSION, 1] => true,
        _ => return None,
    };
    Some(Peer {
        id,
        access_hash: i64::from_le_bytes(hash.try_into().ok()?),
        min,
    })
}
