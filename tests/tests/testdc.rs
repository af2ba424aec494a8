//! The test DC, as a program and as a library, seen by a client that is driven by hand.

mod by_hand;
mod program;

use std::fs;
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::handshake::client;
use mtproto_proto::transport::{Frame, Framing, Obfuscation};
use mtproto_proto::{DcId, Time};
use mtproto_schema::api::functions::auth::{DropTempAuthKeys, SendCode};
use mtproto_schema::api::functions::help::{GetConfig, GetNearestDc};
use mtproto_schema::api::functions::langpack::GetLanguages;
use mtproto_schema::api::functions::users::GetUsers;
use mtproto_schema::api::functions::{
    InvokeAfterMsg, InvokeAfterMsgs, InvokeWithLayer, InvokeWithoutUpdates,
};
use mtproto_schema::api::types::{Config, NearestDc};
use mtproto_schema::mtproto::types::RpcError;
use mtproto_schema::{Constructor, Decode, Encode, Raw};
use mtproto_test::tamper::{gzip, gzip_packed, zlib};
use mtproto_test::{DcConfig, Dice, Line, Seed, TestDc, peer};

use by_hand::{Client, init, with_layer};
use program::{Program, program};

fn start() -> TestDc {
    TestDc::start(DcConfig::default()).unwrap()
}

const UNREGISTERED: &str = "401 AUTH_KEY_UNREGISTERED";

// ---- Framings and calls ----

#[test]
fn every_framing_leads_to_the_configuration() {
    let dc = start();
    let secretless = || {
        Some(Obfuscation {
            secret: None,
            dc: Some(DcId(2)),
        })
    };
    let lines = [
        (Framing::Abridged, None),
        (Framing::Intermediate, None),
        (Framing::PaddedIntermediate, None),
        (Framing::Full, None),
        (Framing::Abridged, secretless()),
        (Framing::Intermediate, secretless()),
        (Framing::PaddedIntermediate, secretless()),
    ];
    // Each with a seed of its own: an obfuscation header that comes twice is a replay.
    for (seed, (framing, obfuscation)) in (1..).zip(lines) {
        let name = format!("{framing:?}, obfuscated: {}", obfuscation.is_some());
        let mut client = Client::over(&dc, framing, obfuscation, None, seed);
        let config = client.initialize();
        assert_eq!(config.this_dc, 2, "{name}");
        // The client's clock was read when it began.
        let behind = config.date - client.now.unix() as i32;
        assert!((0..60).contains(&behind), "{name}: {behind} s");
        let [option] = &config.dc_options[..] else {
            panic!("{name}: one address, not {}", config.dc_options.len());
        };
        assert_eq!(
            (&*option.ip_address, option.port),
            ("127.0.0.1", i32::from(dc.addr().port())),
            "{name}"
        );
        let nearest: NearestDc = client.call(&GetNearestDc).unwrap();
        assert_eq!((nearest.this_dc, nearest.nearest_dc), (2, 2), "{name}");
    }
}

/// All orders of these.
fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut out = Vec::new();
    for (i, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(i);
        for mut tail in permutations(&rest) {
            tail.insert(0, *first);
            out.push(tail);
        }
    }
    out
}

#[test]
fn wrappers_come_in_every_order() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    let first = done(&mut client, &with_layer(init(GetConfig)).to_bytes());
    let second = done(&mut client, &GetConfig.to_bytes());
    let wrap: [Box<dyn Fn(Bytes) -> Bytes>; 7] = [
        Box::new(|query| with_layer(Raw(query)).to_bytes()),
        Box::new(|query| init(Raw(query)).to_bytes()),
        Box::new(|query| after(first, query)),
        Box::new(|query| {
            let (msg_ids, query) = (vec![first, second], Raw(query));
            InvokeAfterMsgs { msg_ids, query }.to_bytes()
        }),
        Box::new(|query| InvokeWithoutUpdates { query: Raw(query) }.to_bytes()),
        Box::new(|query| gzip_packed(&gzip(&query)).into()),
        Box::new(|query| gzip_packed(&zlib(&query)).into()),
    ];
    // All orders of five kinds, and each kind of the seven alone and twice.
    let mut orders = permutations(&[0, 1, 2, 4, 5]);
    orders.extend((0..7).flat_map(|kind| [vec![kind], vec![kind, kind]]));
    orders.push((0..7).collect());
    for order in orders {
        let query = order
            .iter()
            .rev()
            .fold(GetConfig.to_bytes(), |query, kind| wrap[*kind](query));
        let answer = client
            .call_raw(&query)
            .unwrap_or_else(|e| panic!("{order:?}: {e}"));
        assert_eq!(Config::from_bytes(&answer).unwrap().this_dc, 2, "{order:?}");
    }
}

/// Calls, and waits for the answer; the message.
fn done(client: &mut Client, body: &[u8]) -> i64 {
    let item = client.send(body);
    client.answer(&item);
    item.msg_id.0
}

fn after(msg_id: i64, query: Bytes) -> Bytes {
    let query = Raw(query);
    InvokeAfterMsg { msg_id, query }.to_bytes()
}

#[test]
fn a_call_behind_one_that_failed_or_never_came_is_not_executed() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    let query = GetConfig.to_bytes();
    // Without a layer: CONNECTION_NOT_INITED.
    let failed = done(&mut client, &query);
    let well = done(&mut client, &with_layer(init(GetConfig)).to_bytes());
    let mut other = Client::new(&dc, 2);
    let elsewhere = done(&mut other, &with_layer(init(GetConfig)).to_bytes());
    let refused = Err("400 MSG_WAIT_FAILED".to_owned());

    assert!(client.call_raw(&after(well, query.clone())).is_ok());
    for unknown in [failed, elsewhere, 4, well + (1 << 32)] {
        assert_eq!(client.call_raw(&after(unknown, query.clone())), refused);
    }
    let msg_ids = vec![well, failed];
    let both = InvokeAfterMsgs {
        msg_ids,
        query: GetConfig,
    };
    assert_eq!(client.call_raw(&both.to_bytes()), refused);
    // A chain ends where its first link breaks.
    let one = client.send(&after(failed, query.clone()));
    let two = client.send(&after(one.msg_id.0, query.clone()));
    let answer = RpcError::from_bytes(&client.answer(&two)).unwrap();
    assert_eq!(&*answer.error_message, "MSG_WAIT_FAILED");
    let one = client.send(&after(well, query.clone()));
    let two = client.send(&after(one.msg_id.0, query));
    assert!(Config::from_bytes(&client.answer(&two)).is_ok());
}

#[test]
fn nesting_and_inflating_are_bounded() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    client.initialize();
    let nest = |times| {
        (0..times).fold(GetConfig.to_bytes(), |query, _| {
            InvokeWithoutUpdates { query: Raw(query) }.to_bytes()
        })
    };
    assert!(client.call_raw(&nest(12)).is_ok());
    assert_eq!(
        client.call_raw(&nest(13)),
        Err(invalid(0xbf9459b7)),
        "too deep"
    );
    assert_eq!(
        client.call_raw(&nest(10_000)),
        Err(invalid(0xbf9459b7)),
        "much too deep"
    );

    const GZIP: u32 = 0x3072_cfa1;
    let inner = with_layer(GetConfig).to_bytes();
    let mut bomb = vec![0; 64 << 20];
    bomb[..inner.len()].copy_from_slice(&inner);
    let bomb = gzip(&bomb);
    assert!(bomb.len() < 100_000);
    // Inside a wrapper, so that the DC inflates it and not the session.
    let wrapped = |compressed: &[u8]| with_layer(Raw(gzip_packed(compressed).into())).to_bytes();
    assert_eq!(client.call_raw(&wrapped(&bomb)), Err(invalid(GZIP)));
    assert_eq!(client.call_raw(&wrapped(b"no gzip!")), Err(invalid(GZIP)));
    let cut = gzip(&inner);
    assert_eq!(
        client.call_raw(&wrapped(&cut[..cut.len() - 12])),
        Err(invalid(GZIP))
    );
    assert!(
        client
            .call_raw(&wrapped(&gzip(&GetConfig.to_bytes())))
            .is_ok()
    );
}

fn invalid(id: u32) -> String {
    format!("400 INPUT_METHOD_INVALID_{id}_0")
}

#[test]
fn what_cannot_be_read_is_refused_by_id_and_the_session_goes_on() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    client.initialize();
    let unknown = 0xdead_beef_u32;
    assert_eq!(
        client.call_raw(&unknown.to_le_bytes()),
        Err(invalid(unknown))
    );
    assert_eq!(
        client.call_raw(&with_layer(Raw(unknown.to_le_bytes().to_vec().into())).to_bytes()),
        Err(invalid(unknown)),
        "inside a wrapper too"
    );
    let trailing = [&GetConfig.to_bytes()[..], &[0; 4]].concat();
    assert_eq!(client.call_raw(&trailing), Err(invalid(0xc4f9186b)));
    let layer = with_layer(GetConfig).to_bytes();
    for len in (4..layer.len()).step_by(4) {
        assert_eq!(
            client.call_raw(&layer[..len]),
            Err(invalid(0xda9b0d0d)),
            "{len}"
        );
    }
    let first = init(GetConfig).to_bytes();
    for len in (4..first.len() - 4).step_by(4) {
        assert_eq!(
            client.call_raw(&first[..len]),
            Err(invalid(0xc1cd5ea9)),
            "{len}"
        );
    }
    let constructor = NearestDc {
        country: "XX".into(),
        this_dc: 1,
        nearest_dc: 1,
    };
    assert_eq!(
        client.call_raw(&constructor.to_bytes()),
        Err(invalid(NearestDc::ID)),
        "a constructor is no method"
    );
    assert!(client.call(&GetConfig).is_ok());
}

#[test]
fn methods_that_need_a_sign_in_are_refused_as_unregistered() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    client.initialize();
    let get_users = GetUsers { id: Vec::new() };
    assert_eq!(client.call(&get_users).err().unwrap(), UNREGISTERED);
    assert_eq!(
        client.call(&with_layer(init(get_users))).err().unwrap(),
        UNREGISTERED
    );
    // Arguments that no layer reads: the method is known, and that is what counts.
    let id = <GetUsers as mtproto_schema::Function>::ID;
    assert_eq!(
        client.call_raw(&id.to_le_bytes()).unwrap_err(),
        UNREGISTERED
    );
}

#[test]
fn methods_that_sign_in_are_refused_without_calling_the_key_unregistered() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    client.initialize();
    let mut refused = |id: u32| client.call_raw(&id.to_le_bytes()).unwrap_err();
    let send_code = <SendCode as mtproto_schema::Function>::ID;
    assert_eq!(refused(send_code), invalid(send_code), "without arguments");
    let languages = <GetLanguages as mtproto_schema::Function>::ID;
    assert_eq!(refused(languages), "400 METHOD_INVALID");
}

#[test]
fn calls_before_a_layer_is_named_are_refused_and_the_layer_belongs_to_the_key() {
    let dc = start();
    let mut client = Client::new(&dc, 1);
    let not_inited = Err("400 CONNECTION_NOT_INITED".to_owned());
    assert_eq!(client.call_raw(&GetConfig.to_bytes()), not_inited);
    assert_eq!(
        client.call_raw(&init(GetConfig).to_bytes()),
        not_inited,
        "initConnection names no layer"
    );
    let layer = |layer| {
        InvokeWithLayer {
            layer,
            query: GetConfig,
        }
        .to_bytes()
    };
    for wrong in [0, -1] {
        let answer = client.call_raw(&layer(wrong));
        assert_eq!(answer, Err("400 CONNECTION_LAYER_INVALID".to_owned()));
    }
    assert!(
        client.call_raw(&layer(1)).is_ok(),
        "any layer that there was"
    );
    assert!(client.call(&GetConfig).is_ok());

    let mut sibling = client.sibling(&dc, 2);
    assert!(
        sibling.call(&GetConfig).is_ok(),
        "another session and stream"
    );
    let mut stranger = Client::new(&dc, 3);
    assert_eq!(stranger.call_raw(&GetConfig.to_bytes()), not_inited);
}

// ---- Temporary keys ----

#[test]
fn an_unbound_temporary_key_may_ask_for_the_configuration_only() {
    let dc = start();
    let mut temp = Client::temporary(&dc, 1);
    assert_eq!(temp.initialize().this_dc, 2);
    assert!(temp.call(&GetNearestDc).is_ok());
    let refused = "401 AUTH_KEY_PERM_EMPTY";
    let get_users = GetUsers { id: Vec::new() };
    assert_eq!(temp.call(&get_users).err().unwrap(), refused);
    let drop_keys = DropTempAuthKeys {
        except_auth_keys: Vec::new(),
    };
    assert_eq!(temp.call(&drop_keys).err().unwrap(), refused);
}

#[test]
fn a_bound_temporary_key_stands_for_the_permanent_one() {
    let dc = start();
    let mut perm = Client::new(&dc, 1);
    perm.initialize();
    let mut temp = Client::temporary(&dc, 2);
    assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true));
    assert!(
        temp.call(&GetConfig).is_ok(),
        "the layer of the permanent key counts"
    );
    let get_users = GetUsers { id: Vec::new() };
    assert_eq!(temp.call(&get_users).err().unwrap(), UNREGISTERED);
    assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true), "again");
}

#[test]
fn official_clients_bind_inside_wrappers_and_gzip() {
    let dc = start();
    let perm = Client::new(&dc, 1);
    let mut temp = Client::temporary(&dc, 2);
    let mut item = temp.binding(&perm.peer, |_| {});
    let packed = Raw(gzip_packed(&zlib(&item.body)).into());
    item.body = with_layer(init(packed)).to_bytes().to_vec();
    temp.send_item(&item);
    let answer = temp.answer(&item);
    assert_eq!(bool::from_bytes(&answer), Ok(true));
    assert!(temp.call(&GetConfig).is_ok());
}

#[test]
fn a_wrong_binding_is_refused_and_changes_nothing() {
    let dc = start();
    let mut perm = Client::new(&dc, 1);
    perm.initialize();
    let mut temp = Client::temporary(&dc, 2);
    temp.initialize();
    let invalid = Err("400 ENCRYPTED_MESSAGE_INVALID".to_owned());
    assert_eq!(temp.bind(&perm.peer, |inner| inner.nonce += 1), invalid);
    assert_eq!(
        temp.bind(&perm.peer, |inner| inner.temp_session_id.0 ^= 1),
        invalid
    );
    assert_eq!(
        temp.bind(&perm.peer, |inner| inner.temp_auth_key_id.0 ^= 1),
        invalid
    );
    assert_eq!(
        temp.bind(&perm.peer, |inner| inner.perm_auth_key_id.0 ^= 1),
        invalid
    );
    for expires_at in [0, temp.now.unix() as i32 - 1, i32::MAX] {
        assert_eq!(
            temp.bind(&perm.peer, |inner| inner.expires_at = expires_at),
            Err("400 EXPIRES_AT_INVALID".to_owned()),
            "{expires_at}"
        );
    }
    let stranger = Client::temporary(&dc, 3);
    assert_eq!(
        temp.bind(&stranger.peer, |_| {}),
        invalid,
        "a temporary key is no permanent one"
    );
    let expires_at = perm.now.unix() as i32 + 3600;
    let mut as_perm = perm.sibling(&dc, 4);
    assert_eq!(
        as_perm.bind(&perm.peer, |inner| inner.expires_at = expires_at),
        Err("400 TEMP_AUTH_KEY_EMPTY".to_owned())
    );
    let get_users = GetUsers { id: Vec::new() };
    assert_eq!(
        temp.call(&get_users).err().unwrap(),
        "401 AUTH_KEY_PERM_EMPTY"
    );
    assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true), "and then right");
    let other = Client::new(&dc, 5);
    assert_eq!(
        temp.bind(&other.peer, |_| {}),
        Err("400 TEMP_AUTH_KEY_ALREADY_BOUND".to_owned())
    );
}

#[test]
fn dropped_temporary_keys_are_unknown_and_the_named_ones_stay() {
    let dc = start();
    let mut perm = Client::new(&dc, 1);
    perm.initialize();
    let mut kept = Client::temporary(&dc, 2);
    let mut dropped = Client::temporary(&dc, 3);
    for temp in [&mut kept, &mut dropped] {
        assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true));
    }
    let query = DropTempAuthKeys {
        except_auth_keys: vec![kept.peer.key.id().0],
    };
    assert_eq!(perm.call(&query), Ok(true));
    assert!(kept.call(&GetConfig).is_ok());
    let mut again = dropped.sibling(&dc, 4);
    again.send(&GetConfig.to_bytes());
    assert_eq!(again.line.recv().unwrap(), Frame::Status(-404));
}

// ---- Many clients, and bad ones ----

#[test]
fn many_connections_are_served_at_once() {
    const KEYS: u64 = 4;
    const CONNECTIONS: u64 = 50;
    let dc = start();
    thread::scope(|scope| {
        for key in 0..KEYS {
            let dc = &dc;
            scope.spawn(move || {
                let mut first = Client::new(dc, key);
                first.initialize();
                let mut clients: Vec<_> = (0..CONNECTIONS)
                    .map(|n| first.sibling(dc, 1_000 * (key + 1) + n))
                    .collect();
                let sent: Vec<_> = clients
                    .iter_mut()
                    .map(|client| client.send(&GetConfig.to_bytes()))
                    .collect();
                for (client, item) in clients.iter_mut().zip(&sent) {
                    let answer = client.answer(item);
                    assert_eq!(Config::from_bytes(&answer).unwrap().this_dc, 2);
                }
            });
        }
    });
}

#[test]
fn a_connection_without_progress_is_closed_in_time() {
    // Long enough for an honest handshake on a busy machine.
    let mut config = DcConfig::default();
    config.handshake_timeout = Duration::from_secs(2);
    let dc = TestDc::start(config).unwrap();
    let begun = [
        &b""[..],
        &[0xee, 0xee],
        &[0xee, 0xee, 0xee, 0xee, 40, 0, 0, 0, 1],
    ];
    let slow = begun.map(|begun| {
        let mut stream = TcpStream::connect(dc.addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        io::Write::write_all(&mut stream, begun).unwrap();
        stream
    });
    // Who makes a key in time stays longer.
    let mut client = Client::new(&dc, 1);
    client.initialize();
    for mut stream in slow {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.len() <= 12, "at most an error: {rest:?}");
    }
    thread::sleep(Duration::from_secs(1));
    assert!(client.call(&GetConfig).is_ok());
}

#[test]
fn a_client_that_never_reads_disturbs_nobody() {
    let dc = start();
    let mut deaf = Client::new(&dc, 1);
    deaf.initialize();
    let mut other = Client::new(&dc, 2);
    other.initialize();

    // 64 MiB of updates: more than sockets and queues hold.
    let update = Bytes::from(vec![7; 64 << 10]);
    let mut reached_both = 0;
    for round in 0..1_000 {
        reached_both += u32::from(dc.push(update.clone()) == 2);
        // The other one reads its updates and gets its answers all the while.
        if round % 100 == 0 {
            let item = other.send(&GetConfig.to_bytes());
            let answer = other.answer(&item);
            assert_eq!(Config::from_bytes(&answer).unwrap().this_dc, 2);
        } else {
            other.read_and_acknowledge();
        }
    }
    assert!(reached_both > 0, "the deaf one was there");
    assert!(reached_both < 1_000, "and then was given up");
    let mut third = Client::new(&dc, 3);
    third.initialize();
}

#[test]
fn updates_reach_every_session() {
    let dc = start();
    let mut first = Client::new(&dc, 1);
    first.initialize();
    let mut second = first.sibling(&dc, 2);
    second.call(&GetConfig).unwrap();
    let update = Bytes::from_static(b"an update of 20 byte");
    assert_eq!(dc.push(update.clone()), 2);
    for client in [&mut first, &mut second] {
        while !client
            .read_and_acknowledge()
            .iter()
            .any(|item| item.body == *update)
        {}
    }
}

#[test]
fn garbage_is_closed_and_the_next_client_is_served() {
    let dc = start();
    let mut dice = Dice::from_env_or(5);
    for _ in 0..50 {
        let mut stream = TcpStream::connect(dc.addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let len = dice.range(1..=2_000) as usize;
        io::Write::write_all(&mut stream, &dice.bytes(len)).unwrap();
        // Closed, refused or silent: nothing else.
        let mut rest = [0; 64];
        let n = stream.read(&mut rest).unwrap_or(0);
        assert!(n <= 16, "an answer to garbage: {:?}", &rest[..n]);
    }
    Client::new(&dc, 1).initialize();
}

#[test]
fn a_dropped_dc_closes_its_streams_and_its_port() {
    let dc = start();
    let addr = dc.addr();
    let mut client = Client::new(&dc, 1);
    client.initialize();
    drop(dc);
    assert!(client.line.recv().is_err());
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn one_seed_gives_one_key_and_another_seed_another() {
    let key = |seed: u8| {
        let mut config = DcConfig::default();
        config.seed = Some([seed; 32]);
        TestDc::start(config).unwrap().public_key_pem().to_owned()
    };
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
    for seed in 1..=3 {
        let fingerprint = RsaPublicKey::from_pem(&key(seed)).unwrap().fingerprint();
        assert_eq!(format!("{fingerprint:x}").len(), 16, "no leading zero");
    }
}

// ---- The program ----

/// A file that no other test has.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("testdc");
    fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}-{name}", std::process::id()))
}

#[test]
fn the_program_says_in_one_line_where_it_listens_and_writes_its_public_key() {
    let path = scratch("key.pem");
    let file = path.to_str().unwrap();
    let program = Program::start(&["--listen", "127.0.0.1:0", "--dc", "4", "--key-out", file]);
    let port = program.port();
    assert_eq!(
        program.line,
        serde_json::json!({
            "ready": true,
            "dcs": [{"id": 4, "host": "127.0.0.1", "port": port}],
            "key": file,
        })
    );
    let pem = fs::read_to_string(&path).unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"), "{pem}");
    let key = RsaPublicKey::from_pem(&pem).unwrap();

    let mut dice = Dice::new(Seed(1));
    let addr = format!("127.0.0.1:{port}").parse().unwrap();
    let mut line = Line::connect(addr, Framing::Abridged, None, dice.rng()).unwrap();
    let config = client::Config::new(vec![key], DcId(4));
    let made = peer::make_key(config, Time::ZERO, &mut dice.rng(), |packet| {
        line.exchange(packet).unwrap()
    });
    assert!(made.is_ok());
    fs::remove_file(path).unwrap();
}

#[test]
fn the_program_makes_the_same_key_from_the_same_seed_or_takes_it_from_a_file() {
    let (out, private) = (scratch("out.pem"), scratch("private.pem"));
    let secret = mtproto_proto::crypto::RsaPrivateKey::generate(&mut Dice::new(Seed(6)).rng());
    fs::write(&private, secret.to_pem().as_bytes()).unwrap();
    let public_key = |flag: &str, value: &str| {
        let program = Program::start(&[flag, value, "--key-out", out.to_str().unwrap()]);
        assert_eq!(program.line["dcs"][0]["id"], 2);
        fs::read_to_string(&out).unwrap()
    };
    assert_eq!(
        public_key("--key", private.to_str().unwrap()),
        secret.public().to_pem()
    );
    assert_eq!(public_key("--seed", "9"), public_key("--seed", "9"));
    assert!(Program::start(&["--seed", "9"]).line["key"].is_null());
    fs::remove_file(out).unwrap();
    fs::remove_file(private).unwrap();
}

#[test]
fn the_program_refuses_what_it_cannot_do_with_a_clear_message() {
    let no_key = scratch("no-key.pem");
    fs::write(&no_key, "no key").unwrap();
    let taken = start();
    let taken = taken.addr().to_string();
    for (flags, message) in [
        (
            &["--listen", "0.0.0.0:0"][..],
            "0.0.0.0 is not a loopback address",
        ),
        (&["--listen", "[::]:0"], ":: is not a loopback address"),
        (
            &["--listen", "localhost"],
            "invalid value 'localhost' for '--listen",
        ),
        (&["--listen", &taken], "in use"),
        (&["--dc", "0"], "a DC's id is positive"),
        (&["--dc", "x"], "invalid value 'x' for '--dc"),
        (
            &["--key", "/nonexistent/key.pem"],
            "/nonexistent/key.pem: No such file",
        ),
        (
            &["--key", no_key.to_str().unwrap()],
            "BEGIN RSA PRIVATE KEY",
        ),
        (
            &["--key-out", "/nonexistent/key.pem"],
            "/nonexistent/key.pem: No such file",
        ),
        (&["--seed", "x"], "invalid value 'x' for '--seed"),
        (&["--handshake-timeout", "0"], "--handshake-timeout"),
        (&["--unknown"], "--unknown"),
    ] {
        let output = program(flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{flags:?}");
        assert!(output.stdout.is_empty(), "{flags:?} is not ready");
        assert!(stderr.contains(message), "{flags:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{flags:?}: {stderr}");
    }
    fs::remove_file(no_key).unwrap();
}
