//! Test DCs that are killed, and what clients find when they come back.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use mtproto_proto::MsgId;
use mtproto_proto::transport::Framing;
use mtproto_schema::api::enums::{InputPeer, Message, messages::Messages};
use mtproto_schema::api::functions::auth::ExportAuthorization;
use mtproto_schema::api::functions::help::GetConfig;
use mtproto_schema::api::functions::messages::{GetHistory, SendMessage};
use mtproto_schema::api::functions::{InvokeAfterMsg, InvokeWithoutUpdates};
use mtproto_schema::mtproto::types::{
    BadMsgNotification, MsgsAck, MsgsStateInfo, MsgsStateReq, NewSessionCreated, RpcResult,
};
use mtproto_schema::{Decode, Encode};
use mtproto_test::tamper::{Item, Plain};
use mtproto_test::{DcConfig, Dice, Line, Seed, TestDc};

use super::state::{program_door, scratch};
use super::support::{ann, client, try_sign_in, user, who_am_i, world};
use crate::by_hand::{Client, Door};
use crate::program::Program;

/// A DC of this state, at this address if it had one before.
fn dc(path: &Path, addr: Option<SocketAddr>, change: impl FnOnce(&mut DcConfig)) -> TestDc {
    world(|config| {
        config.state = Some(path.to_owned());
        config.listen = addr.unwrap_or(config.listen);
        change(config);
    })
}

/// The same session over a new stream. It says something new, which shows that it is no copy.
fn back(client: &mut Client, door: impl Into<Door>, seed: u64) {
    let rng = Dice::new(Seed(seed)).rng();
    client.line = Line::connect(door.into().addr, Framing::Intermediate, None, rng).unwrap();
    let ack = MsgsAck { msg_ids: vec![1] }.to_bytes();
    let plain = client.peer.plain(client.now, false, ack.to_vec());
    let packet = client.peer.seal(&plain);
    client.line.send(&packet).unwrap();
}

fn message(text: &str, random_id: i64) -> SendMessage {
    let mut query = super::talk::message(InputPeer::InputPeerSelf, text);
    query.random_id = random_id;
    query
}

/// What the account has said to itself, newest first.
fn said(client: &mut Client) -> Vec<String> {
    let mut texts = Vec::new();
    let mut offset_id = 0;
    loop {
        let query = GetHistory {
            peer: InputPeer::InputPeerSelf,
            offset_id,
            offset_date: 0,
            add_offset: 0,
            limit: 100,
            max_id: 0,
            min_id: 0,
            hash: 0,
        };
        let page = match client.call(&query).unwrap() {
            Messages::Messages(page) => page.messages,
            Messages::Slice(page) => page.messages,
            other @ (Messages::ChannelMessages(_) | Messages::NotModified(_)) => {
                panic!("{other:?}")
            }
        };
        let Some(last) = page.last() else {
            return texts;
        };
        let Message::Message(last) = last else {
            panic!("{last:?}");
        };
        offset_id = last.id;
        texts.extend(page.into_iter().filter_map(|message| match message {
            Message::Message(message) => Some((*message.message).to_owned()),
            Message::Empty(_) | Message::Service(_) => None,
        }));
    }
}

fn is_answer(body: &Bytes, call: &Item) -> bool {
    RpcResult::from_bytes(body).is_ok_and(|result| result.req_msg_id == call.msg_id.0)
}

/// All messages of the next packet.
fn hear(client: &mut Client) -> Vec<Item> {
    let packet = client.line.recv_packet().unwrap();
    client.peer.open(&packet).unwrap()
}

#[test]
fn a_session_goes_on_after_its_server_was_killed() {
    let path = scratch("go_on.json");
    let first = dc(&path, None, |_| {});
    let addr = first.addr();
    let mut ann = ann(&first, 1);
    let call = ann
        .peer
        .item(ann.now, true, message("once", 7).to_bytes().to_vec());
    let packet = {
        let plain = Plain::new(
            ann.peer.salt,
            ann.peer.session,
            call.msg_id,
            call.seq_no,
            call.body.clone(),
        );
        ann.peer.seal(&plain)
    };
    ann.line.send(&packet).unwrap();
    let answer = ann.answer(&call);
    first.kill();

    let second = dc(&path, Some(addr), |_| {});
    back(&mut ann, &second, 2);
    // A copy is answered as the message was, and not executed again. The session is no new one.
    for _ in 0..2 {
        assert_eq!(ann.answer(&call), answer);
        ann.line.send(&packet).unwrap();
    }
    let config = ann.send(&GetConfig.to_bytes());
    let mut bodies = Vec::new();
    while !bodies.iter().any(|body| is_answer(body, &config)) {
        bodies.extend(
            hear(&mut ann)
                .into_iter()
                .map(|item| Bytes::from(item.body)),
        );
    }
    assert!(bodies.iter().any(|body| is_answer(body, &call)));
    assert!(
        bodies
            .iter()
            .all(|body| NewSessionCreated::from_bytes(body).is_err())
    );
    assert_eq!(said(&mut ann), ["once"]);
    // The order of calls is known too.
    let query = InvokeAfterMsg {
        msg_id: call.msg_id.0,
        query: GetConfig,
    };
    assert!(ann.call(&query).is_ok());
    fs::remove_file(path).unwrap();
}

#[test]
fn a_server_that_forgot_its_sessions_says_so_and_executes_nothing_twice() {
    let path = scratch("forget.json");
    let first = dc(&path, None, |_| {});
    let addr = first.addr();
    let mut ann = ann(&first, 1);
    let query = message("once", 7).to_bytes();
    let call = ann.send(&query);
    ann.answer(&call);
    let _: NewSessionCreated = ann.update();
    first.kill();

    let second = dc(&path, Some(addr), |config| config.forget_sessions = true);
    back(&mut ann, &second, 2);
    let created: NewSessionCreated = ann.update();
    assert!(created.first_msg_id > call.msg_id.0);
    ann.send_item(&call);
    let refused: BadMsgNotification = ann.update();
    assert_eq!(
        (refused.bad_msg_id, refused.error_code),
        (call.msg_id.0, 20),
        "nobody can tell"
    );
    assert_eq!(said(&mut ann), ["once"]);
    fs::remove_file(path).unwrap();
}

#[test]
fn updates_reach_a_session_that_has_not_called_since_the_restart() {
    let path = scratch("updates.json");
    let first = dc(&path, None, |_| {});
    let addr = first.addr();
    let mut listener = ann(&first, 1);
    let mut speaker = ann(&first, 2);
    // Wants none.
    let mut deaf = client(&first, 3);
    deaf.call(&InvokeWithoutUpdates { query: GetConfig })
        .unwrap();
    first.kill();

    let second = dc(&path, Some(addr), |_| {});
    for client in [&mut listener, &mut speaker, &mut deaf] {
        back(client, &second, 4);
    }
    // Their streams carry the sessions again, and that is all.
    let mut reached = 0;
    while reached < 2 {
        reached = second.push_to(11, Bytes::from_static(b"an update..."));
    }
    assert_eq!(reached, 2);
    assert!(listener.has_heard(b"an update..."));
    speaker.call(&message("hello", 1)).unwrap();
    fs::remove_file(path).unwrap();
}

/// What was sent and what came of it, and who goes on with it.
struct Load {
    calls: Vec<Item>,
    answered: BTreeMap<MsgId, Bytes>,
}

impl Load {
    fn note(&mut self, items: &[Item]) {
        for item in items {
            if let Ok(result) = RpcResult::from_bytes(&item.body.clone().into()) {
                let known = self
                    .answered
                    .entry(MsgId(result.req_msg_id))
                    .or_insert_with(|| result.result.0.clone());
                assert_eq!(*known, result.result.0, "the same answer whenever it comes");
            }
        }
    }

    fn unanswered(&self) -> Vec<Item> {
        let calls = self.calls.iter();
        calls
            .filter(|call| !self.answered.contains_key(&call.msg_id))
            .cloned()
            .collect()
    }
}

/// A server is killed under load, again and again; each time the client asks what became of its
/// calls and sends those again that did not come.
#[test]
fn nothing_is_lost_and_nothing_doubled_however_often_the_server_is_killed() {
    let mut dice = Dice::new(Seed::from_env_or(1_701));
    let path = scratch("load.json");
    let mut running = dc(&path, None, |_| {});
    let addr = running.addr();
    let mut ann = ann(&running, 1);
    let mut load = Load {
        calls: Vec::new(),
        answered: BTreeMap::new(),
    };
    let mut total = 0;
    for round in 0..12 {
        for _ in 0..40 {
            total += 1;
            let call = ann.send(&message(&format!("message {total}"), total).to_bytes());
            load.calls.push(call);
        }
        for _ in 0..dice.range(0..=5) {
            if load.unanswered().is_empty() {
                break;
            }
            let items = hear(&mut ann);
            load.note(&items);
        }
        running.kill();
        running = dc(&path, Some(addr), |_| {});
        back(&mut ann, &running, 100 + round);
        // The last packets may have been cut off, and nobody knows where.
        loop {
            let asked = load.unanswered();
            if asked.is_empty() {
                break;
            }
            let msg_ids = asked.iter().map(|call| call.msg_id.0).collect();
            let question = MsgsStateReq { msg_ids }.to_bytes();
            let question = ann.peer.item(ann.now, false, question.to_vec());
            ann.send_item(&question);
            let states = loop {
                let items = hear(&mut ann);
                load.note(&items);
                let info = items.iter().find_map(|item| {
                    let info = MsgsStateInfo::from_bytes(&item.body.clone().into()).ok()?;
                    (info.req_msg_id == question.msg_id.0).then_some(info.info)
                });
                if let Some(info) = info {
                    break info;
                }
            };
            for (call, state) in asked.iter().zip(states.iter()) {
                match state & 7 {
                    2 | 3 => {
                        // Not received, so it goes again, as another message.
                        load.calls.retain(|other| other.msg_id != call.msg_id);
                        load.calls.push(ann.send(&call.body));
                    }
                    4 => assert!(
                        state & 64 != 0 || load.answered.contains_key(&call.msg_id),
                        "it was executed, so its answer is there: {state}"
                    ),
                    other => panic!("state {other}"),
                }
            }
            while load
                .unanswered()
                .iter()
                .any(|call| asked.iter().all(|a| a.msg_id != call.msg_id))
            {
                let items = hear(&mut ann);
                load.note(&items);
            }
        }
    }
    let mut texts = said(&mut ann);
    texts.reverse();
    texts.sort_by_key(|text| text.rsplit(' ').next().unwrap().parse::<i64>().unwrap());
    let expected: Vec<_> = (1..=total).map(|n| format!("message {n}")).collect();
    assert_eq!(texts, expected);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_journal_that_is_cut_anywhere_is_read_up_to_there() {
    let path = scratch("torn.json");
    let running = dc(&path, None, |_| {});
    let mut ann = ann(&running, 1);
    // Whatever else happens is in the journal.
    for n in 1..=5 {
        ann.call(&message(&format!("message {n}"), n)).unwrap();
    }
    running.kill();
    let journal = format!("{}.journal", path.display());
    let (state, whole) = (fs::read(&path).unwrap(), fs::read(&journal).unwrap());
    let mut counts = Vec::new();
    let mut dice = Dice::new(Seed(5));
    let cuts: Vec<usize> = (0..25)
        .map(|_| dice.index(whole.len()))
        .chain([0, 1, 8, 15, 16, 17, 24, whole.len() - 1, whole.len()])
        .collect();
    for cut in cuts {
        fs::write(&path, &state).unwrap();
        fs::write(&journal, &whole[..cut]).unwrap();
        let running = dc(&path, None, |_| {});
        let count = said(&mut ann.sibling(&running, 100 + cut as u64)).len();
        counts.push((cut, count));
        running.kill();
    }
    counts.sort_unstable();
    assert!(counts.is_sorted_by_key(|(_, count)| *count), "{counts:?}");
    assert_eq!(counts.first().unwrap().1, 0);
    assert_eq!(counts.last().unwrap().1, 5);
    // Damage before the end is no torn end.
    for at in [3, 40, whole.len() / 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &state).unwrap();
        fs::write(&journal, &damaged).unwrap();
        let mut config = DcConfig::default();
        config.state = Some(path.clone());
        let error = TestDc::start(config).unwrap_err().to_string();
        assert!(error.contains(".journal"), "{error}");
        assert_eq!(fs::read(&journal).unwrap(), damaged);
    }
    // The journal of another state is none of this one's.
    let mut of_another = whole.clone();
    of_another[8] ^= 1;
    fs::write(&journal, &of_another).unwrap();
    let running = dc(&path, None, |_| {});
    assert_eq!(said(&mut ann.sibling(&running, 9)).len(), 0);
    drop(running);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_file_of_the_first_version_is_read() {
    let path = scratch("version_1.json");
    let running = dc(&path, None, |_| {});
    let two = ann(&running, 1);
    drop(running);
    let text = fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let fields = value.as_object_mut().unwrap();
    for later in ["generation", "servers", "sessions"] {
        fields.remove(later).unwrap();
    }
    value["version"] = 1.into();
    for key in value["keys"].as_array_mut().unwrap() {
        let key = key.as_object_mut().unwrap();
        let at = key.remove("at").unwrap();
        assert_eq!(at["key"], two.peer.key.id().0);
        key.insert("dc".into(), at["dc"].clone());
        let hex: String = two
            .peer
            .key
            .as_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        key.insert("key".into(), hex.into());
    }
    fs::write(&path, value.to_string()).unwrap();

    let running = dc(&path, None, |_| {});
    let mut two = two.sibling(&running, 2);
    assert_eq!(who_am_i(&mut two), Ok(11));
    two.call(&ExportAuthorization { dc_id: 4 }).unwrap();
    running.kill();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#""version":2"#));
    let running = dc(&path, None, |_| {});
    assert_eq!(who_am_i(&mut two.sibling(&running, 3)), Ok(11));
    fs::remove_file(path).unwrap();
}

#[test]
fn a_program_that_is_killed_goes_on_with_its_sessions_or_without() {
    let (state, key) = (scratch("program.json"), scratch("program.pem"));
    let mut flags = vec![
        "--account",
        "+9996621111,name=Ann,id=11,code=424242",
        "--key-out",
        key.to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
    ];
    let first = Program::start(&flags);
    let pem = fs::read_to_string(&key).unwrap();
    let mut ann = client(program_door(&first, &pem, 0), 1);
    user(try_sign_in(&mut ann, "+9996621111", "424242").unwrap());
    let listen = format!("127.0.0.1:{}", first.port());
    flags.extend(["--listen", &listen]);
    let call = ann.send(&message("once", 7).to_bytes());
    let answer = ann.answer(&call);
    drop(first);

    let second = Program::start(&flags);
    back(&mut ann, program_door(&second, &pem, 0), 2);
    ann.send_item(&call);
    assert_eq!(ann.answer(&call), answer);
    assert_eq!(said(&mut ann), ["once"]);
    drop(second);

    flags.push("--forget-sessions");
    let third = Program::start(&flags);
    back(&mut ann, program_door(&third, &pem, 0), 3);
    assert_eq!(said(&mut ann), ["once"]);
    let _: NewSessionCreated = ann.update();
    drop(third);
    for path in [state, key] {
        fs::remove_file(path).unwrap();
    }
}

/// `cargo test --release -p mtproto-test --test testdc_accounts -- --ignored --nocapture measures`
#[test]
#[ignore = "it measures"]
fn measures_what_a_state_costs() {
    const CALLS: i64 = 10_000;
    let path = scratch("cost.json");
    let mut times = Vec::new();
    for (name, state) in [("without", None), ("with", Some(path.clone()))] {
        for window in [1, 100] {
            let _ = fs::remove_file(&path);
            let running = world(|config| config.state.clone_from(&state));
            let mut ann = ann(&running, 1);
            #[expect(clippy::disallowed_methods, reason = "it measures")]
            let began = Instant::now();
            let (mut sent, mut answered) = (0, 0);
            while answered < CALLS {
                while sent < CALLS && sent - answered < window {
                    sent += 1;
                    ann.send(&message("hello", sent).to_bytes());
                }
                let items = ann.read_and_acknowledge();
                let results = items
                    .iter()
                    .filter(|item| RpcResult::from_bytes(&item.body.clone().into()).is_ok());
                answered += i64::try_from(results.count()).unwrap();
            }
            let took = began.elapsed();
            println!("{CALLS} messages, {window} at once, {name} a state: {took:?}");
            times.push(took.as_secs_f64());
        }
    }
    println!("one at a time {:.2} times as long", times[2] / times[0]);
    println!("a hundred at once {:.2} times as long", times[3] / times[1]);
}
