//! The bodies of the fuzz targets, so that they compile on stable and a test replays corpora.
//!
//! Does: turns bytes into what a peer sends, and holds what must hold whatever it sends.
//! In: a fuzzer's bytes. Out: nothing; a panic is a finding.
//! Must not know: fuzzers.
//! Spec: none; `fuzz/README.md` says how to run them.

mod client_answers;
mod codec;
mod handshake_client;
mod handshake_server;
mod input;
mod session_plain;
mod session_strings;
mod tl_dynamic;
mod transcript;
mod updates;

pub use client_answers::client_answers;
pub use codec::codec;
pub use handshake_client::handshake_client;
pub use handshake_server::handshake_server;
pub use session_plain::session_plain;
pub use session_strings::session_strings;
pub use tl_dynamic::tl_dynamic;
pub use updates::updates;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folder of its corpus.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// What its corpus begins with: inputs that get deep into the code.
    pub seeds: fn() -> Vec<Seed>,
}

/// An input with a name.
pub type Seed = (String, Vec<u8>);

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "client_answers",
        run: client_answers,
        seeds: client_answers::seeds,
    },
    Target {
        name: "codec",
        run: codec,
        seeds: codec::seeds,
    },
    Target {
        name: "handshake_client",
        run: handshake_client,
        seeds: handshake_client::seeds,
    },
    Target {
        name: "handshake_server",
        run: handshake_server,
        seeds: handshake_server::seeds,
    },
    Target {
        name: "session_plain",
        run: session_plain,
        seeds: session_plain::seeds,
    },
    Target {
        name: "session_strings",
        run: session_strings,
        seeds: session_strings::seeds,
    },
    Target {
        name: "tl_dynamic",
        run: tl_dynamic,
        seeds: tl_dynamic::seeds,
    },
    Target {
        name: "updates",
        run: updates,
        seeds: updates::seeds,
    },
];

/// What fuzzers do not guess: words that mean something, in libFuzzer's format.
pub fn dictionary() -> String {
    let mut out = String::new();
    let named = codec::words().into_iter().chain(handshake_client::words());
    let named = named.map(|(name, word)| (name.to_owned(), word));
    for (name, word) in named.chain(tl_dynamic::words()) {
        let word: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        out += &format!("{name}=\"{word}\"\n");
    }
    out
}
