//! Strategies for property tests with `proptest`: what travels in MTProto, and what goes wrong.
//!
//! Does: [`ids`], [`messages`], [`packets`] under a key, tampered or not, [`streams`] and their
//! weather, [`values`] of a TL schema. All shrink: to fewer messages, shorter bodies, less trouble.
//! In: times, keys, schemas that a test chose. Out: values of the core and of this kit.
//! Must not know: the properties; machines.
//! Spec: "Mobile Protocol: Detailed Description", "Service Messages", "TL Language".
//!
//! # A property of your own
//!
//! A bot answers each call with its length. However the stream is cut into pieces and delayed, each
//! call is answered once, with the right answer:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use mtproto_proto::connection::{
//!     ClientConfig, ClientConnection, ClientEvent, KeyState, ServerConnection, Start,
//! };
//! use mtproto_proto::crypto::AuthKey;
//! use mtproto_proto::server::{Event, ServerConfig};
//! use mtproto_proto::session::SendOptions;
//! use mtproto_proto::DcId;
//! use mtproto_test::pair::START;
//! use mtproto_test::strategies::{messages, runner, streams};
//! use mtproto_test::{Dice, Seed, pair};
//! use proptest::collection::vec;
//!
//! // No regression files, and a case for each of 16 seeds here; leave it at 256 in earnest.
//! let mut runner = runner(16);
//! let calls = vec(messages::body(), 1..6);
//! runner.run(&(calls, streams::weather()), |(calls, weather)| {
//!     let mut dice = Dice::new(Seed(1));
//!     let key = AuthKey::from_bytes(&[7; 256]);
//!     let client = ClientConnection::new(
//!         Arc::new(ClientConfig::new(DcId(2), Vec::new())),
//!         Start::Key(KeyState::from_auth_key([7; 256], DcId(2))),
//!         dice.rng(),
//!         START,
//!     ).unwrap();
//!     let config = Arc::new(ServerConfig::new(DcId(2), Vec::new()));
//!     let mut server = ServerConnection::new(config, dice.rng(), START);
//!     server.server().provide_key(START, key.id(), Some(key));
//!
//!     let mut pair = pair(client, server, Seed(2));
//!     weather.apply(&mut pair.client_to_server, START);
//!     weather.apply(&mut pair.server_to_client, START);
//!     let mut expected = Vec::new();
//!     for call in &calls {
//!         let id = pair.client.send(START, call.clone(), &SendOptions::default()).unwrap();
//!         expected.push((id, call.len() as u32));
//!     }
//!     let mut answered = Vec::new();
//!     for _ in 0..30 {
//!         pair.run_for(Duration::from_secs(1)).unwrap();
//!         let now = pair.server_now();
//!         for event in pair.server_events() {
//!             // The bot.
//!             if let Event::Request { id, body, .. } = event {
//!                 pair.server.server().respond(now, id, (body.len() as u32).to_le_bytes().to_vec().into());
//!             }
//!         }
//!         for event in pair.client_events() {
//!             if let ClientEvent::Response { id, body } = event {
//!                 answered.push((id, u32::from_le_bytes(body[..4].try_into().unwrap())));
//!             }
//!         }
//!     }
//!     answered.sort();
//!     assert_eq!(answered, expected);
//!     Ok(())
//! }).unwrap();
//! ```

pub mod ids;
pub mod messages;
pub mod packets;
pub mod streams;
pub mod values;

use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::Seed;

/// Runs a property on so many cases, the same ones each time: those of `MTPROTO_SEED`, or of
/// seed 1. Unlike `proptest!` it writes no file of regressions; a failure says what the smallest
/// failing case is, and this seed finds it again.
pub fn runner(cases: u32) -> TestRunner {
    let seed = Seed::from_env_or(1);
    eprintln!("repeat with MTPROTO_SEED={}", seed.0);
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed.0),
        ..Config::default()
    })
}
