//! `updates`: bodies, differences, failures and time, to the machine that keeps updates in order.
//!
//! Must hold: updates are numbered and no more are out than the queue takes; timers move; of what
//! one box asks for at one instant there is an end, even if a server goes on saying the same. (Boxes
//! whose answers point at each other go on as fast as the server answers.)

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mtproto_proto::client::updates::{Config, Event, NeedId, UpdateId, Updates};
use mtproto_proto::client::{PeerId, Peers, Snapshot};
use mtproto_proto::error::RpcError;
use mtproto_proto::{RequestError, Time};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Encode};

use super::Seed;
use super::input::Input;
use crate::pair::START;

const ME: i64 = 777;
/// Steps of one input.
const MAX_STEPS: usize = 300;
/// Calls that are out at once: one for everything but channels, and ten for these.
const MAX_OUT: usize = 11;
/// Calls that one box makes at one instant while every answer comes at once and leads nowhere: a
/// few without a pause, and as many again when what waits is found to be missing.
const MAX_AT_ONCE: usize = 16;
/// Calls of one box in an hour. In an answer, the server may tell anew of a channel that it gives no
/// access hash for; each time there is a gap of 0.7 s, and the difference is asked for twice.
const MAX_CALLS: usize = 16_000;
/// Channels that templates are about.
const CHANNELS: i64 = 4;
const NAMES: [&str; 6] = [
    "PERSISTENT_TIMESTAMP_INVALID",
    "PERSISTENT_TIMESTAMP_OUTDATED",
    "CHANNEL_PRIVATE",
    "FLOOD_WAIT_3",
    "FLOOD_WAIT_4294967296",
    "",
];

/// What each step begins with.
mod step {
    pub(super) const PUSH: u8 = 0;
    pub(super) const ANSWER: u8 = 1;
    pub(super) const FAIL: u8 = 2;
    pub(super) const WAIT: u8 = 3;
    pub(super) const TAKE: u8 = 4;
    pub(super) const CALLED: u8 = 5;
    pub(super) const APPLICATION: u8 = 6;
    pub(super) const RESTART: u8 = 7;
    pub(super) const ALL: u8 = 8;
}

/// Input: the length of the queue and how the server goes on for ever at last; steps.
pub fn updates(data: &[u8]) {
    let mut input = Input::new(data);
    let (queue, last) = (input.u8(), input.u8());
    let mut run = Run::new(usize::from(queue % 9));
    run.asks();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
        run.asks();
    }
    run.goes_on(last);
}

struct Run {
    updates: Updates,
    peers: Peers,
    store: Snapshot,
    config: Config,
    now: Time,
    out: VecDeque<NeedId>,
    /// The boxes that have asked at this instant.
    asking: BTreeSet<Vec<u8>>,
    polled: u64,
    taken: u64,
    /// The last body that was said, to say it again.
    said: Bytes,
}

impl Run {
    fn new(queue: usize) -> Self {
        let mut config = Config::default();
        config.queue = if queue == 0 { config.queue } else { queue };
        let store = Snapshot::new();
        let mut run = Run {
            updates: Updates::new(config.clone(), &store, START),
            peers: Peers::new(&store, 8),
            store,
            config,
            now: START,
            out: VecDeque::new(),
            asking: BTreeSet::new(),
            polled: 0,
            taken: 0,
            said: Bytes::new(),
        };
        run.begin();
        run
    }

    fn begin(&mut self) {
        self.updates.set_account(self.now, Some(ME), false);
        self.updates.set_wanted(self.now, true);
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % step::ALL {
            step::PUSH => {
                let body = self.body(input);
                self.updates.handle(self.now, &body, &mut self.peers);
            }
            step::ANSWER => {
                let at = usize::from(input.u8());
                let body = self.body(input);
                self.answer(at, Ok(body));
            }
            step::FAIL => {
                let (at, kind) = (usize::from(input.u8()), input.u8());
                let name = NAMES[usize::from(kind) % NAMES.len()];
                let error = if kind == 0xff {
                    RequestError::BadAnswer
                } else {
                    refusal(i32::from(kind >> 3), name)
                };
                self.answer(at, Err(error));
            }
            step::WAIT => {
                let amount = u64::from(input.u16());
                self.wait(Duration::from_millis(amount * amount));
            }
            step::TAKE => self.take(input.u8()),
            step::CALLED => {
                let query = functions::messages::DeleteMessages {
                    revoke: false,
                    id: Vec::new(),
                };
                let body = self.body(input);
                let now = self.now;
                self.updates
                    .handle_answer(now, &query.to_bytes(), &body, &mut self.peers);
            }
            step::APPLICATION => {
                let now = self.now;
                match input.u8() & 15 {
                    0..=3 => self.updates.handle_may_have_missed(now),
                    4 => self.updates.set_wanted(now, false),
                    5..=7 => self.updates.set_wanted(now, true),
                    8 => {
                        self.updates.set_account(now, None, false);
                        self.polled = 0;
                        self.begin();
                    }
                    9 => self.updates.set_account(now, Some(ME), true),
                    kind => {
                        let channel = PeerId::Channel(i64::from(input.u8()) % CHANNELS);
                        self.updates.set_open(now, channel, kind & 1 == 0);
                    }
                }
            }
            _ => {
                self.save();
                self.updates = Updates::new(self.config.clone(), &self.store, self.now);
                self.peers = Peers::new(&self.store, 8);
                self.out.clear();
                (self.polled, self.taken) = (0, 0);
                self.begin();
            }
        }
        self.save();
    }

    fn save(&mut self) {
        while let Some(change) = self.updates.poll_change() {
            self.store.apply(change);
        }
        while let Some(change) = self.peers.poll_change() {
            self.store.apply(change);
        }
    }

    /// What it asks for now, which must not depend on answers.
    fn asks(&mut self) {
        for asked in 0.. {
            let Some(need) = self.updates.poll_need(self.now, &self.peers) else {
                return;
            };
            assert!(asked < MAX_OUT, "more calls than boxes");
            assert!(!need.body.is_empty());
            // A channel's call names it; all others are of one box.
            let channel = (need.body.len() > 20).then(|| need.body[12..20].to_vec());
            self.asking.insert(channel.unwrap_or_default());
            self.out.push_back(need.id);
            if self.out.len() > MAX_OUT {
                // Of an account before.
                self.out.pop_front();
            }
        }
    }

    fn answer(&mut self, at: usize, result: Result<Bytes, RequestError>) {
        let at = at % self.out.len().max(1);
        if let Some(id) = self.out.remove(at) {
            let now = self.now;
            self.updates.handle_need(now, id, result, &mut self.peers);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for timers in 0.. {
            match self.updates.poll_timeout() {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => break,
            }
            self.fire();
            assert!(timers < 10_000, "a loop of timers");
        }
        self.now = end;
    }

    fn fire(&mut self) {
        self.updates.handle_timeout(self.now);
        let next = self.updates.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "a timer did not move");
    }

    fn take(&mut self, how: u8) {
        let queue = self.config.queue as u64;
        for _ in 0..(how & 0x7f) {
            let Some(event) = self.updates.poll_update() else {
                break;
            };
            let id = match event {
                Event::Update(update) => update.id.0,
                Event::Lost(lost) => lost.id.0,
                _ => unreachable!("there are no others"),
            };
            assert!(id > self.polled, "numbers rise");
            self.polled = id;
            self.taken = self.taken.max(id.saturating_sub(queue));
        }
        if how & 0x80 == 0 {
            self.taken = self.polled;
            self.updates.taken(self.now, UpdateId(self.taken));
        }
    }

    /// The server says the same to every call from now on, for an hour.
    fn goes_on(&mut self, how: u8) {
        self.updates.set_account(self.now, Some(ME), false);
        self.updates.set_wanted(self.now, true);
        // Those on the screen are polled every second.
        for channel in 0..CHANNELS {
            let channel = PeerId::Channel(channel);
            self.updates.set_open(self.now, channel, false);
        }
        let same = match how & 3 {
            0 => Err(refusal(500, "")),
            1 => Ok(Bytes::from_static(b"????")),
            _ => Ok(self.said.clone()),
        };
        let (mut calls, mut at_once) = (0, (self.now, 0));
        self.asking.clear();
        let end = self.now + Duration::from_secs(3_600);
        // Those that the store and the answers are about.
        let boxes = 1 + 2 * CHANNELS as usize + 256;
        loop {
            self.take(0x7f);
            self.asks();
            while !self.out.is_empty() {
                calls += 1;
                if at_once.0 != self.now {
                    at_once = (self.now, 0);
                }
                at_once.1 += 1;
                if at_once.1 > MAX_AT_ONCE {
                    // Answers for two boxes may each give the other one a reason to ask.
                    assert!(self.asking.len() > 1, "{at_once:?} calls of one box");
                    return;
                }
                let boxes = boxes.min(1 + self.channels());
                assert!(calls <= MAX_CALLS * boxes, "{calls} calls in an hour");
                self.answer(0, same.clone());
                self.take(0x7f);
                self.asks();
            }
            match self.updates.poll_timeout() {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => return,
            }
            self.asking.clear();
            self.fire();
        }
    }

    /// Channels that there may be: stored ones, and all that templates name.
    fn channels(&self) -> usize {
        self.updates.changes().len() + 2 * CHANNELS as usize
    }

    /// A template with the input's numbers, a body of the input, or the last one again.
    fn body(&mut self, input: &mut Input<'_>) -> Bytes {
        let kind = input.u8();
        let numbers = [(); 3].map(|()| number(input));
        let body = match kind & 15 {
            0 => Bytes::copy_from_slice(input.chunk()),
            1 => {
                let template = template(kind >> 4, numbers, input);
                input.edit(template.to_vec()).into()
            }
            2 => self.said.clone(),
            _ => template(kind & 15, numbers, input),
        };
        self.said = body.clone();
        body
    }
}

fn refusal(code: i32, name: &str) -> RequestError {
    RequestError::Rpc(RpcError {
        code,
        message: name.into(),
    })
}

/// Near what is known, or far away.
fn number(input: &mut Input<'_>) -> i32 {
    match input.u8() {
        byte @ 0..=0xdf => i32::from(byte),
        0xe0..=0xef => i32::from(input.u16()) * 100,
        0xf0..=0xf7 => i32::MAX - i32::from(input.u8()),
        _ => input.i32(),
    }
}

fn update(input: &mut Input<'_>) -> enums::Update {
    let (kind, [a, b]) = (input.u8(), [(); 2].map(|()| number(input)));
    let channel_id = i64::from(kind >> 4) % CHANNELS;
    match kind & 7 {
        0 | 1 => enums::Update::DeleteMessages(types::UpdateDeleteMessages {
            messages: vec![a],
            pts: a,
            pts_count: b,
        }),
        2 | 3 => enums::Update::DeleteChannelMessages(types::UpdateDeleteChannelMessages {
            channel_id,
            messages: vec![a],
            pts: a,
            pts_count: b,
        }),
        4 => enums::Update::ChannelTooLong(types::UpdateChannelTooLong {
            channel_id,
            pts: (b != 0).then_some(a),
        }),
        5 => enums::Update::BotStopped(types::UpdateBotStopped {
            user_id: 1,
            date: 1,
            stopped: true,
            qts: a,
        }),
        6 => enums::Update::PtsChanged,
        _ => enums::Update::UserPhone(types::UpdateUserPhone {
            user_id: 1,
            phone: "".into(),
        }),
    }
}

fn some(input: &mut Input<'_>) -> Vec<enums::Update> {
    let count = input.u8() & 7;
    (0..count).map(|_| update(input)).collect()
}

/// A channel with its access hash.
fn chats(input: &mut Input<'_>) -> Vec<enums::Chat> {
    let id = i64::from(input.u8()) % (CHANNELS * 2);
    let known = types::ChannelForbidden {
        broadcast: false,
        megagroup: true,
        monoforum: false,
        id,
        access_hash: 1,
        title: "".into(),
        until_date: None,
    };
    if id < CHANNELS {
        vec![enums::Chat::ChannelForbidden(known)]
    } else {
        Vec::new()
    }
}

/// A message in a channel, or none.
fn messages(id: i32) -> Vec<enums::Message> {
    let channel_id = i64::from(id) % CHANNELS;
    let message = types::MessageEmpty {
        id,
        peer_id: Some(enums::Peer::Channel(types::PeerChannel { channel_id })),
    };
    if id & 1 == 0 {
        vec![enums::Message::Empty(message)]
    } else {
        Vec::new()
    }
}

pub(super) fn template(kind: u8, [a, b, c]: [i32; 3], input: &mut Input<'_>) -> Bytes {
    let state = |unread_count| types::updates::State {
        pts: a,
        qts: b,
        date: c,
        seq: c,
        unread_count,
    };
    let (last, timeout) = (c & 1 == 0, (c & 2 == 0).then_some(c));
    match kind {
        3 => state(0).to_bytes(),
        4 => types::updates::DifferenceEmpty { date: a, seq: b }.to_bytes(),
        5 => types::updates::DifferenceTooLong { pts: a }.to_bytes(),
        6 => types::updates::Difference {
            new_messages: messages(c),
            new_encrypted_messages: Vec::new(),
            other_updates: some(input),
            chats: chats(input),
            users: Vec::new(),
            state: state(1),
        }
        .to_bytes(),
        7 => types::updates::DifferenceSlice {
            new_messages: messages(c),
            new_encrypted_messages: Vec::new(),
            other_updates: some(input),
            chats: chats(input),
            users: Vec::new(),
            intermediate_state: state(1),
        }
        .to_bytes(),
        8 => types::updates::ChannelDifferenceEmpty {
            r#final: last,
            pts: a,
            timeout,
        }
        .to_bytes(),
        9 => types::updates::ChannelDifference {
            r#final: last,
            pts: a,
            timeout,
            new_messages: messages(b),
            other_updates: some(input),
            chats: chats(input),
            users: Vec::new(),
        }
        .to_bytes(),
        10 => types::messages::AffectedMessages {
            pts: a,
            pts_count: b,
        }
        .to_bytes(),
        11 => enums::Updates::TooLong.to_bytes(),
        12 => types::UpdatesCombined {
            updates: some(input),
            users: Vec::new(),
            chats: chats(input),
            date: c,
            seq_start: a,
            seq: b,
        }
        .to_bytes(),
        13 => types::UpdateShort {
            update: update(input),
            date: c,
        }
        .to_bytes(),
        _ => types::Updates {
            updates: some(input),
            users: Vec::new(),
            chats: chats(input),
            date: c,
            seq: b,
        }
        .to_bytes(),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    // The state is told: pts 100, qts 20, date and seq 5.
    let state = [0, 2, step::ANSWER, 0, 3, 100, 20, 5];
    // An update without anything missing; a channel's; one beyond a gap.
    let deleted = |pts: u8| [step::PUSH, 14, 0, 0, 5, 1, 0, pts, 1, 7];
    let in_channel = |pts: u8| [step::PUSH, 14, 0, 0, 5, 1, 0x12, pts, 1, 1];
    let wait = [step::WAIT, 40, 0];
    let take = [step::TAKE, 0x7f];
    let difference = [step::ANSWER, 0, 6, 105, 20, 5, 1, 0, 105, 1, 1];
    let slice = [step::ANSWER, 0, 7, 103, 20, 5, 1, 4, 1, 0, 1];
    let seed = |name: &str, parts: &[&[u8]]| (name.to_owned(), parts.concat());
    vec![
        seed(
            "in-order",
            &[&state, &deleted(101), &take, &in_channel(9), &take],
        ),
        seed(
            "gap",
            &[&state, &deleted(105), &wait, &difference, &take, &wait],
        ),
        seed(
            "slices",
            &[&state, &deleted(105), &wait, &slice, &difference],
        ),
        seed(
            "channel-gap",
            &[
                &state,
                &in_channel(9),
                &in_channel(30),
                &wait,
                &[step::ANSWER, 0, 9, 30, 1, 2, 1, 0x12, 30, 1, 1],
                &take,
            ],
        ),
        seed(
            "channel-more-for-ever",
            &[
                &state,
                &in_channel(9),
                &[step::PUSH, 14, 0, 0, 5, 1, 0x14, 0, 0, 1],
                &[step::ANSWER, 0, 9, 9, 1, 2, 1, 0x14, 0, 0, 1],
            ],
        ),
        seed(
            "too-long-for-ever",
            &[
                &state,
                &[step::PUSH, 11, 0, 0, 0],
                &[step::ANSWER, 0, 5, 90, 0, 0],
            ],
        ),
        seed(
            "changes-for-ever",
            &[
                &state,
                &[step::PUSH, 11, 0, 0, 0],
                &[step::ANSWER, 0, 6, 100, 20, 5, 1, 6, 0, 0, 1],
            ],
        ),
        seed(
            "refused",
            &[
                &state,
                &[step::PUSH, 11, 0, 0, 0],
                &[step::FAIL, 0, 0],
                &wait,
            ],
        ),
        seed(
            "another-process",
            &[&state, &deleted(101), &take, &[step::RESTART], &difference],
        ),
    ]
}
