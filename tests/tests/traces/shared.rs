//! Traces that can be given away: nothing is in them that is anybody's, and what bugs are made of is.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, InitParams, KeyState, ServerConnection, Start,
};
use mtproto_proto::crypto::{AuthKey, Direction, RsaPrivateKey};
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Machine};
use mtproto_schema::Encode;
use mtproto_schema::api::{functions, types};
use mtproto_test::pair::START;
use mtproto_test::tamper;
use mtproto_test::trace::{Buffer, Verdict, shareable_to, show};
use mtproto_test::{Dice, Pair, Seed, pair};

use crate::pairs::{BIND_TEMP_AUTH_KEY, bound};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap());

const PHONE: &str = "+4915112345678";
const NAME: &str = "Wilhelmina Featherstone";
const TEXT: &str = "meet me at the old mill at nine, and bring the map";

/// A conversation, what it said that nobody else is to know, and its trace.
struct Told {
    file: Vec<u8>,
    secrets: Vec<Vec<u8>>,
    events: Vec<ClientEvent>,
    keys: Vec<AuthKey>,
}

fn converse(seed: Seed, pfs: bool, watched: bool) -> Told {
    let mut dice = Dice::new(seed);
    let file = Buffer::default();
    let tap = shareable_to(file.clone(), dice.array()).unwrap();
    let mut config = ClientConfig::new(DcId(2), vec![KEY.public().clone()]);
    config.pfs = pfs.then(|| Duration::from_secs(3_600));
    let mut init = InitParams::new(987_654_321, 200);
    init.device_model = NAME.into();
    config.init = Some(init);
    if watched {
        config.record(tap.clone());
    }
    let config = Arc::new(config);
    let client_seed: [u8; 32] = dice.array();
    let rng = mtproto_proto::Rng::from_seed(client_seed);
    let client = ClientConnection::new(config.clone(), Start::NewKey, rng, START).unwrap();
    let server = ServerConfig::new(DcId(2), vec![KEY.clone()]);
    let server = ServerConnection::new(Arc::new(server), dice.rng(), START);
    let mut told = Told {
        file: Vec::new(),
        secrets: vec![client_seed.to_vec(), NAME.into(), TEXT.into(), PHONE.into()],
        events: Vec::new(),
        keys: Vec::new(),
    };
    let mut pair = pair(client, server, seed);
    pair.client_to_server.latency(Duration::from_millis(30));
    talk(&mut pair, &mut told);
    pair.server_to_client.cut_after(10);
    say(&mut pair, &mut told);
    pair.run_for(Duration::from_secs(30)).unwrap();
    let rng = dice.rng();
    let mut pair = pair.reconnect(|client, server, now| {
        let start = Start::Resume(client.suspend());
        let client = ClientConnection::new(config, start, rng, now).unwrap();
        let server = server.into_server(now);
        (client, ServerConnection::with(server, now))
    });
    talk(&mut pair, &mut told);
    drop(pair.client.suspend());
    tap.finish().unwrap();
    told.file = file.take();
    told
}

fn say(pair: &mut Pair<ClientConnection, ServerConnection>, told: &mut Told) {
    let now = pair.client_now();
    let send = functions::auth::SendCode {
        phone_number: PHONE.into(),
        api_id: 987_654_321,
        api_hash: "0123456789abcdef0123456789abcdef".into(),
        settings: types::CodeSettings {
            allow_flashcall: false,
            current_number: false,
            allow_app_hash: false,
            allow_missed_call: false,
            allow_firebase: false,
            unknown_number: false,
            logout_tokens: None,
            token: None,
        },
    };
    let message = functions::contacts::Search {
        q: TEXT.into(),
        limit: 77,
        broadcasts: false,
        bots: false,
    };
    let mut options = SendOptions::default();
    options.quick_ack = true;
    for body in [send.to_bytes(), message.to_bytes()] {
        told.secrets.push(body[4..].to_vec());
        pair.client.send(now, body, &options).unwrap();
    }
}

fn talk(pair: &mut Pair<ClientConnection, ServerConnection>, told: &mut Told) {
    for round in 0..3 {
        say(pair, told);
        pair.run_until(Duration::from_secs(40), |pair| {
            let now = pair.server_now();
            for event in pair.server_events() {
                match event {
                    Event::KeyCreated { key, .. } => {
                        told.secrets.push(key.as_bytes().to_vec());
                        told.secrets.push(key.id().0.to_le_bytes().to_vec());
                        told.keys.push(key);
                    }
                    Event::Request { id, body, .. } => {
                        let server = pair.server.server();
                        if body.starts_with(&BIND_TEMP_AUTH_KEY.to_le_bytes()) {
                            bound(server, now, id, &body);
                            continue;
                        }
                        let error = match round {
                            0 => "FLOOD_WAIT_17",
                            1 => "PHONE_NUMBER_4915112345678",
                            _ => "no such person as Wilhelmina Featherstone",
                        };
                        if body.ends_with(&[0; 4]) {
                            server.respond_error(now, id, 420, error);
                            continue;
                        }
                        let me = types::PeerUser {
                            user_id: 0x7766_5544_3322,
                        }
                        .to_bytes();
                        let answer = [&me[..], TEXT.as_bytes(), &[0; 2]].concat();
                        server.respond(now, id, answer.into());
                        let sessions: Vec<_> = server.sessions().collect();
                        for (key, session) in sessions {
                            let update = [&[0x4a, 0x7e, 0x6a, 0xe3][..], NAME.as_bytes(), &[1]];
                            server.push(now, key, session, update.concat().into());
                        }
                    }
                    _ => {}
                }
            }
            told.events.extend(pair.client_events());
            false
        })
        .unwrap();
    }
}

/// Every window of eight bytes.
pub fn windows(bytes: &[u8]) -> BTreeSet<[u8; 8]> {
    bytes
        .windows(8)
        .map(|window| window.try_into().unwrap())
        .collect()
}

/// Everything that a file holds: its text, its bytes, and its packets opened.
pub fn contents(file: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(file).unwrap();
    let mut all = vec![file.to_vec()];
    let mut keys = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<_> = line.split(' ').collect();
        all.extend(words.iter().filter_map(|word| unhex(word)));
        match words[..] {
            [_, _, "key", key] => {
                keys.push(AuthKey::from_bytes(
                    &unhex(key).unwrap().try_into().unwrap(),
                ));
            }
            [_, _, verb @ ("in" | "out"), packet] => {
                let direction = match verb {
                    "in" => Direction::ToClient,
                    _ => Direction::ToServer,
                };
                let packet = unhex(packet).unwrap();
                let opened = keys
                    .iter()
                    .find_map(|key| tamper::open(key, direction, &packet).ok())
                    .unwrap();
                all.push([opened.body, opened.padding.unwrap()].concat());
                all.push(opened.salt.to_le_bytes().to_vec());
                all.push(opened.session.0.to_le_bytes().to_vec());
            }
            _ => {}
        }
    }
    all
}

fn unhex(word: &str) -> Option<Vec<u8>> {
    if !word.len().is_multiple_of(2) {
        return None;
    }
    (0..word.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&word[at..at + 2], 16).ok())
        .collect()
}

pub fn transcript(file: &[u8]) -> (String, Verdict) {
    let mut out = Vec::new();
    let verdict = show(file, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), verdict)
}

#[test]
fn nothing_in_it_is_anybodys() {
    for (seed, pfs) in [(1, false), (2, true)] {
        let told = converse(Seed(seed), pfs, true);
        assert_eq!(told.keys.len(), if pfs { 2 } else { 1 });
        let contents = contents(&told.file);
        assert!(contents.len() > 30, "{}", contents.len());
        let there: BTreeSet<_> = contents.iter().flat_map(|bytes| windows(bytes)).collect();
        for secret in &told.secrets {
            // Zeros and paddings are nobody's.
            let own = windows(secret).into_iter().filter(|window| {
                let distinct: BTreeSet<_> = window.iter().collect();
                distinct.len() > 2
            });
            for window in own {
                assert!(
                    !there.contains(&window),
                    "seed {seed}: {window:?} of {secret:?}"
                );
            }
        }
        let text = String::from_utf8_lossy(&told.file).to_lowercase();
        for word in [
            "wilhelmina",
            "featherstone",
            "49151",
            "mill",
            "abcdef0123456789",
        ] {
            assert!(!text.contains(word), "seed {seed}: {word}");
        }
    }
}

#[test]
fn everything_in_it_that_bugs_are_made_of_can_be_read() {
    for (seed, pfs) in [(3, false), (4, true)] {
        let told = converse(Seed(seed), pfs, true);
        let (text, verdict) = transcript(&told.file);
        assert_eq!(verdict, Verdict::AsRecorded, "{text}");
        for expected in [
            "Packets under a throw-away key",
            "stream to DC 2 begins with a handshake: intermediate",
            "begins with the session of an earlier stream",
            "handshake: req_pq_multi",
            "handshake: dh_gen_ok",
            "auth.sendCode",
            "contacts.search",
            "invokeWithLayer 200: initConnection: ",
            "rpc_error 420 FLOOD_WAIT_17",
            "rpc_error 420 PHONE_NUMBER_0000000000000",
            "rpc_error 420 xxxxxxxxx",
            ": peerUser, ",
            "new_session_created from",
            "msgs_ack ",
            "msg_container of ",
            "future_salts to ",
            "quick ack of ",
            "failed: the peer closed the stream",
            "taken off its stream",
            " 0 remarks.",
        ] {
            assert!(
                text.contains(expected),
                "seed {seed}: no {expected:?} in\n{text}"
            );
        }
        assert_eq!(text.contains("auth.bindTempAuthKey"), pfs, "{text}");
        assert_eq!(text.contains("temporary keys"), pfs, "{text}");
    }
}

#[test]
fn who_is_watched_does_the_same() {
    let (with, without) = (
        converse(Seed(5), true, true),
        converse(Seed(5), true, false),
    );
    assert_eq!(with.events, without.events);
    assert_eq!(with.keys, without.keys);
    assert!(with.file.len() > 10_000, "{}", with.file.len());
    assert!(without.file.len() < 1_000, "{}", without.file.len());
}

#[test]
fn what_does_not_open_is_a_length() {
    let file = Buffer::default();
    let tap = shareable_to(file.clone(), [1; 32]).unwrap();
    let mut config = ClientConfig::new(DcId(2), Vec::new());
    config.record(tap.clone());
    let key = KeyState::from_auth_key([9; 256], DcId(2));
    let rng = mtproto_proto::Rng::from_seed([2; 32]);
    let mut client = ClientConnection::new(Arc::new(config), Start::Key(key), rng, START).unwrap();
    let mut out = Vec::new();
    client
        .send(START, Bytes::from_static(b"four"), &SendOptions::default())
        .unwrap();
    assert!(client.poll_transmit(START, &mut out));
    let garbage = Dice::new(Seed(6)).bytes(120);
    let framed = [&120_u32.to_le_bytes()[..], &garbage].concat();
    client.handle_input(START, &framed).unwrap_err();
    drop(client);
    tap.finish().unwrap();
    let file = file.take();
    for bytes in contents(&file) {
        assert!(windows(&bytes).is_disjoint(&windows(&garbage)));
    }
    let (text, verdict) = transcript(&file);
    assert_eq!(verdict, Verdict::AsRecorded);
    assert!(
        text.contains("120 bytes that did not open with the session's key"),
        "{text}"
    );
    assert!(
        text.contains("failed: the peer sent an encrypted packet that does not open"),
        "{text}"
    );
}

#[test]
fn a_changed_packet_is_named() {
    let told = converse(Seed(7), false, true);
    let text = String::from_utf8(told.file).unwrap();
    let at = text
        .find(" in 0")
        .or(text.find(" in 1"))
        .or(text.find(" in "))
        .unwrap()
        + 100;
    let digit = if text.as_bytes()[at] == b'0' {
        "1"
    } else {
        "0"
    };
    let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    let (shown, verdict) = transcript(changed.as_bytes());
    assert_eq!(verdict, Verdict::Inconsistent);
    assert!(
        shown.contains("bytes that do not open: the file was changed"),
        "{shown}"
    );
    let (shown, verdict) = transcript(&text.as_bytes()[..text.len() - 30]);
    assert_eq!(verdict, Verdict::Cut);
    assert!(shown.contains("THE FILE IS CUT OFF"), "{shown}");
}

#[test]
fn changed_files_never_panic() {
    let told = converse(Seed(8), false, true);
    let mut dice = Dice::from_env_or(8_102);
    for _ in 0..500 {
        let mut changed = told.file.clone();
        for _ in 0..dice.range(1..=4) {
            let at = dice.range(0..=changed.len() as u64 - 1) as usize;
            match dice.range(0..=2) {
                0 => changed[at] = dice.range(0..=255) as u8,
                1 => _ = changed.remove(at),
                _ => changed.insert(at, b"0 =\n-9f"[dice.range(0..=6) as usize]),
            }
        }
        let _ = show(&changed[..], &mut std::io::sink());
    }
}

#[test]
fn a_shareable_trace_is_not_run_again() {
    let told = converse(Seed(9), false, true);
    let error = mtproto_test::trace::replay(&told.file[..]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a shareable trace cannot be run again"),
        "{error}"
    );
}
