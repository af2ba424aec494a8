//! Finding a secret in a text.
//!
//! Does: [`Secrets`] knows pieces of secrets; it reads a text in each way that bytes are printed in
//! (as they are, escaped, hexadecimal, base64, lists of numbers) and looks for them.
//! In: secrets, texts. Out: panics that name the secret.
//! Must not know: who printed the text.

use std::collections::HashMap;
use std::fmt::{Debug, Display};

use mtproto_test::alloc::PIECE;

/// Secrets that must not appear.
#[derive(Default)]
pub struct Secrets {
    pieces: HashMap<[u8; PIECE], &'static str>,
    all: Vec<(&'static str, Vec<u8>)>,
}

impl Secrets {
    pub fn add(&mut self, name: &'static str, secret: &[u8]) {
        assert!(secret.len() >= PIECE, "{name} is too short to be found");
        for window in secret.windows(PIECE) {
            let mut piece: [u8; PIECE] = window.try_into().unwrap();
            self.pieces.insert(piece, name);
            // Numbers are written with either end first.
            piece.reverse();
            self.pieces.insert(piece, name);
        }
        self.all.push((name, secret.to_vec()));
    }

    pub fn all(&self) -> Vec<(&'static str, &[u8])> {
        let all = self.all.iter();
        all.map(|(name, secret)| (*name, secret.as_slice()))
            .collect()
    }

    /// The name of the first secret that the text gives away.
    pub fn find(&self, text: &[u8]) -> Option<&'static str> {
        readings(text).iter().find_map(|bytes| {
            let mut windows = bytes.windows(PIECE);
            windows.find_map(|window| self.pieces.get(window).copied())
        })
    }

    #[track_caller]
    pub fn absent(&self, what: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if let Some(name) = self.find(text) {
            panic!("{what} shows {name}: {}", String::from_utf8_lossy(text));
        }
    }

    /// Prints it in all ways and looks.
    #[track_caller]
    pub fn not_in(&self, it: &impl Debug) {
        for text in [
            format!("{it:?}"),
            format!("{it:#?}"),
            format!("{it:x?}"),
            format!("{it:#X?}"),
        ] {
            self.absent(std::any::type_name_of_val(it), text);
        }
    }

    #[track_caller]
    pub fn not_in_error(&self, error: &(impl Debug + Display)) {
        self.not_in(error);
        self.absent(std::any::type_name_of_val(error), error.to_string());
    }
}

/// Each way to read a text as bytes.
fn readings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec(), unescaped(text)];
    let plain: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    for run in plain.split(|byte| !byte.is_ascii_hexdigit()) {
        for run in [run, run.get(1..).unwrap_or_default()] {
            let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
            let pairs = run.chunks_exact(2);
            all.push(pairs.map(|p| digit(p[0]) << 4 | digit(p[1])).collect());
        }
    }
    for alphabet in [b"+/", b"-_"] {
        let value = |byte: &u8| match byte {
            b'A'..=b'Z' => Some(byte - b'A'),
            b'a'..=b'z' => Some(byte - b'a' + 26),
            b'0'..=b'9' => Some(byte - b'0' + 52),
            byte => alphabet
                .iter()
                .position(|it| it == byte)
                .map(|at| 62 + at as u8),
        };
        for run in plain.split(|byte| value(byte).is_none()) {
            for start in 0..4.min(run.len()) {
                let quads = run[start..].chunks_exact(4);
                let bytes = quads.flat_map(|quad| {
                    let bits = quad
                        .iter()
                        .fold(0, |bits, byte| bits << 6 | u32::from(value(byte).unwrap()));
                    let [_, bytes @ ..] = bits.to_be_bytes();
                    bytes
                });
                all.push(bytes.collect());
            }
        }
    }
    let plain = String::from_utf8_lossy(&plain).into_owned();
    for radix in [10, 16] {
        let mut list = Vec::new();
        for token in plain.split([',', '[', ']', '(', ')', '{', '}', ':', ';', '"']) {
            let digits = token.trim_start_matches("0x").trim_start_matches("0X");
            match u8::from_str_radix(digits, radix) {
                Ok(byte) => list.push(byte),
                Err(_) => all.push(std::mem::take(&mut list)),
            }
            // One number of 64 bits is a piece by itself.
            let number = u64::from_str_radix(digits, radix).ok();
            let signed = || i64::from_str_radix(digits, radix).ok();
            if let Some(number) = number.or_else(|| signed().map(i64::cast_unsigned)) {
                all.push(number.to_le_bytes().to_vec());
            }
        }
        all.push(list);
    }
    all
}

/// The bytes of a literal: `\x7f`, `\n`, `\0`, `\u{7f}`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let (byte, used) = match (first, tail) {
            (b'\\', [b'x', a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digits = std::str::from_utf8(&tail[1..3]).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), 4)
            }
            (b'\\', [b'u', b'{', ..]) => {
                let end = tail.iter().position(|byte| *byte == b'}').unwrap_or(2);
                let digits = std::str::from_utf8(&tail[2..end]).unwrap_or_default();
                (u8::from_str_radix(digits, 16).unwrap_or(b'?'), end + 2)
            }
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'0', ..]) => (0, 2),
            (b'\\', [other, ..]) => (*other, 2),
            (first, _) => (*first, 1),
        };
        out.push(byte);
        rest = rest.get(used..).unwrap_or_default();
    }
    out
}

#[test]
fn a_secret_is_found_however_it_is_printed() {
    use base64ct::{Base64, Base64UrlUnpadded, Encoding};

    let secret: Vec<u8> = (0..64u8)
        .map(|i| i.wrapping_mul(151).wrapping_add(3))
        .collect();
    let mut secrets = Secrets::default();
    secrets.add("it", &secret);
    let hex = |s: &[u8]| s.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let part = &secret[5..5 + PIECE];
    let backwards: Vec<u8> = secret.iter().rev().copied().collect();
    let number = u64::from_le_bytes(part.try_into().unwrap());
    let printed = [
        format!("key: {}", hex(part)),
        format!("key: 7{}", hex(part)),
        hex(&secret).to_uppercase(),
        format!("{part:?}"),
        format!("{part:#?}"),
        format!("{part:x?}"),
        format!("{part:#04X?}"),
        format!("{:?}", bytes::Bytes::copy_from_slice(part)),
        format!("{number}"),
        format!("{}", number.cast_signed()),
        format!("{number:#x}"),
        format!("\"{}\"", Base64::encode_string(&secret[1..])),
        format!("x{}", Base64UrlUnpadded::encode_string(&secret[2..20])),
        format!("{backwards:?}"),
    ];
    for text in printed {
        assert_eq!(secrets.find(text.as_bytes()), Some("it"), "{text}");
    }
    assert_eq!(
        secrets.find(&[b"..", &secret[9..9 + PIECE]].concat()),
        Some("it")
    );
    assert_eq!(secrets.find(hex(&secret[..PIECE - 1]).as_bytes()), None);
    let escaped = format!("{:?}", String::from("pass\"word\n").repeat(2));
    let mut secrets = Secrets::default();
    secrets.add("password", b"pass\"word\n");
    assert_eq!(secrets.find(escaped.as_bytes()), Some("password"));
}
