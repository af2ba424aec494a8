//! Every way to name somebody.

use mtproto_driver::client::{Error, PeerError, PeerId, PeerRef};
use mtproto_schema::api::enums::InputPeer;

use crate::support::*;

#[test]
fn a_peer_is_found_by_every_name_and_by_id_once_it_was_seen() {
    in_world(async |world| {
        let bob = world.peer(BOB);
        let error = world.ann.input_peer(bob).await.unwrap_err();
        assert!(
            matches!(error, Error::Peer(PeerError::Unknown(id)) if id == bob),
            "{error}"
        );

        let by_name = world.ann.input_peer("@bob_ray").await.unwrap();
        let InputPeer::User(user) = &by_name else {
            panic!("no user");
        };
        assert_eq!(user.user_id, world.id(BOB));
        for name in [
            PeerRef::from(bob),
            PeerRef::from("bob_ray"),
            PeerRef::from(BOB),
            PeerRef::from(by_name.clone()),
        ] {
            let what = format!("{name:?}");
            assert!(!what.contains("bob_ray") && !what.contains("999"), "{what}");
            assert!(
                world.ann.input_peer(name).await.unwrap() == by_name,
                "{what}"
            );
        }
        let me = world.ann.input_peer("me").await.unwrap();
        assert!(me == InputPeer::InputPeerSelf);
        let users = world.ann.users([bob]).await.unwrap();
        assert!(world.ann.input_peer(&users[0]).await.unwrap() == by_name);
    });
}

#[test]
fn a_user_and_a_channel_are_what_they_are() {
    in_world(async |world| {
        world.ann.input_user("me").await.unwrap();
        world.ann.input_user("bob_ray").await.unwrap();
        let channel = world.ann.create_channel("News", "", false).await.unwrap();
        assert!(matches!(channel, PeerId::Channel(_)));
        world.ann.input_channel(channel).await.unwrap();
        let error = world.ann.input_user(channel).await.unwrap_err();
        assert!(matches!(error, Error::Peer(PeerError::NotAUser)), "{error}");
        for peer in ["me", "bob_ray"] {
            let error = world.ann.input_channel(peer).await.unwrap_err();
            assert!(matches!(error, Error::Peer(PeerError::NotAChat)), "{error}");
        }
    });
}
