//! The judge judged: it finds each rule broken that a client breaks, and nothing else; and clients
//! of other projects are served by it.

use std::time::Duration;

use mtproto_proto::connection::InitParams;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::handshake::{BindInner, bind_message};
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, MsgId, SessionId};
use mtproto_schema::mtproto::functions;
use mtproto_schema::{Bytes, Encode, LAYER};
use mtproto_test::tamper::{self, Plain};
use mtproto_test::{Dice, Line};
use serde_json::Value;

use crate::peers::python;
use crate::puppet::{Puppet, Word, acks, ask, call, connect, first_call, make_key};
use crate::support::{DC, SECRET, Strict};

/// The rules that were found broken since there were so many.
fn broken_since(server: &mut Strict, before: usize, context: &str) -> Vec<String> {
    for _ in 0..500 {
        let state = server.state();
        let rules = state["violations"].as_array().unwrap()[before..].to_vec();
        if !rules.is_empty() {
            let name = |rule: &Value| rule["violation"].as_str().unwrap().to_owned();
            return rules.iter().map(name).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{context}: nothing was found");
}

/// Fails unless what `offend` does breaks exactly these rules.
fn assert_found(server: &mut Strict, rules: &[&str], context: &str, offend: impl FnOnce(&Strict)) {
    let before = server.count("count") as usize;
    offend(server);
    assert_eq!(broken_since(server, before, context), rules, "{context}");
}

type Offence = fn(&mut Puppet);

fn service(function: &impl Encode) -> Vec<u8> {
    function.to_bytes().to_vec()
}

/// Sends a call whose envelope was changed.
fn call_with(puppet: &mut Puppet, change: impl FnOnce(&mut Plain)) {
    let mut plain = puppet.plain(call(), true);
    change(&mut plain);
    puppet.send(&plain);
}

/// Sends a packet that was changed after it was sealed.
fn packet_with(puppet: &mut Puppet, change: impl FnOnce(&mut Vec<u8>)) {
    let plain = puppet.plain(call(), true);
    let mut packet = puppet.seal(&plain);
    change(&mut packet);
    puppet.line.send(&packet).unwrap();
}

fn container(puppet: &mut Puppet, body: Vec<u8>) {
    puppet.say(body, false);
}

/// What a client does in a session that is settled, and the rules that this breaks.
const OFFENCES: &[(&[&str], Offence)] = &[
    (&["msg_id.parity"], |p| {
        call_with(p, |plain| plain.msg_id.0 |= 1)
    }),
    (&["msg_id.parity"], |p| {
        call_with(p, |plain| plain.msg_id.0 |= 2)
    }),
    (&["msg_id.window"], |p| {
        let id = p.id_at(-310);
        call_with(p, |plain| plain.msg_id = id);
    }),
    (&["msg_id.window"], |p| {
        let id = p.id_at(40);
        call_with(p, |plain| plain.msg_id = id);
    }),
    (&["msg_id.order"], |p| {
        let id = p.id_at(-5);
        call_with(p, |plain| plain.msg_id = id);
    }),
    (&["msg_id.fraction"], |p| {
        call_with(p, |plain| {
            plain.msg_id.0 = ((plain.msg_id.0 >> 32) + 1) << 32
        });
    }),
    (&["seq_no.even"], |p| {
        let plain = p.plain(call(), false);
        p.send(&plain);
    }),
    (&["seq_no.count"], |p| {
        call_with(p, |plain| plain.seq_no += 2)
    }),
    (&["seq_no.count"], |p| {
        call_with(p, |plain| plain.seq_no -= 2)
    }),
    (&["seq_no.odd"], |p| {
        let items = [p.item(call(), true), p.item(call(), true)];
        p.say(tamper::container(&items, None), true);
    }),
    (&["salt"], |p| call_with(p, |plain| plain.salt ^= 1)),
    (&["session.zero"], |p| {
        call_with(p, |plain| plain.session = SessionId(0));
    }),
    (&["packet.padding"], |p| {
        // 32 and 40 bytes are no whole blocks, but with 8 more.
        let mut plain = p.plain(vec![0; 8], true);
        plain.padding = Some(vec![1; 8]);
        p.send(&plain);
    }),
    (&["packet.padding"], |p| {
        let mut plain = p.plain(vec![0; 8], true);
        plain.padding = Some(vec![1; 1032]);
        p.send(&plain);
    }),
    (&["packet.padding"], |p| {
        let len = 12 + (32 + call().len() + 12).wrapping_neg() % 16;
        call_with(p, |plain| plain.padding = Some(vec![0; len]));
    }),
    (&["packet.message_length"], |p| {
        call_with(p, |plain| plain.declared_len = Some(-4));
    }),
    (&["packet.message_length"], |p| {
        call_with(p, |plain| plain.declared_len = Some(3));
    }),
    (&["packet.message_length"], |p| {
        call_with(p, |plain| plain.declared_len = Some(1 << 20));
    }),
    (&["packet.msg_key"], |p| {
        packet_with(p, |packet| packet[60] ^= 1)
    }),
    (&["packet.key"], |p| packet_with(p, |packet| packet[0] ^= 1)),
    (&["packet.length"], |p| {
        packet_with(p, |packet| packet.truncate(packet.len() - 4));
    }),
    (&["container.form"], |p| {
        let items = [p.item(call(), true), p.item(call(), true)];
        container(p, tamper::container(&items, Some(3)));
    }),
    (&["container.form"], |p| {
        let items = [p.item(call(), true), p.item(call(), true)];
        container(p, tamper::container(&items, Some(1)));
    }),
    (&["container.form"], |p| {
        container(p, tamper::container(&[], None))
    }),
    (&["container.needless"], |p| {
        let items = [p.item(call(), true)];
        container(p, tamper::container(&items, None));
    }),
    (&["container.nested"], |p| {
        let items = [p.item(call(), true), p.item(call(), true)];
        let inner = tamper::container(&items, None);
        let outer = [p.item(inner, false), p.item(call(), true)];
        container(p, tamper::container(&outer, None));
    }),
    (&["container.msg_id", "msg_id.order"], |p| {
        let mut outer = p.plain(vec![], false);
        let items = [p.item(call(), true), p.item(call(), true)];
        outer.seq_no += 4;
        outer.body = tamper::container(&items, None);
        p.send(&outer);
    }),
    (&["tl"], |p| p.say([call(), vec![0; 4]].concat(), true)),
    (&["tl"], |p| p.say(b"\xde\xad\xbe\xef".to_vec(), true)),
    (&["gzip.nested"], |p| {
        let twice = tamper::gzip_packed(&tamper::gzip(&call()));
        p.say(tamper::gzip_packed(&tamper::gzip(&twice)), true);
    }),
    (&["acks.unknown"], |p| p.say(acks(vec![5]), false)),
    (&["acks.count"], |p| p.say(acks(vec![]), false)),
    (&["pong"], |p| {
        let pong = mtproto_schema::mtproto::types::Pong {
            msg_id: 1,
            ping_id: 2,
        };
        p.say(service(&pong), false);
    }),
    (&["call.future_salts"], |p| {
        p.say(service(&functions::GetFutureSalts { num: 65 }), false);
    }),
    (&["call.delay"], |p| {
        let ping = functions::PingDelayDisconnect {
            ping_id: 1,
            disconnect_delay: -1,
        };
        p.say(service(&ping), false);
    }),
    (&["bind.form"], |p| {
        let mut plain = p.plain(vec![], true);
        plain.body = bind(p.key.clone(), plain.msg_id);
        p.send(&plain);
    }),
];

/// `auth.bindTempAuthKey` of a permanent key to itself.
fn bind(key: AuthKey, msg_id: MsgId) -> Vec<u8> {
    let inner = BindInner {
        nonce: 1,
        temp_auth_key_id: key.id(),
        perm_auth_key_id: key.id(),
        temp_session_id: SessionId(1),
        expires_at: 2_000_000_000,
    };
    let mut dice = Dice::from_env_or(44);
    let message = bind_message(&key, msg_id, &inner, &mut dice.rng());
    let request = mtproto_schema::api::functions::auth::BindTempAuthKey {
        perm_auth_key_id: key.id().0,
        nonce: 1,
        expires_at: inner.expires_at,
        encrypted_message: Bytes::copy_from_slice(&message),
    };
    service(&request)
}

#[test]
fn each_rule_broken_in_a_session_is_found() {
    let Some(mut server) = Strict::start("judge-session") else {
        return;
    };
    let mut dice = Dice::from_env_or(41);
    let seed = dice.seed();
    let mut line = connect(&server, Framing::Intermediate, None, &mut dice);
    let rsa = server.key.clone();
    let (key, salt) = make_key(&mut line, &rsa, &mut dice, &mut |_| {}).unwrap();
    server.assert_no_violations("an honest handshake");

    for (i, (rules, offend)) in OFFENCES.iter().enumerate() {
        let framing = [Framing::Abridged, Framing::Intermediate, Framing::Full][i % 3];
        let line = connect(&server, framing, None, &mut dice);
        let mut puppet = Puppet::new(line, dice.fork(), &key, salt);
        let ids = puppet.settle();
        puppet.say(acks(ids), false);
        let context = format!("offence {i}, seed {seed}");
        assert_found(&mut server, rules, &context, |_| offend(&mut puppet));
    }
    let (last, content) = server.stop();
    assert!(!content, "it ends with an error");
    assert_ne!(last["calls"], 0);
}

#[test]
fn each_rule_broken_by_acknowledgements_and_first_calls_is_found() {
    let Some(mut server) = Strict::start("judge-first") else {
        return;
    };
    let mut dice = Dice::from_env_or(42);
    let seed = dice.seed();
    let rsa = server.key.clone();
    let mut line = connect(&server, Framing::Intermediate, None, &mut dice);
    let (key, salt) = make_key(&mut line, &rsa, &mut dice, &mut |_| {}).unwrap();
    let (temporary, temporary_salt) = make_key(&mut line, &rsa, &mut dice, &mut |word| {
        if let Word::Inner(inner) = word {
            inner.expires_in = Some(600);
        }
    })
    .unwrap();
    let mut puppet = |server: &Strict, key: &AuthKey, salt| {
        let line = connect(server, Framing::Intermediate, None, &mut dice);
        Puppet::new(line, dice.fork(), key, salt)
    };

    let mut bare = puppet(&server, &key, salt);
    assert_found(&mut server, &["init.missing"], "bare", |_| {
        bare.say(call(), true);
    });
    let mut anonymous = puppet(&server, &key, salt);
    assert_found(&mut server, &["init.fields"], "anonymous", |_| {
        let prefix = InitParams::new(0, LAYER).prefix();
        anonymous.say([prefix.to_vec(), call()].concat(), true);
    });
    let mut without_layer = puppet(&server, &key, salt);
    let rules = ["init.layer", "init.missing"];
    assert_found(&mut server, &rules, "without a layer", |_| {
        without_layer.say(first_call()[8..].to_vec(), true);
    });
    let mut unbound = puppet(&server, &temporary, temporary_salt);
    assert_found(&mut server, &["bind.first"], "unbound", |_| {
        unbound.say(first_call(), true);
    });

    let mut skipping = puppet(&server, &key, salt);
    let ids = skipping.settle();
    assert_found(&mut server, &["acks.skipped"], "the second only", |_| {
        skipping.say(acks(vec![ids[1]]), false);
    });
    let mut twice = puppet(&server, &key, salt);
    let ids = twice.settle();
    assert_found(&mut server, &["acks.needless"], "one twice", |_| {
        twice.say(acks(vec![ids[0], ids[1], ids[1]]), false);
    });
    let mut pong = puppet(&server, &key, salt);
    let ids = pong.settle();
    pong.say(service(&functions::Ping { ping_id: 1 }), false);
    let heard = pong.hear()[0].msg_id.0;
    assert_found(&mut server, &["acks.needless"], "a pong", |_| {
        pong.say(acks(vec![ids[0], ids[1], heard]), false);
    });
    let mut late = puppet(&server, &key, salt);
    late.settle();
    std::thread::sleep(Duration::from_millis(5_500));
    assert_found(&mut server, &["acks.late"; 2], "never", |_| {
        late.say(service(&functions::Ping { ping_id: 1 }), false);
    });
    let (_, content) = server.stop();
    assert!(!content, "seed {seed}");
}

/// What a client says in a handshake, the rule that this breaks, and the error that it gets.
type Lie = (&'static str, i32, fn(Word<'_>));

const LIES: &[Lie] = &[
    ("handshake.dc", -444, |word| {
        if let Word::Inner(inner) = word {
            inner.data.dc = 3;
        }
    }),
    ("handshake.factors", -404, |word| {
        if let Word::Inner(inner) = word {
            std::mem::swap(&mut inner.data.p, &mut inner.data.q);
        }
    }),
    ("handshake.factors", -404, |word| {
        if let Word::ReqDh(question) = word {
            std::mem::swap(&mut question.p, &mut question.q);
        }
    }),
    ("handshake.nonce", -404, |word| {
        if let Word::Inner(inner) = word {
            inner.data.nonce[15] ^= 1;
        }
    }),
    ("handshake.nonce", -404, |word| {
        if let Word::ReqDh(question) = word {
            question.server_nonce[0] ^= 1;
        }
    }),
    ("handshake.nonce", -404, |word| {
        if let Word::ClientInner(inner) = word {
            inner.server_nonce[0] ^= 1;
        }
    }),
    ("handshake.expires_in", -404, |word| {
        if let Word::Inner(inner) = word {
            inner.expires_in = Some(0);
        }
    }),
    ("handshake.expires_in", -404, |word| {
        if let Word::Inner(inner) = word {
            inner.expires_in = Some(86_401);
        }
    }),
    ("handshake.fingerprint", -404, |word| {
        if let Word::ReqDh(question) = word {
            question.public_key_fingerprint ^= 1;
        }
    }),
    ("handshake.rsa", -404, |word| {
        if let Word::ReqDh(question) = word {
            question.encrypted_data = vec![0xff; 256].into();
        }
    }),
    ("handshake.rsa", -404, |word| {
        if let Word::ReqDh(question) = word {
            question.encrypted_data = question.encrypted_data.slice(..255);
        }
    }),
    ("handshake.rsa", -404, |word| {
        if let Word::ReqDh(question) = word {
            // Decrypts to a zero first, as what was padded the old way does, and one in 256 others.
            question.encrypted_data = vec![0; 256].into();
        }
    }),
    ("handshake.rsa", -404, |word| {
        if let Word::ReqDh(question) = word {
            let mut data = question.encrypted_data.to_vec();
            data[200] ^= 1;
            question.encrypted_data = data.into();
        }
    }),
    ("handshake.g_b", -404, |word| {
        if let Word::ClientInner(inner) = word {
            inner.g_b = vec![1].into();
        }
    }),
    ("handshake.g_b", -404, |word| {
        if let Word::ClientInner(inner) = word {
            // Above every prime of 2048 bits.
            inner.g_b = vec![0xff; 256].into();
        }
    }),
    ("handshake.g_b", -404, |word| {
        if let Word::ClientInner(inner) = word {
            // Just below 2^1984.
            inner.g_b = vec![0xff; 248].into();
        }
    }),
    ("handshake.retry_id", -404, |word| {
        if let Word::ClientInner(inner) = word {
            inner.retry_id = 1;
        }
    }),
    ("handshake.client_dh", -404, |word| {
        if let Word::Sealed(sealed) = word {
            sealed[0] ^= 1;
        }
    }),
    ("handshake.client_dh", -404, |word| {
        if let Word::Sealed(sealed) = word {
            sealed.extend([0; 16]);
        }
    }),
    ("handshake.client_dh", -404, |word| {
        if let Word::SetClient(question) = word {
            question.encrypted_data = question.encrypted_data.slice(..40);
        }
    }),
];

#[test]
fn each_lie_in_a_handshake_is_found() {
    let Some(mut server) = Strict::start("judge-handshake") else {
        return;
    };
    let mut dice = Dice::from_env_or(43);
    let seed = dice.seed();
    let rsa = server.key.clone();
    for (i, (rule, code, lie)) in LIES.iter().enumerate() {
        let context = format!("lie {i}, seed {seed}");
        let mut line = connect(&server, Framing::PaddedIntermediate, None, &mut dice);
        assert_found(&mut server, &[rule], &context, |_| {
            let refused = make_key(&mut line, &rsa, &mut dice, &mut |word| lie(word));
            assert_eq!(refused.err(), Some(*code), "{context}");
        });
    }
    // Steps out of order, and a question to an exchange that never began.
    let mut line = connect(&server, Framing::Full, None, &mut dice);
    assert_found(&mut server, &["handshake.nonce"], "no beginning", |_| {
        let question = functions::SetClientDhParams {
            nonce: dice.array(),
            server_nonce: dice.array(),
            encrypted_data: vec![0; 32].into(),
        };
        let refused = ask::<functions::Ping>(&mut line, &question.to_bytes());
        assert_eq!(refused.err(), Some(-404));
    });
    assert!(!server.stop().1, "seed {seed}");
}

/// Writes bytes to a stream of their own.
fn write(line: &Line, bytes: &[u8]) {
    use std::io::Write;
    line.stream().write_all(bytes).unwrap();
}

#[test]
fn each_rule_broken_by_a_framing_is_found() {
    let Some(mut server) = Strict::start("judge-framing") else {
        return;
    };
    let mut dice = Dice::from_env_or(45);
    let plain = {
        let nonce = dice.array();
        let question = functions::ReqPqMulti { nonce }.to_bytes();
        let mut packet = vec![0; 8];
        packet.extend(4_i64.to_le_bytes());
        packet.extend(20_u32.to_le_bytes());
        packet.extend(&question);
        packet
    };
    assert_eq!(plain.len(), 40);
    let full = |seq: u32, flip: u32| {
        let mut frame = 52_u32.to_le_bytes().to_vec();
        frame.extend(seq.to_le_bytes());
        frame.extend(&plain);
        let crc = crc32fast::hash(&frame) ^ flip;
        frame.extend(crc.to_le_bytes());
        frame
    };
    let cases: [(&str, Vec<u8>); 10] = [
        (
            "framing.abridged",
            [&b"\xef\x7f\x0a\0\0"[..], &plain].concat(),
        ),
        ("framing.length", b"\xef\0".to_vec()),
        ("framing.length", b"\xef\x7f\xff\xff\xff".to_vec()),
        (
            "framing.length",
            b"\xee\xee\xee\xee\xfc\xff\xff\x7f".to_vec(),
        ),
        (
            "framing.unaligned",
            [&b"\xee\xee\xee\xee\x29\0\0\0"[..], &plain, b"\0"].concat(),
        ),
        (
            "framing.padding",
            [&b"\xdd\xdd\xdd\xdd\x38\0\0\0"[..], &plain, &[7; 16]].concat(),
        ),
        ("framing.checksum", full(0, 1)),
        ("framing.sequence", [full(0, 0), full(2, 0)].concat()),
        ("framing.unknown", vec![0x5a; 64]),
        ("plain.msg_id", {
            let mut odd = plain.clone();
            odd[8] = 1;
            [&b"\xef\x0a"[..], &odd].concat()
        }),
    ];
    for (rule, bytes) in cases {
        // The framing of this line is not used.
        let line = connect(&server, Framing::Full, None, &mut dice);
        assert_found(&mut server, &[rule], rule, |_| write(&line, &bytes));
    }
    for (dc, secret) in [(Some(DcId(3)), None), (Some(DcId(-2)), Some(SECRET))] {
        let secret = secret.map(Into::into);
        let obfuscation = Some(Obfuscation { secret, dc });
        assert_ne!(dc, Some(DC));
        let mut line = connect(&server, Framing::Abridged, obfuscation, &mut dice);
        assert_found(&mut server, &["obfuscated.dc"], "another dc", |_| {
            line.send(&plain).unwrap();
        });
    }
    assert!(!server.stop().1);
}

/// A packet of a session whose key nobody knows is refused without a word about why.
#[test]
fn a_foreign_key_is_refused_with_404() {
    let Some(mut server) = Strict::start("judge-key") else {
        return;
    };
    let mut dice = Dice::from_env_or(46);
    let mut bytes = [0; 256];
    bytes.copy_from_slice(&dice.bytes(256));
    let key = AuthKey::from_bytes(&bytes);
    let mut line = connect(&server, Framing::Abridged, None, &mut dice);
    assert_found(&mut server, &["packet.key"], "a foreign key", |_| {
        let plain = Plain::new(0, SessionId(1), MsgId(4), 1, call());
        let packet = tamper::seal(&key, Direction::ToServer, &plain, &mut dice);
        line.send(&packet).unwrap();
        let answer = line.recv().unwrap();
        assert_eq!(answer, mtproto_proto::transport::Frame::Status(-404));
    });
    assert!(!server.stop().1);
}

/// So that judge and judged are not wrong in the same way.
#[test]
fn clients_of_other_projects_are_served_and_only_their_known_habits_found() {
    // Older padding of what RSA protects, random bytes in the place of the DC, acknowledgements of
    // what needs none, of containers too, and ids that begin at the whole second.
    const HABITS: [&str; 5] = [
        "handshake.legacy",
        "obfuscated.dc",
        "acks.needless",
        "acks.unknown",
        "msg_id.fraction",
    ];
    for (script, framings) in [
        ("telethon_client.py", ["full", "obfuscated"]),
        (
            "pyrogram_client.py",
            ["intermediate", "obfuscated-intermediate"],
        ),
    ] {
        let Some(server) = Strict::start(script) else {
            return;
        };
        for framing in framings {
            let output = python(script)
                .unwrap()
                .args(["--host", "127.0.0.1"])
                .args(["--port", &server.addr.port().to_string()])
                .args(["--framing", framing, "--timeout", "60"])
                .arg("--key")
                .arg(&server.key_file)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script} {framing}: {stderr}");
            let got: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(got["nearest_dc"], 2, "{got}");
        }
        let (last, _) = server.stop();
        for violation in last["violations"].as_array().unwrap() {
            let rule = violation["violation"].as_str().unwrap();
            assert!(HABITS.contains(&rule), "{script}: {violation}");
        }
    }
}
