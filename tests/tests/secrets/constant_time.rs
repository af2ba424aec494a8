//! Arithmetic whose time depends on its numbers is for public numbers.

use crate::fields::{rust_files, without_comments};

/// Where the library's faster functions are called, and why that tells nothing. What is not listed
/// computes in a time that depends on lengths only.
const PUBLIC: [(&str, &str, &str); 6] = [
    (
        "crypto/x25519.rs",
        "x_2.mul(&z_2.pow_vartime(&inverse))",
        "the exponent, on which the time depends, is the curve's prime less 2",
    ),
    (
        "crypto/x25519.rs",
        "FixedMontyParams::new_vartime(const { Odd::<U256>::from_be_hex(PRIME) })",
        "the curve's prime",
    ),
    (
        "crypto/dh.rs",
        "U2048::ONE.shl_vartime(2048 - 64)",
        "a constant",
    ),
    (
        "crypto/dh.rs",
        "Params::new_vartime(prime)",
        "the prime travels to everybody",
    ),
    (
        "crypto/rsa.rs",
        "Params::new_vartime(odd(n)?)",
        "a public key's modulus",
    ),
    (
        "crypto/rsa.rs",
        ".pow_vartime(&Uint::<1>::from(self.exponent))",
        "a public key's exponent",
    ),
];

#[test]
fn s3_functions_of_variable_time_are_called_with_public_numbers_only() {
    let mut found = Vec::new();
    for (name, text) in rust_files("mtproto-proto/src") {
        for line in without_comments(&text) {
            if line.contains("vartime") {
                found.push((name.clone(), line.trim().to_owned()));
            }
        }
    }
    for (name, line) in &found {
        let known = PUBLIC
            .iter()
            .any(|(file, call, _)| name == file && line.contains(call));
        assert!(known, "{name}: {line}\nwhy may its time depend on this?");
    }
    assert_eq!(found.len(), PUBLIC.len(), "{found:?}");
}

/// Secrets and what is compared with them: each comparison of bytes in these rooms goes through
/// `ct_eq`.
#[test]
fn s3_the_rooms_that_judge_a_peers_proof_compare_in_constant_time() {
    let rooms = [
        ("handshake/client.rs", 5),
        ("handshake/server.rs", 3),
        ("handshake/sealed.rs", 1),
        ("handshake/bind.rs", 1),
        ("crypto/auth_key.rs", 1),
        ("crypto/rsa_pad.rs", 2),
        ("crypto/srp.rs", 1),
        ("session/packet.rs", 2),
    ];
    let files = rust_files("mtproto-proto/src");
    for (room, least) in rooms {
        let (_, text) = files.iter().find(|(name, _)| name == room).unwrap();
        let code: String = without_comments(text).join("\n");
        let calls = code.matches("ct_eq(").count();
        assert!(
            calls >= least,
            "{room}: {calls} comparisons, {least} wanted"
        );
        for line in code.lines() {
            let compares = line.contains("==") || line.contains("!=");
            let secret = ["nonce", "hash", "msg_key", "m1", "sha1("]
                .iter()
                .any(|word| line.contains(word));
            let public = ["last.question == hash", "constructor", "assert"]
                .iter()
                .any(|word| line.contains(word));
            assert!(!compares || !secret || public, "{room}: {}", line.trim());
        }
    }
}
