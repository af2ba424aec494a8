//! `stored_state`: what a program finds in the files that it wrote: a server's state with the changes
//! behind it, and a client's key.
//!
//! Must hold: what was read can be written and read again; a server that goes on from it keeps the
//! contract, serves an honest client beside whatever was stored, and can be stored again; a client
//! that begins with the key keeps the contract, and has the same key afterwards.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mtproto_proto::connection::{ClientConfig, ClientConnection, KeyState, Start};
use mtproto_proto::server::{Server, ServerChange, ServerConfig, ServerState};
use mtproto_proto::{ConnId, DcId, Machine, Time};
use sha2::{Digest, Sha256};

use super::Seed;
use super::input::Input;
use crate::pair::START;
use crate::rogue::{RogueClient, Said};
use crate::{Dice, Seed as Number};

const CALL: &[u8] = b"an honest call..";
const ANSWER: &[u8] = b"and its answer..";
/// Magic and version, before the content; a checksum behind it.
const HEAD: usize = 5;
const CHECKSUM: usize = 8;
/// Changes behind a state.
const MAX_CHANGES: usize = 8;
/// Timers until a machine is at rest; more is a loop. A state of an input's length has few sessions.
const MAX_TIMERS: usize = 1_000;
/// Packets that a client writes before anything came.
const MAX_PACKETS: usize = 100;
/// Time that a machine is watched: a session without a stream is forgotten after an hour.
const WATCHED: Duration = Duration::from_secs(4_000);

/// What the first byte says that the rest is.
mod kind {
    pub(super) const STATE: u8 = 0;
    pub(super) const CHANGES: u8 = 1;
    pub(super) const KEY: u8 = 2;
    pub(super) const RAW: u8 = 3;
    pub(super) const ALL: u8 = 4;
}

/// Input: what it is, then its bytes. What goes around them is ours, so that fuzzing gets past it.
pub fn stored_state(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8() % kind::ALL;
    match kind {
        kind::STATE => {
            if let Ok(state) = ServerState::from_bytes(&sealed(&STORED.state, input.rest())) {
                server(state);
            }
        }
        kind::CHANGES => {
            let mut state = ServerState::from_bytes(&STORED.state).expect("it was written");
            for _ in 0..MAX_CHANGES {
                if input.is_empty() {
                    break;
                }
                change(&mut state, &sealed(&STORED.change, input.chunk()));
            }
            server(state);
        }
        kind::KEY => {
            if let Ok(key) = KeyState::from_bytes(&sealed(&STORED.key, input.rest())) {
                client(key);
            }
        }
        _ => {
            let bytes = input.rest();
            if let Ok(state) = ServerState::from_bytes(bytes) {
                server(state);
            }
            if let Ok(key) = KeyState::from_bytes(bytes) {
                client(key);
            }
            let mut state = ServerState::from_bytes(&STORED.state).expect("it was written");
            change(&mut state, bytes);
        }
    }
}

/// The content with the head of `like`, and its checksum.
fn sealed(like: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = like[..HEAD].to_vec();
    out.extend(content);
    let sum = Sha256::digest(&out);
    out.extend(&sum[..CHECKSUM]);
    out
}

fn change(state: &mut ServerState, bytes: &[u8]) {
    if let Ok(change) = ServerChange::from_bytes(bytes) {
        let again = ServerChange::from_bytes(&change.to_bytes());
        assert!(again == Ok(change.clone()), "what was written is read");
        state.apply(change);
    }
}

fn server(state: ServerState) {
    assert!(
        ServerState::from_bytes(&state.to_bytes()) == Ok(state.clone()),
        "what was written is read"
    );
    for state in [state.clone().without_sessions(), state] {
        resumed(state);
    }
}

/// A server goes on from it.
fn resumed(state: ServerState) {
    // With a key that is not among those stored.
    let mut clients = RogueClient::unknown(config(), Number(8));
    let mut dice = Dice::new(Number(9));
    clients.server = Server::resume(Arc::new(config()), state, dice.rng(), START);
    let key = clients.key().clone();
    clients.server.provide_key(START, key.id(), Some(key));
    let conn = clients.connect();
    clients.settle(conn);
    let req = clients.say(conn, Said::other(CALL));
    let calls = clients.calls();
    let (id, _) = calls
        .iter()
        .find(|(_, body)| body == CALL)
        .expect("an honest call is told");
    assert!(clients.respond(*id, ANSWER));
    let said = clients.hear_said(conn);
    assert!(said.contains(&Said::result(req, ANSWER)), "{said:?}");
    changes(&mut clients.server);
    clients.disconnect(conn);
    let now = clients.now();
    let end = now + WATCHED;
    rests(&mut clients.server, now, end);
    let state = clients.server.suspend();
    assert!(ServerState::from_bytes(&state.to_bytes()) == Ok(state));
}

/// What changed can be stored.
fn changes(server: &mut Server) {
    while let Some(change) = server.poll_change() {
        assert!(ServerChange::from_bytes(&change.to_bytes()) == Ok(change));
    }
}

fn rests(server: &mut Server, mut now: Time, end: Time) {
    for timers in 0.. {
        while server.poll_event().is_some() {}
        while server.poll_action().is_some() {}
        changes(server);
        let Some(due) = server.poll_timeout().filter(|due| *due <= end) else {
            break;
        };
        assert!(timers < MAX_TIMERS, "timers without an end");
        now = now.max(due);
        server.handle_timeout(now);
        let next = server.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer that stays");
    }
}

fn client(key: KeyState) {
    let written = key.to_bytes();
    let read = KeyState::from_bytes(&written).expect("what was written is read");
    assert!(read == key && *read.to_bytes() == *written);
    let config = Arc::new(ClientConfig::new(key.dc(), Vec::new()));
    let id = key.auth_key_id();
    let rng = Dice::new(Number(10)).rng();
    let mut client =
        ClientConnection::new(config, Start::Key(key), rng, START).expect("a good start");
    let (mut now, end) = (START, START + WATCHED);
    for timers in 0.. {
        let mut out = Vec::new();
        for packets in 0.. {
            assert!(packets < MAX_PACKETS, "packets without an end");
            if !client.poll_transmit(now, &mut out) {
                break;
            }
        }
        while client.poll_event().is_some() {}
        let Some(due) = client.poll_timeout().filter(|due| *due <= end) else {
            break;
        };
        assert!(timers < MAX_TIMERS, "timers without an end");
        now = now.max(due);
        if client.handle_timeout(now).is_err() {
            break;
        }
        let next = client.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer that stays");
    }
    let rest = client.suspend();
    assert_eq!(rest.key_state().map(KeyState::auth_key_id), Some(id));
}

fn config() -> ServerConfig {
    let mut config = ServerConfig::new(DcId(2), Vec::new());
    config.journal = true;
    config
}

/// A server's state with all that one can hold but a temporary key, and what changed since.
fn example() -> (ServerState, ServerChange) {
    let (mut clients, conn) = RogueClient::settled(config(), Number(11));
    let busy = |clients: &mut RogueClient, conn: ConnId| {
        clients.say(conn, Said::other(b"runs"));
        clients.say(conn, Said::other(b"is answered."));
        let calls = clients.calls();
        let (last, _) = calls.last().expect("two calls came");
        clients.respond(*last, b"kept");
        clients.push(b"kept too");
        clients.hear(conn);
    };
    busy(&mut clients, conn);
    let own = clients.session;
    clients.session.0 += 1;
    clients.say(conn, Said::Ping(1));
    clients.session = own;
    let state = clients.server.suspend();
    busy(&mut clients, conn);
    let change = clients.server.poll_change().expect("calls came");
    (state, change)
}

/// Good bytes of each kind.
struct Stored {
    state: Vec<u8>,
    change: Vec<u8>,
    key: Vec<u8>,
}

static STORED: LazyLock<Stored> = LazyLock::new(|| {
    let (state, change) = example();
    Stored {
        state: state.to_bytes().to_vec(),
        change: change.to_bytes().to_vec(),
        key: KeyState::from_auth_key([0x4b; 256], DcId(2))
            .to_bytes()
            .to_vec(),
    }
});

/// Words that mean something: the heads.
pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("stored-state", STORED.state[..HEAD].to_vec()),
        ("stored-change", STORED.change[..HEAD].to_vec()),
        ("stored-key", STORED.key[..HEAD].to_vec()),
    ]
}

pub(super) fn seeds() -> Vec<Seed> {
    let content = |bytes: &[u8]| bytes[HEAD..bytes.len() - CHECKSUM].to_vec();
    let (state, changed) = example();
    let without = state.clone().without_sessions().to_bytes().to_vec();
    let mut later = state.clone();
    later.apply(changed);
    let Stored { state, change, key } = &*STORED;
    let seed = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let chunk = |bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).expect("a small change");
        [&len.to_le_bytes(), bytes].concat()
    };
    // More salts than a server gives: their number, the one in force, the others.
    let mut salts = content(key);
    salts.truncate(salts.len() - 25);
    salts.push(200);
    salts.extend([0x5a; 24 * 201]);
    let changes = [chunk(&content(change)), chunk(&content(change))].concat();
    vec![
        ("state".into(), seed(kind::STATE, &content(state))),
        (
            "state-later".into(),
            seed(kind::STATE, &content(&later.to_bytes())),
        ),
        ("state-keys".into(), seed(kind::STATE, &content(&without))),
        (
            "change".into(),
            seed(kind::CHANGES, &chunk(&content(change))),
        ),
        ("changes".into(), seed(kind::CHANGES, &changes)),
        ("key".into(), seed(kind::KEY, &content(key))),
        ("key-salts".into(), seed(kind::KEY, &salts)),
        ("raw-state".into(), seed(kind::RAW, state)),
        ("raw-change".into(), seed(kind::RAW, change)),
        ("raw-key".into(), seed(kind::RAW, key)),
    ]
}
