//! `client_answers`: a client with an account, and servers with its keys that answer anything.
//!
//! Must hold: every call ends once; timers move and streams are opened at a pace; nobody is signed
//! out unless a server said so or the application wanted it, and until then the login is kept; what
//! is to be stored adds up to the snapshot; a client that is closed is closed in time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::client::updates::Event as Told;
use mtproto_proto::client::{
    Account, Action, CallOptions, Client, Config, DcOption, DcTable, Event, Key, Route, Snapshot,
};
use mtproto_proto::connection::KeyState;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{ConnId, DcId, MsgId, RequestId, SessionId, Time};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::mtproto::functions::DestroyAuthKey;
use mtproto_schema::{Bytes, Constructor, Encode, Function, Reader, mtproto};

use super::input::Input;
use super::{Seed, updates};
use crate::pair::START;
use crate::tamper::{self, Plain};
use crate::{Dice, Seed as Number};

const KEY: [u8; 256] = [0x4b; 256];
const ME: i64 = 777;
/// Steps of one input.
const MAX_STEPS: usize = 200;
/// Actions and events after one call: all calls of an input may end, ten streams with them, and a
/// thousand updates be told.
const MAX_DONE: usize = MAX_STEPS * MANY + 2_000;
/// Timers of a second: some of a dozen streams and of their calls.
const MAX_TIMERS: u32 = 500;
/// Attempts to connect in a second: of the links of three DCs.
const MAX_DIALS: u32 = 40;
/// Calls that are remembered to be answered.
const MAX_CALLS: usize = 256;
const TAG: [u8; 4] = [0xee; 4];
/// Calls of the application at once, sometimes.
const MANY: usize = 64;

/// What each step begins with.
mod step {
    pub(super) const ANSWER: u8 = 0;
    pub(super) const REFUSE: u8 = 1;
    pub(super) const HONEST: u8 = 2;
    pub(super) const PUSH: u8 = 3;
    pub(super) const CALL: u8 = 4;
    pub(super) const WAIT: u8 = 5;
    pub(super) const APPLICATION: u8 = 6;
    pub(super) const NETWORK: u8 = 7;
    pub(super) const ALL: u8 = 8;
}

/// Errors, with a number at their end if that is a `_`.
const ERRORS: [(i32, &str); 24] = [
    (303, "PHONE_MIGRATE_"),
    (303, "NETWORK_MIGRATE_"),
    (303, "USER_MIGRATE_"),
    (303, "FILE_MIGRATE_"),
    (303, "STATS_MIGRATE_"),
    (420, "FLOOD_WAIT_"),
    (420, "SLOWMODE_WAIT_"),
    (500, "INTERNAL"),
    (-503, "Timeout"),
    (400, "CONNECTION_NOT_INITED"),
    (400, "MSG_WAIT_FAILED"),
    (401, "AUTH_KEY_PERM_EMPTY"),
    (401, "SESSION_PASSWORD_NEEDED"),
    (400, "AUTH_BYTES_INVALID"),
    (400, "CHANNEL_PRIVATE"),
    (400, "PERSISTENT_TIMESTAMP_INVALID"),
    (404, ""),
    (500, "WORKER_BUSY_TOO_LONG_RETRY"),
    // From here on, somebody may be signed out.
    (401, "AUTH_KEY_UNREGISTERED"),
    (401, "SESSION_REVOKED"),
    (401, "USER_DEACTIVATED"),
    (401, "AUTH_KEY_INVALID"),
    (406, "AUTH_KEY_DUPLICATED"),
    (401, "SESSION_EXPIRED"),
];
const SIGNS_OUT: usize = 18;

/// Input: what is stored, then steps.
pub fn client_answers(data: &[u8]) {
    let mut input = Input::new(data);
    let mut run = Run::new(input.u8());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
        run.settle();
    }
    run.finish();
}

/// A server's end of a stream.
struct Stream {
    wire: Vec<u8>,
    tagged: bool,
    session: SessionId,
    content: i32,
}

/// A call that a server has heard.
struct Heard {
    conn: ConnId,
    msg_id: MsgId,
    query: Bytes,
}

struct Run {
    client: Client,
    now: Time,
    key: AuthKey,
    dice: Dice,
    streams: BTreeMap<ConnId, Stream>,
    last_id: i64,
    heard: VecDeque<Heard>,
    open: BTreeSet<RequestId>,
    ended: BTreeSet<RequestId>,
    store: Snapshot,
    /// How streams are opened: 0 and 1 at once, 2 not, 3 never.
    door: u8,
    /// Pings stay without an answer.
    deaf: bool,
    /// A server or the application has given reason to be signed out.
    may_sign_out: bool,
    /// It came to that.
    was_signed_out: bool,
    timers: (u64, u32),
    dials: (u64, u32),
}

impl Run {
    fn new(flags: u8) -> Self {
        let mut dcs = DcTable::empty();
        for dc in [1, 2, 4] {
            let addr: SocketAddr = (Ipv4Addr::new(10, 0, 0, dc as u8), 443).into();
            let mut option = DcOption::new(DcId(dc), addr);
            option.this_port_only = true;
            dcs.add(option);
        }
        let mut config = Config::production(17, "hash");
        config.dcs = dcs;
        let mut store = Snapshot::new();
        let mut account = Account::new(DcId(2));
        account.user_id = (flags & 3 != 0).then_some(ME);
        if flags & 7 != 4 {
            store.apply(Snapshot::account_change(&account));
        }
        for dc in [1, 2, 4] {
            let key = KeyState::from_auth_key(KEY, DcId(dc));
            store.apply(Snapshot::dc_change(&key, dc == 2 || flags & 8 != 0));
        }
        let mut dice = Dice::new(Number(1));
        let rng = dice.rng();
        let client = Client::new(Arc::new(config), store.clone(), rng, START);
        let mut run = Run {
            client: client.expect("the configuration is good"),
            now: START,
            key: AuthKey::from_bytes(&KEY),
            dice,
            streams: BTreeMap::new(),
            last_id: 0,
            heard: VecDeque::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            store,
            door: 0,
            deaf: false,
            may_sign_out: false,
            was_signed_out: false,
            timers: (0, 0),
            dials: (0, 0),
        };
        if flags & 16 != 0 {
            run.client.connect(START);
        }
        if flags & 32 != 0 {
            run.client.want_updates(START, true);
        }
        run.settle();
        run
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % step::ALL {
            step::ANSWER => {
                let (at, body) = (input.u8(), body(input));
                self.answer(at, &body);
            }
            step::REFUSE => {
                let (at, which, number) = (input.u8(), input.u8(), input.u8());
                let which = usize::from(which) % ERRORS.len();
                let (error_code, name) = ERRORS[which];
                let signs_out = which >= SIGNS_OUT;
                let number = match number {
                    0xff => input.i64(),
                    0xfe => i64::from(input.i32()),
                    number => i64::from(number),
                };
                let message = match name.ends_with('_') {
                    true => format!("{name}{number}"),
                    false => name.to_owned(),
                };
                let error = types_error(error_code, &message);
                // Everything that waits, or one.
                let (at, times) = match at {
                    0xff => (0, self.heard.len()),
                    at => (at, 1),
                };
                for _ in 0..times {
                    let len = self.heard.len().max(1);
                    let call = self.heard.get(usize::from(at) % len);
                    // A farewell is said under a key that is nobody's any more.
                    self.may_sign_out |= signs_out
                        && call.is_some_and(|call| call.query != DestroyAuthKey.to_bytes());
                    self.answer(at, &error);
                }
            }
            step::HONEST => {
                let all = input.u8() & 1 == 0;
                for _ in 0..(if all { self.heard.len() } else { 1 }) {
                    let Some(call) = self.heard.front() else {
                        break;
                    };
                    let body = honest(&call.query);
                    self.answer(0, &body);
                }
            }
            step::PUSH => {
                let (at, body) = (usize::from(input.u8()), body(input));
                let conn = self.streams.keys().nth(at % self.streams.len().max(1));
                if let Some(conn) = conn.copied() {
                    self.say(conn, &body, 3, true);
                }
            }
            step::CALL => self.call(input),
            step::WAIT => {
                let (amount, unit) = (u64::from(input.u16()), input.u8());
                self.wait(match unit & 3 {
                    0 => Duration::from_millis(amount),
                    1 => Duration::from_millis(amount * 10),
                    2 => Duration::from_secs(amount % 7_200),
                    _ => Duration::ZERO,
                });
            }
            step::APPLICATION => {
                let now = self.now;
                match input.u8() & 7 {
                    0 => self.client.connect(now),
                    1 => self.client.want_updates(now, true),
                    2 => self.client.want_updates(now, false),
                    3 => self.client.set_online(now, true),
                    4 => self.client.set_online(now, false),
                    5 => self.client.network_changed(now),
                    6 => {
                        let first = self.open.first().copied();
                        first.into_iter().for_each(|id| self.client.cancel(now, id));
                    }
                    _ => self.now = now + Duration::from_secs(input.u16().into()),
                }
            }
            _ => {
                let (kind, at) = (input.u8(), usize::from(input.u8()));
                self.door = kind >> 4 & 3;
                self.deaf = kind & 0x80 != 0;
                let conn = self.streams.keys().nth(at % self.streams.len().max(1));
                let Some(conn) = conn.copied() else { return };
                match kind & 7 {
                    0 => {
                        self.streams.remove(&conn);
                        self.client.handle_closed(self.now, conn);
                    }
                    1..=4 => {
                        let codes = [-404_i32, -429, -444, input.i32()];
                        let code = codes[usize::from(kind & 7) - 1];
                        let frame = [4_i32.to_le_bytes(), code.to_le_bytes()].concat();
                        self.client.handle_input(self.now, conn, &frame);
                    }
                    5 => {
                        let noise = input.chunk();
                        self.client.handle_input(self.now, conn, noise);
                    }
                    _ => {}
                }
            }
        }
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let (what, to) = (input.u8(), input.u8());
        let dc = DcId(match to & 3 {
            3 => i16::from(to >> 2),
            known => [1, 2, 4][usize::from(known)],
        });
        let route = match to >> 6 {
            0 | 1 => Route::Main,
            2 => Route::Dc(dc),
            _ => Route::Media(dc),
        };
        let mut options = CallOptions::default().route(route);
        options.idempotent = what & 8 != 0;
        if what & 16 != 0 {
            options = options.deadline(Duration::from_secs(input.u8().into()));
        }
        let body = match what & 7 {
            0 | 1 => functions::messages::ReceivedMessages { max_id: 1 }.to_bytes(),
            2 => functions::help::GetNearestDc.to_bytes(),
            3 => functions::auth::ImportBotAuthorization {
                flags: 0,
                api_id: 17,
                api_hash: "hash".into(),
                bot_auth_token: "1:x".into(),
            }
            .to_bytes(),
            4 => functions::upload::GetFileHashes {
                location: enums::InputFileLocation::InputTakeoutFileLocation,
                offset: 0,
            }
            .to_bytes(),
            5 => functions::updates::GetState.to_bytes(),
            6 if what & 32 != 0 => {
                self.may_sign_out = true;
                functions::auth::LogOut.to_bytes()
            }
            _ => Bytes::copy_from_slice(input.chunk()),
        };
        let times = if what & 0x40 != 0 { MANY } else { 1 };
        for _ in 0..times {
            if let Ok(id) = self.client.send(self.now, body.clone(), &options) {
                assert!(
                    self.open.insert(id) && !self.ended.contains(&id),
                    "a new id"
                );
            }
        }
    }

    /// Answers a call that was heard.
    fn answer(&mut self, at: u8, body: &[u8]) {
        let at = usize::from(at) % self.heard.len().max(1);
        let Some(call) = self.heard.remove(at) else {
            return;
        };
        let mut result = 0xf35c_6d01_u32.to_le_bytes().to_vec();
        result.extend(call.msg_id.0.to_le_bytes());
        result.extend(body);
        self.say(call.conn, &result, 1, true);
    }

    fn say(&mut self, conn: ConnId, body: &[u8], parity: i64, content: bool) {
        let Some(stream) = self.streams.get_mut(&conn) else {
            return;
        };
        let now = (self.now.unix() as i64) << 32;
        self.last_id = now.max(self.last_id & !3).wrapping_add(4) | parity;
        let seq_no = stream.content * 2 + i32::from(content);
        stream.content += i32::from(content);
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let plain = Plain::new(7, stream.session, MsgId(self.last_id), seq_no, body);
        let plain = plain.to_bytes(&mut self.dice);
        let packet = tamper::seal_bytes(&self.key, Direction::ToClient, &plain);
        let mut frame = (packet.len() as u32).to_le_bytes().to_vec();
        frame.extend(packet);
        self.client.handle_input(self.now, conn, &frame);
    }

    /// Does what the client says, and checks what it tells.
    fn settle(&mut self) {
        for done in 0.. {
            assert!(done < MAX_DONE, "actions without an end");
            if let Some(action) = self.client.poll_action() {
                self.act(action);
            } else if let Some(event) = self.client.poll_event() {
                self.told(event);
            } else if let Some(update) = self.client.poll_update() {
                let id = match update {
                    Told::Update(update) => update.id,
                    Told::Lost(lost) => lost.id,
                    _ => unreachable!("there are no others"),
                };
                self.client.update_taken(self.now, id);
            } else {
                break;
            }
        }
        if self.was_signed_out && self.open.is_empty() {
            self.may_sign_out = false;
        }
        if !self.may_sign_out && !self.was_signed_out {
            let main = self.store.account().map(|account| account.main_dc);
            let key = self.store.get(Key::Dc(DcId(2)));
            assert!(
                key.is_some(),
                "the login of DC 2 is kept; the account is at {main:?}"
            );
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Connect { conn, .. } => {
                if self.dials.0 != now.unix() {
                    self.dials = (now.unix(), 0);
                }
                self.dials.1 += 1;
                assert!(self.dials.1 < MAX_DIALS, "dials without an end");
                match self.door {
                    0 | 1 => {
                        let stream = Stream {
                            wire: Vec::new(),
                            tagged: false,
                            session: SessionId(0),
                            content: 0,
                        };
                        self.streams.insert(conn, stream);
                        self.client.handle_connected(now, conn);
                    }
                    2 => self.client.handle_connect_failed(now, conn),
                    _ => {}
                }
            }
            Action::Transmit { conn } => self.read(conn),
            Action::Close { conn } => {
                self.read(conn);
                self.streams.remove(&conn);
                self.heard.retain(|call| call.conn != conn);
            }
            _ => unreachable!("there are no others"),
        }
    }

    fn told(&mut self, event: Event) {
        if let Event::Response { id, .. } | Event::Failed { id, .. } = event {
            assert!(self.open.remove(&id), "a call that is open ends");
            assert!(self.ended.insert(id), "a call ends once");
        } else if let Event::FloodWait { id, .. } = event {
            assert!(self.open.contains(&id));
        } else if let Event::SignedOut(reason) = event {
            assert!(self.may_sign_out, "nobody gave reason: {reason}");
            self.was_signed_out = true;
        } else if let Event::Changed(change) = event {
            self.store.apply(change);
        }
    }

    /// Takes what the client writes.
    fn read(&mut self, conn: ConnId) {
        let mut out = Vec::new();
        for packets in 0.. {
            assert!(packets < MAX_DONE, "packets without an end");
            if !self.client.poll_transmit(self.now, conn, &mut out) {
                break;
            }
        }
        let Some(stream) = self.streams.get_mut(&conn) else {
            return;
        };
        stream.wire.extend(out);
        if !stream.tagged && stream.wire.starts_with(&TAG) {
            stream.wire.drain(..TAG.len());
            stream.tagged = true;
        }
        let wire = std::mem::take(&mut stream.wire);
        let mut rest = &wire[..];
        while let Some((len, after)) = rest.split_first_chunk() {
            let len = (u32::from_le_bytes(*len) & !(1 << 31)) as usize;
            let (packet, after) = after.split_at_checked(len).expect("whole frames");
            rest = after;
            // A handshake is not answered.
            if packet.len() >= 24 && packet[..8] != [0; 8] {
                self.hear(conn, packet);
            }
        }
    }

    fn hear(&mut self, conn: ConnId, packet: &[u8]) {
        let plain = tamper::open(&self.key, Direction::ToServer, packet).expect("a good packet");
        if let Some(stream) = self.streams.get_mut(&conn)
            && stream.session != plain.session
        {
            (stream.session, stream.content) = (plain.session, 0);
        }
        match tamper::open_container(&plain.body) {
            Some(items) => {
                for item in items {
                    self.hear_one(conn, item.msg_id, &item.body);
                }
            }
            None => self.hear_one(conn, plain.msg_id, &plain.body),
        }
    }

    fn hear_one(&mut self, conn: ConnId, msg_id: MsgId, body: &[u8]) {
        use mtproto::functions as f;

        let query = Bytes::copy_from_slice(body);
        let mut r = Reader::new(&query);
        match r.u32() {
            f::Ping::ID | f::PingDelayDisconnect::ID => {
                let ping_id = r.i64();
                if !self.deaf {
                    let pong = mtproto::types::Pong {
                        msg_id: msg_id.0,
                        ping_id,
                    };
                    self.say(conn, &pong.to_bytes(), 1, false);
                }
            }
            f::GetFutureSalts::ID | mtproto::types::MsgsAck::ID => {}
            _ => {
                if self.heard.len() < MAX_CALLS {
                    let query = unwrapped(&query);
                    self.heard.push_back(Heard {
                        conn,
                        msg_id,
                        query,
                    });
                }
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if self.timers.0 != self.now.unix() {
                self.timers = (self.now.unix(), 0);
            }
            self.timers.1 += 1;
            assert!(self.timers.1 < MAX_TIMERS, "timers without an end");
            self.client.handle_timeout(self.now);
            let next = self.client.poll_timeout();
            assert!(next.is_none_or(|at| at > self.now), "a timer did not move");
            self.settle();
        }
        self.now = end;
    }

    fn finish(&mut self) {
        let now = self.client.snapshot();
        for (key, value) in now.iter() {
            // Salts and the like are stored once a minute.
            if !matches!(key, Key::Dc(_)) {
                assert_eq!(self.store.get(key), Some(value), "{key:?}");
            }
        }
        for (key, _) in self.store.iter() {
            assert!(now.get(key).is_some(), "{key:?} is stored for ever");
        }
        self.client.close(self.now);
        self.settle();
        self.wait(Duration::from_secs(10));
        assert!(self.client.is_closed(), "it is closed in time");
        assert!(self.open.is_empty(), "every call ends");
    }
}

fn types_error(error_code: i32, message: &str) -> Bytes {
    mtproto::types::RpcError {
        error_code,
        error_message: message.to_owned().into(),
    }
    .to_bytes()
}

/// What is said: a template, one that is edited, or bytes of the input.
fn body(input: &mut Input<'_>) -> Bytes {
    let kind = input.u8();
    let numbers = [(); 3].map(|()| i32::from(input.u8()));
    match kind & 15 {
        0 => Bytes::copy_from_slice(input.chunk()),
        1 => {
            let template = updates::template(kind >> 4, numbers, input);
            input.edit(template.to_vec()).into()
        }
        2 => match kind >> 4 {
            0..=3 => authorization(i64::from(numbers[0]) * 111),
            4..=6 => exported(numbers[0]),
            7 => true.to_bytes(),
            8 => vec![user(ME)].to_bytes(),
            9 => types::auth::LoggedOut {
                future_auth_token: None,
            }
            .to_bytes(),
            10 => mtproto::types::NewSessionCreated {
                first_msg_id: numbers[0].into(),
                unique_id: numbers[1].into(),
                server_salt: 7,
            }
            .to_bytes(),
            _ => types::auth::LoginTokenSuccess {
                authorization: enums::auth::Authorization::Authorization(signed_in(ME)),
            }
            .to_bytes(),
        },
        kind => updates::template(kind, numbers, input),
    }
}

fn user(id: i64) -> enums::User {
    enums::User::Empty(types::UserEmpty { id })
}

fn signed_in(id: i64) -> types::auth::Authorization {
    types::auth::Authorization {
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: user(id),
    }
}

fn authorization(id: i64) -> Bytes {
    signed_in(id).to_bytes()
}

fn exported(id: i32) -> Bytes {
    types::auth::ExportedAuthorization {
        id: id.into(),
        bytes: Bytes::from_static(b"ticket"),
    }
    .to_bytes()
}

/// What a server that is one would answer.
fn honest(query: &Bytes) -> Bytes {
    let method = Reader::new(query).u32();
    match method {
        functions::auth::ExportAuthorization::ID => exported(1),
        functions::auth::ImportAuthorization::ID | functions::auth::ImportBotAuthorization::ID => {
            authorization(ME)
        }
        functions::updates::GetState::ID => types::updates::State {
            pts: 100,
            qts: 20,
            date: 5,
            seq: 5,
            unread_count: 0,
        }
        .to_bytes(),
        functions::updates::GetDifference::ID => {
            types::updates::DifferenceEmpty { date: 5, seq: 5 }.to_bytes()
        }
        functions::users::GetUsers::ID => vec![user(ME)].to_bytes(),
        functions::help::GetConfig::ID => types_error(500, "NO_CONFIG"),
        _ => true.to_bytes(),
    }
}

const INVOKE_WITH_LAYER: u32 = 0xda9b_0d0d;

/// The call inside `invokeWithLayer(initConnection(..))`.
fn unwrapped(body: &Bytes) -> Bytes {
    let mut r = Reader::new(body);
    if r.u32() != INVOKE_WITH_LAYER {
        return body.clone();
    }
    r.skip(16);
    for _ in 0..6 {
        r.skip_bytes();
    }
    r.rest()
}

pub(super) fn seeds() -> Vec<Seed> {
    let seed = |name: &str, parts: &[&[u8]]| (name.to_owned(), parts.concat());
    let second: &[u8] = &[step::WAIT, 100, 0, 1];
    let minute: &[u8] = &[step::WAIT, 60, 0, 2];
    let all_honest: &[u8] = &[step::HONEST, 0];
    let to_4: &[u8] = &[step::CALL, 0, 0x82];
    let file_4: &[u8] = &[step::CALL, 4, 0xc2];
    let refuse = |which: u8, number: u8| [step::REFUSE, 0xff, which, number];
    vec![
        seed(
            "honest",
            &[
                &[0x31],
                second,
                all_honest,
                second,
                &[step::CALL, 0, 0],
                all_honest,
            ],
        ),
        seed(
            "elsewhere",
            &[
                &[0x31],
                to_4,
                file_4,
                second,
                all_honest,
                second,
                all_honest,
                second,
                all_honest,
            ],
        ),
        seed(
            "dead-keys",
            &[
                &[0x39],
                &[step::CALL, 0x40, 0x82],
                second,
                &refuse(22, 0),
                second,
                all_honest,
                minute,
            ],
        ),
        seed(
            "migrates",
            &[
                &[0x31],
                second,
                &refuse(2, 4),
                second,
                &refuse(2, 2),
                second,
                &refuse(2, 9),
                minute,
            ],
        ),
        seed(
            "signs-in",
            &[
                &[0x10],
                second,
                &[step::CALL, 3, 0],
                all_honest,
                second,
                to_4,
                second,
                all_honest,
            ],
        ),
        seed(
            "another-one",
            &[
                &[0x39],
                second,
                all_honest,
                &[step::CALL, 3, 0],
                &[step::ANSWER, 0, 2, 8, 0, 0],
                second,
                all_honest,
            ],
        ),
        seed(
            "logs-out",
            &[
                &[0x39],
                second,
                all_honest,
                &[step::CALL, 38, 0],
                all_honest,
                second,
                all_honest,
                minute,
            ],
        ),
        seed(
            "unknown-keys",
            &[
                &[0x39],
                second,
                &[step::NETWORK, 1, 0],
                minute,
                &[step::NETWORK, 1, 0],
                minute,
                &[step::NETWORK, 1, 0],
                minute,
            ],
        ),
        seed(
            "floods",
            &[
                &[0x31],
                second,
                all_honest,
                &[step::CALL, 0x40, 0],
                &refuse(5, 3),
                minute,
                all_honest,
            ],
        ),
        seed(
            "updates",
            &[
                &[0x31],
                second,
                all_honest,
                &[step::PUSH, 0, 14, 0, 0, 5, 1, 0, 101, 1, 7],
                second,
            ],
        ),
        seed(
            "nobody-opens",
            &[
                &[0x31],
                &[step::NETWORK, 0x20, 0],
                minute,
                &[step::NETWORK, 0x30, 0],
                minute,
            ],
        ),
    ]
}
