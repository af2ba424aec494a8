//! Sending, changing, reading, deleting.

use mtproto_driver::client::OutgoingMessage;
use mtproto_schema::api::{enums, types};

use crate::support::*;

#[test]
fn a_text_goes_to_a_user_to_oneself_to_a_chat_and_to_a_channel() {
    in_world(async |world| {
        let mut bobs = world.bob.updates();
        let sent = world
            .ann
            .send_message("bob_ray", "by username")
            .await
            .unwrap();
        assert!(sent.id > 0 && sent.date > 0);
        let (_, text, sender) = heard(&mut bobs).await;
        assert_eq!(
            (text.as_str(), sender),
            ("by username", Some(world.peer(ANN)))
        );

        // Bob has seen Ann, so her id will do.
        let mut anns = world.ann.updates();
        world
            .bob
            .send_message(world.peer(ANN), "by id")
            .await
            .unwrap();
        assert_eq!(heard(&mut anns).await.1, "by id");

        let sent = world.ann.send_message("me", "to myself").await.unwrap();
        let saved = world.ann.history(me(), 1).await.unwrap();
        assert_eq!((saved[0].id(), saved[0].text()), (sent.id, "to myself"));

        let chat = world.ann.create_chat("Chat", ["bob_ray"]).await.unwrap();
        world
            .ann
            .send_message(chat.peer, "to the chat")
            .await
            .unwrap();
        assert_eq!(heard(&mut bobs).await.1, "to the chat");

        let group = world.ann.create_channel("Group", "", true).await.unwrap();
        world.ann.add_user(group, "bob_ray").await.unwrap();
        let sent = world.ann.send_message(group, "to the group").await.unwrap();
        assert_eq!(sent.message.unwrap().message, "to the group");
        assert_eq!(heard(&mut bobs).await.1, "to the group");
    });
}

#[test]
fn a_message_carries_what_goes_with_it() {
    in_world(async |world| {
        let first = world.ann.send_message("bob_ray", "first").await.unwrap();
        let bold = enums::MessageEntity::Bold(types::MessageEntityBold {
            offset: 0,
            length: 6,
        });
        let answer = OutgoingMessage::new("second").reply_to(first.id).silent();
        let second = world
            .ann
            .send_message("bob_ray", answer.no_webpage().entities(vec![bold]))
            .await
            .unwrap();
        let stored = world.ann.messages("bob_ray", &[second.id]).await.unwrap();
        let message = stored[0].message().unwrap();
        assert!(message.silent);
        assert_eq!(message.entities.as_ref().map(Vec::len), Some(1));
        let Some(enums::MessageReplyHeader::MessageReplyHeader(reply)) = &message.reply_to else {
            panic!("it answers nothing");
        };
        assert_eq!(reply.reply_to_msg_id, Some(first.id));
    });
}

#[test]
fn a_contact_card_and_a_dice_are_sent_by_reference_with_a_caption() {
    in_world(async |world| {
        let mut bobs = world.bob.updates();
        let card = enums::InputMedia::Contact(Box::new(types::InputMediaContact {
            phone_number: EVE.into(),
            first_name: "Eve".into(),
            last_name: "".into(),
            vcard: "".into(),
        }));
        let sent = world
            .ann
            .send_media("bob_ray", card, "call her")
            .await
            .unwrap();
        assert!(sent.id > 0);
        assert_eq!(heard(&mut bobs).await.1, "call her");

        let dice = enums::InputMedia::Dice(types::InputMediaDice {
            emoticon: "🎲".into(),
        });
        let sent = world.ann.send_media("me", dice, "").await.unwrap();
        let thrown = world.ann.messages("me", &[sent.id]).await.unwrap();
        let media = thrown[0].message().unwrap().media.as_deref();
        assert!(matches!(media, Some(enums::MessageMedia::Dice(_))));
    });
}

#[test]
fn messages_are_forwarded_in_order() {
    in_world(async |world| {
        let mut ids = Vec::new();
        for text in ["one", "two", "three"] {
            ids.push(world.ann.send_message("me", text).await.unwrap().id);
        }
        let sent = world
            .ann
            .forward_messages("me", &ids, "bob_ray")
            .await
            .unwrap();
        let new: Vec<_> = sent.iter().map(|sent| sent.id).collect();
        let there = world.ann.messages("bob_ray", &new).await.unwrap();
        let texts: Vec<_> = there.iter().map(|message| message.text()).collect();
        assert_eq!(texts, ["one", "two", "three"]);
        assert!(
            there
                .iter()
                .all(|message| message.message().unwrap().fwd_from.is_some())
        );
    });
}

#[test]
fn a_message_is_edited_and_the_other_sees_it() {
    in_world(async |world| {
        let mut bobs = world.bob.updates();
        let sent = world.ann.send_message("bob_ray", "helo").await.unwrap();
        // Who asks what is new after the edit is told of the message only, as it is then.
        assert_eq!(heard(&mut bobs).await.1, "helo");
        world
            .ann
            .edit_message("bob_ray", sent.id, "hello")
            .await
            .unwrap();
        let edited = seen(&mut bobs, |update| match update.typed()? {
            enums::Update::EditMessage(edit) => match &edit.message {
                enums::Message::Message(message) => Some(message.message.to_string()),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(edited.await, "hello");
        let again = world.ann.edit_message("bob_ray", sent.id, "hello").await;
        refused_as(again, "MESSAGE_NOT_MODIFIED");
    });
}

#[test]
fn what_is_deleted_for_everyone_is_gone_for_the_other_too() {
    in_world(async |world| {
        let mine = world.ann.send_message("bob_ray", "for me").await.unwrap();
        let both = world.ann.send_message("bob_ray", "for both").await.unwrap();
        let deleted = world
            .ann
            .delete_messages("bob_ray", &[mine.id], false)
            .await;
        assert_eq!(deleted.unwrap(), 1);
        world
            .ann
            .delete_messages("bob_ray", &[both.id], true)
            .await
            .unwrap();
        assert!(world.ann.history("bob_ray", 10).await.unwrap().is_empty());
        let left = world.bob.history("ann_lee", 10).await.unwrap();
        let texts: Vec<_> = left.iter().map(|message| message.text()).collect();
        assert_eq!(texts, ["for me"]);

        let group = world.ann.create_channel("Group", "", true).await.unwrap();
        let sent = world.ann.send_message(group, "in the group").await.unwrap();
        world
            .ann
            .delete_messages(group, &[sent.id], true)
            .await
            .unwrap();
        assert!(
            world
                .ann
                .messages(group, &[sent.id])
                .await
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn a_whole_history_is_deleted() {
    in_world(async |world| {
        for number in 0..5 {
            world
                .ann
                .send_message("bob_ray", number.to_string())
                .await
                .unwrap();
        }
        world.ann.delete_history("bob_ray", true).await.unwrap();
        assert!(world.ann.history("bob_ray", 10).await.unwrap().is_empty());
        assert!(world.bob.history("ann_lee", 10).await.unwrap().is_empty());

        let group = world.ann.create_channel("Group", "", true).await.unwrap();
        world.mark("channels.deleteHistory");
        was_marked(world.ann.delete_history(group, false).await);
    });
}

#[test]
fn reading_is_told_to_the_one_who_wrote() {
    in_world(async |world| {
        let mut anns = world.ann.updates();
        let sent = world.ann.send_message("bob_ray", "read me").await.unwrap();
        let stored = world.bob.history("ann_lee", 1).await.unwrap();
        world.bob.received_messages(stored[0].id()).await.unwrap();
        world
            .bob
            .read_history("ann_lee", stored[0].id())
            .await
            .unwrap();
        let read = seen(&mut anns, |update| match update.typed()? {
            enums::Update::ReadHistoryOutbox(read) => Some(read.max_id),
            _ => None,
        });
        assert_eq!(read.await, sent.id);
        world
            .bob
            .read_message_contents("ann_lee", &[stored[0].id()])
            .await
            .unwrap();

        let group = world.ann.create_channel("Group", "", true).await.unwrap();
        let sent = world.ann.send_message(group, "hello").await.unwrap();
        world.ann.read_history(group, sent.id).await.unwrap();
        world.mark("channels.readMessageContents");
        was_marked(world.ann.read_message_contents(group, &[sent.id]).await);
    });
}

#[test]
fn typing_is_shown_to_the_other() {
    in_world(async |world| {
        // Nobody shows a stranger what they do.
        world.bob.send_message("ann_lee", "hello").await.unwrap();
        let mut bobs = world.bob.updates();
        world.ann.set_typing("bob_ray").await.unwrap();
        let typing = seen(&mut bobs, |update| match update.typed()? {
            enums::Update::UserTyping(typing) => Some(typing.user_id),
            _ => None,
        });
        assert_eq!(typing.await, world.id(ANN));
        let cancel = enums::SendMessageAction::SendMessageCancelAction;
        world.ann.set_action("bob_ray", cancel).await.unwrap();
    });
}
