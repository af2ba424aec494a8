//! The bytes of a state, and what becomes of them when they are not what was written.

use std::sync::Arc;

use mtproto_proto::server::{Server, ServerChange, ServerState, ServerStateError};
use mtproto_test::{Dice, Seed};
use sha2::{Digest, Sha256};

use super::support::{config, full, secs};

fn damaged(bytes: &[u8]) -> ServerStateError {
    ServerState::from_bytes(bytes).unwrap_err()
}

#[test]
fn a_state_that_is_cut_anywhere_is_refused() {
    let bytes = full(1_801).server.suspend().to_bytes();
    for cut in 0..bytes.len() {
        let expected = if cut < 4 {
            ServerStateError::NotAState
        } else {
            ServerStateError::Damaged
        };
        assert_eq!(damaged(&bytes[..cut]), expected, "{cut}");
    }
    let mut more = bytes.to_vec();
    more.push(0);
    assert_eq!(damaged(&more), ServerStateError::Damaged);
}

#[test]
fn a_state_with_any_bit_changed_is_refused() {
    let bytes = full(1_802).server.suspend().to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            let expected = match at {
                0..4 => ServerStateError::NotAState,
                4 => ServerStateError::Version {
                    got: changed[4],
                    max: 1,
                },
                _ => ServerStateError::Damaged,
            };
            assert_eq!(damaged(&changed), expected, "{at} {bit}");
        }
    }
}

#[test]
fn a_change_is_no_state_and_a_state_no_change() {
    let mut rogue = full(1_803);
    let change = rogue.server.poll_change().unwrap().to_bytes();
    let state = rogue.server.suspend().to_bytes();
    assert_eq!(damaged(&change), ServerStateError::NotAState);
    let refused = ServerChange::from_bytes(&state).unwrap_err();
    assert_eq!(refused, ServerStateError::NotAState);
    for cut in 0..change.len() {
        assert!(ServerChange::from_bytes(&change[..cut]).is_err());
    }
    let again = ServerChange::from_bytes(&change).unwrap();
    assert_eq!(*again.to_bytes(), *change);
}

/// A checksum is no signature: whoever writes the file can make it right. Nothing that the content
/// says panics, or makes the server spin or keep more than was there.
#[test]
fn a_state_that_somebody_made_up_does_no_harm() {
    let bytes = full(1_804).server.suspend().to_bytes();
    let content = bytes.len() - 8;
    let mut dice = Dice::new(Seed::from_env_or(1_804));
    let (mut taken, mut refused) = (0, 0);
    for run in 0..20_000 {
        let mut made = bytes.to_vec();
        for _ in 0..dice.range(1..=3) {
            let at = 5 + dice.index(content - 5);
            made[at] = match dice.range(0..=3) {
                0 => 0,
                1 => 0xff,
                2 => made[at] ^ (1 << dice.range(0..=7)),
                _ => dice.array::<1>()[0],
            };
        }
        let digest = Sha256::digest(&made[..content]);
        made[content..].copy_from_slice(&digest[..8]);
        match ServerState::from_bytes(&made) {
            Err(error) => {
                assert_eq!(error, ServerStateError::Damaged, "run {run}");
                refused += 1;
            }
            Ok(state) => {
                taken += 1;
                let now = mtproto_test::pair::START;
                let mut server = Server::resume(Arc::new(config()), state.clone(), dice.rng(), now);
                let mut now = now;
                for _ in 0..50 {
                    let Some(due) = server.poll_timeout() else {
                        break;
                    };
                    now = now.max(due);
                    server.handle_timeout(now);
                    let next = server.poll_timeout();
                    assert!(next.is_none_or(|next| next > now), "run {run} spins");
                }
                while server.poll_event().is_some() {}
                let _ = (server.suspend(), state.without_sessions());
            }
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
}

#[test]
fn the_state_shows_no_secret() {
    let mut rogue = full(1_805);
    let state = rogue.server.suspend();
    let shown = format!("{state:?}");
    assert_eq!(shown, "ServerState { keys: 1, sessions: 1, .. }");
    assert_eq!(state.keys().count(), 1);
    assert_eq!(state.sessions().count(), 1);
    rogue.later(secs(1));
}
