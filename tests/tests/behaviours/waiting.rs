//! A client and a server that lets a call wait for others in vain.

use mtproto_proto::client::CallOptions;
use mtproto_schema::api::functions;

use crate::net::{Answer, Net, config, error};
use crate::queries::open_call;

#[test]
fn both_errors_of_waiting_calls_are_the_servers_trouble() {
    for message in ["MSG_WAIT_FAILED", "MSG_WAIT_TIMEOUT"] {
        // The documentation says 400; other codes were seen.
        for code in [400, 500, -500] {
            let mut net = Net::new(config(), 6401);
            let mut left = 2;
            net.script(move |call| {
                if call.is::<functions::help::GetNearestDc>() && left > 0 {
                    left -= 1;
                    return error(code, message);
                }
                Answer::Default
            });
            let id = net.send_raw(open_call(), &CallOptions::default());
            assert_eq!(net.answer(id), Ok(open_call()), "{code} {message}");
            assert_eq!(net.count::<functions::help::GetNearestDc>(2), 3);
        }
    }
}
