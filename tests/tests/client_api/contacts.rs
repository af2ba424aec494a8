//! The address book.

use mtproto_driver::client::NewContact;

use crate::support::*;

fn contact(phone: &str, first_name: &str) -> NewContact {
    NewContact {
        phone: phone.into(),
        first_name: first_name.into(),
        last_name: "Last".into(),
    }
}

#[test]
fn contacts_are_imported_listed_renamed_and_deleted() {
    in_world(async |world| {
        let people = [
            contact(BOB, "Bobby"),
            contact("+9996629999", "Nobody"),
            contact(EVE, "Eve"),
        ];
        let found = world.ann.import_contacts(&people).await.unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|user| user.as_ref().map(|user| user.id))
            .collect();
        assert_eq!(ids, [Some(world.id(BOB)), None, Some(world.id(EVE))]);

        let mut names: Vec<_> = world
            .ann
            .contacts()
            .await
            .unwrap()
            .into_iter()
            .map(|user| user.first_name.unwrap().to_string())
            .collect();
        names.sort();
        assert_eq!(names, ["Bobby", "Eve"]);
        assert_eq!(world.ann.contact_statuses().await.unwrap().len(), 2);

        world
            .ann
            .add_contact("bob_ray", &contact("", "Robert"))
            .await
            .unwrap();
        world.ann.delete_contacts(["eve_orr"]).await.unwrap();
        let left = world.ann.contacts().await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].first_name.as_deref(), Some("Robert"));
    });
}

#[test]
fn who_is_blocked_is_listed_until_unblocked() {
    in_world(async |world| {
        assert!(world.ann.blocked(0, 100).await.unwrap().is_empty());
        world.ann.block("bob_ray").await.unwrap();
        let blocked = world.ann.blocked(0, 100).await.unwrap();
        let peers: Vec<_> = blocked.iter().map(|blocked| blocked.peer).collect();
        assert_eq!(peers, [world.peer(BOB)]);
        assert!(blocked[0].date > 0);
        world.ann.unblock(world.peer(BOB)).await.unwrap();
        assert!(world.ann.blocked(0, 100).await.unwrap().is_empty());
    });
}

#[test]
fn people_are_found_by_name_and_by_username() {
    in_world(async |world| {
        for name in ["bob_ray", "@bob_ray"] {
            let peer = world.ann.resolve_username(name).await.unwrap();
            assert_eq!(peer, world.peer(BOB));
        }
        refused_as(
            world.ann.resolve_username("nobody_here").await,
            "USERNAME_NOT_OCCUPIED",
        );
        world
            .ann
            .import_contacts(&[contact(BOB, "Bobby")])
            .await
            .unwrap();
        let found = world.ann.search_contacts("Bobby", 10).await.unwrap();
        assert!(found.mine.contains(&world.peer(BOB)), "{found:?}");
        let found = world.eve.search_contacts("bob_ray", 10).await.unwrap();
        assert!(found.others.contains(&world.peer(BOB)), "{found:?}");
    });
}

#[test]
fn cards_are_tokens_now() {
    in_world(async |world| {
        world.mark("contacts.exportContactToken");
        was_marked(world.ann.export_contact_token().await);
        world.mark("contacts.importContactToken");
        was_marked(world.ann.import_contact_token("AAAA").await);
    });
}
