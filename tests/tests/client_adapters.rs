//! The client on the adapters, over real TCP against the test DC: one suite, run once per runtime.
//!
//! A third runtime is a third module at the end.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one event and passes over the others"
)]

#[path = "client_adapters/calls.rs"]
mod calls;
#[path = "client_adapters/life.rs"]
mod life;
#[path = "client_adapters/odd.rs"]
mod odd;
#[path = "common/relay.rs"]
mod relay;
#[path = "client_adapters/sign_in.rs"]
mod sign_in;
#[path = "client_adapters/slow.rs"]
mod slow;
#[path = "client_adapters/support.rs"]
mod support;
#[path = "client_adapters/updates.rs"]
mod updates;

use std::future::Future;
use std::pin::pin;

use mtproto_driver::client::{CloseReason, Error};
use mtproto_schema::api::functions::help;

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
            calls:
                a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes
                a_route_goes_to_its_dc_over_a_stream_of_its_own
                an_unknown_method_is_the_servers_error_or_the_schemas
                a_request_that_is_too_large_fails_at_once
                a_deadline_ends_a_call_and_tells_its_fate
                a_call_without_a_network_ends_at_its_deadline_as_not_sent
                dropping_a_calls_future_cancels_it
                calls_come_after_each_other_and_tell_how_far_they_are
                what_comes_after_a_call_that_fails_is_not_executed
                temporary_keys_are_made_and_bound
                large_requests_pass_a_server_that_reads_late_and_others_go_on
                five_thousand_calls_at_once_are_all_answered;
            life:
                connecting_waits_for_the_servers_proof
                connecting_to_nobody_says_why_and_goes_on_trying
                a_foreign_fingerprint_is_named_at_once
                a_stream_that_breaks_is_replaced_and_its_calls_go_on
                the_next_start_goes_on_with_the_key_that_was_kept
                a_store_that_fails_is_told_of_and_gets_everything_later
                closing_says_what_the_store_did_not_take
                closing_ends_everything_in_time
                the_last_handle_closes_the_client_and_a_call_counts_as_one;
            odd:
                a_stream_that_does_not_open_is_given_up_in_time
                an_idle_client_does_nothing;
            sign_in:
                a_wrong_code_is_asked_for_again_and_the_right_one_signs_in
                a_password_is_checked_after_the_code
                a_number_without_an_account_signs_up
                numbers_and_tokens_that_are_none_are_refused_by_name
                a_bot_signs_in_with_its_token
                an_account_is_found_on_its_dc_and_used_on_the_others
                a_code_that_is_scanned_signs_in_at_once
                signing_out_forgets_the_account
                an_account_that_is_revoked_elsewhere_is_signed_out
                a_pause_that_the_server_wants_is_kept_or_is_an_error;
            slow:
                r8_who_sleeps_is_answered_and_gets_every_update_by_and_by
                r9_a_silent_dc_holds_up_its_own_calls_only;
            updates:
                a_message_arrives_and_says_who_wrote_what
                calls_inside_the_loop_are_answered_however_full_the_queue_is
                every_subscriber_gets_everything_and_the_slowest_decides
                what_was_handled_does_not_come_again_and_what_was_missed_does
                who_subscribes_late_gets_what_came_meanwhile
                nothing_is_lost_when_the_stream_breaks;
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

    #[test]
    fn a_runtime_of_one_thread_serves_as_well() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(calls::five_thousand_calls_at_once_are_all_answered(Tokio));
    }

    #[test]
    fn the_end_of_the_runtime_ends_everything() {
        let dc = start_dc();
        let (client, mut updates) = block_on(async {
            let client = open(&Tokio, config(&dc)).await;
            client.connect().await.unwrap();
            let updates = client.updates();
            (client, updates)
        });
        // The runtime is gone, and with it the client's task.
        block_on(async {
            let failed = client.invoke(&help::GetNearestDc).await.unwrap_err();
            assert!(
                matches!(failed, Error::Closed(CloseReason::Aborted)),
                "{failed:?}"
            );
            assert_eq!(client.closed().await.reason, CloseReason::Aborted);
            assert!(updates.next().await.is_none());
            let failed = client.close().await.unwrap_err();
            assert!(failed.to_string().contains("dropped"), "{failed}");
        });
    }
}

mod on_async_std {
    use super::*;
    use async_std::task::block_on;
    use mtproto_async_std::AsyncStd;

    suite!(AsyncStd, block_on);
}
