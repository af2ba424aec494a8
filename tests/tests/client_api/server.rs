//! The account, other people, the server.

use crate::support::*;

#[test]
fn the_account_and_others_are_looked_at() {
    in_world(async |world| {
        let me = world.ann.get_me().await.unwrap();
        assert_eq!(
            (me.id, me.username.as_deref()),
            (world.id(ANN), Some("ann_lee"))
        );
        let users = world.ann.users(["bob_ray", "eve_orr", "me"]).await.unwrap();
        let ids: Vec<_> = users.iter().map(|user| user.id).collect();
        assert_eq!(ids, [world.id(BOB), world.id(EVE), world.id(ANN)]);
        let full = world.ann.full_user("bob_ray").await.unwrap();
        assert_eq!(full.full_user.id, world.id(BOB));
    });
}

#[test]
fn the_server_says_what_it_is() {
    in_world(async |world| {
        assert_eq!(world.ann.server_config().await.unwrap().this_dc, 2);
        assert_eq!(world.ann.nearest_dc().await.unwrap().nearest_dc, 2);
        world.mark("help.getSupport");
        was_marked(world.ann.support().await);
        world.mark("help.getInviteText");
        was_marked(world.ann.invite_text().await);
    });
}

#[test]
fn the_other_devices_are_signed_out() {
    in_world(async |world| {
        world.ann.authorizations().await.unwrap();
        world.ann.reset_authorizations().await.unwrap();
        assert!(world.ann.is_authorized().await.unwrap());
    });
}
