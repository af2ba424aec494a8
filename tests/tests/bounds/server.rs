//! What a client can make a server's session keep or do. What it can make the server keep beyond
//! sessions stands in `abuse.rs`.

use mtproto_proto::connection::Error;
use mtproto_proto::session::Limits;
use mtproto_proto::{ConnId, transport};
use mtproto_test::Seed;
use mtproto_test::alloc::held;
use mtproto_test::rogue::{RogueClient, Said};

use crate::client::zeros;
use crate::support::server_config;
use crate::unread::{feed_server, to_server};

/// A server with other limits, an established session and its scripted client.
pub fn with(seed: u64, limits: impl FnOnce(&mut Limits)) -> (RogueClient, ConnId) {
    let mut config = server_config();
    limits(&mut config.session.limits);
    RogueClient::settled(config, Seed::from_env_or(seed))
}

/// Of these, how many were told 429.
fn busy(said: &[Said]) -> usize {
    let busy = |said: &&Said| matches!(said, Said::Error { code: 429, .. });
    said.iter().filter(busy).count()
}

#[test]
fn a_packet_beyond_limits_packet_ends_the_stream_and_one_at_the_bound_is_taken() {
    const PACKET: usize = 24 + 16 * 400;
    let (mut rogue, conn) = with(7201, |limits| limits.packet = PACKET);
    let body = vec![7; PACKET - 24 - 32 - 12];
    rogue.say(conn, Said::other(&body));
    assert_eq!(rogue.calls().len(), 1);
    rogue.say(conn, Said::other(&[body, vec![7; 16]].concat()));
    let (got, max) = (PACKET as u32 + 16, PACKET as u32);
    let error = Error::Transport(transport::Error::TooLong { got, max });
    assert_eq!(rogue.closed(conn), Some(error));
    assert_eq!(rogue.calls(), []);
}

#[test]
fn a_container_beyond_limits_container_items_is_refused_with_code_64() {
    for (sent, taken) in [(10, 10), (11, 0), (500, 0)] {
        let (mut rogue, conn) = with(7202, |limits| limits.container_items = 10);
        let items: Vec<_> = (0..sent)
            .map(|_| rogue.item(&Said::other(b"a call..")))
            .collect();
        rogue.send_container(conn, &items);
        assert_eq!(rogue.calls().len(), taken, "{sent}");
        let refused = rogue.hear_said(conn);
        let refused = refused
            .iter()
            .filter(|said| matches!(said, Said::BadMsg { code: 64, .. }));
        assert_eq!(refused.count(), usize::from(taken == 0), "{sent}");
    }
}

#[test]
fn a_call_that_inflates_beyond_the_limits_stays_as_it_came() {
    for (inflated, ratio, len, inflates) in [
        (100_000, 900, 100_000, true),
        (100_000, 900, 100_004, false),
        (0, 900, 8, false),
        (1 << 20, 10, 65_536, true),
        (1 << 20, 10, 100_000, false),
    ] {
        let (mut rogue, conn) = with(7203, |limits| {
            limits.inflated = inflated;
            limits.inflate_ratio = ratio;
        });
        let packed = zeros(len);
        rogue.say(conn, Said::other(&packed));
        let calls = rogue.calls();
        let expected = if inflates { len } else { packed.len() };
        assert_eq!(calls[0].1.len(), expected, "{inflated} {ratio} {len}");
    }
}

#[test]
fn calls_beyond_limits_calls_are_answered_with_429_and_cost_nothing() {
    let (mut rogue, conn) = with(7204, |limits| limits.calls = 50);
    let items: Vec<_> = (0..60)
        .map(|_| rogue.item(&Said::other(b"a call..")))
        .collect();
    rogue.send_container(conn, &items);
    let calls = rogue.calls();
    assert_eq!(calls.len(), 50);
    assert_eq!(busy(&rogue.hear_said(conn)), 10);
    // An answer makes room for one.
    assert!(rogue.respond(calls[0].0, b"answered"));
    for _ in 0..2 {
        rogue.say(conn, Said::other(b"a call.."));
    }
    assert_eq!(rogue.calls().len(), 1);
    assert_eq!(busy(&rogue.hear_said(conn)), 1);
}

#[test]
fn calls_that_nobody_answers_hold_at_most_limits_call_bytes() {
    const LIMIT: usize = 1 << 20;
    for len in [4, 1_000, 20_000, 500_000] {
        let (mut rogue, conn) = with(7205, |limits| limits.call_bytes = LIMIT);
        let mut bytes_held = 0;
        let (mut sent, mut taken, mut refused) = (0, 0, 0);
        while sent * len < 3 * LIMIT && sent < 20_000 {
            let count = (500_000 / len).clamp(1, 1_000);
            let items: Vec<_> = (0..count)
                .map(|_| rogue.item(&Said::other(&vec![9; len])))
                .collect();
            sent += count;
            let bytes = to_server(&mut rogue, conn, &items);
            drop(items);
            bytes_held += feed_server(&mut rogue, conn, &bytes).held;
            // The owner looks at the calls and answers none.
            let before = held();
            taken += rogue.calls().len();
            bytes_held = bytes_held.saturating_add_signed(held() - before);
            refused += busy(&rogue.hear_said(conn));
        }
        assert_eq!(taken + refused, sent, "{len}");
        let fit = (LIMIT / len).min(16_384);
        assert_eq!(taken, fit.min(sent), "{len}");
        // For each call: its place in three maps, its id in what came, what waits for an
        // acknowledgement; the refusals are kept until they are acknowledged.
        let around = 700 * sent;
        assert!(
            bytes_held < LIMIT + LIMIT / 4 + around,
            "{len}: {bytes_held} bytes"
        );
    }
}

#[test]
fn a_single_call_beyond_limits_call_bytes_is_taken_when_nothing_else_waits() {
    let (mut rogue, conn) = with(7206, |limits| limits.call_bytes = 100);
    for taken in [1, 0] {
        rogue.say(conn, Said::other(&[9; 1_000]));
        assert_eq!(rogue.calls().len(), taken);
    }
    assert_eq!(busy(&rogue.hear_said(conn)), 1);
}

#[test]
fn acknowledgements_beyond_limits_acks_are_dropped() {
    let (mut rogue, conn) = with(7207, |limits| limits.acks = 100);
    let items: Vec<_> = (0..1_000)
        .map(|_| rogue.item(&Said::other(b"a call..")))
        .collect();
    let bytes = to_server(&mut rogue, conn, &items);
    feed_server(&mut rogue, conn, &bytes);
    rogue.later(std::time::Duration::from_secs(1));
    let acked = rogue.hear_said(conn).into_iter().map(|said| match said {
        Said::Acks(ids) => ids.len(),
        _ => 0,
    });
    assert_eq!(acked.sum::<usize>(), 100);
    assert_eq!(rogue.calls().len(), 1_000, "they are executed all the same");
}
