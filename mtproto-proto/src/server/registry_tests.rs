//! What the registry judges: copies, and room.

use super::*;
use crate::DcId;
use crate::rng::Rng;
use crate::session::packet::{Header, Opened};

const NOW: Time = Time::from_unix(1_700_000_000);
const SALT: i64 = 42;

fn key(n: u8) -> AuthKey {
    AuthKey::from_bytes(&[n; 256])
}

fn registry(max_per_key: usize, max: usize) -> Registry {
    let mut config = ServerConfig::new(DcId(2), Vec::new());
    (config.max_sessions_per_key, config.max_sessions) = (max_per_key, max);
    Registry::new(&config, Zeroizing::new([7; 32]))
}

fn create(registry: &mut Registry, n: u8, session: i64) {
    registry.create(&key(n), SessionId(session), Some((SALT, NOW)), NOW);
}

/// A client's id of so many seconds ago.
fn ago(secs: u64) -> MsgId {
    MsgId(floor_of(NOW - Duration::from_secs(secs)))
}

#[test]
fn a_copy_of_a_packet_is_no_news_and_moves_no_session() {
    let (mut registry, id, session) = (registry(9, 9), key(1).id(), SessionId(1));
    let news =
        |registry: &Registry, id: AuthKeyId, msg_id| registry.is_news(id, session, msg_id, NOW);
    assert!(!news(&registry, id, ago(0)), "there is no such session");
    assert!(!registry.moves(id, session, ago(0)));
    create(&mut registry, 1, 1);
    assert!(
        registry.moves(id, session, ago(400)),
        "whatever comes first"
    );
    for (secs, is) in [(0, true), (300, true), (301, false)] {
        assert_eq!(news(&registry, id, ago(secs)), is, "{secs} s ago");
    }

    let opened = Opened {
        header: Header {
            salt: SALT,
            session_id: session,
            msg_id: ago(5),
            seq_no: 1,
        },
        body: Bytes::from_static(b"the call"),
        quick_ack: 0,
    };
    let entry = registry.get_mut(id, session).unwrap();
    let mut rng = Rng::from_seed([1; 32]);
    entry.session.handle_opened(NOW, opened, &mut rng).unwrap();
    for (secs, is) in [(4, true), (5, false), (6, true)] {
        assert_eq!(news(&registry, id, ago(secs)), is, "{secs} s ago");
        assert_eq!(registry.moves(id, session, ago(secs)), is, "{secs} s ago");
    }
    // It speaks through a stream: only what is newer than all before moves it.
    registry.attach(id, session, ConnId(1), NOW);
    for (secs, is) in [(4, true), (5, false), (6, false)] {
        assert_eq!(registry.moves(id, session, ago(secs)), is, "{secs} s ago");
    }
}

#[test]
fn there_is_room_up_to_the_bounds_and_then_at_the_cost_of_who_has_most() {
    /// The key and the session that have to go.
    fn after(room: Room) -> Option<Option<(AuthKeyId, SessionId)>> {
        match room {
            Room::Free => Some(None),
            Room::After(key, session) => Some(Some((key, session))),
            Room::None => None,
        }
    }
    let mut registry = registry(2, 3);
    create(&mut registry, 1, 1);
    assert_eq!(after(registry.room_for(key(1).id())), Some(None));
    create(&mut registry, 1, 2);
    let own = Some(Some((key(1).id(), SessionId(1))));
    assert_eq!(after(registry.room_for(key(1).id())), own);
    assert_eq!(after(registry.room_for(key(2).id())), Some(None));
    create(&mut registry, 2, 1);
    assert_eq!(after(registry.room_for(key(3).id())), own);
    registry.remove(key(1).id(), SessionId(1));
    create(&mut registry, 3, 1);
    assert_eq!(after(registry.room_for(key(4).id())), None, "each has one");
}

#[test]
fn what_is_stored_is_no_change() {
    let mut config = ServerConfig::new(DcId(2), Vec::new());
    config.journal = true;
    let secret = || Zeroizing::new([7; 32]);
    let mut registry = Registry::new(&config, secret());
    let change = |registry: &mut Registry| registry.take_change(&mut Saved::default());
    create(&mut registry, 1, 1);
    registry.register(key(1).id(), SessionId(1), ago(0), 8);
    let mut saved = Saved::default();
    registry.save(&mut saved);
    assert!(!change(&mut registry));
    registry.register(key(1).id(), SessionId(1), ago(1), 8);
    assert!(change(&mut registry) && !change(&mut registry));

    let mut successor = Registry::new(&config, secret());
    successor.restore(&mut saved, &Keys::new(&config), NOW);
    assert!(!change(&mut successor));
}
