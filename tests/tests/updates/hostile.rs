//! Servers that send anything: no panic, no busy loop, nothing without a bound.

use std::time::Duration;

use mtproto_proto::client::updates::{Config, Event, UpdateId, Updates};
use mtproto_proto::client::{Key, PeerId, Peers, Snapshot};
use mtproto_proto::{RequestError, Time};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Constructor, Encode, tl};
use mtproto_test::{Dice, Seed, alloc};

use crate::build::*;
use crate::rig::*;
use crate::server;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Numbers that counters trip over.
const EXTREMES: [i32; 17] = [
    i32::MIN,
    i32::MIN + 1,
    -1_000_010,
    -1,
    0,
    1,
    2,
    99,
    100,
    101,
    102,
    200,
    200_000,
    1_000_111,
    i32::MAX - 1,
    i32::MAX,
    1 << 30,
];

fn extreme(dice: &mut Dice) -> i32 {
    if dice.chance(1, 3) {
        dice.range(95..=110) as i32
    } else {
        *dice.choose(&EXTREMES)
    }
}

fn any_update(dice: &mut Dice) -> enums::Update {
    let (a, b, c) = (extreme(dice), extreme(dice), extreme(dice));
    let id = i64::from(*dice.choose(&[11, 12, 13, i32::MAX]));
    match dice.range(0..=9) {
        0 => new_message(a, b, c),
        1 => delete_messages(a, b, c),
        2 => new_encrypted(a, b),
        3 => bot_stopped(a, b),
        4 => phone(a),
        5 => channel_message(id, a, b, c),
        6 => delete_channel(id, a, b, c),
        7 => channel_too_long(id, dice.chance(1, 2).then_some(a)),
        8 => web_page(a),
        _ => enums::Update::PtsChanged,
    }
}

fn any_updates(dice: &mut Dice) -> Vec<enums::Update> {
    (0..dice.range(0..=4)).map(|_| any_update(dice)).collect()
}

fn any_push(dice: &mut Dice) -> Bytes {
    let (a, b, c) = (extreme(dice), extreme(dice), extreme(dice));
    match dice.range(0..=8) {
        0 => too_long(),
        1 => short(any_update(dice)),
        2 => combined(any_updates(dice), a, b, c),
        3 => short_message(a, 1, b, c),
        4 => short_chat_message(a, 1, 2, b),
        5 => short_sent(a, b, c),
        6 => unreadable(),
        _ => updates_with(
            any_updates(dice),
            vec![user(1, false)],
            vec![channel(11, false)],
            a,
            b,
        ),
    }
}

fn any_answer(dice: &mut Dice) -> Bytes {
    let [a, b, c, d] = [(); 4].map(|()| extreme(dice));
    let channel_id = 11;
    let parts = |dice: &mut Dice| Difference {
        messages: vec![message(a, peer_user(1)), message(b, peer_channel(12))],
        encrypted: vec![encrypted(c)],
        others: any_updates(dice),
        chats: vec![channel(12, dice.chance(1, 2))],
        users: vec![],
    };
    match dice.range(0..=9) {
        0 => state(a, b, c, d).to_bytes(),
        1 => difference_empty(a, b),
        2 => difference_too_long(a),
        3 => parts(dice).last(state(a, b, c, d)),
        4 => parts(dice).slice(state(a, b, c, d)),
        5 => channel_empty(a, dice.chance(1, 2), Some(b)),
        6 => channel_difference_too_long(channel_id, a, dice.chance(1, 2)),
        7 => unreadable(),
        _ => {
            let messages = vec![message(b, peer_channel(11))];
            let head = (a, dice.chance(1, 2), Some(c));
            channel_difference(head, messages, any_updates(dice))
        }
    }
}

fn spoil(dice: &mut Dice, body: Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    match dice.range(0..=9) {
        0 => bytes.truncate(dice.index(bytes.len() + 1)),
        1 if !bytes.is_empty() => {
            let at = dice.index(bytes.len());
            bytes[at] ^= 1 << dice.range(0..=7);
        }
        2 => bytes.extend_from_slice(&[0; 4]),
        _ => return body,
    }
    bytes.into()
}

fn any_error(dice: &mut Dice) -> RequestError {
    let names = [
        "PERSISTENT_TIMESTAMP_INVALID",
        "PERSISTENT_TIMESTAMP_OUTDATED",
        "CHANNEL_PRIVATE",
        "FLOOD_WAIT_99999999999999999999",
        "FLOOD_WAIT_4294967295",
        "FLOOD_WAIT_",
        "",
    ];
    if dice.chance(1, 8) {
        return RequestError::BadAnswer;
    }
    let name = names[dice.index(names.len())];
    server::error(extreme(dice), name)
}

#[test]
fn any_numbers_in_any_order_do_no_harm() {
    let seeds = match std::env::var(mtproto_test::dice::SEED_VARIABLE) {
        Ok(_) => {
            let Seed(seed) = Seed::from_env_or(0);
            seed..=seed
        }
        Err(_) => 1..=600,
    };
    for seed in seeds {
        let mut dice = Dice::new(Seed(seed));
        let mut config = Config::default();
        config.queue = *dice.choose(&[0, 1, 3, 1_024]);
        let queue = config.queue.max(1);
        let mut store = Snapshot::new();
        let mut now = Time::from_unix(1_750_000_000);
        let mut updates = Updates::new(config.clone(), &store, now);
        let mut peers = Peers::new(&store, 3);
        updates.set_account(now, Some(ME), false);
        updates.set_wanted(now, true);
        let mut out = vec![];
        // Of what was handed out.
        let (mut last, mut taken, mut anew) = (0, 0, false);
        for _ in 0..300 {
            match dice.range(0..=9) {
                0..=4 => {
                    let body = any_push(&mut dice);
                    updates.handle(now, &spoil(&mut dice, body), &mut peers);
                }
                5 => {
                    let query = functions::messages::DeleteMessages {
                        revoke: true,
                        id: vec![],
                    };
                    let body = if dice.chance(1, 2) {
                        affected(extreme(&mut dice), extreme(&mut dice))
                    } else {
                        any_push(&mut dice)
                    };
                    let body = spoil(&mut dice, body);
                    updates.handle_answer(now, &query.to_bytes(), &body, &mut peers);
                }
                6 => match dice.range(0..=5) {
                    0 => updates.handle_may_have_missed(now),
                    1 => updates.set_wanted(now, dice.chance(3, 4)),
                    2 => updates.set_open(now, PeerId::Channel(11), dice.chance(1, 2)),
                    3 => {
                        let id = dice.range(0..=u64::MAX);
                        taken = taken.max(id.min(last));
                        updates.taken(now, UpdateId(id));
                    }
                    4 if dice.chance(1, 20) => {
                        updates.set_account(now, None, false);
                        updates.set_account(now, Some(ME), true);
                        anew = true;
                    }
                    _ => {}
                },
                _ => {
                    now = now + Duration::from_millis(dice.range(0..=20_000));
                    updates.handle_timeout(now);
                    let next = updates.poll_timeout();
                    assert!(
                        next.is_none_or(|at| at > now),
                        "seed {seed}: busy {next:?} at {now:?}"
                    );
                }
            }
            for _ in 0..50 {
                let Some(need) = updates.poll_need(now, &peers) else {
                    break;
                };
                out.push(need.id);
            }
            assert_eq!(updates.poll_need(now, &peers), None, "seed {seed}");
            if !out.is_empty() && dice.chance(1, 2) {
                let id = out.swap_remove(dice.index(out.len()));
                let answer = any_answer(&mut dice);
                let result = match dice.chance(1, 5) {
                    true => Err(any_error(&mut dice)),
                    false => Ok(spoil(&mut dice, answer)),
                };
                updates.handle_need(now, id, result, &mut peers);
            }
            if dice.chance(1, 2) {
                while let Some(event) = updates.poll_update() {
                    let id = match event {
                        Event::Update(update) => update.id,
                        Event::Lost(lost) => lost.id,
                        _ => unreachable!(),
                    };
                    if std::mem::take(&mut anew) {
                        taken = id.0 - 1;
                    }
                    assert!(id.0 > last);
                    last = id.0;
                    assert!(last - taken <= queue as u64, "seed {seed}");
                    if dice.chance(1, 2) {
                        taken = id.0;
                        updates.taken(now, id);
                    }
                }
            }
            while let Some(change) = updates.poll_change() {
                store.apply(change);
            }
        }
        Updates::new(config, &store, now);
    }
}

#[test]
fn every_body_is_read_at_any_length() {
    let mut dice = Dice::from_env_or(7);
    for _ in 0..40 {
        let (push, answer) = (any_push(&mut dice), any_answer(&mut dice));
        for cut in 0..push.len() {
            Rig::new().push(push.slice(..cut));
        }
        for cut in 0..answer.len() {
            let mut rig = Rig::new();
            rig.push(too_long());
            let (id, _) = rig.call().unwrap();
            rig.answer(id, answer.slice(..cut));
            rig.wait(Duration::from_secs(100));
        }
    }
}

#[test]
fn a_vector_that_claims_too_much_reserves_nothing() {
    for claim in [1_u32 << 20, u32::MAX, 1 << 30] {
        let mut out = Vec::new();
        tl::put_u32(&mut out, types::Updates::ID);
        tl::put_u32(&mut out, tl::VECTOR);
        tl::put_u32(&mut out, claim);
        out.resize(400_000, 0);
        let mut rig = Rig::new();
        let body = Bytes::from(out);
        let before = alloc::held();
        rig.push(body);
        // At most the copy of a body that cannot be read.
        assert!(alloc::held() - before < 500_000);
        rig.need(difference(100));
    }
}

#[test]
fn a_flood_beyond_gaps_is_held_within_bounds() {
    let mut rig = Rig::new();
    let filler: String = "x".repeat(30_000);
    let before = alloc::held();
    for n in 0..6_000 {
        let phone = types::UpdateUserPhone {
            user_id: 1,
            phone: filler.as_str().into(),
        };
        let all = vec![
            new_message(n, 1_000 + 2 * n, 1),
            channel_message(1_000 + i64::from(n % 500), n, 1_000 + 2 * n, 1),
            channel_message(1_000 + i64::from(n % 500), n, 3_000 + 2 * n, 1),
            enums::Update::UserPhone(phone),
        ];
        rig.push(updates(all, 10 + 2 * n, 1));
    }
    // 32 MiB of bodies and what is decoded of them; the queue's bodies are bounded by themselves.
    rig.told();
    let held = alloc::held() - before;
    assert!(held < 80 << 20, "{held} bytes");
}

#[test]
fn ready_updates_hold_no_more_than_their_share() {
    let mut rig = Rig::new();
    let before = alloc::held();
    for n in 0..200 {
        let filler: String = "x".repeat(1 << 20);
        let phone = types::UpdateUserPhone {
            user_id: n,
            phone: filler.as_str().into(),
        };
        let body = updates(vec![enums::Update::UserPhone(phone)], 0, 1);
        // As long as it has to be, as a packet is.
        rig.push(Bytes::copy_from_slice(&body));
    }
    let held = alloc::held() - before;
    assert!(held < 70 << 20, "{held} bytes");
    // The difference is asked for when the application has made room.
    rig.idle();
    assert!(!rig.told().is_empty());
    rig.need(difference(100));
}

#[test]
fn updates_that_are_read_into_more_than_their_bytes_hold_no_more_than_their_share() {
    let bold = types::MessageEntityBold {
        offset: 0,
        length: 1,
    };
    let notification = types::UpdateServiceNotification {
        popup: false,
        invert_media: false,
        inbox_date: None,
        r#type: "much".into(),
        message: "".into(),
        media: enums::MessageMedia::Empty,
        entities: vec![enums::MessageEntity::Bold(bold); 100_000],
    };
    let update = enums::Update::ServiceNotification(Box::new(notification));
    let body = updates(vec![update], 0, 1);
    let mut rig = Rig::new();
    let before = alloc::held();
    for _ in 0..60 {
        rig.push(Bytes::copy_from_slice(&body));
    }
    let held = alloc::held() - before;
    assert!(60 * body.len() > 64 << 20);
    assert!(held < 80 << 20, "{held} bytes");
}

/// As a driver does it, which polls at once and keeps what it got for subscribers.
#[test]
fn updates_that_were_handed_out_and_not_taken_hold_no_more_than_their_share() {
    let mut rig = Rig::new();
    let mut kept = vec![];
    let before = alloc::held();
    for n in 0..200 {
        let filler: String = "x".repeat(1 << 20);
        let phone = types::UpdateUserPhone {
            user_id: n,
            phone: filler.as_str().into(),
        };
        let body = updates(vec![enums::Update::UserPhone(phone)], 0, 1);
        rig.push(Bytes::copy_from_slice(&body));
        kept.extend(std::iter::from_fn(|| rig.updates.poll_update()));
    }
    let held = alloc::held() - before;
    assert!(held < 70 << 20, "{held} bytes");
    rig.idle();
    let Some(Event::Update(last)) = kept.last() else {
        panic!("no updates");
    };
    let last = last.id;
    kept.clear();
    rig.updates.taken(rig.now, last);
    rig.need(difference(100));
}

#[test]
fn channels_beyond_the_bound_push_out_the_most_silent_one() {
    let mut rig = Rig::new();
    for id in 0..10_000 {
        rig.each([channel_message(id, 1, 50, 1)]);
        rig.told();
    }
    rig.each([
        channel_message(0, 2, 51, 1),
        channel_message(20_000, 1, 50, 1),
    ]);
    assert_eq!(
        rig.told(),
        [post(0, 2), Told::Lost(Some(1)), post(20_000, 1)]
    );
    rig.save();
    assert_eq!(rig.store.get(Key::Channel(1)), None);
    assert!(rig.store.get(Key::Channel(20_000)).is_some());
    assert_eq!(rig.updates.changes().len(), 10_001);

    // Without room to tell so, it is the new one that has to wait.
    let mut rig = Rig::queue(1);
    for id in 0..10_000 {
        rig.each([channel_message(id, 1, 50, 1)]);
        rig.told();
    }
    rig.each([new_message(1, 101, 1), channel_message(20_000, 1, 50, 1)]);
    assert_eq!(rig.told(), [msg(1)]);
    rig.need(difference(101));
}

#[test]
fn a_server_that_never_ends_a_difference_is_asked_slowly() {
    let mut rig = Rig::new();
    rig.each([channel_message(11, 1, 50, 1), channel_too_long(11, None)]);
    rig.told();
    let mut calls = 0;
    for _ in 0..60 {
        while let Some((id, _)) = rig.call() {
            calls += 1;
            rig.answer(id, channel_empty(50, false, Some(0)));
        }
        rig.seconds(1);
    }
    assert!((5..=8).contains(&calls), "{calls} calls in a minute");
}

#[test]
fn marks_without_updates_do_not_pile_up() {
    let mut rig = Rig::new();
    rig.each([new_message(1, 101, 1)]);
    assert_eq!(rig.poll().len(), 1);
    let before = alloc::held();
    let query = || functions::messages::DeleteMessages {
        revoke: true,
        id: vec![1],
    };
    for n in 0..100_000 {
        rig.called(query(), affected(102 + n, 1));
    }
    assert!(alloc::held() - before < 10_000);
}
