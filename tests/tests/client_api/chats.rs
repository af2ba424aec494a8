//! Groups and channels.

use mtproto_driver::client::{Error, PeerError, PeerId};
use mtproto_schema::api::enums;

use crate::support::*;

fn title(chat: &enums::Chat) -> String {
    match chat {
        enums::Chat::Chat(chat) => chat.title.to_string(),
        enums::Chat::Channel(channel) => channel.title.to_string(),
        _ => String::new(),
    }
}

#[test]
fn a_chat_is_made_renamed_joined_and_left() {
    in_world(async |world| {
        let made = world.ann.create_chat("Old", ["bob_ray"]).await.unwrap();
        assert!(matches!(made.peer, PeerId::Chat(_)));
        assert!(made.missing.is_empty());
        world.ann.edit_title(made.peer, "New").await.unwrap();
        let chats = world.ann.chats([made.peer]).await.unwrap();
        assert_eq!(chats.iter().map(title).collect::<Vec<_>>(), ["New"]);

        assert!(world.ann.add_user(made.peer, "eve_orr").await.unwrap());
        let full = world.ann.full_chat(made.peer).await.unwrap();
        assert_eq!(full.users.len(), 3);
        world.ann.remove_user(made.peer, "bob_ray").await.unwrap();
        world.eve.remove_user(made.peer, me()).await.unwrap();
        let full = world.ann.full_chat(made.peer).await.unwrap();
        let enums::ChatFull::ChatFull(full) = full.full_chat else {
            panic!("no basic group");
        };
        let enums::ChatParticipants::ChatParticipants(members) = full.participants else {
            panic!("no members");
        };
        assert_eq!(members.participants.len(), 1);
        // No picture is what it has; the server says so, or does nothing.
        world.mark("messages.editChatPhoto");
        was_marked(
            world
                .ann
                .edit_photo(made.peer, enums::InputChatPhoto::Empty)
                .await,
        );
    });
}

#[test]
fn a_supergroup_is_made_renamed_joined_and_left() {
    in_world(async |world| {
        let group = world
            .ann
            .create_channel("Old", "about", true)
            .await
            .unwrap();
        world.ann.edit_title(group, "New").await.unwrap();
        assert!(world.ann.add_user(group, "bob_ray").await.unwrap());
        let chat = world.ann.create_chat("Chat", ["bob_ray"]).await.unwrap();
        // Bob sees them among his dialogs.
        world.bob.dialogs(10).await.unwrap();
        let both = world.bob.chats([group, chat.peer]).await;
        let mut titles: Vec<_> = both.unwrap().iter().map(title).collect();
        titles.sort();
        assert_eq!(titles, ["Chat", "New"]);

        let members = async || {
            let full = world.ann.full_chat(group).await.unwrap();
            match full.full_chat {
                enums::ChatFull::ChannelFull(full) => full.participants_count.unwrap(),
                _ => panic!("no channel"),
            }
        };
        assert_eq!(members().await, 2);
        world.ann.remove_user(group, "bob_ray").await.unwrap();
        assert_eq!(members().await, 1);
        // Taken out, not shut out.
        assert!(world.ann.add_user(group, "bob_ray").await.unwrap());
        world.bob.remove_user(group, me()).await.unwrap();
        assert_eq!(members().await, 1);
        world.bob.join_channel(group).await.unwrap_err();
        world.mark("channels.editPhoto");
        was_marked(
            world
                .ann
                .edit_photo(group, enums::InputChatPhoto::Empty)
                .await,
        );
    });
}

#[test]
fn what_is_no_chat_is_refused_before_anything_is_sent() {
    in_world(async |world| {
        let error = world.ann.edit_title("bob_ray", "Bob").await.unwrap_err();
        assert!(matches!(error, Error::Peer(PeerError::NotAChat)), "{error}");
        let chat = world.ann.create_chat("Chat", ["bob_ray"]).await.unwrap();
        let error = world.ann.join_channel(chat.peer).await.unwrap_err();
        assert!(
            matches!(error, Error::Peer(PeerError::NotAChannel)),
            "{error}"
        );
        let error = world.ann.full_user(chat.peer).await.unwrap_err();
        assert!(matches!(error, Error::Peer(PeerError::NotAUser)), "{error}");
    });
}
