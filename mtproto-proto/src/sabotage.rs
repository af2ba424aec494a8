//! Bugs on demand, to show that the simulator finds them.
//!
//! Does: breaks one rule at a time, in a build with `--cfg mtproto_sabotage`. In every other build
//! this is a constant `false`, and nothing of it is left.
//! In: the name of a rule. Out: whether it is to be broken now.
//! Must not know: how the rule is kept.
//! Spec: none.

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sabotage {
    /// What came before is taken again.
    Replay,
    /// A refused container is forgotten, and what was in it.
    ContainerMembership,
    /// Messages inside containers are not acknowledged.
    InnerAcks,
    /// A notification that would repair the clock has to pass the clock's own check.
    ClockExemption,
    /// Retries cost nothing.
    RetryBudget,
    /// `new_session_created` sends everything again, whatever its `first_msg_id`.
    FirstMsgId,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 6] = [
        Sabotage::Replay,
        Sabotage::ContainerMembership,
        Sabotage::InnerAcks,
        Sabotage::ClockExemption,
        Sabotage::RetryBudget,
        Sabotage::FirstMsgId,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::ContainerMembership => "container-membership",
            Self::InnerAcks => "inner-acks",
            Self::ClockExemption => "clock-exemption",
            Self::RetryBudget => "retry-budget",
            Self::FirstMsgId => "first-msg-id",
        }
    }
}

#[cfg(mtproto_sabotage)]
mod active {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::Sabotage;

    /// Index into [`Sabotage::ALL`], plus one.
    static BROKEN: AtomicUsize = AtomicUsize::new(0);

    /// Breaks this rule from now on in the whole process, or none.
    pub fn set(rule: Option<Sabotage>) {
        let index = rule.map_or(0, |rule| {
            let at = Sabotage::ALL.iter().position(|other| *other == rule);
            at.map_or(0, |at| at.saturating_add(1))
        });
        BROKEN.store(index, Ordering::Relaxed);
    }

    pub(crate) fn breaks(rule: Sabotage) -> bool {
        let index = BROKEN.load(Ordering::Relaxed);
        index
            .checked_sub(1)
            .and_then(|at| Sabotage::ALL.get(at))
            .is_some_and(|broken| *broken == rule)
    }
}

#[cfg(mtproto_sabotage)]
pub(crate) use active::breaks;
#[cfg(mtproto_sabotage)]
pub use active::set;

/// Whether this rule is to be broken now.
#[cfg(not(mtproto_sabotage))]
pub(crate) const fn breaks(_: Sabotage) -> bool {
    false
}
