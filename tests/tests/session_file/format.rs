//! The bytes of a session file, written a second time from their description.

use std::fs;

use mtproto_driver::{SessionFile, SessionFileError, Store};
use mtproto_proto::client::{Change, Snapshot, SnapshotError};

use crate::support::{Folder, account, folded, peer, updates};

const ID: [u8; 16] = *b"sixteen bytes id";

fn header() -> Vec<u8> {
    let mut out = b"mtpsess\x1a\x01\0\0\0".to_vec();
    out.extend(ID);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

fn block(number: u64, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let head = [&ID[..], &number.to_le_bytes(), &len].concat();
    [
        &len[..],
        &crc32fast::hash(&head).to_le_bytes(),
        payload,
        &crc32fast::hash(payload).to_le_bytes(),
        b"\n",
    ]
    .concat()
}

fn records(changes: &[Change]) -> Vec<u8> {
    let records = changes
        .iter()
        .map(|change| change.to_record().unwrap().to_vec());
    records.collect::<Vec<_>>().concat()
}

#[test]
fn a_file_written_by_its_description_is_read_and_written_on() {
    let folder = Folder::new();
    let whole = folded(&[account(7), peer(1, 2)]);
    let batches = [vec![updates(1)], vec![peer(3, 4), updates(2)], vec![]];
    let mut content = [header(), block(0, &whole.to_bytes().unwrap())].concat();
    let mut expected = whole;
    for (number, batch) in (1..).zip(&batches) {
        content.extend(block(number, &records(batch)));
        for change in batch {
            expected.apply(change.clone());
        }
    }
    fs::write(folder.file(), &content).unwrap();
    let mut file = SessionFile::open(folder.file()).unwrap();
    assert!(file.load().unwrap() == expected);

    file.apply(&[updates(3)]).unwrap();
    content.extend(block(4, &records(&[updates(3)])));
    assert_eq!(folder.bytes(), content);
}

#[test]
fn what_is_in_a_block_may_be_of_a_newer_release_or_broken_too() {
    let folder = Folder::new();
    let mut newer = Snapshot::new().to_bytes().unwrap().to_vec();
    newer[4] += 1;
    let refused = |blocks: &[Vec<u8>]| {
        let content = [header(), blocks.concat()].concat();
        fs::write(folder.file(), &content).unwrap();
        let error = SessionFile::open(folder.file()).unwrap_err();
        assert_eq!(folder.bytes(), content);
        error
    };
    let error = refused(&[block(0, &newer)]);
    let SessionFileError::Content { error, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(error, SnapshotError::Version { .. }), "{error}");

    let whole = block(0, &Snapshot::new().to_bytes().unwrap());
    let record = records(&[updates(1)]);
    let error = refused(&[whole.clone(), block(1, &record[..record.len() - 1])]);
    assert!(matches!(error, SessionFileError::Damaged { .. }), "{error}");
    let error = refused(&[whole, block(1, &[&record[..], &record[1..]].concat())]);
    assert!(
        matches!(
            error,
            SessionFileError::Content { .. } | SessionFileError::Damaged { .. }
        ),
        "{error}"
    );
    // No block at all.
    let error = refused(&[]);
    assert!(
        matches!(error, SessionFileError::Damaged { at: 32, .. }),
        "{error}"
    );
}
