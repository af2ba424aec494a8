//! A server that is killed at random moments under load, and started again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use mtproto_driver::Runtime;
use mtproto_test::{Dice, Seed};

use crate::book::{Book, Kind, Tally};
use crate::dc::Dc;
use crate::load::Load;
use crate::support::*;

const REQUESTS: usize = 10_000;
/// Requests that are in flight at once.
const AT_ONCE: usize = 100;
/// A request may be sent again five times (`Config::max_retries` of the session), so fewer kills
/// than that exhaust no budget.
const KILLS: usize = 5;

/// Kills the process when random numbers of requests have ended, and starts it again.
fn kill_now_and_then(dc: &Dc, book: &Book, mut dice: Dice) {
    let mut moments: Vec<usize> = (0..KILLS)
        .map(|_| dice.range(REQUESTS as u64 / 50..=REQUESTS as u64 * 9 / 10) as usize)
        .collect();
    moments.sort_unstable();
    for moment in moments {
        while book.ended() < moment {
            thread::sleep(GLANCE);
        }
        thread::sleep(dice.duration(Duration::ZERO..=Duration::from_millis(30)));
        book.begun.fetch_add(1, Ordering::SeqCst);
        dc.kill();
        dc.start_again();
        book.restarted.fetch_add(1, Ordering::SeqCst);
    }
}

async fn killed_under_load<R: Runtime>(rt: R, seed: Seed, flags: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let dc = Arc::new(Dc::start(seed, flags));
    let client = dc.ann(&rt, dc.config()).await;
    let load = Load::new(client, seed, REQUESTS, AT_ONCE).await;
    let book = Arc::new(Book::default());
    let killer = thread::spawn({
        let (dc, book, dice) = (dc.clone(), book.clone(), dice.fork());
        move || kill_now_and_then(&dc, &book, dice)
    });
    load.run(&book).await;
    killer.join().unwrap();
    let tally = book.check(&dc, REQUESTS, AT_ONCE);
    println!("seed {seed}: {tally}");
    assert!(tally.unlogged <= AT_ONCE * KILLS, "{tally}");
    let [texts, titles] = load.found().await;
    book.check_found(Kind::Message, &texts);
    book.check_found(Kind::Group, &titles);
    tally
}

pub async fn ten_thousand_requests_outlive_a_server_that_is_killed_and_keeps_its_sessions<
    R: Runtime,
>(
    rt: R,
) {
    let tally = killed_under_load(rt, Seed::from_env_or(1), &["--state"]).await;
    // The client asks, and the server knows.
    assert_eq!(tally.answered.values().sum::<usize>(), REQUESTS, "{tally}");
}

pub async fn ten_thousand_requests_outlive_a_server_that_is_killed_and_forgets_its_sessions<
    R: Runtime,
>(
    rt: R,
) {
    let flags = ["--forget-sessions", "--state"];
    let tally = killed_under_load(rt, Seed::from_env_or(2), &flags).await;
    let ended = tally.answered.values().sum::<usize>() + tally.maybe;
    assert_eq!(
        ended, REQUESTS,
        "what was not answered was on its way: {tally}"
    );
}
