//! A client that keeps strictly to what pushes, answers and differences tell.

use std::collections::{BTreeMap, BTreeSet};

use mtproto_schema::api::functions::messages::EditMessage;
use mtproto_schema::api::functions::updates::{GetChannelDifference, GetDifference, GetState};
use mtproto_schema::api::{enums, types};

use super::stage::{Stage, id_and_text, updates_of};

/// A message as the client has it: where, what, whether changed.
type Seen = (i64, String, Option<i32>);

/// A session of an account, and all that it knows.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    pub me: i64,
    pub online: bool,
    pub pts: i32,
    pub seq: i32,
    pub date: i32,
    pub messages: BTreeMap<i32, Seen>,
    pub read_inbox: BTreeMap<i64, i32>,
    pub read_outbox: BTreeMap<i64, i32>,
    pub channels: BTreeMap<i64, Followed>,
    pub blocked: BTreeSet<i64>,
    pub contacts: BTreeSet<i64>,
    pub members: BTreeMap<i64, (i32, Vec<i64>)>,
    /// Whom it can name.
    pub users: BTreeSet<i64>,
}

/// A channel as the client has it.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    pub access_hash: i64,
    pub joined: bool,
    pub pts: i32,
    pub messages: BTreeMap<i32, (String, Option<i32>)>,
    pub read_inbox: i32,
    pub read_outbox: i32,
}

pub fn marked(peer: &enums::Peer) -> i64 {
    match peer {
        enums::Peer::User(peer) => peer.user_id,
        enums::Peer::Chat(peer) => -peer.chat_id,
        enums::Peer::Channel(peer) => -1_000_000_000_000 - peer.channel_id,
    }
}

fn place(message: &enums::Message) -> (i64, Option<i32>, Vec<i64>) {
    match message {
        enums::Message::Message(m) => {
            let from = m.from_id.as_ref().map(marked);
            let forwarded = m.fwd_from.as_ref().and_then(|f| f.from_id.as_ref());
            let peers = from.into_iter().chain(forwarded.map(marked));
            (marked(&m.peer_id), m.edit_date, peers.collect())
        }
        enums::Message::Service(m) => {
            let from = m.from_id.as_ref().map(marked);
            (marked(&m.peer_id), None, from.into_iter().collect())
        }
        enums::Message::Empty(_) => panic!("an update is never empty"),
    }
}

impl Follower {
    /// A session that starts from nothing.
    pub fn start(stage: &mut Stage, me: i64) -> Self {
        let state = stage.call(me, &GetState).unwrap();
        Follower {
            me,
            online: true,
            pts: state.pts,
            seq: state.seq,
            date: state.date,
            ..Follower::default()
        }
    }

    /// Takes a container that was pushed or answered. It must fit exactly.
    pub fn take(&mut self, stage: &mut Stage, updates: enums::Updates, how: &str) {
        let (seq, date) = match &updates {
            enums::Updates::Updates(updates) => {
                self.meet(&updates.users, &updates.chats);
                (updates.seq, updates.date)
            }
            enums::Updates::UpdateShortMessage(short) => {
                let who = &short.user_id;
                assert!(
                    self.users.contains(who),
                    "{how}: short, of a stranger {who}"
                );
                (0, short.date)
            }
            _ => (0, self.date),
        };
        if seq != 0 {
            assert_eq!(seq, self.seq + 1, "{how}: seq");
            self.seq = seq;
            self.date = date;
        }
        for update in updates_of(updates) {
            self.apply(stage, update, true, how);
        }
    }

    fn meet(&mut self, users: &[enums::User], chats: &[enums::Chat]) {
        for user in users {
            let enums::User::User(user) = user else {
                panic!("nobody is gone");
            };
            assert!(!user.min && user.access_hash.is_some());
            self.users.insert(user.id);
            if user.contact {
                self.contacts.insert(user.id);
            } else {
                self.contacts.remove(&user.id);
            }
        }
        for chat in chats {
            match chat {
                enums::Chat::Channel(channel) => {
                    let followed = self.channels.entry(channel.id).or_default();
                    followed.access_hash = channel.access_hash.unwrap();
                    let joined = !channel.left;
                    if joined && !followed.joined {
                        // What happened before is fetched from the beginning.
                        followed.pts = 1;
                        followed.messages.clear();
                    }
                    followed.joined = joined;
                }
                enums::Chat::ChannelForbidden(channel) => {
                    self.channels.entry(channel.id).or_default().joined = false;
                }
                _ => {}
            }
        }
    }

    fn knows(&self, peer: i64) -> bool {
        peer <= -1_000_000_000_000 || peer < 0 || self.users.contains(&peer)
    }

    fn counted(&mut self, pts: i32, count: i32, live: bool, how: &str) {
        if live {
            assert_eq!(pts, self.pts + count, "{how}: pts of {}", self.me);
            self.pts = pts;
        }
    }

    fn apply(&mut self, stage: &mut Stage, update: enums::Update, live: bool, how: &str) {
        match update {
            enums::Update::NewMessage(new) => {
                self.counted(new.pts, new.pts_count, live, how);
                self.keep(&new.message, how);
            }
            enums::Update::EditMessage(edit) => {
                self.counted(edit.pts, edit.pts_count, live, how);
                self.keep(&edit.message, how);
            }
            enums::Update::DeleteMessages(gone) => {
                self.counted(gone.pts, gone.pts_count, live, how);
                for id in gone.messages {
                    self.messages.remove(&id);
                }
            }
            enums::Update::ReadHistoryInbox(read) => {
                self.counted(read.pts, read.pts_count, live, how);
                self.read_inbox.insert(marked(&read.peer), read.max_id);
            }
            enums::Update::ReadHistoryOutbox(read) => {
                self.counted(read.pts, read.pts_count, live, how);
                self.read_outbox.insert(marked(&read.peer), read.max_id);
            }
            enums::Update::ReadMessagesContents(read) => {
                self.counted(read.pts, read.pts_count, live, how);
            }
            enums::Update::NewChannelMessage(new) => {
                let channel = self.channel_counts(&new.message, new.pts, new.pts_count, stage, how);
                self.keep_in_channel(channel, &new.message);
            }
            enums::Update::EditChannelMessage(edit) => {
                let channel =
                    self.channel_counts(&edit.message, edit.pts, edit.pts_count, stage, how);
                self.keep_in_channel(channel, &edit.message);
            }
            enums::Update::DeleteChannelMessages(gone) => {
                let id = gone.channel_id;
                self.channel_moves(id, gone.pts, gone.pts_count, stage, how);
                let channel = self.channels.get_mut(&id).unwrap();
                channel.messages.retain(|id, _| !gone.messages.contains(id));
            }
            enums::Update::ChannelTooLong(long) => self.catch_up_in(stage, long.channel_id, how),
            enums::Update::Channel(update) => {
                // One that was just joined has to be read from somewhere.
                if self.channels[&update.channel_id].joined {
                    self.catch_up_in(stage, update.channel_id, how);
                }
            }
            enums::Update::ReadChannelInbox(read) => {
                self.channels.get_mut(&read.channel_id).unwrap().read_inbox = read.max_id;
            }
            enums::Update::ReadChannelOutbox(read) => {
                self.channels.get_mut(&read.channel_id).unwrap().read_outbox = read.max_id;
            }
            enums::Update::PeerBlocked(blocked) => {
                let id = marked(&blocked.peer_id);
                if blocked.blocked {
                    self.blocked.insert(id);
                } else {
                    self.blocked.remove(&id);
                }
            }
            enums::Update::ChatParticipants(update) => match update.participants {
                enums::ChatParticipants::ChatParticipants(members) => {
                    let ids = members.participants.iter().map(|member| match member {
                        enums::ChatParticipant::ChatParticipant(member) => member.user_id,
                        enums::ChatParticipant::Creator(member) => member.user_id,
                        enums::ChatParticipant::Admin(member) => member.user_id,
                    });
                    let ids: Vec<i64> = ids.collect();
                    assert!(ids.iter().all(|id| self.users.contains(id)), "{how}");
                    self.members.insert(members.chat_id, (members.version, ids));
                }
                enums::ChatParticipants::Forbidden(members) => {
                    self.members.remove(&members.chat_id);
                }
            },
            enums::Update::PeerSettings(_)
            | enums::Update::UserName(_)
            | enums::Update::MessageId(_)
            | enums::Update::UserTyping(_)
            | enums::Update::ChatUserTyping(_)
            | enums::Update::ChannelUserTyping(_)
            | enums::Update::UserStatus(_) => {}
            _ => panic!("{how}: an update that the DC does not make"),
        }
    }

    fn keep(&mut self, message: &enums::Message, how: &str) {
        let (id, text) = id_and_text(message);
        let (peer, edited, named) = place(message);
        for peer in named.into_iter().chain([peer]) {
            assert!(self.knows(peer), "{how}: {peer} was never introduced");
        }
        self.messages.insert(id, (peer, text, edited));
    }

    fn keep_in_channel(&mut self, channel: i64, message: &enums::Message) {
        let (id, text) = id_and_text(message);
        let (_, edited, _) = place(message);
        let channel = self.channels.get_mut(&channel).unwrap();
        channel.messages.insert(id, (text, edited));
    }

    fn channel_counts(
        &mut self,
        message: &enums::Message,
        pts: i32,
        count: i32,
        stage: &mut Stage,
        how: &str,
    ) -> i64 {
        let id = -1_000_000_000_000 - place(message).0;
        self.channel_moves(id, pts, count, stage, how);
        id
    }

    fn channel_moves(&mut self, id: i64, pts: i32, count: i32, stage: &mut Stage, how: &str) {
        let channel = self.channels.get_mut(&id).unwrap();
        if channel.pts + count == pts {
            channel.pts = pts;
        } else if channel.pts + count < pts {
            self.catch_up_in(stage, id, how);
        }
    }

    /// Asks for what was missed, until there is no more.
    pub fn catch_up(&mut self, stage: &mut Stage, limit: Option<i32>, how: &str) {
        self.online = true;
        loop {
            let query = GetDifference {
                pts: self.pts,
                pts_limit: limit,
                pts_total_limit: None,
                date: self.date,
                qts: 0,
                qts_limit: None,
            };
            let (new, other, users, chats, state, more) = match stage.call(self.me, &query).unwrap()
            {
                enums::updates::Difference::Empty(empty) => {
                    (self.date, self.seq) = (empty.date, empty.seq);
                    return;
                }
                enums::updates::Difference::Difference(d) => (
                    d.new_messages,
                    d.other_updates,
                    d.users,
                    d.chats,
                    d.state,
                    false,
                ),
                enums::updates::Difference::Slice(d) => (
                    d.new_messages,
                    d.other_updates,
                    d.users,
                    d.chats,
                    d.intermediate_state,
                    true,
                ),
                enums::updates::Difference::TooLong(_) => panic!("{how}: the log is long enough"),
            };
            self.meet(&users, &chats);
            for message in &new {
                self.keep(message, how);
            }
            for update in other {
                self.apply(stage, update, false, how);
            }
            (self.pts, self.date, self.seq) = (state.pts, state.date, state.seq);
            if !more {
                return;
            }
        }
    }

    /// Asks for what was missed in a channel, if it may still be read.
    pub fn catch_up_in(&mut self, stage: &mut Stage, id: i64, how: &str) {
        loop {
            let channel = &self.channels[&id];
            let query = GetChannelDifference {
                force: false,
                channel: enums::InputChannel::InputChannel(types::InputChannel {
                    channel_id: id,
                    access_hash: channel.access_hash,
                }),
                filter: enums::ChannelMessagesFilter::Empty,
                pts: channel.pts,
                limit: 3,
            };
            let (new, other, users, chats, pts, last) = match stage.call(self.me, &query) {
                Ok(enums::updates::ChannelDifference::Empty(_)) => return,
                Ok(enums::updates::ChannelDifference::ChannelDifference(d)) => (
                    d.new_messages,
                    d.other_updates,
                    d.users,
                    d.chats,
                    d.pts,
                    d.r#final,
                ),
                Ok(enums::updates::ChannelDifference::TooLong(_)) => {
                    panic!("{how}: the log is long enough")
                }
                Err((400, text)) if text == "CHANNEL_PRIVATE" => return,
                Err(refused) => panic!("{how}: {refused:?}"),
            };
            self.meet(&users, &chats);
            for message in &new {
                self.keep_in_channel(id, message);
            }
            for update in other {
                match update {
                    enums::Update::EditChannelMessage(edit) => {
                        self.keep_in_channel(id, &edit.message);
                    }
                    enums::Update::DeleteChannelMessages(gone) => {
                        let channel = self.channels.get_mut(&id).unwrap();
                        channel.messages.retain(|id, _| !gone.messages.contains(id));
                    }
                    _ => panic!("{how}: not an update of a channel"),
                }
            }
            self.channels.get_mut(&id).unwrap().pts = pts;
            if last {
                return;
            }
        }
    }

    /// Takes what the own call moved in the own box.
    pub fn moved(&mut self, pts: i32, count: i32, how: &str) {
        self.counted(pts, count, true, how);
    }
}

/// An edit of a message's text.
pub fn edit(peer: &enums::InputPeer, id: i32, text: &str) -> EditMessage {
    EditMessage {
        no_webpage: false,
        invert_media: false,
        peer: peer.clone(),
        id,
        message: Some(text.into()),
        media: None,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        quick_reply_shortcut_id: None,
        rich_message: None,
    }
}
