//! Access hashes: what is learnt, kept, stored and forgotten.

use mtproto_proto::client::{Change, Key, Peer, PeerId, Peers, Snapshot};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Bytes, Encode};

use crate::build::*;

fn peers(max: usize) -> Peers {
    Peers::new(&Snapshot::new(), max)
}

fn hash(peers: &Peers, id: PeerId) -> Option<(i64, bool)> {
    peers.get(id).map(|peer| (peer.access_hash, peer.min))
}

fn changes(peers: &mut Peers) -> Vec<(Key, bool)> {
    let all = std::iter::from_fn(|| peers.poll_change());
    all.map(|change| (change.key, change.value.is_some()))
        .collect()
}

const ANN: PeerId = PeerId::User(1);

#[test]
fn min_never_replaces_full() {
    let mut peers = peers(10);
    peers.learn(
        &[user_with(1, None, true)],
        &[channel_with(9, Some(3), true)],
    );
    assert_eq!(hash(&peers, ANN), Some((0, true)));
    assert_eq!((peers.input_user(1), peers.input_channel(9)), (None, None));
    assert_eq!(peers.input_peer(PeerId::Channel(9)), None);
    peers.learn(&[user_with(1, Some(5), true)], &[]);
    peers.learn(&[user_with(1, None, true)], &[]);
    assert_eq!(hash(&peers, ANN), Some((5, true)));
    peers.learn(
        &[user_with(1, Some(6), false)],
        &[channel_with(9, Some(4), false)],
    );
    peers.learn(
        &[user_with(1, Some(7), true)],
        &[channel_with(9, Some(5), true)],
    );
    peers.learn(
        &[user_with(1, None, false)],
        &[channel_with(9, None, false)],
    );
    assert_eq!(hash(&peers, ANN), Some((6, false)));
    let input = types::InputUser {
        user_id: 1,
        access_hash: 6,
    };
    assert_eq!(
        peers.input_user(1),
        Some(enums::InputUser::InputUser(input))
    );
    let input = types::InputChannel {
        channel_id: 9,
        access_hash: 4,
    };
    assert_eq!(
        peers.input_channel(9),
        Some(enums::InputChannel::InputChannel(input))
    );
    // A full one replaces a full one: hashes change.
    peers.learn(&[user_with(1, Some(8), false)], &[]);
    assert_eq!(hash(&peers, ANN), Some((8, false)));
}

#[test]
fn groups_need_no_hash() {
    let mut peers = peers(10);
    peers.learn(&[], &[group(3)]);
    let input = types::InputPeerChat { chat_id: 3 };
    assert_eq!(
        peers.input_peer(PeerId::Chat(3)),
        Some(enums::InputPeer::Chat(input))
    );
    assert_eq!(peers.input_peer(PeerId::Chat(4)), None);
}

#[test]
fn only_what_is_new_is_stored() {
    let mut peers = peers(10);
    for _ in 0..3 {
        peers.learn(&[user(1, false), user(2, false)], &[channel(9, false)]);
    }
    let expected = [(Key::Peer(ANN), true), (Key::Peer(PeerId::User(2)), true)];
    assert_eq!(
        changes(&mut peers),
        [&expected[..], &[(Key::Peer(PeerId::Channel(9)), true)]].concat()
    );
    peers.learn(&[user(1, false), user(2, true)], &[channel(9, true)]);
    assert_eq!(changes(&mut peers), []);
    peers.learn(&[user_with(1, Some(4), false)], &[]);
    assert_eq!(changes(&mut peers), [(Key::Peer(ANN), true)]);
}

#[test]
fn the_one_not_seen_for_longest_is_forgotten_also_in_the_store() {
    let mut peers = peers(2);
    peers.learn(&[user(1, false), user(2, false)], &[]);
    changes(&mut peers);
    peers.learn(&[user(1, false), user(3, false)], &[]);
    assert_eq!(
        (hash(&peers, PeerId::User(2)), hash(&peers, ANN)),
        (None, Some((1_000, false)))
    );
    let expected = [
        (Key::Peer(PeerId::User(2)), false),
        (Key::Peer(PeerId::User(3)), true),
    ];
    assert_eq!(changes(&mut peers), expected);
    // Back before anybody fetched the change, and away again: the store hears of the last.
    peers.learn(&[user(2, false)], &[]);
    peers.learn(&[user(1, false), user(3, false)], &[]);
    let gone: Vec<_> = changes(&mut peers);
    assert!(gone.contains(&(Key::Peer(ANN), true)), "{gone:?}");
}

#[test]
fn the_store_ends_as_the_memory_does_whatever_happens() {
    let mut dice = mtproto_test::Dice::from_env_or(5);
    let mut peers = peers(4);
    let mut store = Snapshot::new();
    for _ in 0..5_000 {
        let id = dice.range(1..=8) as i64;
        let hash = dice.chance(3, 4).then(|| dice.range(1..=2) as i64);
        peers.learn(&[user_with(id, hash, dice.chance(1, 3))], &[]);
        if dice.chance(1, 6) {
            for _ in 0..dice.range(0..=3) {
                store.extend_one(peers.poll_change());
            }
        }
        if dice.chance(1, 50) {
            peers.clear();
        }
        if dice.chance(1, 20) {
            while let Some(change) = peers.poll_change() {
                store.apply(change);
            }
            let mut whole = Snapshot::new();
            peers
                .changes()
                .into_iter()
                .for_each(|change| whole.apply(change));
            assert!(store == whole);
        }
    }
}

/// A change, if there is one.
trait ExtendOne {
    fn extend_one(&mut self, change: Option<Change>);
}

impl ExtendOne for Snapshot {
    fn extend_one(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.apply(change);
        }
    }
}

#[test]
fn changes_do_not_pile_up_while_nobody_stores_them() {
    let mut peers = peers(10);
    for id in 0..10_000 {
        peers.learn(&[user(id, false)], &[]);
    }
    assert_eq!(changes(&mut peers).len(), 10);
}

#[test]
fn what_was_stored_is_known_again() {
    let mut peers = peers(10);
    peers.learn(
        &[user(1, false), user(2, true)],
        &[channel(9, false), group(3)],
    );
    let mut store = Snapshot::new();
    while let Some(change) = peers.poll_change() {
        store.apply(change);
    }
    store.apply(Change {
        key: Key::Peer(PeerId::User(7)),
        value: Some(Bytes::from_static(b"?")),
    });
    let mut again = Peers::new(&store, 10);
    for id in [ANN, PeerId::User(2), PeerId::Channel(9), PeerId::Chat(3)] {
        assert_eq!(again.get(id), peers.get(id));
        assert!(again.get(id).is_some());
    }
    assert_eq!(again.get(PeerId::User(7)), None);
    assert_eq!(changes(&mut again), []);
    let expected = Peer {
        id: ANN,
        access_hash: 1_000,
        min: false,
    };
    assert_eq!(again.get(ANN), Some(expected));
}

#[test]
fn answers_teach() {
    let resolved = types::contacts::ResolvedPeer {
        peer: peer_user(1),
        chats: vec![channel(9, false)],
        users: vec![user(1, false)],
    };
    let got = vec![user(2, false), user(3, false)];
    let history = types::messages::Messages {
        messages: vec![message(1, peer_user(1))],
        topics: vec![],
        chats: vec![group(4)],
        users: vec![user(5, false)],
    };
    let chats = types::messages::Chats {
        chats: vec![channel(6, false)],
    };
    let mut peers = peers(100);
    for answer in [
        resolved.to_bytes(),
        got.to_bytes(),
        history.to_bytes(),
        chats.to_bytes(),
        user(7, false).to_bytes(),
    ] {
        peers.learn_from_answer(&answer);
        // Cut off it teaches nothing, and hurts nobody.
        for cut in 0..answer.len() {
            peers.learn_from_answer(&answer.slice(..cut));
        }
    }
    for id in [1, 2, 3, 5, 7] {
        assert!(peers.input_user(id).is_some(), "user {id}");
    }
    assert!(peers.input_channel(9).is_some() && peers.input_channel(6).is_some());
    assert!(peers.get(PeerId::Chat(4)).is_some());
    // Vectors of other things are none of users.
    peers.learn_from_answer(&vec![1_i32, 2].to_bytes());
}
