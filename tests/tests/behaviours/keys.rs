//! Temporary keys beside the permanent one, and a stored key's way back.

use std::time::Duration;

use mtproto_proto::connection::{ClientConfig, ClientEvent, Error, KeyState, Start};
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::SendOptions;

use crate::both::{Both, Owner, client_config, server_config};
use crate::support::{response, secs};

fn with_pfs(lifetime: u64) -> ClientConfig {
    let mut config = client_config();
    config.pfs = Some(secs(lifetime));
    config
}

/// Salts are made from the key: one of another key would be refused, and refused again.
#[test]
fn a_temporary_key_has_salts_of_its_own() {
    let mut both = Both::new(with_pfs(3_600), server_config(), 6301);
    let id = both.call(b"call one");
    assert_eq!(both.end_of(id, secs(30)), response(id, b"call one"));
    let created = both
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            ClientEvent::KeyCreated(state) => Some(state),
            _ => None,
        })
        .unwrap();
    // Hours under several temporary keys, a few calls in each half hour. Nothing is refused: each
    // message leaves once.
    for _ in 0..30 {
        let id = both.call(b"the call");
        assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
        assert_eq!(both.pair.client.stats().resent, 0);
        both.run(secs(600));
    }
    assert_eq!(both.client_error(), None);
    let temporary = both.keys.iter().filter(|(_, temporary)| *temporary).count();
    assert!(temporary > 4, "{temporary} keys");
    // And the permanent one knows the salt that it was made with, and no other.
    let now = both.pair.client.key_state().unwrap();
    assert_eq!(without_time(now), without_time(&created));
}

/// What is stored of a key, but for the time offset and the checksum over it.
fn without_time(state: &KeyState) -> Vec<u8> {
    const BEFORE: usize = 4 + 1 + 2 + 256;
    const CHECKSUM: usize = 8;
    let mut bytes = state.to_bytes().to_vec();
    assert_eq!(bytes[BEFORE - 256..BEFORE], state.auth_key()[..]);
    bytes[BEFORE..BEFORE + 8].fill(0);
    bytes.truncate(bytes.len() - CHECKSUM);
    bytes
}

#[test]
fn r10_a_temporary_key_that_is_lost_while_it_is_bound_is_replaced() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 6302);
    both.owner = Owner::IsSilent;
    let id = both.call(b"the call");
    assert!(both.run_until(secs(5), |both| !both.bindings.is_empty()));
    let permanent = both.keys[0].0;
    // The server goes away with the temporary key before it has answered.
    both.pair.client_to_server.cut_after(0);
    both.run(secs(1));
    assert_eq!(both.client_error(), Some(&Error::Eof));
    both.owner = Owner::Echoes;
    let mut both = both.restart_server(server_config());
    let answered = both.run_until(secs(5), |both| {
        both.client_error().is_some() || both.events.contains(&response(id, b"the call"))
    });
    assert!(answered);
    if let Some(error) = both.client_error() {
        assert_eq!(error, &Error::Status { code: -404 });
        both = both.reconnect();
    }
    assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
    let state = both.pair.client.key_state().unwrap();
    assert_eq!(state.auth_key_id(), permanent);
    assert_eq!(both.keys.len(), 3, "one permanent key and two temporary");
    assert_eq!(both.keys.iter().filter(|(_, temp)| !temp).count(), 1);
    assert_eq!(both.executed.len(), 1);
}

#[test]
fn a_temporary_key_that_has_ended_for_the_server_is_unknown_there_and_replaced() {
    let mut both = Both::new(with_pfs(3_600), server_config(), 6304);
    let id = both.call(b"call one");
    assert_eq!(both.end_of(id, secs(30)), response(id, b"call one"));
    let (permanent, first) = (both.keys[0].0, both.keys[1].0);
    // The server's clock is set two hours ahead; the client knows nothing of it.
    both.pair.skew_server(7_200);
    let options = SendOptions::default().idempotent().deadline(secs(600));
    let id = both.call_with(b"call two", &options);
    let mut errors = Vec::new();
    for _ in 0..3 {
        let answered = |both: &Both| both.events.contains(&response(id, b"call two"));
        both.run_until(secs(30), |both| {
            both.client_error().is_some() || answered(both)
        });
        let Some(error) = both.client_error().cloned() else {
            break;
        };
        errors.push(error);
        both = both.reconnect();
    }
    // The jump has ended the stream; the next one does not know the key.
    assert_eq!(errors, [Error::Eof, Error::Status { code: -404 }]);
    assert_eq!(both.end_of(id, secs(1)), response(id, b"call two"));
    let state = both.pair.client.key_state().unwrap();
    assert_eq!(state.auth_key_id(), permanent);
    let used: Vec<_> = both.executed.iter().map(|call| call.auth_key_id).collect();
    assert_eq!(used.len(), 2, "under the first key it was not executed");
    assert_eq!((used[0], used[1] == first), (first, false));
}

/// Our server's half too: the first packet of another process is answered at once.
#[test]
fn r13_a_stored_key_is_answered_after_one_round_trip_while_its_salt_is_good() {
    let trip = Duration::from_millis(80);
    for (hours, trips) in [(1, 1), (20, 1), (31, 1), (60, 2)] {
        let key = [7; 256];
        let state = KeyState::from_auth_key(key, mtproto_proto::DcId(2));
        let (client, server) = (client_config(), server_config());
        let mut first = Both::start(client, server, Start::Key(state), 6303);
        let key = AuthKey::from_bytes(&key);
        first.pair.server.server().provide_key(
            mtproto_test::pair::START,
            key.id(),
            Some(key.clone()),
        );
        let id = first.call(b"call one");
        assert_eq!(first.end_of(id, secs(10)), response(id, b"call one"));
        first.run(secs(1));
        let stored = first.pair.client.key_state().unwrap().to_bytes();

        let stored = KeyState::from_bytes(&stored).unwrap();
        let mut second = first.another_process(stored, secs(hours * 3_600));
        for wire in [
            &mut second.pair.client_to_server,
            &mut second.pair.server_to_client,
        ] {
            wire.latency(trip / 2);
        }
        let begun = second.pair.now();
        let id = second.call(b"call two");
        assert_eq!(second.end_of(id, secs(10)), response(id, b"call two"));
        let took = second.pair.now().saturating_since(begun);
        assert_eq!(took, trip * trips, "after {hours} hours");
    }
}
