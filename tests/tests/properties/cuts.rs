//! A stream that is cut at every byte of a conversation, in either direction, openly or in silence:
//! every request ends once, in bounded time, and nothing runs twice.

use std::time::Duration;

use mtproto_proto::connection::{ClientEvent, KeyState, Start};
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Fate, RequestError, RequestId};
use mtproto_test::pair::START;

use crate::both::{Both, client_config, server_config};
use crate::support::secs;

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cut,
    /// Nobody is told.
    Vanish,
}

/// What comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The same server.
    SameServer,
    /// A server that has only its keys.
    NewServer,
    /// Nothing: the application gives up.
    Nothing,
}

const ONCE: &[u8] = b"only one";
const TWICE: &[u8] = b"ask me again";

/// A conversation with a key that both have.
fn begin(seed: u64) -> Both {
    let key = [3; 256];
    let state = KeyState::from_auth_key(key, DcId(2));
    let mut both = Both::start(client_config(), server_config(), Start::Key(state), seed);
    let key = AuthKey::from_bytes(&key);
    both.pair
        .server
        .server()
        .provide_key(START, key.id(), Some(key.clone()));
    both
}

/// The same after a first answer.
fn established(seed: u64) -> Both {
    let mut both = begin(seed);
    let id = both.call(b"warm up.");
    both.end_of(id, secs(10));
    both.run(secs(31));
    both.take_events();
    both.was_established = true;
    both
}

/// One call that may run once, one that may run twice.
fn calls(both: &mut Both) -> [RequestId; 2] {
    [
        both.call(ONCE),
        both.call_with(TWICE, &SendOptions::default().idempotent()),
    ]
}

/// How many bytes each side writes until both calls are answered and acknowledged.
fn lengths(make: impl Fn(u64) -> Both, seed: u64) -> [u64; 2] {
    let mut both = make(seed);
    let written = |both: &Both| {
        [
            both.pair.client_to_server.written(),
            both.pair.server_to_client.written(),
        ]
    };
    let before = written(&both);
    let ids = calls(&mut both);
    for id in ids {
        both.end_of(id, secs(30));
    }
    both.run(secs(31));
    let after = written(&both);
    [after[0] - before[0], after[1] - before[1]]
}

fn cut(make: &impl Fn(u64) -> Both, seed: u64, at: u64, by_client: bool, end: End, next: Next) {
    let what = format!("{at} of the client: {by_client}, {end:?}, {next:?}, seed {seed}");
    let mut both = make(seed);
    let wire = if by_client {
        &mut both.pair.client_to_server
    } else {
        &mut both.pair.server_to_client
    };
    match end {
        End::Cut => wire.cut_after(at),
        End::Vanish => wire.vanish_after(at),
    };
    let ids = calls(&mut both);
    let ended = |both: &Both| {
        let mut ended: Vec<_> = both
            .events
            .iter()
            .filter_map(|event| match event {
                ClientEvent::Response { id, .. } => Some((*id, None)),
                ClientEvent::Failed { id, error } => Some((*id, Some(error.clone()))),
                _ => None,
            })
            .collect();
        ended.sort_by_key(|(id, _)| *id);
        ended
    };
    // A silent stream is noticed within half a minute.
    both.run_until(secs(45), |both| {
        both.client_error().is_some() || ended(both).len() == 2
    });
    let mut given_up = Vec::new();
    if ended(&both).len() < 2 {
        assert!(both.client_error().is_some(), "{what}: it is noticed");
        both.run(Duration::from_millis(10));
        match next {
            Next::SameServer => both = both.reconnect(),
            Next::NewServer => both = both.restart_server(server_config()),
            Next::Nothing => {
                let ended_before = ended(&both);
                let executed = both.executed.clone();
                given_up = both.give_up();
                let mut all: Vec<_> = ended_before
                    .into_iter()
                    .map(|(id, _)| id)
                    .chain(given_up.iter().map(|(id, _)| *id))
                    .collect();
                all.sort();
                assert_eq!(all, ids, "{what}");
                let once = executed.iter().filter(|call| call.body[..] == *ONCE);
                assert!(once.count() <= 1, "{what}");
                return;
            }
        }
        both.run_until(secs(70), |both| ended(both).len() == 2);
    }
    assert_eq!(given_up, []);
    let all = ended(&both);
    assert_eq!(
        all.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ids,
        "{what}: each ends once: {all:?}"
    );
    // And nothing more comes.
    both.run(secs(120));
    assert_eq!(ended(&both), all, "{what}");

    let runs = |body: &[u8]| {
        both.executed
            .iter()
            .filter(|call| call.body[..] == *body)
            .count()
    };
    assert!(runs(ONCE) <= 1, "{what}: it runs once at most");
    assert_eq!(all[1].1, None, "{what}: what may run twice is answered");
    if next == Next::SameServer {
        // A server that never heard of the session cannot say that it did not run in it; once it
        // has run, its answer is kept.
        let lost = Some(RequestError::Lost(Fate::MaybeExecuted));
        let answered = runs(ONCE) == 1;
        assert!(answered || !both.was_established, "{what}");
        assert_eq!(all[0].1, lost.filter(|_| !answered), "{what}");
    }
}

#[test]
fn a_session_cut_at_every_byte() {
    let lengths = lengths(begin, 5201);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        assert!((300..5_000).contains(&len), "{len}");
        for at in 0..=len {
            cut(&begin, 5201, at, by_client, End::Cut, Next::SameServer);
        }
    }
}

#[test]
fn an_established_session_cut_at_every_byte_answers_everything() {
    let lengths = lengths(established, 5206);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        for at in 0..=len {
            cut(
                &established,
                5206,
                at,
                by_client,
                End::Cut,
                Next::SameServer,
            );
        }
    }
}

#[test]
fn an_established_session_that_falls_silent_anywhere_answers_everything() {
    let lengths = lengths(established, 5207);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        for at in (0..=len).step_by(4) {
            cut(
                &established,
                5207,
                at,
                by_client,
                End::Vanish,
                Next::SameServer,
            );
        }
    }
}

#[test]
fn a_session_that_falls_silent_at_every_fourth_byte() {
    let lengths = lengths(begin, 5202);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        for at in (0..=len).step_by(4) {
            cut(&begin, 5202, at, by_client, End::Vanish, Next::SameServer);
        }
    }
}

#[test]
fn a_session_cut_at_every_fourth_byte_whose_server_forgets_it() {
    let lengths = lengths(begin, 5203);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        for at in (0..=len).step_by(4) {
            cut(&begin, 5203, at, by_client, End::Cut, Next::NewServer);
        }
    }
}

#[test]
fn a_session_cut_at_every_fourth_byte_whose_application_gives_up() {
    let lengths = lengths(begin, 5204);
    for (by_client, len) in [true, false].into_iter().zip(lengths) {
        for at in (0..=len).step_by(4) {
            cut(&begin, 5204, at, by_client, End::Cut, Next::Nothing);
        }
    }
}

/// Cuts every byte that this side writes until the key is there and bound, and every eighth of
/// what follows: that a session may be cut at every byte is shown without the cost of making keys.
fn every_byte(make: impl Fn(u64) -> Both, seed: u64, by_client: bool) {
    let [client, server] = lengths(&make, seed);
    let len = if by_client { client } else { server };
    let key = until_connected(&make, seed, by_client);
    assert!((500..len).contains(&key), "{key} of {len}");
    for at in (0..=key).chain((key..=len).step_by(8)) {
        cut(&make, seed, at, by_client, End::Cut, Next::SameServer);
    }
}

/// How many bytes this side has written when the server has proved that it has the key.
fn until_connected(make: impl Fn(u64) -> Both, seed: u64, by_client: bool) -> u64 {
    let mut both = make(seed);
    calls(&mut both);
    let connected = |both: &Both| both.events.contains(&ClientEvent::Connected);
    assert!(both.run_until(secs(30), connected));
    if by_client {
        both.pair.client_to_server.written()
    } else {
        both.pair.server_to_client.written()
    }
}

/// The whole handshake, a first session, two calls.
fn new_key(seed: u64) -> Both {
    Both::new(client_config(), server_config(), seed)
}

/// A stored key: the handshake of a temporary one, its binding, two calls under it.
fn temporary_key(seed: u64) -> Both {
    let mut config = client_config();
    config.pfs = Some(secs(86_400));
    let key = [3; 256];
    let state = KeyState::from_auth_key(key, DcId(2));
    let mut both = Both::start(config, server_config(), Start::Key(state), seed);
    let key = AuthKey::from_bytes(&key);
    both.pair
        .server
        .server()
        .provide_key(START, key.id(), Some(key.clone()));
    both
}

#[test]
fn a_handshake_cut_at_every_byte_of_the_client() {
    every_byte(new_key, 5205, true);
}

#[test]
fn a_handshake_cut_at_every_byte_of_the_server() {
    every_byte(new_key, 5208, false);
}

#[test]
fn a_temporary_key_cut_at_every_byte_of_the_client() {
    every_byte(temporary_key, 5209, true);
}

#[test]
fn a_temporary_key_cut_at_every_byte_of_the_server() {
    every_byte(temporary_key, 5210, false);
}
