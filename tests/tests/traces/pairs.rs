//! Conversations of both roles, recorded and done again.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{ClientConfig, ClientConnection, InitParams, ServerConnection};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Event, Server, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, IncomingId, Machine, Rng, Time};
use mtproto_schema::Reader;
use mtproto_test::pair::START;
use mtproto_test::trace::{
    Begin, Buffer, HasServer, Recorder, ReplayError, Replayed, Shareable, Trace, replay,
};
use mtproto_test::{Dice, Pair, Seed, pair};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap());

pub const BIND_TEMP_AUTH_KEY: u32 = 0xcdd4_2a05;
const BOOL_TRUE: u32 = 0x9972_75b5;

type Both = Pair<Recorder<ClientConnection>, Recorder<ServerConnection>>;

/// What both ends gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub events: Vec<String>,
    pub errors: Vec<String>,
}

fn config(seed: Seed) -> Arc<ClientConfig> {
    let mut config = ClientConfig::new(DcId(2), vec![KEY.public().clone()]);
    config.pfs = seed.0.is_multiple_of(2).then(|| Duration::from_secs(90));
    if seed.0.is_multiple_of(3) {
        let mut init = InitParams::new(7, 200);
        init.device_model = "A \"kitchen\" = display, 100 %\n".into();
        config.init = Some(init);
    }
    Arc::new(config)
}

/// A conversation: a handshake, calls, updates, a cut, and the same session over the next stream.
/// Written down to `trace`.
pub fn converse(trace: &Trace, seed: Seed) -> Given {
    let mut dice = Dice::new(seed);
    let client =
        Recorder::<ClientConnection>::new(trace, config(seed), Begin::NewKey, dice.array(), START);
    let server = ServerConfig::new(DcId(2), vec![KEY.clone()]);
    let server = Recorder::<ServerConnection>::new(trace, Arc::new(server), dice.array(), START);
    let mut pair = pair(client.unwrap(), server, seed);
    for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
        wire.segments(1..=700).latency(Duration::from_millis(40));
    }
    let mut given = Given::default();
    talk(&mut pair, &mut dice, &mut given);
    pair.client_to_server.cut_after(dice.range(0..=100));
    ask(&mut pair, &mut dice);
    pair.run_for(Duration::from_secs(40)).unwrap();
    note_errors(&pair, &mut given);

    let client_seed = dice.array();
    let mut pair = pair.reconnect(|client, server, now| {
        let begin = Begin::Resume(client.suspend());
        let client =
            Recorder::<ClientConnection>::new(trace, config(seed), begin, client_seed, now);
        let server = server.into_server(now).into_connection(now);
        (client.unwrap(), server)
    });
    talk(&mut pair, &mut dice, &mut given);
    pair.client.close();
    pair.run_for(Duration::from_secs(100)).unwrap();
    note_errors(&pair, &mut given);
    given
}

fn note_errors(pair: &Both, given: &mut Given) {
    let errors = [
        pair.client_error().map(|error| format!("client {error:?}")),
        pair.server_error().map(|error| format!("server {error:?}")),
    ];
    given.errors.extend(errors.into_iter().flatten());
}

fn ask(pair: &mut Both, dice: &mut Dice) {
    let now = pair.client_now();
    for _ in 0..dice.range(1..=3) {
        let len = 4 * dice.range(1..=300) as usize;
        let body = Bytes::from(dice.bytes(len));
        let mut options = SendOptions::default();
        options.quick_ack = dice.chance(1, 2);
        options.idempotent = dice.chance(1, 2);
        if dice.chance(1, 2) {
            options = options.deadline(Duration::from_secs(20));
        }
        pair.client.send(now, body, &options).unwrap();
    }
}

fn talk(pair: &mut Both, dice: &mut Dice, given: &mut Given) {
    for round in 0..4_u64 {
        ask(pair, dice);
        if round == 2 {
            let now = pair.client_now();
            let id = pair
                .client
                .send(now, Bytes::from_static(b"four"), &SendOptions::default());
            pair.client.cancel(now, id.unwrap());
            pair.client.check(now);
        }
        pair.run_until(Duration::from_secs(30), |pair| {
            let now = pair.server_now();
            for event in pair.server_events() {
                given.events.push(format!("{event:?}"));
                if let Event::Request { id, body, .. } = event {
                    answer(&mut pair.server, now, id, &body, dice);
                }
            }
            given.events.extend(
                pair.client_events()
                    .iter()
                    .map(|event| format!("{event:?}")),
            );
            false
        })
        .unwrap();
    }
}

fn answer(
    server: &mut Recorder<ServerConnection>,
    now: Time,
    id: IncomingId,
    body: &Bytes,
    dice: &mut Dice,
) {
    bind_or(server, now, id, body, |server| match dice.range(0..=3) {
        0 => _ = server.respond_error(now, id, 420, "FLOOD_WAIT_3"),
        1 => {
            for (key, session) in server.sessions() {
                server.push(now, key, session, Bytes::from(dice.bytes(24)));
            }
            server.respond(now, id, body.clone());
        }
        _ => _ = server.respond(now, id, body.clone()),
    });
}

/// Binds a temporary key if that is what is asked for.
pub fn bind_or<M: HasServer>(
    server: &mut Recorder<M>,
    now: Time,
    id: IncomingId,
    body: &Bytes,
    other: impl FnOnce(&mut Recorder<M>),
) {
    if !body.starts_with(&BIND_TEMP_AUTH_KEY.to_le_bytes()) {
        return other(server);
    }
    let mut r = Reader::new(body);
    let _ = r.u32();
    let (perm, nonce, expires_at, message) = (r.i64(), r.i64(), r.i32(), r.bytes());
    server
        .bind_temp_key(now, id, perm, nonce, expires_at, &message)
        .unwrap();
    server.respond(now, id, BOOL_TRUE.to_le_bytes().to_vec().into());
}

/// A few seconds: a handshake, three calls, updates, a stream that is cut, the same session over the
/// next one. Written down to `trace`, watched by `tap`.
pub fn short(trace: &Trace, tap: Option<&Shareable>, seed: Seed) {
    let mut dice = Dice::new(seed);
    let mut config = (*config(seed)).clone();
    if let Some(tap) = tap {
        config.record(tap.clone());
    }
    let config = Arc::new(config);
    let [first, second, served] = [dice.array(), dice.array(), dice.array()];
    let begin = Begin::NewKey;
    let client = Recorder::<ClientConnection>::new(trace, config.clone(), begin, first, START);
    let server = ServerConfig::new(DcId(2), vec![KEY.clone()]);
    let server = Recorder::<ServerConnection>::new(trace, Arc::new(server), served, START);
    let mut pair = pair(client.unwrap(), server, seed);
    let call = |pair: &mut Both, dice: &mut Dice| {
        let now = pair.client_now();
        let body = Bytes::from(dice.bytes(40));
        pair.client
            .send(now, body, &SendOptions::default())
            .unwrap();
        pair.run_until(Duration::from_secs(1), |pair| {
            let now = pair.server_now();
            for event in pair.server_events() {
                if let Event::Request { id, body, .. } = event {
                    answer(&mut pair.server, now, id, &body, dice);
                }
            }
            false
        })
        .unwrap();
    };
    for _ in 0..6 {
        call(&mut pair, &mut dice);
    }
    pair.client_to_server.cut_after(50);
    call(&mut pair, &mut dice);
    let mut pair = pair.reconnect(|client, server, now| {
        let begin = Begin::Resume(client.suspend());
        let client = Recorder::<ClientConnection>::new(trace, config, begin, second, now);
        (
            client.unwrap(),
            server.into_server(now).into_connection(now),
        )
    });
    call(&mut pair, &mut dice);
    pair.client.suspend();
}

/// The same for a server that is not recorded.
pub fn bound(server: &mut Server, now: Time, id: IncomingId, body: &Bytes) {
    let mut r = Reader::new(body);
    let _ = r.u32();
    let (perm, nonce, expires_at, message) = (r.i64(), r.i64(), r.i32(), r.bytes());
    server
        .bind_temp_key(now, id, perm, nonce, expires_at, &message)
        .unwrap();
    server.respond(now, id, BOOL_TRUE.to_le_bytes().to_vec().into());
}

/// The trace of a conversation, and what it gave.
pub fn recorded(seed: Seed) -> (Vec<u8>, Given) {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    let given = converse(&trace, seed);
    trace.finish().unwrap();
    (file.take(), given)
}

#[test]
fn a_conversation_is_done_again_bit_for_bit() {
    for seed in (0..6).map(Seed) {
        let (file, given) = recorded(seed);
        let replayed = replay(&file[..]).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(replayed.cut, None, "seed {seed}");
        // A client on each of two streams, and one server.
        assert_eq!(replayed.machines, 3, "seed {seed}");
        assert!(replayed.steps > 200, "seed {seed}: {replayed:?}");
        assert!(given.events.len() > 20, "seed {seed}: {given:?}");
        let text = String::from_utf8(file).unwrap();
        for step in [
            "input",
            "send",
            "cancel",
            "suspend",
            "into-server",
            "respond",
            "push",
        ] {
            assert!(
                text.contains(&format!(" {step} ")),
                "seed {seed}: no {step}"
            );
        }
        assert_eq!(text.contains(" bind "), seed.0 % 2 == 0, "seed {seed}");
    }
}

#[test]
fn recording_changes_nothing() {
    for seed in (10..14).map(Seed) {
        let (_, given) = recorded(seed);
        assert_eq!(converse(&Trace::off(), seed), given, "seed {seed}");
    }
    // Nor is the machine behind it another one.
    let seed = [3; 32];
    let (file, now) = (Buffer::default(), START);
    let trace = Trace::full_to(file).unwrap();
    let config = config(Seed(1));
    let mut recorded =
        Recorder::<ClientConnection>::new(&trace, config.clone(), Begin::NewKey, seed, now)
            .unwrap();
    let rng = Rng::from_seed(seed);
    let mut bare =
        ClientConnection::new(config, mtproto_proto::connection::Start::NewKey, rng, now).unwrap();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    assert!(recorded.poll_transmit(now, &mut a));
    assert!(bare.poll_transmit(now, &mut b));
    assert_eq!(a, b);
    assert_eq!(recorded.poll_timeout(), bare.poll_timeout());
}

#[test]
fn the_first_changed_byte_is_found_at_its_step() {
    let (file, _) = recorded(Seed(2));
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let head = lines
        .iter()
        .take_while(|line| !line.ends_with("@-") && !line.contains(" new "))
        .count();
    let mut found = 0;
    for n in (head..lines.len() - 1).step_by(37) {
        let Some((asked, outcome)) = lines[n].split_once(" = ") else {
            panic!("{}", lines[n]);
        };
        if !asked.contains(" transmit ") || outcome.starts_with('-') {
            continue;
        }
        // One digit of what came out.
        let digit = if outcome.starts_with('0') { "1" } else { "0" };
        let changed = format!("{asked} = {digit}{}", &outcome[1..]);
        let mut copy: Vec<&str> = lines.clone();
        copy[n] = &changed;
        let mut copy = copy.join("\n");
        copy.push('\n');
        let error = replay(copy.as_bytes()).unwrap_err();
        let ReplayError::Differs(difference) = error else {
            panic!("line {}: {error}", n + 1);
        };
        assert_eq!(difference.line, n as u64 + 1);
        assert_eq!(difference.step, (n - head) as u64 + 1);
        assert_eq!(difference.recorded, changed);
        assert_eq!(difference.got, lines[n]);
        let at = asked.split(' ').next().unwrap();
        assert_eq!(difference.at.as_nanos().to_string(), at);
        assert!(
            difference.to_string().contains("transmit") || difference.to_string().contains(digit)
        );
        found += 1;
    }
    assert!(found >= 2, "{found} of {}", lines.len());
}

#[test]
fn a_server_with_many_streams_is_done_again() {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    let mut dice = Dice::new(Seed(77));
    let key = mtproto_proto::crypto::AuthKey::from_bytes(&dice.array());
    let mut config = ServerConfig::new(DcId(2), Vec::new());
    config.journal = true;
    let config = Arc::new(config);
    let mut server = Recorder::<Server>::new(&trace, config.clone(), dice.array(), START);
    server.provide_key(START, key.id(), Some(key.clone()));
    let state = mtproto_proto::connection::KeyState::from_auth_key(*key.as_bytes(), DcId(2));
    let client_config = Arc::new(ClientConfig::new(DcId(2), Vec::new()));
    let mut clients: Vec<_> = (0..3)
        .map(|_| {
            let begin = Begin::Key(state.clone());
            let seed = dice.array();
            Recorder::<ClientConnection>::new(&trace, client_config.clone(), begin, seed, START)
                .unwrap()
        })
        .collect();
    let mut answered = 0;
    for round in 0..4_u64 {
        let now = START + Duration::from_secs(round);
        for (n, client) in clients.iter_mut().enumerate() {
            let conn = mtproto_proto::ConnId(n as u64);
            if round == 0 {
                server.handle_connected(now, conn);
            }
            let body = Bytes::from(dice.bytes(16));
            client.send(now, body, &SendOptions::default()).unwrap();
            let mut out = Vec::new();
            while client.poll_transmit(now, &mut out) {}
            server.handle_input(now, conn, &out);
            while let Some(event) = server.poll_event() {
                if let Event::Request { id, body, .. } = event {
                    server.respond(now, id, body);
                }
            }
            while server.poll_action().is_some() {}
            let mut out = Vec::new();
            while server.poll_transmit(now, conn, &mut out) {}
            client.handle_input(now, &out).unwrap();
            while let Some(event) = client.poll_event() {
                answered += usize::from(matches!(
                    event,
                    mtproto_proto::connection::ClientEvent::Response { .. }
                ));
            }
        }
    }
    server.handle_closed(START + Duration::from_secs(9), mtproto_proto::ConnId(1));
    // It outlives its process, twice: with what followed, and with its keys only.
    let mut state = server.suspend();
    server.handle_timeout(START + Duration::from_secs(10));
    if let Some(change) = server.poll_change() {
        state.apply(change);
    }
    let now = START + Duration::from_secs(20);
    let again =
        Recorder::<Server>::resume(&trace, config.clone(), state.clone(), dice.array(), now);
    assert_eq!(Server::sessions(&again).count(), 3);
    let mut server =
        Recorder::<Server>::resume(&trace, config, state.without_sessions(), dice.array(), now);
    assert_eq!(Server::sessions(&server).count(), 0);
    server.handle_timeout(START + Duration::from_secs(8_000));
    trace.finish().unwrap();
    assert!(answered >= 9, "{answered}");
    let Replayed { machines, cut, .. } = replay(&file.take()[..]).unwrap();
    assert_eq!((machines, cut), (6, None));
}
