//! R6, R8, R9: an application that takes nothing, a DC that says nothing or only that it lives.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::client::{CallOptions, Config, Disconnected, Event, Route, updates};
use mtproto_proto::connection::Error;
use mtproto_schema::api::functions::messages::ReceivedMessages;
use mtproto_schema::api::functions::updates::GetDifference;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Decode, Encode};
use mtproto_test::alloc::held;

use crate::net::{Answer, Door, Net, config, ok};
use crate::queries::{open_call, user_call};
use crate::support::secs;

/// What the application has not taken.
const QUEUE: usize = 16;
/// Updates of one difference.
const SLICE: i32 = 100;

/// The update that moves the counter here; it weighs a KiB.
fn update(pts: i32) -> enums::Update {
    enums::Update::DeleteMessages(types::UpdateDeleteMessages {
        messages: vec![pts; 256],
        pts,
        pts_count: 1,
    })
}

fn state(net_now: u64, pts: i32) -> types::updates::State {
    types::updates::State {
        pts,
        qts: 1,
        date: net_now as i32,
        seq: 1,
        unread_count: 0,
    }
}

/// A DC whose counter is here, and which knows what was before.
fn server_at(net: &mut Net) -> Rc<Cell<i32>> {
    let at = Rc::new(Cell::new(1));
    let (there, now) = (at.clone(), net.now().unix());
    net.script(move |call| {
        if !call.is::<GetDifference>() {
            return Answer::Default;
        }
        let asked = GetDifference::from_bytes(&call.query).unwrap();
        let end = there.get().min(asked.pts + SLICE);
        let other_updates: Vec<_> = (asked.pts + 1..=end).map(update).collect();
        if other_updates.is_empty() {
            return ok(&types::updates::DifferenceEmpty {
                date: now as i32,
                seq: 1,
            });
        }
        if end < there.get() {
            return ok(&types::updates::DifferenceSlice {
                new_messages: vec![],
                new_encrypted_messages: vec![],
                other_updates,
                chats: vec![],
                users: vec![],
                intermediate_state: state(now, end),
            });
        }
        ok(&types::updates::Difference {
            new_messages: vec![],
            new_encrypted_messages: vec![],
            other_updates,
            chats: vec![],
            users: vec![],
            state: state(now, end),
        })
    });
    at
}

fn push_next(net: &mut Net, at: &Cell<i32>) {
    at.set(at.get() + 1);
    let short = types::UpdateShort {
        update: update(at.get()),
        date: net.now().unix() as i32,
    };
    assert!(net.push(2, short.to_bytes()));
}

fn listener(seed: u64) -> Net {
    let mut config: Config = config();
    config.updates.queue = QUEUE;
    let mut net = Net::new(config, seed);
    let now = net.now();
    net.client.want_updates(now, true);
    net.client.connect(now);
    net.sign_in();
    net.run(secs(5));
    net
}

/// The number of the next update, if there is one; it is not taken yet.
fn next_update(net: &mut Net) -> Option<(updates::UpdateId, i32)> {
    match net.client.poll_update()? {
        updates::Event::Update(update) => match update.parsed {
            Some(enums::Update::DeleteMessages(deleted)) => Some((update.id, deleted.messages[0])),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn r8_an_application_that_takes_nothing_costs_its_bound_and_neither_answers_nor_pongs() {
    let mut net = listener(2501);
    let at = server_at(&mut net);
    let mut held_before = 0;
    for n in 0..3_000 {
        push_next(&mut net, &at);
        net.run(secs(1));
        if n % 10 == 0 {
            let begun = net.now();
            let id = net.send_raw(user_call(n), &CallOptions::default());
            assert_eq!(net.answer(id), Ok(user_call(n)), "answers flow");
            assert!(net.now().saturating_since(begun) < secs(1));
        }
        // What the test itself notes is not counted.
        net.executed = Vec::new();
        net.events = Vec::new();
        if n == 1_000 {
            held_before = held();
        }
    }
    // Two thousand updates of a KiB came since.
    let grown = held() - held_before;
    assert!(grown < 100_000, "{grown} bytes");

    // Nothing came but updates for half an hour: pings are asked and answered all the same.
    for _ in 0..30 {
        push_next(&mut net, &at);
        net.run(secs(61));
    }
    let ended = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(!net.events.iter().any(|(_, event)| ended(event)));
    net.client.set_online(net.now(), true);
    net.run(secs(60));
    assert!(!net.events.iter().any(|(_, event)| ended(event)));
    assert_eq!(net.count::<GetDifference>(2), 0, "there is no room for one");
}

#[test]
fn r8_what_did_not_fit_comes_by_difference_each_once_and_in_order() {
    let mut net = listener(2502);
    let at = server_at(&mut net);
    for _ in 0..500 {
        push_next(&mut net, &at);
    }
    net.run(secs(10));
    assert_eq!(net.count::<GetDifference>(2), 0);
    let mut seen = 1;
    while seen < at.get() {
        while let Some((id, number)) = next_update(&mut net) {
            assert_eq!(number, seen + 1);
            seen = number;
            // Some come while the application is at it.
            if seen % 50 == 0 && at.get() < 600 {
                push_next(&mut net, &at);
            }
            let now = net.now();
            net.client.update_taken(now, id);
        }
        net.run(Duration::from_millis(500));
    }
    net.run(secs(60));
    assert_eq!(next_update(&mut net), None);
    assert!(net.count::<GetDifference>(2) >= 4, "slice by slice");
    // And then the stream itself brings them.
    let before = net.count::<GetDifference>(2);
    push_next(&mut net, &at);
    net.run(secs(1));
    assert_eq!(next_update(&mut net).map(|(_, n)| n), Some(at.get()));
    assert_eq!(net.count::<GetDifference>(2), before);
}

#[test]
fn r8_a_call_inside_the_update_loop_is_answered_although_the_queue_is_full() {
    let mut net = listener(2503);
    let at = server_at(&mut net);
    for _ in 0..200 {
        push_next(&mut net, &at);
    }
    net.run(secs(5));
    let mut seen = 1;
    while seen < at.get() {
        let Some((id, number)) = next_update(&mut net) else {
            net.run(Duration::from_millis(500));
            continue;
        };
        assert_eq!(number, seen + 1);
        seen = number;
        // The loop waits for its answer before it takes the update, and more come meanwhile.
        if at.get() < 300 {
            push_next(&mut net, &at);
        }
        let call = net.send_raw(user_call(number), &CallOptions::default());
        assert_eq!(net.answer(call), Ok(user_call(number)), "at {number}");
        let now = net.now();
        net.client.update_taken(now, id);
    }
    assert_eq!(seen, 300);
}

// R9.

/// How a DC is there and of no use.
#[derive(Clone, Copy, Debug)]
enum Useless {
    /// The stream never opens.
    Black,
    /// It opens, and nothing comes.
    Mute,
    /// It falls silent after its first answer.
    FallsSilent,
    /// It answers pings and no call.
    AnswersNoCall,
    /// Every packet is answered with an error.
    Denies,
}

/// When each of these calls to the main DC was answered, beside a DC 4 that is this.
fn times(useless: Option<Useless>) -> Vec<Duration> {
    let mut net = Net::new(config(), 2504);
    net.sign_in();
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let mut stuck = Vec::new();
    if let Some(useless) = useless {
        match useless {
            Useless::Black => net.door(4, Door::Black),
            Useless::Mute => net.door(4, Door::Mute),
            Useless::Denies => net.door(4, Door::Status(-404)),
            Useless::FallsSilent => {
                let id = net.send_raw(open_call(), &to_4);
                assert!(net.answer(id).is_ok());
                net.vanish(4);
            }
            Useless::AnswersNoCall => net.script(|call| {
                if call.dc == 4 {
                    return Answer::Silent;
                }
                Answer::Default
            }),
        }
        for _ in 0..20 {
            let options = to_4.clone().deadline(secs(600));
            stuck.push(net.send_raw(open_call(), &options));
        }
        // One that has to be authorized there first; that gives up before.
        net.send_raw(user_call(0), &to_4);
    }
    let mut times = Vec::new();
    let origin = net.now();
    for n in 0..100 {
        let next = origin + secs(5 * (n + 1));
        net.run(next.saturating_since(net.now()));
        let begun = net.now();
        let id = net.send_raw(user_call(n as i32), &CallOptions::default());
        assert_eq!(net.answer(id), Ok(user_call(n as i32)), "{useless:?}");
        times.push(net.now().saturating_since(begun));
    }
    let ends = |event: &Event| match event {
        Event::Response { id, .. } | Event::Failed { id, .. } => stuck.contains(id),
        _ => false,
    };
    let ended = net.events.iter().filter(|(_, event)| ends(event)).count();
    if matches!(
        useless,
        Some(Useless::Black | Useless::Mute | Useless::AnswersNoCall)
    ) {
        assert_eq!(ended, 0, "{useless:?}: they were waiting all the while");
    }
    times
}

#[test]
fn r9_a_dc_that_accepts_and_stays_silent_delays_no_other_by_an_instant() {
    let alone = times(None);
    for useless in [
        Useless::Black,
        Useless::Mute,
        Useless::FallsSilent,
        Useless::AnswersNoCall,
        Useless::Denies,
    ] {
        assert_eq!(times(Some(useless)), alone, "{useless:?}");
    }
}

// R6.

#[test]
fn r6_a_dc_that_only_answers_pings_loses_its_stream_and_the_call_runs_once() {
    let mut net = Net::new(config(), 2505);
    net.sign_in();
    net.script(|call| {
        if call.is::<ReceivedMessages>() {
            return Answer::Silent;
        }
        Answer::Default
    });
    let begun = net.now();
    let options = CallOptions::default().deadline(secs(600));
    let id = net.send_raw(user_call(1), &options);
    let silent = (2, Disconnected::Error(Error::Silent));
    assert!(net.run_until(secs(100), |net| net.disconnects().contains(&silent)));
    let took = net.now().saturating_since(begun);
    assert!(took >= secs(60) && took < secs(80), "{took:?}");
    // The next stream carries the same session; the answer comes over it at last.
    net.run(secs(5));
    assert_eq!(net.open_streams(), [2]);
    let executed: Vec<_> = net.executed.clone();
    let ours: Vec<_> = executed
        .iter()
        .filter(|call| call.is::<ReceivedMessages>())
        .collect();
    assert_eq!(ours.len(), 1);
    net.respond(2, ours[0].id, Answer::Ok(user_call(1)));
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(net.count::<ReceivedMessages>(2), 1);
}
