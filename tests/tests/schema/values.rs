//! Values without types: what the JSON looks like, and what errors say.

use mtproto_schema::model::Type;
use mtproto_schema::{Bytes, Object, Str, Value, ValueErrorKind};
use serde_json::{Value as Json, json};

use crate::BUILTIN;

fn ty(text: &str) -> Type {
    Type::parse(text).expect("a type")
}

fn error(method: &str, json: Json) -> String {
    BUILTIN
        .encode_function(method, &json)
        .expect_err("no such arguments")
        .to_string()
}

#[test]
fn a_value_looks_in_json_as_documented() {
    let config = Object::new("user")
        .with("self", Value::True)
        .with("id", i64::MAX)
        .with("access_hash", i64::MIN)
        .with("first_name", "Ann \"A\"");
    assert_eq!(
        config.to_json().to_string(),
        "{\"_\":\"user\",\"access_hash\":-9223372036854775808,\"first_name\":\"Ann \\\"A\\\"\",\
         \"id\":9223372036854775807,\"self\":true}"
    );
    let point = |long: f64| {
        Object::new("inputGeoPoint")
            .with("lat", 1.5)
            .with("long", long)
    };
    for (double, text) in [
        (f64::NAN, json!("NaN")),
        (f64::INFINITY, json!("Infinity")),
        (f64::NEG_INFINITY, json!("-Infinity")),
        (
            f64::from_bits(0xfff0_0000_0000_0001),
            json!("0xfff0000000000001"),
        ),
        (-0.0, json!(-0.0)),
    ] {
        let json = point(double).to_json();
        assert_eq!(
            json,
            json!({ "_": "inputGeoPoint", "lat": 1.5, "long": text })
        );
        let back = BUILTIN.value_from_json(&ty("InputGeoPoint"), &json);
        assert_eq!(back, Ok(point(double).into()));
    }
    let req = Object::new("req_pq").with("nonce", [0xff; 16]);
    assert_eq!(
        req.to_json(),
        json!({ "_": "req_pq", "nonce": "/////////////////////w==" })
    );
}

#[test]
fn arguments_are_read_leniently_where_nothing_is_lost() {
    let encode = |json| BUILTIN.encode_function("ping", &json).expect("a ping").0;
    let plain = encode(json!({ "ping_id": 9_007_199_254_740_993_i64 }));
    assert_eq!(encode(json!({ "ping_id": "9007199254740993" })), plain);
    assert_eq!(
        encode(json!({ "_": "ping", "ping_id": "9007199254740993" })),
        plain
    );
    let read = |json| BUILTIN.function_from_json("messages.getDialogs", &json);
    let rest = |mut json: Json| {
        for (name, value) in [
            ("offset_date", json!(0)),
            ("offset_id", json!(0)),
            ("offset_peer", json!({ "_": "inputPeerEmpty" })),
            ("limit", json!(1)),
            ("hash", json!(0)),
        ] {
            json[name] = value;
        }
        json
    };
    let absent = read(rest(json!({}))).expect("arguments");
    assert_eq!(
        read(rest(json!({ "exclude_pinned": false, "folder_id": null }))),
        Ok(absent)
    );
    let there = read(rest(json!({ "exclude_pinned": true }))).expect("arguments");
    assert_eq!(there.get("exclude_pinned"), Some(&Value::True));
    let double = BUILTIN
        .value_from_json(&ty("double"), &json!(3))
        .expect("a double");
    assert_eq!(double, Value::Double(3.0));
}

#[test]
fn errors_name_the_path_and_the_reason() {
    let peer = json!({ "_": "inputPeerSelf" });
    let send = |more: Json| {
        let mut json = json!({ "peer": peer, "message": "hi", "random_id": 1 });
        json.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("o").clone());
        error("messages.sendMessage", json)
    };
    assert_eq!(
        error("messages.sendMesage", json!({})),
        "messages.sendMesage is no function of the schema"
    );
    assert_eq!(
        error("user", json!({})),
        "user is no function of the schema"
    );
    assert_eq!(error("ping", json!({})), "ping_id: missing");
    assert_eq!(
        error("ping", json!([])),
        "an array where an object is expected"
    );
    assert_eq!(
        error("ping", json!({ "_": "pong", "ping_id": 1 })),
        "pong is no ping"
    );
    assert_eq!(
        error("ping", json!({ "ping_id": 1, "pong": 1 })),
        "pong: no such field, or a second time"
    );
    assert_eq!(
        error("ping", json!({ "ping_id": 1.0 })),
        "ping_id: 1.0 is out of the range of long"
    );
    assert_eq!(
        error("ping", json!({ "ping_id": "1x" })),
        "ping_id: 1x is out of the range of long"
    );
    assert_eq!(
        error("ping", json!({ "ping_id": u64::MAX })),
        "ping_id: 18446744073709551615 is out of the range of long"
    );
    assert_eq!(
        error("ping", json!({ "ping_id": null })),
        "ping_id: null where long is expected"
    );
    assert_eq!(
        error("req_pq", json!({ "nonce": "AAAA" })),
        "nonce: not the base64 form of int128"
    );
    assert_eq!(
        error("req_pq", json!({ "nonce": "?" })),
        "nonce: not the base64 form of int128"
    );
    assert_eq!(
        send(json!({ "flags": 3 })),
        "flags: no such field, or a second time"
    );
    assert_eq!(
        send(json!({ "peer": 5 })),
        "peer: a number where an object is expected"
    );
    assert_eq!(send(json!({ "peer": {} })), "peer._: missing");
    assert_eq!(
        send(json!({ "peer": { "_": 7 } })),
        "peer._: a number where string is expected"
    );
    assert_eq!(
        send(json!({ "peer": { "_": "user" } })),
        "peer: user is no InputPeer"
    );
    assert_eq!(
        send(json!({ "schedule_date": 1_u64 << 31 })),
        "schedule_date: 2147483648 is out of the range of int"
    );
    assert_eq!(
        send(json!({ "silent": 1 })),
        "silent: a number where true is expected"
    );
    let bold = json!({ "_": "messageEntityBold", "offset": 0, "length": 1 });
    let wrong = json!({ "_": "messageEntityBold", "offset": 0 });
    assert_eq!(
        send(json!({ "entities": [bold, wrong] })),
        "entities[1].length: missing"
    );
    let layer = json!({ "layer": 1, "query": { "_": "ping", "ping_id": "a" } });
    assert_eq!(
        error("invokeWithLayer", layer),
        "query.ping_id: a is out of the range of long"
    );
    let layer = json!({ "layer": 1, "query": { "_": "user" } });
    assert_eq!(
        error("invokeWithLayer", layer),
        "query: user is no function of the schema"
    );
}

#[test]
fn what_shares_a_flag_is_there_together_or_not_at_all() {
    let takeout = |json| BUILTIN.encode_function("account.initTakeoutSession", &json);
    assert!(takeout(json!({})).is_ok());
    assert!(takeout(json!({ "files": true, "file_max_size": 1 })).is_ok());
    let beside = |name: &str| ValueErrorKind::MissingBeside { other: name.into() };
    let error = takeout(json!({ "files": true })).expect_err("one of two");
    assert_eq!(
        (&*error.path, error.kind),
        ("file_max_size", beside("files"))
    );
    let error = takeout(json!({ "file_max_size": 1 })).expect_err("one of two");
    assert_eq!(
        (&*error.path, error.kind),
        ("files", beside("file_max_size"))
    );
}

#[test]
fn the_result_of_a_wrapper_is_that_of_its_query() {
    let get = json!({ "_": "help.getConfig" });
    let ids = json!({ "_": "contacts.getContactIDs", "hash": 0 });
    let device = json!({
        "api_id": 1, "device_model": "", "system_version": "", "app_version": "",
        "system_lang_code": "", "lang_pack": "", "lang_code": "",
    });
    let mut init = device.clone();
    init["_"] = json!("initConnection");
    for (query, result) in [(get, "Config"), (ids, "Vector<int>")] {
        init["query"] = query;
        let wrapped = json!({ "layer": 230, "query": init });
        let (bytes, ty) = BUILTIN
            .encode_function("invokeWithLayer", &wrapped)
            .expect("a query");
        assert_eq!(ty.to_string(), result);
        let back = BUILTIN.decode_function(&bytes).expect("a query").to_json();
        assert_eq!(back["query"]["query"], init["query"]);
    }
    // A query that the schema does not know is carried as it is, and its answer too.
    let raw = json!({ "layer": 230, "query": "AQIDBA==" });
    let (bytes, ty) = BUILTIN
        .encode_function("invokeWithLayer", &raw)
        .expect("a query");
    assert_eq!((&bytes[8..], ty), (&[1, 2, 3, 4][..], Type::Object));
    let mut back = raw.clone();
    back["_"] = json!("invokeWithLayer");
    assert_eq!(
        BUILTIN.decode_function(&bytes).expect("a query").to_json(),
        back
    );
}

#[test]
fn results_of_every_kind_are_read() {
    let read = |text: &str, bytes: &'static [u8]| {
        BUILTIN
            .decode_result(&ty(text), &Bytes::from_static(bytes))
            .map(|v| v.to_json())
    };
    assert_eq!(read("Bool", &[0xb5, 0x75, 0x72, 0x99]), Ok(json!(true)));
    let ints = [
        0x15, 0xc4, 0xb5, 0x1c, 2, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(
        BUILTIN
            .decode_result(&ty("Vector<int>"), &Bytes::from(ints.to_vec()))
            .map(|v| v.to_json()),
        Ok(json!([1, -1]))
    );
    assert_eq!(
        read("X", &[]).expect_err("no type").to_string(),
        "the schema has no type X"
    );
    assert_eq!(
        read("Nope", &[]).expect_err("no type").to_string(),
        "the schema has no type Nope"
    );
    assert_eq!(
        read("Bool", &[1, 0, 0, 0])
            .expect_err("no Bool")
            .to_string(),
        "constructor 0x00000001 is no Bool"
    );
    assert_eq!(
        read("Config", &[1, 0, 0, 0])
            .expect_err("no Config")
            .to_string(),
        "constructor 0x00000001 is no Config"
    );
    // What an rpc_result brings may be a vector, which says nothing of its elements.
    let result = [
        &0xf35c_6d01_u32.to_le_bytes()[..],
        &[7, 0, 0, 0, 0, 0, 0, 0],
        &ints,
    ]
    .concat();
    let value = BUILTIN.decode(&result.into()).expect("an rpc_result");
    let object = value.as_object().expect("an object");
    assert_eq!(
        object.get("result"),
        Some(&Value::Raw(Bytes::from(ints.to_vec())))
    );
}

#[test]
fn containers_and_their_messages_are_read_and_written() {
    let ping = json!({ "_": "pong", "msg_id": 1, "ping_id": 2 });
    let json = json!({ "_": "msg_container", "messages": [
        { "_": "message", "msg_id": 5, "seqno": 1, "body": ping },
        { "_": "message", "msg_id": 9, "seqno": 2, "body": "AQIDBAUGBwg=" },
        { "_": "message", "msg_id": 9, "seqno": 2, "body": { "_": "gzip_packed", "packed_data": "" } },
    ] });
    let value = BUILTIN
        .value_from_json(&ty("MessageContainer"), &json)
        .expect("a container");
    let bytes = BUILTIN
        .encode_result(&ty("MessageContainer"), &value)
        .expect("bytes");
    let typed =
        <mtproto_schema::mtproto::types::MsgContainer as mtproto_schema::Decode>::from_bytes(
            &bytes,
        );
    let lengths: Vec<usize> = typed
        .expect("a container")
        .messages
        .iter()
        .map(|m| m.body.0.len())
        .collect();
    assert_eq!(lengths, [20, 8, 8]);
    assert_eq!(BUILTIN.decode(&bytes).expect("a container").to_json(), json);

    // The length of a body is what counts: neither more nor less is read.
    for (at, word) in [(20, 16), (20, 24), (20, 0xffff_fff0_u32), (20, 1 << 30)] {
        let mut broken = bytes.to_vec();
        broken[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let error = BUILTIN.decode(&broken.into()).expect_err("a wrong length");
        assert!(error.path.starts_with("messages[0].body"), "{error}");
    }
}

#[test]
fn unknown_bits_of_a_flag_word_are_ignored() {
    // ipPort has none; resetPassword's answer has: help.countryCode flags:# with bits 0 and 1.
    let code = json!({ "_": "help.countryCode", "country_code": "41" });
    let value = BUILTIN
        .value_from_json(&ty("help.CountryCode"), &code)
        .expect("a code");
    let bytes = BUILTIN
        .encode_result(&ty("help.CountryCode"), &value)
        .expect("bytes");
    let mut more = bytes.to_vec();
    more[4..8].copy_from_slice(&0xffff_fffc_u32.to_le_bytes());
    let more = Bytes::from(more);
    assert_eq!(BUILTIN.decode(&more), Ok(value));
    let typed =
        <mtproto_schema::api::types::help::CountryCode as mtproto_schema::Decode>::from_bytes(
            &more,
        );
    let typed = typed.expect("a code");
    assert_eq!(typed.country_code, "41");
    assert_eq!(
        mtproto_schema::Encode::to_bytes(&typed),
        bytes,
        "and are not written"
    );
}

#[test]
fn a_string_that_is_stored_does_not_keep_its_packet() {
    let packet = Bytes::from(vec![b'a'; 1 << 16]);
    let short = Str::from_utf8(packet.slice(..10)).expect("text");
    drop(packet);
    assert!(!short.clone().into_bytes().is_unique());
    let stored = short.detach();
    assert_eq!(stored, short);
    assert!(stored.into_bytes().is_unique());
}
