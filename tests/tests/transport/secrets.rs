//! Proxy secrets: what is one, and what is not.

use mtproto_proto::transport::{Framing, MAX_DOMAIN, ProxySecret, SecretError};

use super::support::{SECRET, hex};

fn fake_tls(domain: &[u8]) -> Vec<u8> {
    [&[0xee], &SECRET[..], domain].concat()
}

#[test]
fn a_secret_is_the_same_in_every_text_form() {
    // All four make both of what base64 and base64url write differently, and padding.
    let secrets = [
        SECRET.to_vec(),
        [0xfb; 16].to_vec(),
        [&[0xdd], &SECRET[..]].concat(),
        fake_tls(b"google.com"),
        fake_tls("b\u{fc}cher.example\u{3f}\u{3e}".as_bytes()),
    ];
    for bytes in secrets {
        let expected = ProxySecret::from_bytes(&bytes).unwrap();
        assert_eq!(expected.to_bytes()[..], bytes);
        let base64 = base64(&bytes);
        let base64url = base64.replace('+', "-").replace('/', "_");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            base64.trim_end_matches('=').to_owned(),
            base64url.trim_end_matches('=').to_owned(),
            base64,
            base64url,
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
        }
    }
}

/// An encoder of the test's own.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| u32::from(*group.get(i).unwrap_or(&0)));
        let bits = a << 16 | b << 8 | c;
        for at in 0..4 {
            if at <= group.len() {
                text.push(DIGITS[(bits >> (18 - 6 * at) & 63) as usize].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[test]
fn the_kind_says_which_framing_and_which_domain() {
    let plain = ProxySecret::from(SECRET);
    assert_eq!((plain.framing(), plain.domain()), (None, None));
    let padded = ProxySecret::from_bytes(&[&[0xdd], &SECRET[..]].concat()).unwrap();
    let only = Some(Framing::PaddedIntermediate);
    assert_eq!((padded.framing(), padded.domain()), (only, None));
    let tls = ProxySecret::from_bytes(&fake_tls(b"google.com")).unwrap();
    assert_eq!((tls.framing(), tls.domain()), (only, Some("google.com")));
    assert_eq!(ProxySecret::fake_tls(SECRET, "google.com"), Ok(tls));
}

#[test]
fn t5_a_domain_that_is_too_long_is_refused_when_it_is_configured() {
    for len in [1, 2, MAX_DOMAIN] {
        let domain = "d".repeat(len);
        let secret = ProxySecret::from_bytes(&fake_tls(domain.as_bytes())).unwrap();
        assert_eq!(secret.domain(), Some(&*domain));
    }
    for len in [0, MAX_DOMAIN + 1, 255, 256, 65_535, 65_536] {
        let domain = "d".repeat(len);
        let error = SecretError::Domain { got: len };
        assert_eq!(
            ProxySecret::from_bytes(&fake_tls(domain.as_bytes())),
            Err(error)
        );
        assert_eq!(ProxySecret::fake_tls(SECRET, &domain), Err(error));
    }
    let bytes = fake_tls(&[b'd', 0xff]);
    assert_eq!(
        ProxySecret::from_bytes(&bytes),
        Err(SecretError::DomainText)
    );
}

#[test]
fn what_is_no_secret_is_refused_by_its_name() {
    for len in 0..16 {
        let error = SecretError::TooShort { got: len };
        for first in [0x01, 0xdd, 0xee] {
            let bytes = vec![first; len];
            assert_eq!(ProxySecret::from_bytes(&bytes), Err(error), "{first} {len}");
        }
    }
    for bytes in [
        hex("52a493bdfb90eea55739eabff2d92a1422"),
        vec![0xdd; 18],
        vec![0x01; 300],
    ] {
        assert_eq!(ProxySecret::from_bytes(&bytes), Err(SecretError::Unknown));
    }
    for text in [
        "!".to_owned(),
        "0011223344556677889900112233445\u{20ac}".to_owned(),
        "ee".repeat(17 + MAX_DOMAIN + 1),
        "A".repeat(1_000_000),
    ] {
        assert_eq!(text.parse::<ProxySecret>(), Err(SecretError::Text));
    }
}

#[test]
fn the_key_is_not_shown() {
    for bytes in [
        SECRET.to_vec(),
        [&[0xdd], &SECRET[..]].concat(),
        fake_tls(b"google.com"),
    ] {
        let shown = format!("{:?}", ProxySecret::from_bytes(&bytes).unwrap());
        assert!(!shown.contains("0123") && !shown.contains("48"), "{shown}");
        assert!(!shown.contains("30"), "{shown}");
    }
}
