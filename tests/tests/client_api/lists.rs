//! Lists: a page at a time, and all of it.

use mtproto_schema::api::enums::MessagesFilter;

use crate::support::*;

/// More than two pages.
const MANY: usize = 250;

#[test]
fn a_long_history_comes_page_by_page_each_message_once() {
    in_world(async |world| {
        let mut expected = Vec::new();
        for number in 0..MANY {
            world
                .ann
                .send_message("me", number.to_string())
                .await
                .unwrap();
            expected.insert(0, number.to_string());
        }
        let first = world.ann.history(me(), 10).await.unwrap();
        let texts: Vec<_> = first.iter().map(|message| message.text()).collect();
        assert_eq!(texts, expected[..10]);

        let mut history = world.ann.all_history("me");
        let mut texts = Vec::new();
        while let Some(message) = history.next().await {
            texts.push(message.unwrap().text().to_owned());
        }
        assert_eq!(texts, expected);
        assert!(history.next().await.is_none());
    });
}

#[test]
fn an_error_between_two_pages_is_told_and_the_page_tried_again() {
    in_world(async |world| {
        for number in 0..120 {
            world
                .ann
                .send_message("me", number.to_string())
                .await
                .unwrap();
        }
        let mut history = world.ann.all_history("me");
        for _ in 0..100 {
            history.next().await.unwrap().unwrap();
        }
        world.mark("messages.getHistory");
        was_marked(history.next().await.unwrap());
        assert_eq!(history.next().await.unwrap().unwrap().text(), "19");
    });
}

#[test]
fn words_are_found_in_a_chat() {
    in_world(async |world| {
        for number in 0..MANY {
            let text = if number % 2 == 0 { "even" } else { "odd" };
            world
                .ann
                .send_message("me", format!("{text} {number}"))
                .await
                .unwrap();
        }
        let found = world.ann.search(me(), "odd", 3).await.unwrap();
        let texts: Vec<_> = found.iter().map(|message| message.text()).collect();
        assert_eq!(texts, ["odd 249", "odd 247", "odd 245"]);
        let all = MessagesFilter::InputMessagesFilterEmpty;
        let mut all = world.ann.all_found("me", "even", all);
        let mut count = 0;
        while let Some(message) = all.next().await {
            assert!(message.unwrap().text().starts_with("even"));
            count += 1;
        }
        assert_eq!(count, MANY / 2);
    });
}

#[test]
fn all_dialogs_come_each_once_the_newest_first() {
    in_world(async |world| {
        let mut titles = Vec::new();
        for number in 0..130 {
            let title = format!("Chat {number}");
            world.ann.create_chat(&title, ["bob_ray"]).await.unwrap();
            titles.insert(0, title);
        }
        let first = world.ann.dialogs(5).await.unwrap();
        assert_eq!(first.len(), 5);
        let mut found = Vec::new();
        let mut dialogs = world.ann.all_dialogs();
        while let Some(dialog) = dialogs.next().await {
            let dialog = dialog.unwrap();
            assert!(dialog.top_message().is_some());
            found.push(dialog.title());
        }
        // Those of one second may stand in any order.
        found.sort();
        titles.sort();
        assert_eq!(found, titles);

        world.ann.send_message("bob_ray", "news").await.unwrap();
        let first = world.ann.dialogs(1).await.unwrap();
        assert_eq!(
            (first[0].peer(), first[0].title()),
            (world.peer(BOB), "bob".into())
        );
        let first = world.bob.dialogs(1).await.unwrap();
        assert_eq!(first[0].unread_count(), 1);
    });
}
