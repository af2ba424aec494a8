//! Streams that are slow, stall, die and end, under load, while the server stays.
//!
//! It keeps its sessions, so nothing may remain unknown: every request has its answer.

use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::{Either, select};
use mtproto_driver::Runtime;
use mtproto_driver::client::{CallOptions, Config, Disconnected, Event, Events, Route};
use mtproto_proto::connection;
use mtproto_schema::api::functions::help;
use mtproto_test::proxy::{Cut, Direction, Door, Path};
use mtproto_test::{Dice, Seed};

use crate::book::Book;
use crate::dc::{Dc, sign_in};
use crate::load::Load;
use crate::support::*;

const REQUESTS: usize = 2_000;
/// Requests that are in flight at once.
const AT_ONCE: usize = 50;
/// A client that wants to know it soon: so long it waits for a sign of life, and so long again.
const IMPATIENT: Duration = Duration::from_millis(300);

/// A client that notices soon that a stream is dead, and whose requests survive any number of them.
fn impatient(dc: &Dc) -> Config {
    let mut config = dc.config();
    config.session.ping_interval = IMPATIENT;
    config.session.ping_interval_busy = IMPATIENT;
    config.session.ping_interval_online = IMPATIENT;
    config.session.pong_timeout = IMPATIENT;
    config.session.pong_timeout_online = IMPATIENT;
    config.session.max_retries = u8::MAX;
    config
}

async fn start<R: Runtime>(rt: &R, seed: Seed) -> (Dc, Load) {
    let dc = Dc::start(seed, &[]);
    let client = dc.ann(rt, impatient(&dc)).await;
    let load = Load::new(client, seed, REQUESTS, AT_ONCE).await;
    (dc, load)
}

/// Makes trouble again and again, each time after a pause, until so much of the load has ended.
async fn while_it_lasts<R: Runtime>(
    rt: &R,
    book: &Book,
    dice: &mut Dice,
    pauses: RangeInclusive<Duration>,
    mut trouble: impl FnMut(&mut Dice),
) -> usize {
    let mut times = 0;
    while book.ended() < REQUESTS {
        pause(rt, dice.duration(pauses.clone())).await;
        trouble(dice);
        times += 1;
    }
    times
}

/// All requests have their answers, and nothing ran twice that must not.
fn all_answered(dc: &Dc, book: &Book, seed: Seed) {
    let tally = book.check(dc, REQUESTS, AT_ONCE);
    println!("seed {seed}: {tally}; {:?}", dc.proxy.counts());
    let answered = tally.answered.values().sum::<usize>();
    assert_eq!((answered, tally.unlogged), (REQUESTS, 0), "{tally}");
}

pub async fn requests_get_through_delays_stalls_and_small_segments<R: Runtime>(rt: R) {
    let seed = Seed::from_env_or(21);
    let mut dice = Dice::new(seed);
    let (dc, load) = start(&rt, seed).await;
    for direction in Direction::ALL {
        let path = Path::new().latency(ms(0)..=ms(20)).segments(1..=300);
        dc.proxy.set_path(direction, path);
    }
    let book = Book::default();
    let stalls = while_it_lasts(&rt, &book, &mut dice, ms(20)..=ms(100), |dice| {
        let direction = *dice.choose(&Direction::ALL);
        dc.proxy
            .stall(direction, Some(dice.duration(ms(10)..=ms(80))));
    });
    let (stalls, ()) = both(stalls, load.run(&book)).await;
    assert!(stalls > 3, "{stalls} stalls");
    all_answered(&dc, &book, seed);
    let counts = dc.proxy.counts();
    assert_eq!(
        (counts.accepted, counts.cut),
        (1, 0),
        "one stream was enough"
    );
}

pub async fn requests_outlive_streams_that_are_cut_at_random_bytes<R: Runtime>(rt: R) {
    let seed = Seed::from_env_or(22);
    let (dc, load) = start(&rt, seed).await;
    // All requests together make about 130 KB, and their answers 180.
    dc.proxy.cut_each(Some(100..=40_000));
    dc.proxy.cut(Cut::Rst);
    let book = Book::default();
    load.run(&book).await;
    all_answered(&dc, &book, seed);
    let cut = dc.proxy.counts().cut;
    assert!(cut > 5, "{cut} streams were cut");
}

pub async fn streams_that_died_silently_are_replaced_and_what_was_in_flight_goes_on<R: Runtime>(
    rt: R,
) {
    const DEATHS: usize = 4;
    let seed = Seed::from_env_or(23);
    let mut dice = Dice::new(seed);
    let (dc, load) = start(&rt, seed).await;
    let mut events = load.client.events();
    let book = Book::default();
    let deaths = async {
        let mut met = 0;
        for death in 1..=DEATHS {
            // In the middle of the load, whatever its speed.
            while book.ended() < REQUESTS * death / (DEATHS + 1) {
                pause(&rt, GLANCE).await;
            }
            assert_eq!(dc.proxy.freeze(), death, "one more stream");
            met += usize::from(book.ended() < REQUESTS);
            silence_noticed(&mut events).await;
            pause(&rt, dice.duration(ms(0)..=ms(20))).await;
        }
        assert!(met > 0, "all was over before");
    };
    both(deaths, load.run(&book)).await;
    all_answered(&dc, &book, seed);
}

/// The client says that a stream was silent, even after a ping, and then has another one.
async fn silence_noticed(events: &mut Events) {
    loop {
        if let Event::Disconnected { reason, .. } = events.next().await.unwrap() {
            let silent = Disconnected::Error(connection::Error::Silent);
            assert_eq!(reason, silent, "nothing else ended it");
            break;
        }
    }
    while !matches!(events.next().await.unwrap(), Event::Connected { .. }) {}
}

pub async fn what_a_stall_held_back_for_long_is_not_executed_beside_its_repetition<R: Runtime>(
    rt: R,
) {
    let seed = Seed::from_env_or(24);
    let mut dice = Dice::new(seed);
    let (dc, load) = start(&rt, seed).await;
    let book = Book::default();
    // Longer than the client's patience, so several streams hold the same requests when all of it
    // comes through at once. In between it has the time to get somewhere.
    let stalls = while_it_lasts(&rt, &book, &mut dice, ms(1_500)..=ms(1_900), |dice| {
        let direction = *dice.choose(&Direction::ALL);
        let time = dice.duration(ms(900)..=ms(1_300));
        dc.proxy.stall(direction, Some(time));
    });
    // Spread out, or all would be over before the first stall.
    for direction in Direction::ALL {
        let path = Path::new().latency(ms(30)..=ms(80));
        dc.proxy.set_path(direction, path);
    }
    let (stalls, ()) = both(stalls, load.run(&book)).await;
    all_answered(&dc, &book, seed);
    let accepted = dc.proxy.counts().accepted;
    assert!(accepted > 1, "{stalls} stalls, {accepted} streams");
}

pub async fn a_dc_that_is_silent_delays_no_other<R: Runtime>(rt: R) {
    let seed = Seed::from_env_or(25);
    let (dc, load) = start(&rt, seed).await;
    dc.proxy_of_4.set_door(Door::Silent).unwrap();
    let options = CallOptions::default()
        .route(Route::Dc(DC_4))
        .deadline(PATIENCE);
    let other = Box::pin(load.client.invoke_with(&help::GetNearestDc, options));
    let book = Book::default();
    let other = match select(other, Box::pin(load.run(&book))).await {
        Either::Left((answer, _)) => panic!("from a DC that is silent: {answer:?}"),
        Either::Right(((), other)) => other,
    };
    all_answered(&dc, &book, seed);
    assert_eq!(dc.proxy.counts().accepted, 1);
    assert!(dc.proxy_of_4.counts().swallowed > 0);
    dc.proxy_of_4.set_door(Door::Open).unwrap();
    // The stream that will never say anything does not keep the call either.
    dc.proxy_of_4.cut(Cut::Fin);
    assert_eq!(other.await.unwrap().this_dc, 4);
}

pub async fn a_key_is_made_over_streams_that_are_cut<R: Runtime>(rt: R) {
    const CUTS: u64 = 6;
    let seed = Seed::from_env_or(26);
    let dc = Dc::start(seed, &[]);
    // A handshake takes about a kilobyte each way.
    dc.proxy.cut_each(Some(1..=700));
    let enough = Box::pin(async {
        while dc.proxy.counts().cut < CUTS {
            pause(&rt, GLANCE).await;
        }
        dc.proxy.cut_each(None);
        // The last one that is still to be cut.
        dc.proxy.cut(Cut::Fin);
    });
    let client = dc.client(&rt, impatient(&dc)).await;
    match select(Box::pin(client.connect()), enough).await {
        Either::Left((connected, _)) => connected.unwrap(),
        Either::Right(((), connecting)) => connecting.await.unwrap(),
    }
    assert!(dc.proxy.counts().cut > 0);
    dc.proxy.cut_each(None);
    dc.proxy.cut(Cut::Fin);
    // Before the server knows the session, nobody can tell a first packet that was lost from a
    // session that was.
    client.invoke(&help::GetNearestDc).await.unwrap();
    sign_in(&client).await;
    let book = Book::default();
    let load = Load::new(client, seed, REQUESTS / 10, AT_ONCE).await;
    load.run(&book).await;
    let tally = book.check(&dc, REQUESTS / 10, AT_ONCE);
    assert_eq!(tally.maybe, 0, "{tally}");
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
