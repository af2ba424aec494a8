//! What a peer that does not answer makes the owner's own requests keep.

use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::client::{CallOptions, Client, Config, DcTable, Snapshot};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Rng, SendError};
use mtproto_test::Seed;
use mtproto_test::alloc::peak;
use mtproto_test::pair::START;
use mtproto_test::rogue::{RogueServer, Said};

use crate::support::config;

fn body(len: usize) -> Bytes {
    Bytes::from(vec![9; len])
}

#[test]
fn requests_beyond_max_request_bytes_are_refused_until_one_is_answered() {
    let mut config = config();
    config.session.max_request_bytes = 10_000;
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(7301));
    let now = rogue.now();
    let send =
        |rogue: &mut RogueServer, len| rogue.client.send(now, body(len), &SendOptions::default());
    assert!(send(&mut rogue, 9_000).is_ok());
    assert!(send(&mut rogue, 1_000).is_ok());
    let (got, max) = (10_004, 10_000);
    let refused = Err(SendError::TooManyBytes { got, max });
    assert_eq!(send(&mut rogue, 4), refused);
    // Written is not answered.
    let heard = rogue.hear_one();
    assert_eq!(send(&mut rogue, 4), refused);
    rogue.say(Said::result(heard.messages[0].msg_id, b"answered"));
    assert!(send(&mut rogue, 9_000).is_ok());
    assert_eq!(send(&mut rogue, 4), refused);
}

#[test]
fn a_single_request_beyond_max_request_bytes_is_taken_when_nothing_else_waits() {
    let mut config = config();
    config.session.max_request_bytes = 0;
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(7302));
    let id = rogue.call(&[9; 100_000]);
    let now = rogue.now();
    let second = rogue.client.send(now, body(4), &SendOptions::default());
    let (got, max) = (100_004, 0);
    assert_eq!(second, Err(SendError::TooManyBytes { got, max }));
    rogue.cancel(id);
    rogue.call(b"another.");
}

#[test]
fn the_calls_of_a_client_hold_at_most_limits_call_bytes() {
    let mut config = Config::new(1, "a hash", DcTable::production(), Vec::new());
    config.public_keys = Config::test(1, "").public_keys;
    config.limits.call_bytes = 1 << 20;
    let rng = Rng::from_seed([7; 32]);
    let mut client = Client::new(Arc::new(config), Snapshot::new(), rng, START).unwrap();
    let mut sent = Vec::new();
    let (refused, bytes) = peak(|| {
        loop {
            match client.send(START, body(100_000), &CallOptions::default()) {
                Ok(id) => sent.push(id),
                Err(error) => break error,
            }
        }
    });
    let (got, max) = (1_100_000, 1 << 20);
    assert_eq!(refused, SendError::TooManyBytes { got, max });
    assert_eq!(sent.len(), 10);
    assert!(bytes < 3 << 19, "{bytes} bytes");
    client.cancel(START, sent[0]);
    while client.poll_event().is_some() {}
    assert!(
        client
            .send(START, body(100_000), &CallOptions::default())
            .is_ok()
    );
}

#[test]
fn requests_beyond_max_requests_are_refused() {
    let mut config = config();
    config.session.max_requests = 100;
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(7303));
    for _ in 0..100 {
        rogue.call(b"the call");
    }
    let now = rogue.now();
    let next = rogue.client.send(now, body(8), &SendOptions::default());
    assert_eq!(next, Err(SendError::TooMany { max: 100 }));
}
