//! Files that are not what they should be: an error that says so, and not a byte changed.

use std::fs;

use mtproto_driver::{SessionFile, SessionFileError, Store};
use mtproto_test::Dice;

use crate::cipher::cipher;
use crate::support::{Folder, account, dc, peer, updates};

fn written(folder: &Folder, sealed: bool) -> Vec<u8> {
    let mut file = if sealed {
        SessionFile::open_with(folder.file(), cipher(1)).unwrap()
    } else {
        SessionFile::open(folder.file()).unwrap()
    };
    file.apply(&[account(7), dc(2)]).unwrap();
    file.apply(&[updates(1)]).unwrap();
    file.apply(&[peer(1, 2), updates(2)]).unwrap();
    drop(file);
    folder.bytes()
}

fn refused(folder: &Folder, content: &[u8], sealed: bool, what: &str) -> SessionFileError {
    fs::write(folder.file(), content).unwrap();
    let opened = if sealed {
        SessionFile::open_with(folder.file(), cipher(1))
    } else {
        SessionFile::open(folder.file())
    };
    let Err(error) = opened else {
        panic!("{what}: taken for a session");
    };
    assert_eq!(folder.bytes(), content, "{what}: changed");
    let name = folder.file().display().to_string();
    assert!(error.to_string().contains(&name), "{error}");
    error
}

#[test]
fn no_changed_bit_is_taken_for_a_session_or_for_a_crash() {
    for sealed in [false, true] {
        let folder = Folder::new();
        let bytes = written(&folder, sealed);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                refused(
                    &folder,
                    &changed,
                    sealed,
                    &format!("bit {bit} of byte {at}"),
                );
            }
        }
    }
}

#[test]
fn other_files_are_told_from_ours() {
    let folder = Folder::new();
    let mut dice = Dice::from_env_or(3);
    let mut others = vec![
        Vec::new(),
        b"hello".to_vec(),
        b"mtpses".to_vec(),
        vec![0; 4_096],
    ];
    for _ in 0..50 {
        let len = dice.range(1..=2_000) as usize;
        others.push(dice.bytes(len));
    }
    for other in others {
        let error = refused(&folder, &other, false, "another file");
        assert!(
            matches!(error, SessionFileError::NotASession { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_folder_a_missing_folder_and_a_file_beyond_all_size_are_errors() {
    let folder = Folder::new();
    let error = SessionFile::open(folder.path()).unwrap_err();
    assert!(matches!(error, SessionFileError::Io { .. }), "{error}");
    let error = SessionFile::open("/nowhere/at/all/a.session").unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/at/all/a.session"),
        "{error}"
    );

    let huge = fs::File::create(folder.file()).unwrap();
    huge.set_len(1 << 40).unwrap();
    let error = SessionFile::open(folder.file()).unwrap_err();
    assert!(
        matches!(error, SessionFileError::TooLarge { got, .. } if got == 1 << 40),
        "{error}"
    );
}

#[test]
fn a_newer_release_s_file_is_named_as_such() {
    let folder = Folder::new();
    for sealed in [false, true] {
        let mut bytes = written(&folder, sealed);
        bytes[8] = 2;
        // Whatever else may be different in it.
        for len in [9, 32, bytes.len()] {
            let error = refused(&folder, &bytes[..len], sealed, "a newer version");
            assert!(
                matches!(error, SessionFileError::Version { got: 2, max: 1, .. }),
                "{error}"
            );
            assert!(error.to_string().contains("update"), "{error}");
        }
        fs::remove_file(folder.file()).unwrap();
    }
}

#[test]
fn bytes_in_the_middle_that_are_missing_or_too_many_are_damage() {
    let folder = Folder::new();
    let mut bytes = written(&folder, false);
    // Of the last block they cannot be told from a crash.
    let middle = bytes.len() as u64;
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[updates(3)]).unwrap();
    drop(file);
    bytes = folder.bytes();
    let mut dice = Dice::from_env_or(4);
    for _ in 0..500 {
        let from = dice.range(8..=middle - 20) as usize;
        let len = dice.range(1..=20) as usize;
        let missing = [&bytes[..from], &bytes[from + len..]].concat();
        refused(
            &folder,
            &missing,
            false,
            &format!("{len} bytes missing at {from}"),
        );
        let too_many = [&bytes[..from], &dice.bytes(len), &bytes[from..]].concat();
        refused(
            &folder,
            &too_many,
            false,
            &format!("{len} bytes too many at {from}"),
        );
    }
}
