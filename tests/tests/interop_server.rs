//! Our client against a server of another make: `tests/peers/strict_server.py`.
//!
//! It was written from the specification, in another language, to judge: it reports all that our
//! client does against the rules, and on demand it attacks. `tests/peers/README.md` says how to
//! install it; where it is not installed, these tests are skipped with a word, or, with
//! `MTPROTO_REQUIRE_PEERS=1`, fail.

mod peers;

#[path = "interop_server/attacks.rs"]
mod attacks;
#[path = "interop_server/call.rs"]
mod call;
#[path = "interop_server/honest.rs"]
mod honest;
#[path = "interop_server/judge.rs"]
mod judge;
#[path = "interop_server/puppet.rs"]
mod puppet;
#[path = "interop_server/support.rs"]
mod support;
