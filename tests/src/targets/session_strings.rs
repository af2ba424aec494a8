//! `session_strings`: what is read from files and from the environment: sessions of other
//! libraries, snapshots as bytes and as text, records of a journal.
//!
//! Must hold: what was read can be written and read again; a snapshot of anything makes a client
//! that is quiet; memory is bounded by the input.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Base64Url, Encoding};
use mtproto_proto::DcId;
use mtproto_proto::client::portable::{Format, Portable};
use mtproto_proto::client::{Account, Change, Client, Config, DcTable, Key, PeerId, Snapshot};
use mtproto_proto::connection::KeyState;
use sha2::{Digest, Sha256};

use super::Seed;
use super::input::Input;
use crate::pair::START;
use crate::{Dice, Seed as Number};

const FORMATS: [Format; 4] = [
    Format::Telethon,
    Format::Pyrogram,
    Format::GramJs,
    Format::Mtcute,
];
/// What a snapshot begins with, before the version.
const MAGIC: &[u8; 4] = b"mtps";
/// Timers of a client that nothing is connected to; more is a loop.
const MAX_TIMERS: u32 = 300;

/// What the first byte says that the rest is.
mod kind {
    pub(super) const TEXT: u8 = 0;
    pub(super) const SNAPSHOT: u8 = 1;
    pub(super) const RECORD: u8 = 2;
    pub(super) const TELETHON: u8 = 3;
    pub(super) const GRAM_JS: u8 = 4;
    pub(super) const BINARY: u8 = 5;
    pub(super) const RAW_SNAPSHOT: u8 = 6;
    pub(super) const RAW_RECORD: u8 = 7;
    pub(super) const ALL: u8 = 8;
}

/// Input: what it is, then its bytes; checksums and base64 are ours, so that fuzzing gets past them.
pub fn session_strings(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8() % kind::ALL;
    let bytes = input.rest();
    match kind {
        kind::TEXT => text(&String::from_utf8_lossy(bytes)),
        kind::TELETHON => text(&format!("1{}", Base64Url::encode_string(bytes))),
        kind::GRAM_JS => text(&format!("1{}", Base64::encode_string(bytes))),
        kind::BINARY => {
            let padded = Base64Url::encode_string(bytes);
            text(&padded);
            text(padded.trim_end_matches('='));
        }
        kind::SNAPSHOT => snapshot(&framed(bytes)),
        kind::RECORD => record(&recorded(bytes)),
        kind::RAW_SNAPSHOT => snapshot(bytes),
        _ => record(bytes),
    }
}

fn text(text: &str) {
    for format in FORMATS {
        let Ok(read) = Portable::parse_as(format, text) else {
            continue;
        };
        if let Ok(written) = read.to_text(format) {
            let again = Portable::parse_as(format, &written).expect("what was written is read");
            assert_eq!(again.auth_key.as_bytes(), read.auth_key.as_bytes());
            assert!(again.dc == read.dc && again.user_id == read.user_id);
        }
        client(read.to_snapshot());
    }
    // The name of the format is a guess, and right when it is one of theirs.
    if let Ok(read) = Portable::parse(text) {
        let format = read.format.expect("it was read from a text");
        assert!(Portable::parse_as(format, text).is_ok());
    }
    if let Ok(read) = Snapshot::from_text(text) {
        stored(read);
    }
}

fn snapshot(bytes: &[u8]) {
    if let Ok(read) = Snapshot::from_bytes(bytes) {
        assert_eq!(read.to_bytes().unwrap().as_slice(), bytes);
        stored(read);
    }
}

fn record(mut bytes: &[u8]) {
    let mut all = Snapshot::new();
    while let Ok(Some((change, rest))) = Change::from_record(bytes) {
        let len = bytes.len() - rest.len();
        assert_eq!(change.to_record().unwrap().as_slice(), &bytes[..len]);
        all.apply(change);
        bytes = rest;
    }
    stored(all);
}

/// A snapshot that was read.
fn stored(read: Snapshot) {
    let text = read.to_text().unwrap();
    assert!(Snapshot::from_text(&text).unwrap() == read);
    if let Some(portable) = Portable::from_snapshot(&read, &DcTable::production()) {
        for format in FORMATS {
            let _ = portable.to_text(format);
        }
    }
    client(read);
}

/// A client goes on from it, with a network that refuses everything.
fn client(stored: Snapshot) {
    let mut config = Config::production(1, "hash");
    config.test_mode = stored.account().is_some_and(|account| account.test_mode);
    let rng = Dice::new(Number(1)).rng();
    let mut client =
        Client::new(Arc::new(config), stored, rng, START).expect("the configuration is good");
    client.connect(START);
    client.want_updates(START, true);
    let (mut now, end) = (START, START + Duration::from_secs(600));
    for timers in 0.. {
        while let Some(action) = client.poll_action() {
            if let mtproto_proto::client::Action::Connect { conn, .. } = action {
                client.handle_connect_failed(now, conn);
            }
        }
        while client.poll_event().is_some() {}
        match client.poll_timeout() {
            Some(at) if at <= end => now = now.max(at),
            Some(_) | None => break,
        }
        assert!(timers < MAX_TIMERS, "a loop");
        client.handle_timeout(now);
        let next = client.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer did not move");
    }
    let again = client.snapshot();
    assert!(Snapshot::from_bytes(&again.to_bytes().unwrap()).unwrap() == again);
}

/// The entries of a snapshot with what belongs around them.
fn framed(entries: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(mtproto_proto::client::snapshot::VERSION);
    out.extend(entries);
    let sum = Sha256::digest(&out);
    out.extend(&sum[..8]);
    out
}

/// The content of a record with what belongs around it.
fn recorded(content: &[u8]) -> Vec<u8> {
    let mut out = vec![mtproto_proto::client::snapshot::VERSION];
    out.extend((content.len() as u32).to_le_bytes());
    let sum = Sha256::digest(&out);
    out.extend(&sum[..4]);
    out.extend(content);
    let sum = Sha256::digest(&out);
    out.extend(&sum[..8]);
    out
}

fn example() -> Snapshot {
    let mut key = [0; 256];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = at as u8;
    }
    let mut account = Account::new(DcId(2));
    account.user_id = Some(777);
    let mut all = Snapshot::new();
    all.apply(Snapshot::account_change(&account));
    for dc in [2, 4] {
        let key = KeyState::from_auth_key(key, DcId(dc));
        all.apply(Snapshot::dc_change(&key, dc == 2));
    }
    let dcs = DcTable::production().to_bytes();
    let mut state = vec![1];
    for word in [100_i32, 20, 1_750_000_000, 5] {
        state.extend(word.to_le_bytes());
    }
    for (key, value) in [
        (Key::DcOptions, dcs),
        (Key::Updates, state),
        (Key::Channel(11), vec![1, 100, 0, 0, 0]),
        (
            Key::Peer(PeerId::Channel(11)),
            vec![1, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
    ] {
        all.apply(Change {
            key,
            value: Some(value.into()),
        });
    }
    all
}

pub(super) fn seeds() -> Vec<Seed> {
    let seed = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let all = example();
    let mut portable = Portable::from_snapshot(&all, &DcTable::production()).unwrap();
    portable.api_id = Some(12_345);
    let mut out = Vec::new();
    for format in FORMATS {
        let text = portable.to_text(format).unwrap();
        let name = format!("{format:?}").to_lowercase();
        out.push((name.clone(), seed(kind::TEXT, text.as_bytes())));
        let (kind, bytes) = if format == Format::Telethon {
            (kind::TELETHON, Base64Url::decode_vec(&text[1..]))
        } else if format == Format::GramJs {
            (kind::GRAM_JS, Base64::decode_vec(&text[1..]))
        } else {
            let padding = "=".repeat(text.len().next_multiple_of(4) - text.len());
            let padded = text.trim_end_matches('=').to_owned() + &padding;
            (kind::BINARY, Base64Url::decode_vec(&padded))
        };
        out.push((format!("{name}-bytes"), seed(kind, &bytes.unwrap())));
    }
    let bytes = all.to_bytes().unwrap();
    let entries = &bytes[MAGIC.len() + 1..bytes.len() - 8];
    out.push(("snapshot".into(), seed(kind::SNAPSHOT, entries)));
    out.push(("snapshot-whole".into(), seed(kind::RAW_SNAPSHOT, &bytes)));
    let text = all.login().to_text().unwrap();
    out.push(("snapshot-text".into(), seed(kind::TEXT, text.as_bytes())));
    let change = Snapshot::account_change(&all.account().unwrap());
    let record = change.to_record().unwrap();
    let content = &record[9..record.len() - 8];
    out.push(("record".into(), seed(kind::RECORD, content)));
    out.push((
        "records".into(),
        seed(kind::RAW_RECORD, &[&record[..], &record[..]].concat()),
    ));
    out
}
