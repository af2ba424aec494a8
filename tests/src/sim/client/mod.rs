//! Whole clients against several data centres of one world, in virtual time.
//!
//! Does: a run of one seed: one to three accounts on two to four data centres sign in, write to each
//! other, read, move files, come and go, while streams, servers, clocks, devices and the world itself
//! fail; then the weather gets better, and everything has to be as if it had always been good.
//! In: a seed. Out: what the run came to, or the first invariant that did not hold.
//! Must not know: sockets, threads, the real clock; what a client does inside.
//! Spec: none; the invariants are the project's own.
//!
//! | Room | Knows |
//! | --- | --- |
//! | `plan` | what a seed holds before anything happens |
//! | `rig` | the clock, and whose turn it is |
//! | `lines` | streams and their faults |
//! | `centre` | servers of the core before the world of the test DC |
//! | `person` | a client's process, its store, what must hold of both |
//! | `app`, `sign_in`, `inbox` | an application: calls, sign-in, updates |
//! | `ledger` | the reference model of who asked for what, and what was executed |
//! | `audit` | the world without a client |
//! | `storm`, `checks` | the bad time, and the good one after it |

mod app;
mod audit;
mod centre;
mod checks;
mod inbox;
mod ledger;
mod lines;
mod person;
mod plan;
mod rig;
mod sign_in;
mod storm;

use ledger::{Broken, Checked};
use rig::Rig;

use super::{Options, Outcome, Profile, Violation};
use crate::pair::START;
use crate::trace::Trace;
use crate::{Dice, Seed};

/// One run, and a number that is the same for each run of a seed: it is made of every byte that was
/// carried, and when.
///
/// # Errors
/// The first invariant that did not hold.
pub fn run(seed: Seed, options: &Options) -> Result<(Outcome, u64), Violation> {
    run_traced(seed, options, &Trace::off())
}

/// [`run`], and everything that is done to the machines is written to `trace`.
///
/// # Errors
/// As [`run`].
pub fn run_traced(
    seed: Seed,
    options: &Options,
    trace: &Trace,
) -> Result<(Outcome, u64), Violation> {
    let mut rig = Rig::new(Dice::new(seed), options.narrates, trace.clone());
    let ended = whole(&mut rig, options.storms);
    match ended {
        Ok(()) => {
            rig.outcome.time = rig.now.saturating_since(START);
            rig.outcome.executed = rig.ledger.executed;
            Ok((rig.outcome, rig.digest))
        }
        Err(Broken(invariant, detail)) => Err(Violation {
            seed,
            profile: Profile::Client,
            invariant,
            at: rig.now,
            detail,
        }),
    }
}

fn whole(rig: &mut Rig, storms: bool) -> Checked {
    rig.say(|| format!("{:?}", rig.plan));
    rig.stormy = storms;
    rig.storm()?;
    rig.say(|| "the weather gets better".to_owned());
    rig.calm()?;
    rig.recover()?;
    rig.one_is_silent()?;
    rig.everything_arrived()?;
    rig.idle()?;
    rig.close()
}
