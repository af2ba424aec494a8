//! Names, contacts, who is blocked, who is online.

use mtproto_schema::api::functions::account::{
    CheckUsername, UpdateProfile, UpdateStatus, UpdateUsername,
};
use mtproto_schema::api::functions::contacts::{
    AddContact, Block, DeleteContacts, GetBlocked, GetContacts, GetStatuses, ImportContacts,
    ResolvePhone, ResolveUsername, Search, Unblock,
};
use mtproto_schema::api::functions::messages::GetDialogs;
use mtproto_schema::api::functions::users::{GetFullUser, GetUsers};
use mtproto_schema::api::{enums, types};

use super::follower::marked;
use super::stage::{ANNA, BERT, BOT, CLEO, Stage, refused, related, updates_of};

fn user(user: &enums::User) -> &types::User {
    match user {
        enums::User::User(user) => user,
        enums::User::Empty(_) => panic!("nobody"),
    }
}

fn named(id: i64, access_hash: i64) -> enums::InputUser {
    enums::InputUser::InputUser(types::InputUser {
        user_id: id,
        access_hash,
    })
}

fn add(stage: &Stage, id: i64, first_name: &str) -> AddContact {
    AddContact {
        add_phone_privacy_exception: false,
        id: stage.user(id),
        first_name: first_name.into(),
        last_name: "".into(),
        phone: "".into(),
        note: None,
    }
}

fn rename(first_name: &str) -> UpdateProfile {
    UpdateProfile {
        first_name: Some(first_name.into()),
        last_name: None,
        about: None,
    }
}

fn resolve(username: &str) -> ResolveUsername {
    ResolveUsername {
        username: username.into(),
        referer: None,
    }
}

#[test]
fn users_are_named_with_their_access_hash_and_oneself_without() {
    let mut stage = Stage::new();
    let wrong = stage.hash(BERT) + 1;
    let id = vec![
        enums::InputUser::InputUserSelf,
        stage.user(BERT),
        named(BERT, wrong),
        named(42, 1),
        enums::InputUser::Empty,
    ];
    let users = stage.call(ANNA, &GetUsers { id }).unwrap();
    assert_eq!(users.len(), 4);
    assert!(user(&users[0]).self_ && user(&users[0]).phone.is_some());
    assert_eq!(user(&users[1]).access_hash, Some(stage.hash(BERT)));
    assert!(user(&users[1]).phone.is_none(), "of a stranger");
    assert!(matches!(&users[2], enums::User::Empty(empty) if empty.id == BERT));
    assert!(matches!(&users[3], enums::User::Empty(empty) if empty.id == 42));

    let full = |id| GetFullUser { id };
    let answer = stage.call(ANNA, &full(stage_user(BERT, wrong)));
    refused(answer, 400, "USER_ID_INVALID");
    let bert = full(stage.user(BERT));
    let answer = stage.call(ANNA, &bert).unwrap();
    assert_eq!(answer.full_user.id, BERT);
    assert_eq!(user(&answer.users[0]).id, BERT);
    let me = full(enums::InputUser::InputUserSelf);
    assert_eq!(stage.call(ANNA, &me).unwrap().full_user.id, ANNA);
    let robot = full(stage.user(BOT));
    assert!(
        stage
            .call(ANNA, &robot)
            .unwrap()
            .full_user
            .bot_info
            .is_some()
    );
}

fn stage_user(id: i64, access_hash: i64) -> enums::InputUser {
    named(id, access_hash)
}

#[test]
fn a_user_may_be_named_by_a_message_that_shows_it() {
    let mut stage = Stage::new();
    let chat = stage.chat(BERT, &[ANNA, CLEO], "three");
    let id = stage.said(CLEO, &super::stage::chat_peer(chat), "hello");
    let seen = stage.history(ANNA, &super::stage::chat_peer(chat))[0].0;
    assert_eq!(id, 2, "Cleo has the chat's beginning and this");
    let by_message = |user_id| {
        vec![enums::InputUser::FromMessage(types::InputUserFromMessage {
            peer: super::stage::chat_peer(chat),
            msg_id: seen,
            user_id,
        })]
    };
    let users = stage
        .call(
            ANNA,
            &GetUsers {
                id: by_message(CLEO),
            },
        )
        .unwrap();
    assert_eq!(user(&users[0]).id, CLEO);
    let users = stage
        .call(
            ANNA,
            &GetUsers {
                id: by_message(BOT),
            },
        )
        .unwrap();
    assert!(
        matches!(&users[0], enums::User::Empty(_)),
        "not in that message"
    );
}

#[test]
fn a_contact_is_shown_under_the_name_that_it_was_given() {
    let mut stage = Stage::new();
    let updates = stage.call(ANNA, &add(&stage, BERT, "Bertie")).unwrap();
    let (users, _) = related(updates);
    let bert = user(&users[0]);
    assert_eq!(bert.first_name.as_deref(), Some("Bertie"));
    assert!(bert.contact && !bert.mutual_contact);
    assert_eq!(bert.phone.as_deref(), Some("9996620002"), "of a contact");

    let seen = GetUsers {
        id: vec![stage.user(BERT)],
    };
    let users = stage.call(CLEO, &seen).unwrap();
    assert_eq!(user(&users[0]).first_name.as_deref(), Some("Bert"));

    stage.call(BERT, &add(&stage, ANNA, "Anni")).unwrap();
    let users = stage.call(ANNA, &seen).unwrap();
    assert!(user(&users[0]).mutual_contact);

    refused(
        stage.call(ANNA, &add(&stage, BERT, " ")),
        400,
        "CONTACT_NAME_EMPTY",
    );
    refused(
        stage.call(ANNA, &add(&stage, ANNA, "I")),
        400,
        "CONTACT_ID_INVALID",
    );

    let delete = DeleteContacts {
        id: vec![stage.user(BERT)],
    };
    let (users, _) = related(stage.call(ANNA, &delete).unwrap());
    assert!(!user(&users[0]).contact);
}

#[test]
fn contacts_that_did_not_change_are_not_sent_again() {
    let mut stage = Stage::new();
    stage.call(ANNA, &add(&stage, BERT, "Bert")).unwrap();
    stage.call(ANNA, &add(&stage, CLEO, "Cleo")).unwrap();
    let answer = stage.call(ANNA, &GetContacts { hash: 0 }).unwrap();
    let enums::contacts::Contacts::Contacts(contacts) = answer else {
        panic!("nothing is known yet")
    };
    assert_eq!((contacts.contacts.len(), contacts.users.len()), (2, 2));
    // As "Pagination: hash" defines it, by hand.
    let mut hash = 0_u64;
    for id in [2, BERT as u64, CLEO as u64] {
        hash ^= hash >> 21;
        hash ^= hash << 35;
        hash ^= hash >> 4;
        hash = hash.wrapping_add(id);
    }
    let same = GetContacts { hash: hash as i64 };
    let answer = stage.call(ANNA, &same).unwrap();
    assert!(matches!(answer, enums::contacts::Contacts::NotModified));
    stage
        .call(
            ANNA,
            &DeleteContacts {
                id: vec![stage.user(CLEO)],
            },
        )
        .unwrap();
    let answer = stage.call(ANNA, &same).unwrap();
    assert!(matches!(answer, enums::contacts::Contacts::Contacts(_)));
}

#[test]
fn numbers_of_the_phone_book_become_contacts_if_they_are_here() {
    let mut stage = Stage::new();
    let contact = |client_id, phone: &str| types::InputPhoneContact {
        client_id,
        phone: phone.into(),
        first_name: "From the book".into(),
        last_name: "".into(),
        note: None,
    };
    let contacts = vec![contact(1, "+999 66 20002"), contact(2, "+1 555 0100")];
    let imported = stage.call(ANNA, &ImportContacts { contacts }).unwrap();
    assert_eq!(imported.imported.len(), 1);
    assert_eq!(imported.imported[0].user_id, BERT);
    assert_eq!(imported.imported[0].client_id, 1);
    assert!(imported.retry_contacts.is_empty());
    assert!(user(&imported.users[0]).contact);

    let phone = |phone: &str| ResolvePhone {
        phone: phone.into(),
    };
    let found = stage.call(ANNA, &phone("9996620003")).unwrap();
    assert_eq!(marked(&found.peer), CLEO);
    refused(stage.call(ANNA, &phone("1")), 400, "PHONE_NOT_OCCUPIED");
    refused(stage.call(ANNA, &phone("")), 400, "PHONE_NOT_OCCUPIED");
}

#[test]
fn usernames_are_checked_taken_resolved_and_given_up() {
    let mut stage = Stage::new();
    let update = |name: &str| UpdateUsername {
        username: name.into(),
    };
    let check = |name: &str| CheckUsername {
        username: name.into(),
    };
    for bad in [
        "four",
        "1five",
        "with space",
        "under__score",
        "end_",
        "ümlaut",
        &"x".repeat(33),
    ] {
        refused(stage.call(ANNA, &update(bad)), 400, "USERNAME_INVALID");
        refused(stage.call(ANNA, &check(bad)), 400, "USERNAME_INVALID");
    }
    assert!(stage.call(BERT, &check("Anna_1")).unwrap());
    stage.call(ANNA, &update("Anna_1")).unwrap();
    assert!(!stage.call(BERT, &check("anna_1")).unwrap());
    refused(
        stage.call(BERT, &update("ANNA_1")),
        400,
        "USERNAME_OCCUPIED",
    );
    refused(
        stage.call(ANNA, &update("Anna_1")),
        400,
        "USERNAME_NOT_MODIFIED",
    );

    let found = stage.call(BERT, &resolve("aNNa_1")).unwrap();
    assert_eq!(marked(&found.peer), ANNA);
    assert_eq!(user(&found.users[0]).username.as_deref(), Some("Anna_1"));
    refused(
        stage.call(BERT, &resolve("nobody_here")),
        400,
        "USERNAME_NOT_OCCUPIED",
    );
    refused(stage.call(BERT, &resolve("x")), 400, "USERNAME_INVALID");

    stage.call(ANNA, &update("")).unwrap();
    refused(
        stage.call(BERT, &resolve("Anna_1")),
        400,
        "USERNAME_NOT_OCCUPIED",
    );
}

#[test]
fn another_name_is_told_to_acquaintances_and_to_ones_other_sessions() {
    let mut stage = Stage::new();
    stage.call(BERT, &add(&stage, ANNA, "Anni")).unwrap();
    stage.said(ANNA, &stage.peer(CLEO), "hello");
    stage.pushes();
    let me = stage.call(ANNA, &rename("Antonia")).unwrap();
    assert_eq!(user(&me).first_name.as_deref(), Some("Antonia"));
    let pushed: Vec<i64> = stage.pushes().iter().map(|push| push.user_id).collect();
    assert_eq!(pushed, [ANNA, BERT, CLEO]);

    refused(stage.call(ANNA, &rename(" ")), 400, "FIRSTNAME_INVALID");
    refused(
        stage.call(ANNA, &rename(&"x".repeat(65))),
        400,
        "FIRSTNAME_INVALID",
    );
    let about = UpdateProfile {
        about: Some("x".repeat(71).into()),
        ..rename("Anna")
    };
    refused(stage.call(ANNA, &about), 400, "ABOUT_TOO_LONG");
    let about = UpdateProfile {
        about: Some("about me".into()),
        first_name: None,
        last_name: None,
    };
    stage.call(ANNA, &about).unwrap();
    let full = GetFullUser {
        id: stage.user(ANNA),
    };
    let full = stage.call(BERT, &full).unwrap().full_user;
    assert_eq!(full.about.as_deref(), Some("about me"));
}

#[test]
fn who_is_blocked_is_not_heard_and_does_not_know() {
    let mut stage = Stage::new();
    let block = Block {
        my_stories_from: false,
        id: stage.peer(BERT),
    };
    assert!(stage.call(ANNA, &block).unwrap());
    let told = stage.pushed_to(ANNA);
    assert!(matches!(&told[..], [enums::Update::PeerBlocked(told)] if told.blocked));

    let (anna, bert) = (stage.peer(ANNA), stage.peer(BERT));
    stage.said(BERT, &anna, "do you hear me?");
    assert!(stage.pushed_to(ANNA).is_empty());
    assert!(stage.history(ANNA, &bert).is_empty());
    assert_eq!(stage.history(BERT, &anna).len(), 1);
    refused(stage.say(ANNA, &bert, "hello"), 400, "YOU_BLOCKED_USER");

    let blocked = GetBlocked {
        my_stories_from: false,
        offset: 0,
        limit: 10,
    };
    let enums::contacts::Blocked::Blocked(list) = stage.call(ANNA, &blocked).unwrap() else {
        panic!("one fits")
    };
    assert_eq!(marked(&list.blocked[0].peer_id), BERT);
    let unblock = Unblock {
        my_stories_from: false,
        id: stage.peer(BERT),
    };
    assert!(stage.call(ANNA, &unblock).unwrap());
    stage.said(BERT, &anna, "and now?");
    assert_eq!(stage.history(ANNA, &bert).len(), 1);

    let oneself = Block {
        my_stories_from: false,
        id: anna,
    };
    refused(stage.call(ANNA, &oneself), 400, "CONTACT_ID_INVALID");
}

#[test]
fn contacts_see_who_is_online_until_the_time_is_over() {
    let mut stage = Stage::new();
    stage.call(ANNA, &add(&stage, BERT, "Bert")).unwrap();
    stage.pushes();
    stage.call(BERT, &UpdateStatus { offline: false }).unwrap();
    let told = stage.pushed_to(ANNA);
    let [enums::Update::UserStatus(told)] = &told[..] else {
        panic!("one update")
    };
    assert!(matches!(told.status, enums::UserStatus::Online(_)));
    let status = |stage: &mut Stage| stage.call(ANNA, &GetStatuses).unwrap().remove(0).status;
    assert!(matches!(status(&mut stage), enums::UserStatus::Online(_)));
    stage.now += 301;
    assert!(matches!(status(&mut stage), enums::UserStatus::Offline(_)));
}

#[test]
fn search_finds_contacts_by_any_name_and_others_by_their_username() {
    let mut stage = Stage::new();
    stage.call(ANNA, &add(&stage, BERT, "Old Friend")).unwrap();
    let name = UpdateUsername {
        username: "friendly".into(),
    };
    stage.call(CLEO, &name).unwrap();
    let search = |q: &str| Search {
        broadcasts: false,
        bots: false,
        q: q.into(),
        limit: 10,
    };
    let found = stage.call(ANNA, &search("@friend")).unwrap();
    let ids = |peers: &[enums::Peer]| peers.iter().map(marked).collect::<Vec<_>>();
    assert_eq!(ids(&found.my_results), [BERT]);
    assert_eq!(ids(&found.results), [CLEO]);
    assert_eq!(found.users.len(), 2);
    refused(stage.call(ANNA, &search(" ")), 400, "SEARCH_QUERY_EMPTY");
}

#[test]
fn bots_are_refused_what_is_for_people() {
    let mut stage = Stage::new();
    let dialogs = GetDialogs {
        exclude_pinned: false,
        folder_id: None,
        offset_date: 0,
        offset_id: 0,
        offset_peer: enums::InputPeer::Empty,
        limit: 1,
        hash: 0,
    };
    refused(stage.call(BOT, &dialogs), 400, "BOT_METHOD_INVALID");
    refused(
        stage.call(BOT, &GetContacts { hash: 0 }),
        400,
        "BOT_METHOD_INVALID",
    );
}

#[test]
fn bots_hear_people_and_answer_them_by_id_alone() {
    let mut stage = Stage::new();
    let robot = stage.peer(BOT);
    stage.said(ANNA, &robot, "/start");
    let heard = stage.pushes();
    let heard = heard.into_iter().find(|push| push.user_id == BOT).unwrap();
    let (users, _) = related(heard.updates.clone());
    assert!(
        users.iter().any(|u| user(u).id == ANNA),
        "the bot learns who it is"
    );
    let heard = updates_of(heard.updates);
    let [enums::Update::NewMessage(new)] = &heard[..] else {
        panic!("one message")
    };
    let command = super::stage::long(&new.message).entities.as_ref().unwrap();
    assert!(matches!(command[0], enums::MessageEntity::BotCommand(_)));

    let by_id = |user_id| {
        enums::InputPeer::User(types::InputPeerUser {
            user_id,
            access_hash: 0,
        })
    };
    stage.said(BOT, &by_id(ANNA), "welcome");
    assert_eq!(stage.history(ANNA, &robot)[0].1, "welcome");
    refused(
        stage.say(BOT, &by_id(BERT), "hello"),
        400,
        "PEER_ID_INVALID",
    );

    let block = Block {
        my_stories_from: false,
        id: robot,
    };
    stage.call(ANNA, &block).unwrap();
    refused(
        stage.say(BOT, &by_id(ANNA), "hello?"),
        403,
        "USER_IS_BLOCKED",
    );
    stage.person(77, "Second robot", true);
    let second = stage.peer(77);
    refused(stage.say(BOT, &second, "hello"), 400, "USER_IS_BOT");
}
