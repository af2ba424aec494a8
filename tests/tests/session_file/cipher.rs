//! Encryption at rest, with an AEAD of another crate.

use std::fs;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use mtproto_driver::{Cipher, CipherError, SessionFile, SessionFileError, Store};

use crate::support::{Folder, KEY_BYTE, account, dc, folded, peer, updates};

struct Sealed(XChaCha20Poly1305);

impl Cipher for Sealed {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| CipherError)?;
        let payload = Payload {
            msg: plain,
            aad: context,
        };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        Ok([&nonce[..], &sealed.map_err(|_| CipherError)?].concat())
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or(CipherError)?;
        let payload = Payload {
            msg: sealed,
            aad: context,
        };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload);
        plain.map_err(|_| CipherError)
    }
}

/// Seals nothing.
struct Broken;

impl Cipher for Broken {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CipherError> {
        Err(CipherError)
    }

    fn open(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CipherError> {
        Err(CipherError)
    }
}

/// The cipher with this key.
pub fn cipher(key: u8) -> Box<dyn Cipher> {
    Box::new(Sealed(XChaCha20Poly1305::new(&[key; 32].into())))
}

fn holds_the_key(bytes: &[u8]) -> bool {
    bytes.windows(16).any(|window| window == [KEY_BYTE; 16])
}

#[test]
fn an_encrypted_file_comes_back_and_shows_no_key() {
    let folder = Folder::new();
    let mut file = SessionFile::open_with(folder.file(), cipher(1)).unwrap();
    let changes = [account(7), dc(2), peer(1, 2), dc(4)];
    for change in &changes {
        file.apply(std::slice::from_ref(change)).unwrap();
        assert!(!holds_the_key(&folder.bytes()));
    }
    file.compact().unwrap();
    assert!(!holds_the_key(&folder.bytes()));
    file.apply(&[updates(3)]).unwrap();
    drop(file);
    let mut expected = folded(&changes);
    expected.apply(updates(3));
    let mut file = SessionFile::open_with(folder.file(), cipher(1)).unwrap();
    assert!(file.load().unwrap() == expected);
}

#[test]
fn another_key_no_key_and_a_key_too_many_are_told_apart_and_change_nothing() {
    let folder = Folder::new();
    let sealed = folder.file();
    let plain = folder.path().join("plain.session");
    let mut file = SessionFile::open_with(&sealed, cipher(1)).unwrap();
    file.apply(&[account(7)]).unwrap();
    file.apply(&[updates(7)]).unwrap();
    drop(file);
    let mut file = SessionFile::open(&plain).unwrap();
    file.apply(&[account(7)]).unwrap();
    drop(file);
    let before = (fs::read(&sealed).unwrap(), fs::read(&plain).unwrap());

    let error = SessionFile::open_with(&sealed, cipher(2)).unwrap_err();
    assert!(
        matches!(error, SessionFileError::WrongCipher { .. }),
        "{error}"
    );
    let error = SessionFile::open(&sealed).unwrap_err();
    assert!(matches!(error, SessionFileError::Sealed { .. }), "{error}");
    let error = SessionFile::open_with(&plain, cipher(1)).unwrap_err();
    assert!(
        matches!(error, SessionFileError::NotSealed { .. }),
        "{error}"
    );
    assert_eq!(
        (fs::read(&sealed).unwrap(), fs::read(&plain).unwrap()),
        before
    );
}

#[test]
fn a_file_is_encrypted_later_with_another_key_and_no_more() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7), dc(2)]).unwrap();
    assert!(holds_the_key(&folder.bytes()));
    let kept = file.snapshot().unwrap();

    file.set_cipher(Some(cipher(1))).unwrap();
    assert!(!holds_the_key(&folder.bytes()));
    file.set_cipher(Some(cipher(2))).unwrap();
    drop(file);
    let mut file = SessionFile::open_with(folder.file(), cipher(2)).unwrap();
    assert!(file.load().unwrap() == kept);
    file.set_cipher(None).unwrap();
    drop(file);
    assert!(SessionFile::open(folder.file()).unwrap().load().unwrap() == kept);
}

#[test]
fn a_cipher_that_fails_is_an_error_and_loses_nothing() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    let error = file.set_cipher(Some(Box::new(Broken))).unwrap_err();
    assert!(
        matches!(error, SessionFileError::NoCipher { .. }),
        "{error}"
    );
    file.apply(&[updates(1)]).unwrap();
    drop(file);
    let kept = SessionFile::open(folder.file()).unwrap().load().unwrap();
    assert!(kept == folded(&[account(7), updates(1)]));
}

#[test]
fn an_encrypted_block_counts_only_in_its_place_of_its_file() {
    let folder = Folder::new();
    let mut file = SessionFile::open_with(folder.file(), cipher(1)).unwrap();
    let mut ends = Vec::new();
    for pts in 0..4 {
        file.apply(&[updates(pts)]).unwrap();
        ends.push(folder.len() as usize);
    }
    drop(file);
    let bytes = folder.bytes();
    let (first, second) = (ends[0]..ends[1], ends[1]..ends[2]);
    // Two swapped, one twice, one left out.
    let orders = [
        [second.clone(), first.clone()],
        [first.clone(), first],
        [second.clone(), second],
    ];
    for order in orders {
        let mut forged = bytes[..ends[0]].to_vec();
        for block in order {
            forged.extend_from_slice(&bytes[block]);
        }
        fs::write(folder.file(), &forged).unwrap();
        let error = SessionFile::open_with(folder.file(), cipher(1)).unwrap_err();
        assert!(matches!(error, SessionFileError::Damaged { .. }), "{error}");
    }
}
