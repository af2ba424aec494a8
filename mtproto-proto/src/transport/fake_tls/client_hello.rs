//! A client's hello, as Chromium's looks.
//!
//! Does: writes it, with everything drawn that a browser draws: values that mean nothing, the order
//! of the extensions, key shares.
//! In: a key, a domain, the time, randomness. Out: the record, and the random bytes in it.
//! Must not know: what is answered.
//! Spec: RFC 8446, section 4.1.2; RFC 8701 (GREASE); FIPS 203 (the post-quantum key share);
//! "TLS Encrypted Client Hello". Which extensions there are is Chromium's choice.

use alloc::vec::Vec;

use rand_core::Rng as _;

use super::{HANDSHAKE, RANDOM, RANDOM_AT, SESSION_ID};
use crate::crypto::{hmac_sha256, x25519_public};
use crate::{Rng, Time};

/// Without those that mean nothing.
const CIPHER_SUITES: [u16; 15] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
    0x009d, 0x002f, 0x0035,
];
const SIGNATURES: [u16; 8] = [
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
];
const X25519: u16 = 0x001d;
const X25519_MLKEM768: u16 = 0x11ec;
const SECP256R1: u16 = 0x0017;
const SECP384R1: u16 = 0x0018;
const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;
/// Of a public value of ML-KEM-768: coefficients below the prime, two in three bytes, and a seed.
const MLKEM_PAIRS: usize = 384;
const MLKEM_PRIME: u32 = 3_329;

/// Extensions, by the order of their numbers; they are sent in any other.
#[derive(Clone, Copy)]
enum Extension {
    ServerName,
    StatusRequest,
    SupportedGroups,
    PointFormats,
    Signatures,
    Protocols,
    Timestamps,
    ExtendedMasterSecret,
    CompressCertificate,
    SessionTicket,
    SupportedVersions,
    PskModes,
    KeyShare,
    Settings,
    EncryptedHello,
    Renegotiation,
}

const EXTENSIONS: [Extension; 16] = [
    Extension::ServerName,
    Extension::StatusRequest,
    Extension::SupportedGroups,
    Extension::PointFormats,
    Extension::Signatures,
    Extension::Protocols,
    Extension::Timestamps,
    Extension::ExtendedMasterSecret,
    Extension::CompressCertificate,
    Extension::SessionTicket,
    Extension::SupportedVersions,
    Extension::PskModes,
    Extension::KeyShare,
    Extension::Settings,
    Extension::EncryptedHello,
    Extension::Renegotiation,
];

/// Values that mean nothing, one for each place that has one.
struct Grease {
    cipher_suite: u16,
    group: u16,
    version: u16,
    first: u16,
    last: u16,
}

impl Grease {
    fn draw(rng: &mut Rng) -> Self {
        let [a, b, c, d, e] = rng.array::<5>().map(|byte| byte & 0xf0);
        // An extension must not come twice.
        let e = if d == e { e ^ 0x10 } else { e };
        let [cipher_suite, group, version, first, last] =
            [a, b, c, d, e].map(|high| u16::from_be_bytes([high | 0x0a; 2]));
        Grease {
            cipher_suite,
            group,
            version,
            first,
            last,
        }
    }
}

/// Appends a hello made with this key for this domain; the random bytes in it.
pub(super) fn write(
    out: &mut Vec<u8>,
    key: &[u8; 16],
    domain: &str,
    time: Time,
    rng: &mut Rng,
) -> [u8; RANDOM] {
    let grease = Grease::draw(rng);
    let start = out.len();
    out.extend([HANDSHAKE, 0x03, 0x01]);
    long(out, |out| {
        // The message's length has three bytes, of which the first is zero.
        out.extend([0x01, 0x00]);
        long(out, |out| {
            number(out, TLS_1_2);
            out.extend([0; RANDOM]);
            out.push(0x20);
            out.extend(rng.array::<SESSION_ID>());
            long(out, |out| {
                number(out, grease.cipher_suite);
                numbers(out, &CIPHER_SUITES);
            });
            out.extend([0x01, 0x00]); // no compression
            long(out, |out| {
                extension(out, grease.first, |_| ());
                for one in shuffled(rng) {
                    one.write(out, domain, &grease, rng);
                }
                extension(out, grease.last, |out| out.push(0));
            });
        });
    });
    let hello = out.get_mut(start..).unwrap_or_default();
    let [steady @ .., t0, t1, t2, t3] = hmac_sha256(key, &[hello]);
    // Seconds in 32 bits, as far as they last.
    let seconds = u32::try_from(time.unix()).unwrap_or(u32::MAX);
    let time = u32::from_le_bytes([t0, t1, t2, t3]) ^ seconds;
    let mut random = [0; RANDOM];
    for (to, from) in random
        .iter_mut()
        .zip(steady.iter().chain(&time.to_le_bytes()))
    {
        *to = *from;
    }
    if let Some(slot) = hello.get_mut(RANDOM_AT..).and_then(|h| h.first_chunk_mut()) {
        *slot = random;
    }
    random
}

/// The extensions in an order that was drawn.
fn shuffled(rng: &mut Rng) -> [Extension; EXTENSIONS.len()] {
    let mut order = EXTENSIONS;
    let mut left = &mut order[..];
    while let Some(choices) = u32::try_from(left.len()).ok().filter(|n| *n > 0) {
        let chosen = rng.next_u32().checked_rem(choices).unwrap_or(0);
        let chosen = usize::try_from(chosen).unwrap_or(0); // below 16
        left.swap(0, chosen);
        left = left.get_mut(1..).unwrap_or_default();
    }
    order
}

impl Extension {
    fn write(self, out: &mut Vec<u8>, domain: &str, grease: &Grease, rng: &mut Rng) {
        match self {
            Extension::ServerName => extension(out, 0x0000, |out| {
                long(out, |out| {
                    out.push(0); // a host's name
                    long(out, |out| out.extend(domain.as_bytes()));
                });
            }),
            Extension::StatusRequest => extension(out, 0x0005, |out| out.extend([1, 0, 0, 0, 0])),
            Extension::SupportedGroups => extension(out, 0x000a, |out| {
                let groups = [grease.group, X25519_MLKEM768, X25519, SECP256R1, SECP384R1];
                long(out, |out| numbers(out, &groups));
            }),
            Extension::PointFormats => extension(out, 0x000b, |out| out.extend([1, 0])),
            Extension::Signatures => extension(out, 0x000d, |out| {
                long(out, |out| numbers(out, &SIGNATURES));
            }),
            Extension::Protocols => extension(out, 0x0010, |out| {
                long(out, |out| {
                    out.extend(b"\x02h2");
                    out.extend(b"\x08http/1.1");
                });
            }),
            Extension::Timestamps => extension(out, 0x0012, |_| ()),
            Extension::ExtendedMasterSecret => extension(out, 0x0017, |_| ()),
            Extension::CompressCertificate => extension(out, 0x001b, |out| out.extend([2, 0, 2])),
            Extension::SessionTicket => extension(out, 0x0023, |_| ()),
            Extension::SupportedVersions => extension(out, 0x002b, |out| {
                out.push(6);
                numbers(out, &[grease.version, TLS_1_3, TLS_1_2]);
            }),
            Extension::PskModes => extension(out, 0x002d, |out| out.extend([1, 1])),
            Extension::KeyShare => extension(out, 0x0033, |out| {
                long(out, |out| key_shares(out, grease.group, rng));
            }),
            Extension::Settings => extension(out, 0x44cd, |out| {
                long(out, |out| out.extend(b"\x02h2"));
            }),
            Extension::EncryptedHello => extension(out, 0xfe0d, |out| encrypted_hello(out, rng)),
            Extension::Renegotiation => extension(out, 0xff01, |out| out.push(0)),
        }
    }
}

fn key_shares(out: &mut Vec<u8>, grease: u16, rng: &mut Rng) {
    number(out, grease);
    long(out, |out| out.push(0));
    number(out, X25519_MLKEM768);
    long(out, |out| {
        for _ in 0..MLKEM_PAIRS {
            let [a, b] = [(); 2].map(|()| rng.next_u32().checked_rem(MLKEM_PRIME).unwrap_or(0));
            let [first, second, third, _] = (a | b << 12).to_le_bytes();
            out.extend([first, second, third]);
        }
        out.extend(rng.array::<32>());
        out.extend(x25519_public(rng.array()));
    });
    number(out, X25519);
    long(out, |out| out.extend(x25519_public(rng.array())));
}

/// What stands for an encrypted hello when there is none.
fn encrypted_hello(out: &mut Vec<u8>, rng: &mut Rng) {
    /// HKDF-SHA256 and AES-128-GCM.
    const CIPHERS: [u16; 2] = [1, 1];
    /// The shortest, and the steps up to the longest of four.
    const PAYLOAD: usize = 144;
    const STEP: usize = 32;

    let [id, steps] = rng.array();
    out.push(0); // the outer one
    numbers(out, &CIPHERS);
    out.push(id);
    long(out, |out| out.extend(x25519_public(rng.array())));
    long(out, |out| {
        let start = out.len();
        let len = PAYLOAD.saturating_add(usize::from(steps & 3).saturating_mul(STEP));
        out.resize(start.saturating_add(len), 0);
        rng.fill_bytes(out.get_mut(start..).unwrap_or_default());
    });
}

fn number(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

fn numbers(out: &mut Vec<u8>, all: &[u16]) {
    for one in all {
        number(out, *one);
    }
}

fn extension(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    number(out, kind);
    long(out, fill);
}

/// Appends what `fill` appends, behind its length in two bytes. A hello is far shorter than these
/// can say.
fn long(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 2]);
    let start = out.len();
    fill(out);
    let len = u16::try_from(out.len().saturating_sub(start)).unwrap_or(u16::MAX);
    if let Some(slot) = out.get_mut(at..).and_then(|h| h.first_chunk_mut()) {
        *slot = len.to_be_bytes();
    }
}
