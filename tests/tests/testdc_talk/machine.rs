//! The client's own machine of updates, as a session of an account.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::Time;
use mtproto_proto::client::updates::{Config, Event, Updates};
use mtproto_proto::client::{Peers, Snapshot};
use mtproto_proto::error::{RequestError, RpcError};
use mtproto_schema::Function;
use mtproto_schema::api::enums;
use mtproto_schema::api::functions::updates::GetDifference;

use super::follower::marked;
use super::stage::{Stage, id_and_text, place_of};

/// A session that only listens, or one that asks.
pub struct Machine {
    me: i64,
    pub online: bool,
    updates: Updates,
    peers: Peers,
    /// The messages of the common box.
    pub messages: BTreeMap<i32, (i64, String)>,
    /// Those of channels, by channel and id.
    pub posts: BTreeMap<(i64, i32), String>,
    /// How often it asked for what it had missed in the common box.
    pub differences: usize,
}

impl Machine {
    pub fn start(stage: &mut Stage, me: i64) -> Self {
        let stored = Snapshot::new();
        let now = time(stage);
        let mut updates = Updates::new(Config::default(), &stored, now);
        updates.set_account(now, Some(me), false);
        updates.set_wanted(now, true);
        let mut machine = Machine {
            me,
            online: true,
            updates,
            peers: Peers::new(&stored, 1_000),
            messages: BTreeMap::new(),
            posts: BTreeMap::new(),
            differences: 0,
        };
        machine.run(stage, "at the start");
        machine.differences = 0;
        machine
    }

    /// It learns who these are, as whoever writes to somebody has done before.
    pub fn meet(&mut self, users: &[enums::User]) {
        self.peers.learn(users, &[]);
    }

    pub fn pushed(&mut self, stage: &mut Stage, body: &Bytes, how: &str) {
        self.updates.handle(time(stage), body, &mut self.peers);
        self.run(stage, how);
    }

    pub fn answered(&mut self, stage: &mut Stage, query: &Bytes, answer: &Bytes, how: &str) {
        self.peers.learn_from_answer(answer);
        self.updates
            .handle_answer(time(stage), query, answer, &mut self.peers);
        self.run(stage, how);
    }

    /// It was away, and is there again.
    pub fn back(&mut self, stage: &mut Stage, how: &str) {
        self.online = true;
        self.updates.handle_may_have_missed(time(stage));
        self.run(stage, how);
    }

    /// A minute goes by, and all timers with it.
    pub fn minute(&mut self, stage: &mut Stage, how: &str) {
        let end = time(stage) + Duration::from_secs(60);
        for _ in 0..10_000 {
            match self.updates.poll_timeout() {
                Some(at) if at <= end => {
                    self.updates.handle_timeout(at.max(time(stage)));
                    self.run(stage, how);
                }
                Some(_) | None => return,
            }
        }
        panic!("{how}: a busy loop");
    }

    /// Asks what it needs to ask, until it has all.
    fn run(&mut self, stage: &mut Stage, how: &str) {
        let now = time(stage);
        for _ in 0..10_000 {
            self.take(now, how);
            let Some(need) = self.updates.poll_need(now, &self.peers) else {
                return;
            };
            let id = u32::from_le_bytes(need.body[..4].try_into().unwrap());
            self.differences += usize::from(id == GetDifference::ID);
            let answer = stage.raw(self.me, id, &need.body).unwrap();
            let answer = answer.map_err(|(code, message)| {
                assert_eq!(message, "CHANNEL_PRIVATE", "{how}");
                RequestError::Rpc(RpcError { code, message })
            });
            self.updates
                .handle_need(now, need.id, answer, &mut self.peers);
        }
        panic!("{how}: it asks for ever");
    }

    fn take(&mut self, now: Time, how: &str) {
        while let Some(event) = self.updates.poll_update() {
            let update = match event {
                Event::Update(update) => update,
                // A channel that one was put out of, or comes back to.
                Event::Lost(lost) if lost.channel.is_some() => {
                    self.updates.taken(now, lost.id);
                    continue;
                }
                _ => panic!("{how}: something is lost"),
            };
            self.updates.taken(now, update.id);
            match update.parsed.expect("of this layer") {
                enums::Update::NewMessage(new) => self.keep(&new.message),
                enums::Update::EditMessage(edit) => self.keep(&edit.message),
                enums::Update::DeleteMessages(gone) => {
                    self.messages.retain(|id, _| !gone.messages.contains(id));
                }
                enums::Update::NewChannelMessage(new) => self.keep(&new.message),
                enums::Update::EditChannelMessage(edit) => self.keep(&edit.message),
                enums::Update::DeleteChannelMessages(gone) => {
                    let is_gone = |(channel, id): &(i64, i32)| {
                        *channel == gone.channel_id && gone.messages.contains(id)
                    };
                    self.posts.retain(|post, _| !is_gone(post));
                }
                _ => {}
            }
        }
    }

    fn keep(&mut self, message: &enums::Message) {
        let (id, text) = id_and_text(message);
        match place_of(message) {
            enums::Peer::Channel(peer) => {
                self.posts.insert((peer.channel_id, id), text);
            }
            peer => {
                self.messages.insert(id, (marked(peer), text));
            }
        }
    }
}

fn time(stage: &Stage) -> Time {
    Time::from_unix(u64::try_from(stage.now).unwrap())
}
