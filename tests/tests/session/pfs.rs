//! Perfect forward secrecy: temporary keys, made, bound, used, renewed, refused.

use mtproto_proto::Fate::{MaybeExecuted, NotSent};
use mtproto_proto::connection::{ClientConfig, ClientEvent, Error};
use mtproto_proto::server::BindRefused;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{AuthKeyId, RequestId, RpcError};
use mtproto_proto::{Machine, RequestError};

use crate::both::{Both, Owner, client_config, server_config};
use crate::support::{lost, response, secs};

fn with_pfs(lifetime: u64) -> ClientConfig {
    let mut config = client_config();
    config.pfs = Some(secs(lifetime));
    config
}

fn connected(seed: u64, lifetime: u64) -> Both {
    let mut both = Both::new(with_pfs(lifetime), server_config(), seed);
    let up = both.run_until(secs(10), |both| {
        both.events.contains(&ClientEvent::Connected)
    });
    assert!(up, "{:?}", both.events);
    both
}

fn idempotent() -> SendOptions {
    SendOptions::default().idempotent()
}

fn perm(both: &Both) -> AuthKeyId {
    both.pair.client.key_state().unwrap().auth_key_id()
}

#[test]
fn a_temporary_key_is_made_and_bound_and_calls_travel_under_it() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1401);
    let id = both.call(b"the call");
    assert_eq!(both.end_of(id, secs(10)), response(id, b"the call"));

    let perm = perm(&both);
    assert_eq!(both.keys.len(), 2);
    assert_eq!(both.keys[0], (perm, false));
    let (temp, true) = both.keys[1] else {
        panic!("{:?}", both.keys);
    };
    assert_eq!(both.bindings.len(), 1);
    let call = &both.executed[0];
    assert_eq!((call.auth_key_id, call.perm_key), (temp, Some(perm)));
    let events = both.take_events();
    assert!(matches!(events[0], ClientEvent::KeyCreated(_)));
    let at = |wanted: &ClientEvent| events.iter().position(|event| event == wanted);
    assert!(at(&ClientEvent::Connected) < at(&response(id, b"the call")));
}

#[test]
fn a_key_is_bound_however_many_calls_wait_for_it() {
    let mut config = with_pfs(86_400);
    config.session.max_requests = 2;
    let mut both = Both::new(config, server_config(), 1410);
    let calls = [both.call(b"call one"), both.call(b"call two")];
    for (id, body) in calls.into_iter().zip([b"call one", b"call two"]) {
        assert_eq!(both.end_of(id, secs(10)), response(id, body));
    }
    assert_eq!(both.bindings.len(), 1);
}

#[test]
fn only_the_permanent_key_is_given_to_be_stored() {
    let mut both = connected(1402, 86_400);
    both.run(secs(3_600));
    let perm = perm(&both);
    for event in both.take_events() {
        if let ClientEvent::KeyCreated(state) | ClientEvent::KeyStateChanged(state) = event {
            assert_eq!(state.auth_key_id(), perm);
        }
    }
}

#[test]
fn a_temporary_key_is_renewed_before_its_end_without_losing_calls() {
    // An hour of life: renewed after three quarters.
    let mut both = connected(1403, 3_600);
    let start = both.pair.now();
    let mut ids = Vec::new();
    while both.pair.now() < start + secs(5 * 3_600) {
        ids.push(both.call(b"a call.."));
        both.run(secs(97));
    }
    for id in ids {
        assert_eq!(both.end_of(id, secs(60)), response(id, b"a call.."));
    }
    assert_eq!(both.client_error(), None);
    let temporary = both.keys.iter().filter(|(_, temporary)| *temporary).count();
    assert_eq!(temporary, 7, "one for each 45 minutes of five hours");
    assert_eq!(both.bindings.len(), temporary);
    assert_eq!(both.keys.len(), temporary + 1);
}

/// A call that nobody has answered when the next temporary key is there.
fn waiting_at_renewal(seed: u64) -> (Both, RequestId) {
    let mut both = connected(seed, 3_600);
    both.run(secs(2_690));
    both.owner = Owner::IsSilent;
    let slow = both.call_with(b"slow one", &SendOptions::default().deadline(secs(300)));
    both.run(secs(5));
    both.owner = Owner::Echoes;
    for _ in 0..20 {
        if both.keys.len() < 3 {
            both.run(secs(1));
        }
    }
    assert_eq!((both.keys.len(), both.bindings.len()), (3, 1));
    (both, slow)
}

#[test]
fn f26_a_temporary_key_that_was_begun_is_not_finished_where_none_is_wanted() {
    let mut both = Both::new(with_pfs(3_600), server_config(), 1421);
    let id = both.call(b"the call");
    let is_key = |event: &ClientEvent| matches!(event, ClientEvent::KeyCreated(_));
    assert!(both.run_until(secs(10), |both| both.events.iter().any(is_key)));
    let perm = perm(&both);
    let mut both = both.reconnect_with(client_config());
    assert_eq!(both.end_of(id, secs(10)), response(id, b"the call"));
    assert_eq!(both.executed[0].auth_key_id, perm);
    // Nor is there one to be renewed as if it were permanent.
    both.run(secs(2 * 3_600));
    assert_eq!(both.keys, [(perm, false)]);
    let id = both.call(b"the next");
    assert_eq!(both.end_of(id, secs(10)), response(id, b"the next"));
    assert_eq!(both.executed[1].auth_key_id, perm);
}

#[test]
fn the_old_key_serves_until_its_calls_are_answered() {
    let (mut both, slow) = waiting_at_renewal(1419);
    both.run(secs(5));
    assert_eq!(both.bindings.len(), 1);
    let call = both.executed.last().unwrap().clone();
    both.respond(&call);
    assert_eq!(both.end_of(slow, secs(2)), response(slow, b"slow one"));
    both.run(secs(1));
    assert_eq!(both.bindings.len(), 2, "at once when nothing waits");
}

#[test]
fn the_old_key_serves_no_longer_than_ten_seconds_for_calls_that_nobody_answers() {
    let (mut both, _) = waiting_at_renewal(1420);
    both.run(secs(9));
    assert_eq!(both.bindings.len(), 1);
    both.run(secs(3));
    assert_eq!(both.bindings.len(), 2);
}

#[test]
fn calls_that_wait_for_answers_get_some_time_when_the_key_is_renewed() {
    let mut both = connected(1404, 3_600);
    both.run(secs(2_690));
    both.owner = Owner::IsSilent;
    let slow = both.call_with(b"slow one", &SendOptions::default().deadline(secs(300)));
    both.run(secs(5));
    both.owner = Owner::Echoes;
    // Nobody answers it under the old key, and nobody can ask about it under the new one.
    assert_eq!(both.end_of(slow, secs(300)), lost(slow, MaybeExecuted));
    let executed = both
        .executed
        .iter()
        .filter(|call| call.body[..] == b"slow one"[..]);
    assert_eq!(executed.count(), 1, "it does not run twice");
    let id = both.call(b"the next");
    assert_eq!(both.end_of(id, secs(60)), response(id, b"the next"));
}

#[test]
fn r10_a_refused_binding_is_a_typed_error_and_the_permanent_key_survives() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1405);
    both.owner = Owner::RefusesToBind;
    let id = both.call(b"the call");
    both.run(secs(30));
    let refused = RequestError::Rpc(RpcError {
        code: 400,
        message: "ENCRYPTED_MESSAGE_INVALID".into(),
    });
    assert_eq!(both.client_error(), Some(&Error::BindRefused(refused)));
    let before = perm(&both);
    assert_eq!(both.executed, [], "nothing leaves under an unbound key");

    both.owner = Owner::Echoes;
    let mut both = both.reconnect();
    assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
    assert_eq!(perm(&both), before);
    assert_eq!(both.keys.len(), 3, "another temporary key was made");
}

#[test]
fn r10_a_binding_that_is_never_answered_ends_the_stream_and_the_permanent_key_survives() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1406);
    both.owner = Owner::IsSilent;
    let id = both.call(b"the call");
    both.run(secs(30));
    assert!(
        matches!(
            both.client_error(),
            Some(Error::BindRefused(RequestError::TimedOut(_)))
        ),
        "{:?}",
        both.client_error()
    );
    let before = perm(&both);
    both.owner = Owner::Echoes;
    let mut both = both.reconnect();
    assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
    assert_eq!(perm(&both), before);
}

#[test]
fn requests_that_end_together_with_their_key_s_binding_are_told_of() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1411);
    both.owner = Owner::IsSilent;
    let short = SendOptions::default().deadline(secs(60));
    let ids = [
        both.call_with(b"the one.", &short),
        both.call_with(b"another.", &short),
    ];
    both.run(secs(5));
    assert_eq!(both.bindings.len(), 1);
    // The machine has slept: all is over at once.
    let later = both.pair.now() + secs(3_600);
    let ended = both.pair.client.handle_timeout(later);
    assert!(matches!(
        ended,
        Err(Error::BindRefused(RequestError::TimedOut(_)))
    ));
    let events: Vec<_> = std::iter::from_fn(|| both.pair.client.poll_event()).collect();
    for id in ids {
        let error = RequestError::TimedOut(NotSent);
        assert!(
            events.contains(&ClientEvent::Failed { id, error }),
            "{events:?}"
        );
    }
    assert_eq!(both.give_up(), []);
}

#[test]
fn a_bound_key_goes_on_over_the_next_stream_without_a_new_one() {
    let mut both = connected(1407, 86_400);
    both.pair.client_to_server.cut_after(0);
    both.run(secs(1));
    let mut both = both.reconnect();
    let id = both.call(b"the call");
    assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
    assert_eq!((both.keys.len(), both.bindings.len()), (2, 1));
}

#[test]
fn a_key_taken_into_a_new_stream_is_renewed_no_later_than_it_would_have_been() {
    // An hour of life: due after 45 minutes.
    let mut both = connected(1418, 3_600);
    both.run(secs(2_300));
    both.pair.client_to_server.cut_after(0);
    both.run(secs(60));
    let mut both = both.reconnect();
    both.run(secs(300));
    assert_eq!(both.bindings.len(), 1, "not due yet");
    both.run(secs(100));
    assert_eq!(both.bindings.len(), 2);
    assert_eq!(both.client_error(), None);
}

#[test]
fn a_temporary_key_that_the_server_lost_is_replaced_and_the_permanent_one_stays() {
    let mut both = connected(1408, 86_400);
    let before = perm(&both);
    both.pair.client_to_server.cut_after(0);
    both.run(secs(1));
    let mut both = both.restart_server(server_config());
    let (once, twice) = (
        both.call(b"only one"),
        both.call_with(b"idem", &idempotent()),
    );
    both.run(secs(5));
    assert_eq!(both.client_error(), Some(&Error::Status { code: -404 }));
    let mut both = both.reconnect();
    // Nothing proves that the -404 came from the server.
    assert_eq!(both.end_of(once, secs(30)), lost(once, MaybeExecuted));
    assert_eq!(both.end_of(twice, secs(30)), response(twice, b"idem"));
    assert_eq!(perm(&both), before);
}

#[test]
fn an_expired_temporary_key_is_not_taken_into_a_new_stream() {
    let mut both = connected(1409, 3_600);
    both.pair.client_to_server.cut_after(0);
    both.run(secs(2 * 3_600));
    let mut both = both.reconnect();
    let id = both.call(b"the call");
    assert_eq!(both.end_of(id, secs(30)), response(id, b"the call"));
    assert_eq!(both.bindings.len(), 2);
}

#[test]
fn the_server_binds_only_what_agrees_with_the_call_and_the_keys() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1410);
    both.owner = Owner::IsSilent;
    both.run_until(secs(5), |both| !both.bindings.is_empty());
    let binding = both.bindings[0].clone();
    let now = both.pair.server_now();
    let (perm, temp) = (both.keys[0].0, both.keys[1].0);
    assert_eq!(binding.perm, perm.0);
    let mut bind = |perm: i64, nonce: i64, expires_at: i32, message: &[u8]| {
        both.pair
            .server
            .server()
            .bind_temp_key(now, binding.id, perm, nonce, expires_at, message)
    };
    let (nonce, expires_at) = (binding.nonce, binding.expires_at);
    const INVALID: Result<(), BindRefused> = Err(BindRefused::EncryptedMessageInvalid);
    assert_eq!(
        bind(perm.0, nonce ^ 1, expires_at, &binding.message),
        INVALID
    );
    assert_eq!(
        bind(perm.0, nonce, expires_at + 1, &binding.message),
        INVALID
    );
    assert_eq!(bind(temp.0, nonce, expires_at, &binding.message), INVALID);
    assert_eq!(bind(7, nonce, expires_at, &binding.message), INVALID);
    for len in 0..binding.message.len() {
        assert_eq!(
            bind(perm.0, nonce, expires_at, &binding.message[..len]),
            INVALID
        );
    }
    for bit in 0..binding.message.len() * 8 {
        let mut message = binding.message.to_vec();
        message[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(bind(perm.0, nonce, expires_at, &message), INVALID, "{bit}");
    }
    assert_eq!(bind(perm.0, nonce, expires_at, &binding.message), Ok(()));
    assert_eq!(
        bind(perm.0, nonce, expires_at, &binding.message),
        Ok(()),
        "again"
    );
}

#[test]
fn a_binding_counts_only_in_its_message_its_session_and_its_time() {
    use mtproto_proto::SessionId;
    use mtproto_proto::crypto::AuthKey;
    use mtproto_proto::handshake::{BindInner, bind_message};

    let mut both = Both::new(with_pfs(86_400), server_config(), 1411);
    both.owner = Owner::IsSilent;
    both.run_until(secs(5), |both| !both.bindings.is_empty());
    let binding = both.bindings[0].clone();
    let key = AuthKey::from_bytes(both.pair.client.key_state().unwrap().auth_key());
    let (perm, temp) = (both.keys[0].0, both.keys[1].0);
    let session = both
        .pair
        .server
        .server()
        .sessions()
        .find(|(key, _)| *key == temp)
        .unwrap()
        .1;
    let mut rng = both.rng();
    let now = both.pair.server_now();
    let opened = mtproto_proto::handshake::open_bind_message(&key, &binding.message).unwrap();
    let good = BindInner {
        nonce: 5,
        temp_auth_key_id: temp,
        perm_auth_key_id: perm,
        temp_session_id: session,
        expires_at: now.unix() as i32 + 3_600,
    };
    let mut bind = |inner: &BindInner, msg_id| {
        let message = bind_message(&key, msg_id, inner, &mut rng);
        both.pair.server.server().bind_temp_key(
            now,
            binding.id,
            perm.0,
            inner.nonce,
            inner.expires_at,
            &message,
        )
    };
    let mut wrong = Vec::new();
    for (inner, msg_id) in [
        (
            BindInner {
                temp_session_id: SessionId(session.0 ^ 1),
                ..good
            },
            opened.msg_id,
        ),
        (
            BindInner {
                temp_auth_key_id: perm,
                ..good
            },
            opened.msg_id,
        ),
        (
            BindInner {
                perm_auth_key_id: temp,
                ..good
            },
            opened.msg_id,
        ),
        (good, mtproto_proto::MsgId(opened.msg_id.0 + 4)),
    ] {
        wrong.push(bind(&inner, msg_id));
    }
    assert_eq!(wrong, [Err(BindRefused::EncryptedMessageInvalid); 4]);
    for seconds in [-1, 0, 86_400 + 61, i32::MAX - now.unix() as i32] {
        let inner = BindInner {
            expires_at: now.unix() as i32 + seconds,
            ..good
        };
        assert_eq!(
            bind(&inner, opened.msg_id),
            Err(BindRefused::ExpiresAtInvalid),
            "{seconds}"
        );
    }
    assert_eq!(bind(&good, opened.msg_id), Ok(()));
}

#[test]
fn temporary_keys_and_their_sessions_go_with_the_permanent_key() {
    let mut both = connected(1412, 86_400);
    let perm = perm(&both);
    let now = both.pair.server_now();
    let server = both.pair.server.server();
    let temp: Vec<_> = server.sessions().map(|(key, _)| key).collect();
    assert_eq!(temp.len(), 1);
    assert_ne!(temp[0], perm);
    server.drop_temp_keys(now, perm, &[temp[0].0]);
    assert_eq!(server.sessions().count(), 1, "it was excepted");
    server.drop_temp_keys(now, perm, &[]);
    assert_eq!(server.sessions().count(), 0);
    let id = both.call_with(b"idem", &idempotent());
    both.run(secs(5));
    assert_eq!(both.client_error(), Some(&Error::Status { code: -404 }));
    let mut both = both.reconnect();
    assert_eq!(both.end_of(id, secs(30)), response(id, b"idem"));
}

#[test]
fn a_call_under_an_unbound_key_has_no_permanent_key() {
    let mut both = Both::new(with_pfs(86_400), server_config(), 1413);
    both.owner = Owner::IsSilent;
    both.run_until(secs(5), |both| !both.bindings.is_empty());
    // The binding itself is such a call: it was seen and it is not executed.
    assert_eq!(both.bindings.len(), 1);
    assert_eq!(both.executed, []);
    both.owner = Owner::Echoes;
}
