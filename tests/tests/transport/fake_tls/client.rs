//! What a client makes of answers.

use mtproto_proto::transport::{Codec, Error, Frame};
use mtproto_test::alloc::peak;

use super::super::support::{OTHER_SECRET, SECRET, cut, drain, outcome, rng, status, written};
use super::{NOW, answer, client_of, hmac, secret, server};

/// A client that has written its hello, and an answer to it.
fn asked(seed: u64) -> (Codec, Vec<u8>) {
    let mut rng = rng(seed);
    let mut client = client_of(secret(), &mut rng);
    let mut hello = Vec::new();
    assert!(client.write_hello(NOW, &mut rng, &mut hello));
    let answer = answer(&mut server(), &hello, &mut rng).unwrap();
    (client, answer)
}

/// The same with the server's codec.
fn both(seed: u64) -> (Codec, Codec, Vec<u8>) {
    let mut rng = rng(seed);
    let (mut client, mut server) = (client_of(secret(), &mut rng), server());
    let mut hello = Vec::new();
    client.write_hello(NOW, &mut rng, &mut hello);
    let answer = answer(&mut server, &hello, &mut rng).unwrap();
    (client, server, answer)
}

/// An answer with these records, signed for this client.
fn signed(first: &[u8], between: &[u8], second: &[u8], random: &[u8; 32]) -> Vec<u8> {
    let mut answer = [first, between, second].concat();
    answer[11..43].fill(0);
    let digest = hmac(&SECRET, &[random, &answer[..]].concat());
    answer[11..43].copy_from_slice(&digest);
    answer
}

#[test]
fn t5_an_answer_is_read_whole_in_pieces_and_with_more_behind_it() {
    for seed in 0..20 {
        let mut rng = rng(seed);
        let (mut client, mut server, mut wire) = both(seed);
        let longest = [1, 2, 5, 100, 5_000][seed as usize % 5];
        let hello_end = wire.len();
        for piece in cut(&mut rng, &wire[..hello_end - 1], longest) {
            assert_eq!(drain(&mut client, piece), []);
            assert!(!client.can_write(), "seed {seed}: before the end");
        }
        assert_eq!(drain(&mut client, &wire[hello_end - 1..]), []);
        assert!(client.can_write(), "seed {seed}");

        // The server may speak right behind it, once it knows the framing.
        let frames = written(&mut client, &mut rng, &[1; 40]);
        drain(&mut server, &frames);
        wire.extend(status(&mut server, &mut rng, -404));
        let (mut again, _) = asked(seed);
        // The same client: the rest of its stream has the same keys.
        let (frames, error) = outcome(&mut again, cut(&mut rng, &wire, longest));
        assert_eq!(
            (frames, error),
            (vec![Frame::Status(-404)], None),
            "seed {seed}"
        );
    }
}

#[test]
fn t5_every_bit_of_an_answer_counts() {
    let (_, answer) = asked(2);
    for at in 0..answer.len() {
        let (mut client, mut answer) = asked(2);
        answer[at] ^= 1 << (at % 8);
        client.feed(&answer);
        let result = client.next_frame();
        // A record that is longer now is awaited.
        let lengths = [3, 4, 136, 137].contains(&at);
        let partial = lengths && result == Ok(None);
        assert!(
            result == Err(Error::TlsAnswer) || partial,
            "byte {at}: {result:?}"
        );
        assert!(!client.can_write(), "byte {at}");
        if result.is_err() {
            assert_eq!(client.next_frame(), result, "it is final");
            assert_eq!(client.buffered(), 0);
        }
    }
    assert!(answer.len() > 1_000);
}

#[test]
fn t5_an_answer_made_with_another_secret_is_none() {
    let random = [9; 32];
    let (_, answer) = asked(3);
    let mut ours = Codec::client_awaiting(secret(), random, &mut rng(3)).unwrap();
    let good = signed(&answer[..127], &answer[127..133], &answer[133..], &random);
    assert_eq!(drain(&mut ours, &good), []);
    assert!(ours.can_write());
    // Nor is one that ends with another record, though the hash is right.
    let noise = |head: &[u8]| [head, &answer[138..]].concat();
    let [high, low] = [answer[136], answer[137]];
    for second in [
        vec![0x17, 3, 3, 0, 0],
        noise(&[0x16, 3, 3, high, low]),
        noise(&[0x17, 3, 1, high, low]),
    ] {
        let other = signed(&answer[..127], &answer[127..133], &second, &random);
        let mut client = Codec::client_awaiting(secret(), random, &mut rng(3)).unwrap();
        client.feed(&other);
        assert_eq!(
            client.next_frame(),
            Err(Error::TlsAnswer),
            "{:?}",
            &second[..5]
        );
    }
    for (key, random) in [(SECRET, [8; 32]), (OTHER_SECRET, [9; 32])] {
        let mut bad = good.clone();
        bad[11..43].fill(0);
        let digest = hmac(&key, &[&random, &bad[..]].concat());
        bad[11..43].copy_from_slice(&digest);
        let mut client = Codec::client_awaiting(secret(), [9; 32], &mut rng(3)).unwrap();
        client.feed(&bad);
        assert_eq!(client.next_frame(), Err(Error::TlsAnswer));
    }
}

#[test]
fn t5_other_records_in_the_place_of_an_answer_end_the_stream_at_once() {
    let head = |kind: u8, len: u16| [&[kind, 3, 3][..], &len.to_be_bytes()].concat();
    let (_, answer) = asked(4);
    let hello = &answer[..127];
    let nothing = &answer[127..133];
    let too_long = 16_384 + 257;
    let cases = [
        ("an alert", b"\x15\x03\x03\x00\x02\x02\x28".to_vec()),
        ("http", b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
        ("data", head(0x17, 100)),
        ("another version", vec![0x16, 0x03, 0x01, 0x00, 0x7a]),
        ("a record of nothing", head(0x16, 0)),
        (
            "a record without a random",
            [head(0x16, 37), vec![0; 37]].concat(),
        ),
        ("a record that is too long", head(0x16, too_long)),
        ("a record of 2^16-1", head(0x16, 0xffff)),
        ("two of the first", [hello, hello].concat()),
        ("data right behind", [hello, &head(0x17, 9)].concat()),
        (
            "too much of nothing",
            [hello, &[0x14, 3, 3, 0, 2, 1, 1]].concat(),
        ),
        ("nothing twice", [hello, nothing, nothing].concat()),
        ("no noise", [hello, nothing, &head(0x17, 0)].concat()),
        (
            "noise that is too long",
            [hello, nothing, &head(0x17, too_long)].concat(),
        ),
        (
            "noise of 2^16-1",
            [hello, nothing, &head(0x17, 0xffff)].concat(),
        ),
    ];
    for (what, bytes) in cases {
        for longest in [1, bytes.len()] {
            let (mut client, _) = asked(4);
            let (frames, error) = outcome(&mut client, bytes.chunks(longest));
            assert_eq!((frames, error), (vec![], Some(Error::TlsAnswer)), "{what}");
        }
    }
}

#[test]
fn t5_what_follows_an_answer_and_is_no_record_ends_the_stream() {
    let (_, answer) = asked(5);
    for longest in [1, 7, 10_000] {
        let (mut client, _) = asked(5);
        let wire = [&answer[..], b"garbage"].concat();
        let (frames, error) = outcome(&mut client, wire.chunks(longest));
        let error = error.unwrap();
        assert_eq!(frames, []);
        assert!(
            matches!(error, Error::TlsRecord { kind: b'g', .. }),
            "{error:?}"
        );
        let mut out = Vec::new();
        let refused = client.write_status(&mut rng(1), &mut out, 1);
        assert_eq!((refused, out), (Err(error), vec![]));
    }
}

#[test]
fn t5_an_answer_that_never_ends_holds_no_more_than_the_bound() {
    let (_, answer) = asked(6);
    let largest = (16_384_u16 + 256).to_be_bytes();
    let first = [&[0x16, 3, 3][..], &largest, &[0; 16_640]].concat();
    let second = [&answer[127..136], &largest, &[0; 16_639]].concat();
    let (mut client, _) = asked(6);
    let ((), held) = peak(|| {
        for piece in first.chunks(100).chain(second.chunks(100)) {
            assert_eq!(drain(&mut client, piece), []);
        }
    });
    assert!((33_000..140_000).contains(&held), "{held}");
    assert!((33_000..70_000).contains(&client.buffered()));
    client.feed(&[0]);
    assert_eq!(client.next_frame(), Err(Error::TlsAnswer));
    assert_eq!(client.buffered(), 0);
}

#[test]
fn t5_nothing_is_written_before_the_answer_and_nothing_is_heard_before_the_hello() {
    let mut rng = rng(7);
    let mut client = client_of(secret(), &mut rng);
    let mut out = Vec::new();
    assert!(!client.can_write());
    let refused = client.write_packet(&mut rng, &mut out, 24, false, |out, _| {
        out.extend([1; 24]);
    });
    assert_eq!((refused, out.len()), (Err(Error::HelloUnanswered), 0));
    assert!(client.write_hello(NOW, &mut rng, &mut out));
    out.clear();
    let refused = client.write_status(&mut rng, &mut out, -404);
    assert_eq!((refused, out.len()), (Err(Error::HelloUnanswered), 0));

    let mut hasty = client_of(secret(), &mut rng);
    hasty.feed(&[0x16]);
    assert_eq!(hasty.next_frame(), Err(Error::TlsAnswer));
}
