//! Whatever a machine is made from is in its trace.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::client::{CallOptions, Client, Config, DcTable, FloodPolicy, Route, Snapshot};
use mtproto_proto::connection::{ClientConfig, ClientConnection, InitParams, KeyState};
use mtproto_proto::server::{Server, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, RequestId};
use mtproto_test::pair::START;
use mtproto_test::trace::{Begin, Buffer, Recorder, Trace, replay};

/// The names of a struct's fields, from its debug form.
fn fields(value: &impl Debug) -> Vec<String> {
    let text = format!("{value:#?}");
    // Fields of the outermost struct are indented once.
    text.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
        .collect()
}

fn assert_written(value: &impl Debug, prefix: &str, text: &str) {
    let fields = fields(value);
    assert!(fields.len() > 1, "{value:?}");
    for field in fields {
        let written = [" ", "."].iter().any(|before| {
            text.contains(&format!("{before}{prefix}{field}="))
                || text.contains(&format!(" {prefix}{field}."))
        });
        // Who watches is no property of what is watched.
        assert!(
            written || field == "taps",
            "`{prefix}{field}` is missing in tests/src/trace/config.rs or client.rs"
        );
    }
}

#[test]
fn every_field_of_a_configuration_is_written() {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();

    let mut config = ClientConfig::new(DcId(-10_002), Vec::new());
    config.framing = Framing::PaddedIntermediate;
    config.obfuscation = Some(Obfuscation {
        secret: Some([0xab; 16].into()),
        dc: Some(DcId(4)),
    });
    let mut init = InitParams::new(7, 200);
    init.app_version = "1.0 = \"one\"\n\u{1f9ea}".into();
    config.init = Some(init.clone());
    config.session.compress_from = Some(512);
    config.session.max_retries = 9;
    let key = KeyState::from_auth_key([8; 256], DcId(-10_002));
    let connection = Recorder::<ClientConnection>::new(
        &trace,
        Arc::new(config.clone()),
        Begin::Key(key),
        [1; 32],
        START,
    );
    let mut options = SendOptions::default().deadline(Duration::from_secs(9));
    options.max_retries = Some(0);
    options.after = vec![RequestId(3), RequestId(4)];
    let _ = connection
        .unwrap()
        .send(START, b"four"[..].into(), &options);

    let mut server = ServerConfig::new(DcId(2), Vec::new());
    server.secrets = vec![[0xcd; 16].into(), [0xef; 16].into()];
    server.journal = true;
    Recorder::<Server>::new(&trace, Arc::new(server.clone()), [2; 32], START);

    let mut client = Config::new(17, "a hash", DcTable::production(), Vec::new());
    client.public_keys = Config::test(1, "").public_keys;
    client.flood = FloodPolicy::WaitUpTo(Duration::from_secs(3));
    client.init = init.clone();
    client.updates.queue = 3;
    let stored = Snapshot::new();
    let account = Recorder::<Client>::new(&trace, Arc::new(client.clone()), stored, [3; 32], START);
    let call = CallOptions::default().route(Route::Media(DcId(4)));
    let _ = account.unwrap().send(START, b"four"[..].into(), &call);

    // It also says so when something could not be written.
    trace.finish().unwrap();
    let file = file.take();
    let text = String::from_utf8(file.clone()).unwrap();
    assert_written(&config, "", &text);
    assert_written(&config.session, "session.", &text);
    assert_written(&config.session.limits, "session.limits.", &text);
    assert_written(&init, "init.", &text);
    assert_written(&options, "", &text);
    assert_written(&server, "", &text);
    assert_written(&client, "", &text);
    assert_written(&client.updates, "updates.", &text);
    assert_written(&client.limits, "limits.", &text);
    assert_written(&call, "", &text);
    assert_eq!(replay(&file[..]).unwrap().machines, 3);
}
