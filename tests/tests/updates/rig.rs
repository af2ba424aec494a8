//! One machine, by hand: bodies in, calls and updates out.

use std::time::Duration;

use mtproto_proto::Time;
use mtproto_proto::client::updates::{Config, Event, NeedId, Updates};
use mtproto_proto::client::{Peers, Snapshot};
use mtproto_schema::api::functions::updates::{GetChannelDifference, GetDifference, GetState};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Bytes, Decode, Encode};

use crate::build::*;
use crate::server::{self, BoxId, Kind};

/// What the application was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Box, list and number, as `server::read` finds them.
    Update(BoxId, Kind, i32),
    Lost(Option<i64>),
    /// Something that cannot be read.
    Raw(Bytes),
    /// Something else.
    Other(enums::Update),
}

/// A message of the common box.
pub fn msg(id: i32) -> Told {
    Told::Update(BoxId::Pts, Kind::Message, id)
}

/// A message of a channel.
pub fn post(channel: i64, id: i32) -> Told {
    Told::Update(BoxId::Channel(channel), Kind::Message, id)
}

/// An update without a counter of its own.
pub fn other(id: i32) -> Told {
    Told::Update(BoxId::Seq, Kind::Other, id)
}

pub fn secret(id: i32) -> Told {
    Told::Update(BoxId::Qts, Kind::Message, id)
}

/// A call of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    State,
    Difference { pts: i32, qts: i32, date: i32 },
    Channel { id: i64, pts: i32, limit: i32 },
}

pub struct Rig {
    pub now: Time,
    pub updates: Updates,
    pub peers: Peers,
    pub store: Snapshot,
}

pub const fn difference(pts: i32) -> Call {
    Call::Difference {
        pts,
        qts: 20,
        date: 1_000,
    }
}

impl Rig {
    /// At pts 100, qts 20, date 1000, seq 5, wanted, with nothing to do; channel 11 may be called.
    pub fn new() -> Self {
        Rig::with(Config::default())
    }

    pub fn queue(queue: usize) -> Self {
        let mut config = Config::default();
        config.queue = queue;
        Rig::with(config)
    }

    pub fn with(config: Config) -> Self {
        let mut rig = Rig::unknown(config);
        let id = rig.need(Call::State);
        rig.answer(id, state(100, 20, 1_000, 5).to_bytes());
        rig.peers.learn(&[], &[channel(11, false)]);
        rig.idle();
        rig
    }

    /// Before the server said what the state is.
    pub fn unknown(config: Config) -> Self {
        let store = Snapshot::new();
        let now = Time::from_unix(1_750_000_000);
        let updates = Updates::new(config, &store, now);
        let peers = Peers::new(&store, 100);
        let mut rig = Rig {
            now,
            updates,
            peers,
            store,
        };
        rig.updates.set_account(now, Some(ME), false);
        rig.updates.set_wanted(now, true);
        rig
    }

    /// Another process goes on from what is stored.
    pub fn restart(mut self) -> Self {
        self.save();
        let updates = Updates::new(Config::default(), &self.store, self.now);
        let peers = Peers::new(&self.store, 100);
        let mut rig = Rig {
            updates,
            peers,
            ..self
        };
        rig.updates.set_account(rig.now, Some(ME), false);
        rig.updates.set_wanted(rig.now, true);
        rig
    }

    pub fn save(&mut self) {
        while let Some(change) = self.updates.poll_change() {
            self.store.apply(change);
        }
        while let Some(change) = self.peers.poll_change() {
            self.store.apply(change);
        }
    }

    pub fn push(&mut self, body: Bytes) {
        self.updates.handle(self.now, &body, &mut self.peers);
    }

    /// Each update in a body of its own.
    pub fn each(&mut self, all: impl IntoIterator<Item = enums::Update>) {
        for update in all {
            self.push(updates(vec![update], 0, 0));
        }
    }

    /// An answer to a call of the application.
    pub fn called(&mut self, query: impl Encode, answer: Bytes) {
        self.updates
            .handle_answer(self.now, &query.to_bytes(), &answer, &mut self.peers);
    }

    /// Time goes by; timers run when they are due.
    pub fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..10_000 {
            match self.updates.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.updates.handle_timeout(self.now);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("a busy loop");
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    pub fn call(&mut self) -> Option<(NeedId, Call)> {
        let need = self.updates.poll_need(self.now, &self.peers)?;
        if GetState::from_bytes(&need.body).is_ok() {
            return Some((need.id, Call::State));
        }
        if let Ok(call) = GetDifference::from_bytes(&need.body) {
            let GetDifference { pts, qts, date, .. } = call;
            assert_eq!(call.to_bytes(), need.body);
            return Some((need.id, Call::Difference { pts, qts, date }));
        }
        let call = GetChannelDifference::from_bytes(&need.body).unwrap();
        let enums::InputChannel::InputChannel(input) = call.channel else {
            panic!("{:?}", call.channel);
        };
        let types::InputChannel {
            channel_id: id,
            access_hash,
        } = input;
        assert_eq!(access_hash, id * 1_000);
        Some((
            need.id,
            Call::Channel {
                id,
                pts: call.pts,
                limit: call.limit,
            },
        ))
    }

    /// The call that has to come next.
    pub fn need(&mut self, expected: Call) -> NeedId {
        let (id, call) = self.call().expect("a call");
        assert_eq!(call, expected);
        id
    }

    /// Nothing is to be called.
    pub fn idle(&mut self) {
        assert_eq!(self.call(), None);
    }

    pub fn answer(&mut self, id: NeedId, body: Bytes) {
        self.updates
            .handle_need(self.now, id, Ok(body), &mut self.peers);
    }

    pub fn fail(&mut self, id: NeedId, code: i32, message: &str) {
        let error = server::error(code, message);
        self.updates
            .handle_need(self.now, id, Err(error), &mut self.peers);
    }

    /// What is ready, without taking it.
    pub fn poll(&mut self) -> Vec<(mtproto_proto::client::updates::UpdateId, Told)> {
        std::iter::from_fn(|| self.updates.poll_update())
            .map(|event| match event {
                Event::Lost(lost) => (lost.id, Told::Lost(lost.channel)),
                Event::Update(update) => {
                    let told = match update.parsed {
                        None => Told::Raw(update.raw),
                        Some(parsed) => {
                            assert_eq!(parsed.to_bytes(), update.raw);
                            match server::read(&parsed) {
                                Some((id, kind, tag)) => Told::Update(id, kind, tag),
                                None => Told::Other(parsed),
                            }
                        }
                    };
                    (update.id, told)
                }
                _ => unreachable!("no other events"),
            })
            .collect()
    }

    /// What is ready, and takes it.
    pub fn told(&mut self) -> Vec<Told> {
        let mut all = vec![];
        loop {
            let some = self.poll();
            let Some((last, _)) = some.last() else {
                return all;
            };
            self.updates.taken(self.now, *last);
            all.extend(some.into_iter().map(|(_, told)| told));
        }
    }
}

impl Rig {
    /// The same for messages that are made of short ones: each has a sender, text and a place.
    pub fn poll_full(&mut self) -> Vec<Told> {
        let told = self.told();
        told.into_iter()
            .map(|told| {
                let Told::Other(enums::Update::NewMessage(update)) = told else {
                    return told;
                };
                let enums::Message::Message(message) = update.message else {
                    panic!("a full message");
                };
                assert_eq!((message.message.as_str(), message.date), ("text", 5));
                assert_eq!(message.from_id, Some(peer_user(5)));
                assert!(message.silent != message.mentioned);
                let group = enums::Peer::Chat(types::PeerChat { chat_id: 6 });
                assert!(message.peer_id == peer_user(5) || message.peer_id == group);
                Told::Update(BoxId::Pts, Kind::Message, message.id)
            })
            .collect()
    }
}
