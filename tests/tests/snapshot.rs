//! What is stored of an account: every bit of it counts, and the format does not move by accident.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use mtproto_proto::client::snapshot::{MAX_SNAPSHOT, MAX_VALUE, VERSION};
use mtproto_proto::client::{Account, Change, Key, PeerId, Snapshot, SnapshotError};
use mtproto_proto::connection::KeyState;
use mtproto_proto::{DcId, Rng};
use sha2::{Digest, Sha256};

fn account() -> Account {
    let mut account = Account::new(DcId(2));
    account.user_id = Some(0x0102_0304_0506_0708);
    account.test_mode = true;
    account
}

fn key(dc: i16) -> KeyState {
    KeyState::from_auth_key([dc.to_le_bytes()[0]; 256], DcId(dc))
}

fn stored(key: Key, value: &[u8]) -> Change {
    Change {
        key,
        value: Some(Bytes::copy_from_slice(value)),
    }
}

/// One change of each kind, in the order of their keys.
fn changes() -> Vec<Change> {
    vec![
        Snapshot::account_change(&account()),
        Snapshot::dc_change(&key(-2), false),
        Snapshot::dc_change(&key(2), true),
        stored(Key::DcOptions, b"options"),
        stored(Key::Updates, b"updates"),
        stored(Key::Channel(-5), b""),
        stored(Key::Channel(i64::MAX), b"pts"),
        stored(Key::Peer(PeerId::User(1)), b"user"),
        stored(Key::Peer(PeerId::Chat(1)), b"chat"),
        stored(Key::Peer(PeerId::Channel(1)), b"channel"),
    ]
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::new();
    for change in changes() {
        snapshot.apply(change);
    }
    snapshot
}

/// The bytes with the checksum that fits them.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut out = content.to_vec();
    out.extend_from_slice(&Sha256::digest(content)[..8]);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

#[test]
fn what_is_stored_comes_back() {
    let snapshot = snapshot();
    let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
    assert_eq!(back, snapshot);
    assert_eq!(back.account(), Some(account()));
    assert_eq!(back.dc(DcId(2)), Some((key(2), true)));
    assert_eq!(back.dc(DcId(-2)), Some((key(-2), false)));
    assert_eq!(back.dc(DcId(3)), None);
    assert_eq!(back.dcs().collect::<Vec<_>>(), [DcId(-2), DcId(2)]);
    assert_eq!(back.get(Key::Channel(-5)), Some(&Bytes::new()));
    let keys: Vec<_> = back.iter().map(|(key, _)| key).collect();
    let expected: Vec<_> = changes().into_iter().map(|change| change.key).collect();
    assert_eq!(keys, expected);

    let text = snapshot.to_text().unwrap();
    assert_eq!(Snapshot::from_text(&text).unwrap(), snapshot);
    assert_eq!(
        Snapshot::from_text(&format!("\n {} \r\n", *text)).unwrap(),
        snapshot
    );

    let empty = Snapshot::new();
    assert_eq!(
        Snapshot::from_bytes(&empty.to_bytes().unwrap()).unwrap(),
        empty
    );
    assert!(empty.is_empty() && empty.account().is_none());
}

#[test]
fn every_account_comes_back() {
    for bits in 0..8u8 {
        let mut account = Account::new(DcId(-10_002));
        account.user_id = (bits & 1 != 0).then_some(i64::MIN);
        account.bot = bits & 2 != 0;
        account.test_mode = bits & 4 != 0;
        let mut snapshot = Snapshot::new();
        snapshot.apply(Snapshot::account_change(&account));
        let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
        assert_eq!(back.account(), Some(account));
    }
}

#[test]
fn the_format_of_a_snapshot_stays_as_it_is() {
    let mut snapshot = Snapshot::new();
    snapshot.apply(Snapshot::account_change(&account()));
    for change in changes().into_iter().skip(3) {
        snapshot.apply(change);
    }
    let content = [
        "6d747073",
        "01",
        "08000000", // magic, version, entries
        "01",
        "0b000000",
        "0200",
        "06",
        "0807060504030201", // account: DC 2, test, signed in
        "03",
        "07000000",
        "6f7074696f6e73", // DC options
        "04",
        "07000000",
        "75706461746573", // updates
        "05",
        "fbffffffffffffff",
        "00000000", // channel -5
        "05",
        "ffffffffffffff7f",
        "03000000",
        "707473", // channel
        "06",
        "0100000000000000",
        "04000000",
        "75736572", // user
        "07",
        "0100000000000000",
        "04000000",
        "63686174", // chat
        "08",
        "0100000000000000",
        "07000000",
        "6368616e6e656c", // channel as a peer
    ]
    .concat();
    let bytes = snapshot.to_bytes().unwrap();
    assert_eq!(hex(&bytes), content + "2e551cdac1499625");

    // The whole one, with keys, is fixed by its hash. Computed by another program, as the
    // checksums here.
    let bytes = self::snapshot().to_bytes().unwrap();
    let hash = "61ff18db062a1117c5bd9ee15165caf35c8b366fb9c83725be75579c2d0e2885";
    assert_eq!(
        (hex(&Sha256::digest(&*bytes)), bytes.len()),
        (hash.to_owned(), 796)
    );
}

#[test]
fn the_format_of_a_text_stays_as_it_is() {
    let mut snapshot = Snapshot::new();
    snapshot.apply(Snapshot::account_change(&account()));
    let golden = "mtproto1.bXRwcwEBAAAAAQsAAAACAAYIBwYFBAMCAQAjgYAac0w3";
    assert_eq!(*snapshot.to_text().unwrap(), golden);
    let bytes = snapshot.to_bytes().unwrap();
    let text = format!("mtproto1.{}", Base64UrlUnpadded::encode_string(&bytes));
    assert_eq!(*snapshot.to_text().unwrap(), text);
}

#[test]
fn the_format_of_a_record_stays_as_it_is() {
    let set = stored(Key::Channel(7), b"pts").to_record().unwrap();
    assert_eq!(
        hex(&set),
        "010d000000105a2f0e010507000000000000007074739176fa4eb1c2d54a"
    );
    let forget = Change {
        key: Key::Dc(DcId(2)),
        value: None,
    };
    let golden = "0104000000e805b34900020200b0a16420cc7acdfa";
    assert_eq!(hex(&forget.to_record().unwrap()), golden);
}

#[test]
fn a_snapshot_that_is_cut_off_anywhere_is_refused() {
    let bytes = snapshot().to_bytes().unwrap();
    for cut in 0..bytes.len() {
        let expected = match cut {
            0..4 => SnapshotError::NotASnapshot,
            _ => SnapshotError::Damaged,
        };
        assert_eq!(Snapshot::from_bytes(&bytes[..cut]), Err(expected), "{cut}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(Snapshot::from_bytes(&longer), Err(SnapshotError::Damaged));
}

#[test]
fn a_snapshot_with_any_bit_flipped_is_refused() {
    let mut bytes = snapshot().to_bytes().unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Snapshot::from_bytes(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_text_that_is_cut_off_or_changed_anywhere_is_refused() {
    let text = snapshot().to_text().unwrap();
    for cut in 0..text.len() {
        assert!(Snapshot::from_text(&text[..cut]).is_err(), "cut {cut}");
    }
    for at in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(Snapshot::from_text(&changed).is_err(), "at {at}");
    }
}

#[test]
fn a_text_says_what_is_wrong_with_it() {
    let not = Err(SnapshotError::NotASnapshot);
    for text in [
        "",
        "mtproto",
        "1BVtsOK0Bu",
        "mtproto.AAAA",
        "mtproto01.AAAA",
        "mtproto+1.AAAA",
    ] {
        assert_eq!(Snapshot::from_text(text), not, "{text}");
    }
    assert_eq!(Snapshot::from_text("mtproto256.AAAA"), not);
    let newer = SnapshotError::Version {
        got: 2,
        max: VERSION,
    };
    assert_eq!(Snapshot::from_text("mtproto2.anything"), Err(newer));
    for text in [
        "mtproto1.",
        "mtproto1.AAAA",
        "mtproto1.A",
        "mtproto1.AA==",
        "mtproto1.é",
    ] {
        assert_eq!(
            Snapshot::from_text(text),
            Err(SnapshotError::Damaged),
            "{text}"
        );
    }
}

#[test]
fn a_newer_version_is_refused_as_such() {
    for got in [2, 3, 255] {
        let newer = Err(SnapshotError::Version { got, max: VERSION });
        let mut content = b"mtps".to_vec();
        content.push(got);
        content.extend_from_slice(b"whatever comes");
        assert_eq!(Snapshot::from_bytes(&content), newer);

        let facts = [got, 1, 0, 0, 0];
        let mut record = facts.to_vec();
        record.extend_from_slice(&Sha256::digest(facts)[..4]);
        record.push(9);
        assert_eq!(Change::from_record(&record).map(|_| Snapshot::new()), newer);
    }
}

#[test]
fn what_no_release_wrote_is_damaged_even_under_a_right_checksum() {
    let entries = |entries: &[&[u8]]| {
        let mut out = b"mtps\x01".to_vec();
        out.extend_from_slice(&u32::try_from(entries.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&entries.concat());
        sealed(&out)
    };
    let updates: &[u8] = b"\x04\x00\x00\x00\x00";
    assert!(Snapshot::from_bytes(&entries(&[updates])).is_ok());

    let key = key(2).to_bytes();
    let dc = |dc: u8, flags: u8| {
        let mut out = vec![2, dc, 0];
        let len = u32::try_from(key.len() + 1).unwrap();
        out.extend_from_slice(&len.to_le_bytes());
        out.push(flags);
        out.extend_from_slice(&key);
        out
    };
    assert!(Snapshot::from_bytes(&entries(&[&dc(2, 1)])).is_ok());

    let bad: [(&str, Vec<u8>); 13] = [
        ("a key twice", entries(&[updates, updates])),
        (
            "keys in another order",
            entries(&[updates, b"\x03\x00\x00\x00\x00"]),
        ),
        ("tag 0", entries(&[b"\x00\x00\x00\x00\x00"])),
        ("a tag of the future", entries(&[b"\x09\x00\x00\x00\x00"])),
        (
            "a length beyond the end",
            entries(&[b"\x04\x01\x00\x00\x00"]),
        ),
        ("a huge length", entries(&[b"\x04\xff\xff\xff\xff"])),
        (
            "an account of no bytes",
            entries(&[b"\x01\x00\x00\x00\x00"]),
        ),
        (
            "an unknown flag",
            entries(&[b"\x01\x03\x00\x00\x00\x02\x00\x08"]),
        ),
        (
            "a DC without key",
            entries(&[b"\x02\x02\x00\x01\x00\x00\x00\x00"]),
        ),
        ("the key of another DC", entries(&[&dc(3, 1)])),
        ("an unknown flag of a DC", entries(&[&dc(2, 2)])),
        (
            "a huge number of entries",
            sealed(b"mtps\x01\xff\xff\xff\xff"),
        ),
        ("bytes after the last entry", sealed(b"mtps\x01\0\0\0\0\0")),
    ];
    for (what, bytes) in bad {
        assert_eq!(
            Snapshot::from_bytes(&bytes),
            Err(SnapshotError::Damaged),
            "{what}"
        );
    }
}

#[test]
fn records_come_back_one_after_the_other() {
    let mut changes = changes();
    changes.extend(self::changes().into_iter().map(|change| Change {
        value: None,
        ..change
    }));
    let mut journal = Vec::new();
    for change in &changes {
        journal.extend_from_slice(&change.to_record().unwrap());
    }
    let mut rest = journal.as_slice();
    let mut back = Vec::new();
    while let Some((change, tail)) = Change::from_record(rest).unwrap() {
        back.push(change);
        rest = tail;
    }
    assert_eq!(back, changes);
    assert!(rest.is_empty());
}

#[test]
fn a_record_that_is_cut_off_anywhere_is_no_record_and_no_error() {
    for change in changes() {
        let record = change.to_record().unwrap();
        for cut in 0..record.len() {
            assert_eq!(
                Change::from_record(&record[..cut]),
                Ok(None),
                "{change:?} {cut}"
            );
        }
    }
    // What some file systems leave behind after a crash.
    assert_eq!(Change::from_record(&[0; 4_096]), Ok(None));
}

#[test]
fn a_record_with_any_bit_flipped_is_an_error() {
    for change in changes() {
        let mut record = change.to_record().unwrap();
        for bit in 0..record.len() * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            let result = Change::from_record(&record);
            assert!(result.is_err(), "{change:?} bit {bit}: {result:?}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_record_that_no_release_wrote_is_damaged() {
    let record = |content: &[u8]| {
        let mut facts = vec![1];
        facts.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        let sum = Sha256::digest(&facts);
        facts.extend_from_slice(&sum[..4]);
        facts.extend_from_slice(content);
        sealed(&facts)
    };
    assert!(Change::from_record(&record(b"\x01\x04value")).is_ok());
    for content in [
        &b""[..],
        b"\x01",
        b"\x02\x04",
        b"\x00\x04value",
        b"\x01\x09",
        b"\x01\x01",
    ] {
        let record = record(content);
        let result = Change::from_record(&record);
        assert_eq!(result, Err(SnapshotError::Damaged), "{content:?}");
    }
}

#[test]
fn too_much_is_refused_when_written_and_when_read() {
    let longest = stored(Key::DcOptions, &vec![1; MAX_VALUE]);
    let record = longest.to_record().unwrap();
    let (back, rest) = Change::from_record(&record).unwrap().unwrap();
    assert!(back == longest && rest.is_empty());
    let mut snapshot = Snapshot::new();
    snapshot.apply(longest);
    let bytes = snapshot.to_bytes().unwrap();
    assert!(Snapshot::from_bytes(&bytes).unwrap() == snapshot);

    let too_long = stored(Key::DcOptions, &vec![1; MAX_VALUE + 1]);
    let error = SnapshotError::TooLarge {
        got: MAX_VALUE + 1,
        max: MAX_VALUE,
    };
    assert_eq!(too_long.to_record().map(|_| ()), Err(error));
    snapshot.apply(too_long);
    assert_eq!(snapshot.to_bytes().map(|_| ()), Err(error));
    assert_eq!(snapshot.to_text().map(|_| ()), Err(error));

    // Sixty-four values of the longest kind, and their keys, are too many.
    let mut snapshot = Snapshot::new();
    for id in 0..64 {
        snapshot.apply(stored(Key::Channel(id), &vec![1; MAX_VALUE]));
    }
    let result = snapshot.to_bytes().map(|_| ());
    assert!(
        matches!(result, Err(SnapshotError::TooLarge { got, max: MAX_SNAPSHOT }) if got > MAX_SNAPSHOT),
        "{result:?}"
    );
    let mut huge = vec![0; MAX_SNAPSHOT + 1];
    huge[..5].copy_from_slice(b"mtps\x01");
    let error = SnapshotError::TooLarge {
        got: MAX_SNAPSHOT + 1,
        max: MAX_SNAPSHOT,
    };
    assert_eq!(Snapshot::from_bytes(&huge), Err(error));

    let mut facts = vec![1, 0xff, 0xff, 0xff, 0xff];
    let sum = Sha256::digest(&facts);
    facts.extend_from_slice(&sum[..4]);
    let result = Change::from_record(&facts);
    assert!(
        matches!(result, Err(SnapshotError::TooLarge { .. })),
        "{result:?}"
    );
}

#[test]
fn noise_is_never_taken_for_a_snapshot() {
    let mut rng = Rng::from_seed([77; 32]);
    for round in 0..20_000 {
        let noise: [u8; 64] = rng.array();
        let len = usize::from(noise[0]) % 64;
        assert!(
            Snapshot::from_bytes(&noise[..len]).is_err(),
            "seed 77, round {round}"
        );
        let content = [b"mtps\x01\x01\0\0\0", &noise[..len]].concat();
        // With the right checksum it may be one by chance: then it is written the same way.
        if let Ok(snapshot) = Snapshot::from_bytes(&sealed(&content)) {
            assert_eq!(
                *snapshot.to_bytes().unwrap(),
                sealed(&content),
                "seed 77, round {round}"
            );
        }
        let _ = Change::from_record(&noise[..len]);
    }
}

#[test]
fn a_later_change_replaces_an_earlier_one_and_forgetting_forgets() {
    let mut snapshot = snapshot();
    snapshot.apply(Snapshot::dc_change(&key(2), false));
    assert_eq!(snapshot.dc(DcId(2)), Some((key(2), false)));
    snapshot.apply(Change {
        key: Key::Dc(DcId(2)),
        value: None,
    });
    assert_eq!(snapshot.dc(DcId(2)), None);
    for change in changes() {
        snapshot.apply(Change {
            value: None,
            ..change
        });
    }
    assert_eq!(snapshot, Snapshot::new());
}

#[test]
fn the_login_alone_has_the_keys_and_no_peers() {
    let login = snapshot().login();
    let keys: Vec<_> = login.iter().map(|(key, _)| key).collect();
    let dcs = [Key::Dc(DcId(-2)), Key::Dc(DcId(2))];
    assert_eq!(keys, [Key::Account, dcs[0], dcs[1], Key::DcOptions]);
    assert_eq!(login.dc(DcId(2)), Some((key(2), true)));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let shown = format!("{:?} {:?}", snapshot(), changes());
    assert!(shown.contains("Dc(DcId(2))"), "{shown}");
    assert!(
        !shown.contains("2, 2, 2") && !shown.contains("\\x02"),
        "{shown}"
    );
    assert!(!shown.contains("options\""), "{shown}");
}

#[test]
fn errors_say_what_to_do() {
    let shown = [
        (SnapshotError::NotASnapshot, "check what was passed"),
        (SnapshotError::Version { got: 2, max: 1 }, "update"),
        (SnapshotError::Damaged, "restore a copy, or sign in again"),
        (
            SnapshotError::TooLarge { got: 2, max: 1 },
            "remember fewer peers",
        ),
    ];
    for (error, says) in shown {
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
    }
}
