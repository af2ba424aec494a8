//! `pair_script`: a client and a server, and a script of what they are asked for and what goes wrong
//! between them.
//!
//! Must hold: the invariants of the simulator ([`crate::sim`]): each request ends once, and in time;
//! nothing is executed twice behind the application's back; nobody takes what is not authentic; no
//! key is lost; queues are bounded, and no machine is busy without a cause.

use super::Seed;
use crate::sim::{self, Options};
use crate::trace::Trace;

/// Input: which machines, a seed, then steps.
pub fn pair_script(data: &[u8]) {
    if let Err(violation) = sim::run_script(data, &Options::default(), &Trace::off()) {
        panic!("{violation}");
    }
}

/// Stories with one trouble each, to both kinds of machines.
pub(super) fn seeds() -> Vec<Seed> {
    sim::scripts()
}
