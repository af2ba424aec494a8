//! Trouble over real sockets: servers that are killed, streams that stall and end, on both adapters.
//!
//! What was executed is known from the log of the test DC, what was answered from the client's own
//! words; the suites compare the two. A third runtime is a third module at the end.

#[path = "restarts/book.rs"]
mod book;
#[path = "restarts/dc.rs"]
mod dc;
#[path = "restarts/kills.rs"]
mod kills;
#[path = "restarts/load.rs"]
mod load;
#[path = "restarts/one_stream.rs"]
mod one_stream;
#[path = "program/mod.rs"]
#[allow(dead_code, reason = "other suites use the rest")]
mod program;
#[path = "restarts/support.rs"]
mod support;
#[path = "restarts/trouble.rs"]
mod trouble;

use std::future::Future;
use std::pin::pin;

use support::*;

/// Instantiates the suite.
macro_rules! suite {
    ($runtime:expr, $block_on:path; $($suite:ident: $($test:ident)*;)*) => {
        $($(
            #[test]
            fn $test() {
                $block_on(async {
                    let test = $suite::$test($runtime);
                    assert!(
                        ready_within(&$runtime, PATIENCE, pin!(test)).await,
                        "not done within {PATIENCE:?}"
                    );
                });
            }
        )*)*
    };
    ($runtime:expr, $block_on:path) => {
        suite! { $runtime, $block_on;
            kills:
                ten_thousand_requests_outlive_a_server_that_is_killed_and_keeps_its_sessions
                ten_thousand_requests_outlive_a_server_that_is_killed_and_forgets_its_sessions;
            one_stream:
                a_connection_goes_on_over_streams_that_are_cut_at_random_bytes
                a_connection_that_died_silently_says_so_and_resumes;
            trouble:
                requests_get_through_delays_stalls_and_small_segments
                requests_outlive_streams_that_are_cut_at_random_bytes
                streams_that_died_silently_are_replaced_and_what_was_in_flight_goes_on
                what_a_stall_held_back_for_long_is_not_executed_beside_its_repetition
                a_dc_that_is_silent_delays_no_other
                a_key_is_made_over_streams_that_are_cut;
        }
    };
}

mod on_tokio {
    use super::*;
    use mtproto_tokio::Tokio;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(test)
    }

    suite!(Tokio, block_on);
}

mod on_async_std {
    use super::*;
    use async_std::task::block_on;
    use mtproto_async_std::AsyncStd;

    suite!(AsyncStd, block_on);
}
