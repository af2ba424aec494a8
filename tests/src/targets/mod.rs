//! The bodies of the fuzz targets, so that they compile on stable and a test replays corpora.
//!
//! Does: turns bytes into what a peer sends, and holds what must hold whatever it sends.
//! In: a fuzzer's bytes. Out: nothing; a panic is a finding.
//! Must not know: fuzzers.
//! Spec: none; `fuzz/README.md` says how to run them.

mod client_answers;
mod codec;
mod fake_tls;
mod handshake_client;
mod handshake_server;
mod input;
mod pair_script;
mod schema_json;
mod schema_text;
mod session_open;
mod session_plain;
mod session_strings;
mod stored_state;
mod tl_dynamic;
mod tl_typed;
mod transcript;
mod updates;
mod vectors;

pub use client_answers::client_answers;
pub use codec::codec;
pub use fake_tls::fake_tls;
pub use handshake_client::handshake_client;
pub use handshake_server::handshake_server;
pub use pair_script::pair_script;
pub use schema_json::schema_json;
pub use schema_text::schema_text;
pub use session_open::session_open;
pub use session_plain::session_plain;
pub use session_strings::session_strings;
pub use stored_state::stored_state;
pub use tl_dynamic::tl_dynamic;
pub use tl_typed::tl_typed;
pub use updates::updates;

/// Bytes that one input may make a target hold at once, on stable and under a fuzzer: the greatest
/// frame that a client takes (16 MiB) four times, which is the frame as it came, opened, inflated and
/// taken apart. Inputs are a few KiB, so this leaves little room for growth.
pub const MAX_HELD: usize = 64 << 20;

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
        name: "fake_tls",
        run: fake_tls,
        seeds: fake_tls::seeds,
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
        name: "pair_script",
        run: pair_script,
        seeds: pair_script::seeds,
    },
    Target {
        name: "schema_json",
        run: schema_json,
        seeds: schema_json::seeds,
    },
    Target {
        name: "schema_text",
        run: schema_text,
        seeds: schema_text::seeds,
    },
    Target {
        name: "session_open",
        run: session_open,
        seeds: session_open::seeds,
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
        name: "stored_state",
        run: stored_state,
        seeds: stored_state::seeds,
    },
    Target {
        name: "tl_dynamic",
        run: tl_dynamic,
        seeds: tl_dynamic::seeds,
    },
    Target {
        name: "tl_typed",
        run: tl_typed,
        seeds: tl_typed::seeds,
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
    let named = codec::words().into_iter();
    let named = named.chain(fake_tls::words());
    let named = named.chain(handshake_client::words());
    let named = named.chain(stored_state::words());
    let named = named.chain(schema_text::words());
    let named = named.map(|(name, word)| (name.to_owned(), word));
    for (name, word) in named.chain(tl_dynamic::words()) {
        let word: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        out += &format!("{name}=\"{word}\"\n");
    }
    out
}
