//! What a server makes of hellos.

use mtproto_proto::Time;
use mtproto_proto::transport::{
    Codec, Error, Framing, HELLO_WINDOW_SECS, MAX_CLIENT_HELLO, ProxySecret, SeenHellos,
};
use mtproto_test::alloc::peak;

use super::super::support::{
    OTHER_SECRET, SECRET, Setup, cut, drain, encrypted, packet, random, rng, try_drain, written,
};
use super::{
    DOMAIN, NOW, Parts, answer, answer_at, client_of, closed, extension, hello, hmac, secret,
    server, server_name, sign, signed,
};

fn refused(bytes: &[u8]) -> bool {
    let answered = answer(&mut server(), bytes, &mut rng(1));
    answered.is_err_and(|error| error.is_silent())
}

#[test]
fn t5_a_hello_with_another_key_or_domain_is_not_ours() {
    let ours = |secret: ProxySecret, time: Time| {
        let (mut rng, mut hello) = (rng(2), Vec::new());
        client_of(secret, &mut rng).write_hello(time, &mut rng, &mut hello);
        !refused(&hello)
    };
    assert!(ours(secret(), NOW));
    assert!(ours(
        ProxySecret::fake_tls(SECRET, "Google.COM").unwrap(),
        NOW
    ));
    for (key, domain) in [
        (OTHER_SECRET, DOMAIN),
        (SECRET, "google.co"),
        (SECRET, "google.com."),
        (SECRET, "example.org"),
    ] {
        assert!(
            !ours(ProxySecret::fake_tls(key, domain).unwrap(), NOW),
            "{domain}"
        );
    }
}

#[test]
fn t5_every_bit_of_a_hello_counts() {
    for hello in [hello(3), Parts::default().build()] {
        for at in 0..hello.len() {
            if (39..43).contains(&at) {
                continue; // the time, which is not protected
            }
            let mut hello = hello.clone();
            hello[at] ^= 1 << (at % 8);
            let mut server = server();
            let answered = answer(&mut server, &hello, &mut rng(1));
            // A record that is longer now is awaited.
            let partial = (at == 3 || at == 4) && answered == Ok(Vec::new());
            assert!(answered.is_err() || partial, "byte {at}: {answered:?}");
            assert_eq!(server.framing(), None, "byte {at}");
        }
    }
}

#[test]
fn t5_a_hello_of_another_time_is_refused() {
    let now = NOW.unix();
    let window = HELLO_WINDOW_SECS;
    for (time, good) in [
        (now, true),
        (now - window, true),
        (now + window, true),
        (now - window - 1, false),
        (now + window + 1, false),
        (0, false),
        (u64::from(u32::MAX), false),
        (1 << 31, false),
    ] {
        let mut hello = hello(4);
        sign(&mut hello, &SECRET, time as u32);
        assert_eq!(refused(&hello), !good, "{time}");
    }
    // At either end of the clock nothing overflows.
    for clock in [Time::ZERO, Time::MAX] {
        let mut seen = SeenHellos::default();
        let answered = answer_at(&mut server(), &hello(4), &mut rng(1), clock, &mut seen);
        assert_eq!(answered, Err(Error::Tls));
        assert!(seen.is_empty(), "what is refused is not remembered");
    }
}

#[test]
fn t5_a_hello_is_answered_once_whatever_time_is_written_into_it() {
    let mut seen = SeenHellos::default();
    let mut answered = |hello: &[u8]| {
        let answered = answer_at(&mut server(), hello, &mut rng(1), NOW, &mut seen);
        answered.map(|answer| !answer.is_empty())
    };
    let first = hello(5);
    assert_eq!(answered(&first), Ok(true));
    assert_eq!(answered(&first), Err(Error::Tls));
    // The time is XORed to the digest, so anybody can move it.
    for second in 1..=60_u32 {
        let mut moved = first.clone();
        for (byte, other) in moved[39..43].iter_mut().zip(second.to_le_bytes()) {
            *byte ^= other;
        }
        assert_eq!(answered(&moved), Err(Error::Tls), "{second}");
    }
    assert_eq!(answered(&hello(6)), Ok(true));
    assert_eq!(seen.len(), 2);
}

#[test]
fn t5_hellos_that_contradict_themselves_are_refused() {
    assert!(!refused(&Parts::default().build()));
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::default();
        change(&mut parts);
        parts.build()
    };
    let whole = Parts::default().build().len();
    let (record, message) = (whole as u16 - 5, whole as u32 - 9);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty record", with(&|p| p.record_len = Some(0))),
        ("record of a byte", with(&|p| p.record_len = Some(1))),
        (
            "record too short",
            with(&|p| p.record_len = Some(record - 1)),
        ),
        (
            "record of 4097",
            with(&|p| p.record_len = Some(MAX_CLIENT_HELLO as u16 + 1)),
        ),
        ("record of 2^16-1", with(&|p| p.record_len = Some(0xffff))),
        ("empty message", with(&|p| p.message_len = Some(0))),
        (
            "message too short",
            with(&|p| p.message_len = Some(message - 1)),
        ),
        (
            "message too long",
            with(&|p| p.message_len = Some(message + 1)),
        ),
        ("message of -1", with(&|p| p.message_len = Some(0xff_ffff))),
        (
            "message of 2^23",
            with(&|p| p.message_len = Some(0x80_0000)),
        ),
        ("no session id", with(&|p| p.session_id = vec![])),
        ("session id of 31", with(&|p| p.session_id = vec![1; 31])),
        ("session id of 33", with(&|p| p.session_id = vec![1; 33])),
        ("session id of 255", with(&|p| p.session_id = vec![1; 255])),
        ("no cipher suites", with(&|p| p.cipher_suites = vec![])),
        (
            "half a cipher suite",
            with(&|p| p.cipher_suites = vec![0x13]),
        ),
        (
            "one and a half",
            with(&|p| p.cipher_suites = vec![0x13, 0x01, 0x13]),
        ),
        (
            "grease only",
            with(&|p| p.cipher_suites = vec![0x1a, 0x1a, 0xfa, 0xfa]),
        ),
        (
            "like grease",
            with(&|p| p.cipher_suites = vec![0x1a, 0x2a, 0x13, 0x01]),
        ),
        (
            "an old cipher suite",
            with(&|p| p.cipher_suites = vec![0xc0, 0x2b, 0x13, 0x01]),
        ),
        (
            "an unknown one",
            with(&|p| p.cipher_suites = vec![0x13, 0x04]),
        ),
        ("no extensions", with(&|p| p.extensions = vec![])),
        (
            "extensions too short",
            with(&|p| p.extensions_len = Some(18)),
        ),
        (
            "extensions too long",
            with(&|p| p.extensions_len = Some(20)),
        ),
        (
            "extensions of 2^16-1",
            with(&|p| p.extensions_len = Some(0xffff)),
        ),
        (
            "half an extension",
            with(&|p| p.extensions.extend([0, 1, 0])),
        ),
        (
            "an extension too long",
            with(&|p| p.extensions.extend([0, 1, 0, 1])),
        ),
        (
            "no server name",
            with(&|p| p.extensions = extension(1, &[])),
        ),
        (
            "empty server name",
            with(&|p| p.extensions = extension(0, &[])),
        ),
        (
            "empty list",
            with(&|p| p.extensions = extension(0, &[0, 0])),
        ),
        (
            "name of no bytes",
            with(&|p| p.extensions = server_name(b"")),
        ),
        (
            "long name",
            with(&|p| p.extensions = server_name(&[b'd'; 3_000])),
        ),
        ("list too long", with(&|p| p.extensions[5] += 1)),
        ("name too long", with(&|p| p.extensions[8] += 1)),
        ("another kind of name", with(&|p| p.extensions[6] = 1)),
        ("trailing", with(&|p| p.trailing = vec![0])),
    ];
    for (what, hello) in bad {
        assert!(refused(&hello), "{what}");
        // And as the codec sees it in pieces: the end of the record is the latest.
        let mut server = server();
        let mut result = Ok(vec![]);
        for byte in &hello {
            result = try_drain(&mut server, &[*byte]);
            if result.is_err() {
                break;
            }
        }
        let error = result.unwrap_err();
        assert!(error.is_silent(), "{what}, byte by byte: {error:?}");
    }
}

#[test]
fn hellos_of_any_length_up_to_the_bound_are_taken() {
    let empty = Parts::default().build().len();
    for len in [517, 1_024, 1_900, MAX_CLIENT_HELLO + 5] {
        let mut parts = Parts::default();
        let padding = vec![0; len - empty - 4];
        parts.extensions.extend(extension(0x15, &padding));
        parts.cipher_suites = [&[0x3a, 0x3a, 0x13, 0x03][..], &parts.cipher_suites].concat();
        parts.cipher_suites.truncate(4);
        let hello = parts.build();
        assert_eq!(hello.len(), len);
        let answer = answer(&mut server(), &hello, &mut rng(1)).unwrap();
        assert_eq!(
            answer[76..78],
            [0x13, 0x03],
            "the cipher suite that it likes best"
        );
    }
}

#[test]
fn t5_a_hello_is_read_whole_in_pieces_and_with_more_behind_it() {
    let mut rng = rng(8);
    for seed in 0..20 {
        let mut client = client_of(secret(), &mut rng);
        let mut wire = Vec::new();
        client.write_hello(NOW, &mut rng, &mut wire);
        let mut server = server();
        let mut seen = SeenHellos::default();
        let mut answer = Vec::new();
        for piece in cut(&mut rng, &wire, 1 + 100 * seed) {
            assert!(answer.is_empty(), "answered before its end");
            answer = answer_at(
                &mut server,
                piece,
                &mut super::super::support::rng(1),
                NOW,
                &mut seen,
            )
            .unwrap();
        }
        client.feed(&answer);
        let data = encrypted(&mut rng, 5);
        let frames = written(&mut client, &mut rng, &data);
        for piece in cut(&mut rng, &frames, 1 + 10 * seed) {
            server.feed(piece);
        }
        assert_eq!(drain(&mut server, &[]), [packet(&data)], "seed {seed}");
        assert_eq!(server.framing(), Some(Framing::PaddedIntermediate));

        // What a client sends without waiting for the answer is not lost.
        let mut eager = Codec::server(closed(vec![secret()]));
        let all = [wire, frames].concat();
        super::answer(&mut eager, &all, &mut rng).unwrap();
        assert_eq!(drain(&mut eager, &[]), [packet(&data)], "seed {seed}");
    }
}

#[test]
fn the_answer_has_the_layout_that_clients_check() {
    let mut turned = [false; 2];
    for seed in 0..20 {
        let hello = hello(seed);
        let mut answer = answer(&mut server(), &hello, &mut rng(seed)).unwrap();
        assert_eq!(
            answer[..11],
            super::super::support::hex("160303007a020000760303")
        );
        assert_eq!(answer[43], 32);
        assert_eq!(answer[44..76], hello[44..76], "the session id");
        assert_eq!(answer[76..81], [0x13, 0x01, 0x00, 0x00, 0x2e]);
        let versions = [0x00, 0x2b, 0x00, 0x02, 0x03, 0x04];
        let key_share = [0x00, 0x33, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20];
        let first = answer[81..87] == versions;
        let (at, other) = if first { (87, 81) } else { (81, 121) };
        assert_eq!(answer[at..at + 8], key_share);
        assert_eq!(answer[other..other + 6], versions);
        turned[usize::from(first)] = true;
        assert_eq!(answer[127..133], [0x14, 3, 3, 0, 1, 1]);
        assert_eq!(answer[133..136], [0x17, 3, 3]);
        let noise = usize::from(u16::from_be_bytes([answer[136], answer[137]]));
        assert!((1_024..4_100).contains(&noise), "{noise}");
        assert_eq!(answer.len(), 138 + noise);
        let random = answer[11..43].to_vec();
        answer[11..43].fill(0);
        assert_eq!(
            random,
            hmac(&SECRET, &[&hello[11..43], &answer[..]].concat())
        );
    }
    assert_eq!(turned, [true; 2], "either order");
}

#[test]
fn t5_a_secret_with_a_domain_opens_nothing_but_fake_tls() {
    // The key is known to whoever has the secret; without TLS it is worth nothing.
    for framing in [
        Framing::Abridged,
        Framing::Intermediate,
        Framing::PaddedIntermediate,
    ] {
        let setup = Setup::obfuscated(framing, Some(SECRET));
        let mut rng = rng(9);
        let wire = written(&mut setup.client(&mut rng), &mut rng, &[1; 24]);
        assert_eq!(try_drain(&mut server(), &wire), Err(Error::UnknownFraming));
    }
    // Nor is a hello worth anything to a server whose secrets have no domain.
    let mut plain = Codec::server(closed(vec![SECRET.into()]));
    assert_eq!(try_drain(&mut plain, &hello(9)), Err(Error::Tls));
}

#[test]
fn a_padded_secret_lets_padded_streams_in_only() {
    let padded = ProxySecret::from_bytes(&[&[0xdd], &SECRET[..]].concat()).unwrap();
    for framing in [
        Framing::Abridged,
        Framing::Intermediate,
        Framing::PaddedIntermediate,
    ] {
        let setup = Setup::obfuscated(framing, Some(SECRET));
        let mut rng = rng(9);
        let data = encrypted(&mut rng, 2);
        let wire = written(&mut setup.client(&mut rng), &mut rng, &data);
        let read = try_drain(&mut Codec::server(closed(vec![padded.clone()])), &wire);
        if framing == Framing::PaddedIntermediate {
            assert_eq!(read, Ok(vec![packet(&data)]));
        } else {
            assert_eq!(read, Err(Error::UnknownFraming));
        }
    }
}

#[test]
fn a_server_with_such_secrets_serves_everybody_else_as_before() {
    for mut setup in Setup::all() {
        setup.server.secrets.push(secret());
        setup.met(&mut rng(10));
    }
    // And a secret is found wherever it is in the list.
    let other = |n: u8| ProxySecret::fake_tls([n; 16], DOMAIN).unwrap();
    for at in 0..5 {
        let mut secrets: Vec<_> = (0..4).map(other).collect();
        secrets.insert(at, secret());
        secrets.insert(0, SECRET.into());
        let answered = answer(
            &mut Codec::server(closed(secrets)),
            &hello(10),
            &mut rng(10),
        );
        assert!(answered.is_ok(), "{at}");
    }
}

#[test]
fn t5_a_hello_that_never_ends_holds_no_more_than_the_bound() {
    let long = signed([&[0x16, 3, 1, 0x0f, 0xff, 1, 0][..], &[0; 5_000]].concat());
    let (mut servers, held) = peak(|| {
        let servers = (0..100).map(|_| {
            let mut server = server();
            for byte in &long[..4_000] {
                server.feed(&[*byte]);
                assert_eq!(server.next_frame(), Ok(None));
            }
            server
        });
        servers.collect::<Vec<_>>()
    });
    assert!(
        held < 100 * 3 * MAX_CLIENT_HELLO,
        "{held} bytes for 100 streams"
    );
    assert!(
        servers
            .iter()
            .all(|server| server.buffered() <= 2 * MAX_CLIENT_HELLO)
    );
    for server in &mut servers {
        assert_eq!(try_drain(server, &long[4_000..]), Err(Error::Tls));
        assert_eq!(server.buffered(), 0);
    }
}

#[test]
fn t5_noise_in_the_place_of_a_hello_is_refused() {
    for seed in 0..500 {
        let mut rng = rng(seed);
        let len = 1 + super::super::support::below(&mut rng, 600);
        let mut noise = random(&mut rng, len);
        let record = (len as u16).to_be_bytes();
        let mut hello = [&[0x16, 3, 1][..], &record].concat();
        hello.append(&mut noise);
        if len >= 4 {
            hello[5..9].copy_from_slice(&[1, 0, 0, 0]);
            hello[7..9].copy_from_slice(&(len as u16 - 4).to_be_bytes());
        }
        if hello.len() >= 43 {
            hello = signed(hello);
        }
        let mut server = server();
        let answered = answer(&mut server, &hello, &mut rng);
        assert!(
            answered.is_err() || answered == Ok(Vec::new()),
            "seed {seed}"
        );
    }
}
