//! Errors and flood waits on demand.
//!
//! Does: [`Faults`] says which call fails although nothing is wrong with it.
//! In: what a test wants to fail; calls, the time. Out: refusals.
//! Must not know: what the methods do.
//! Spec: "Error handling".

use std::collections::BTreeMap;

use super::methods;
use super::refusal::{Refusal, flood_wait};

/// Callers whose last call of a limited method is remembered; beyond, those whose wait is over are
/// forgotten, and if none is, all.
const MAX_CALLS: usize = 100_000;

/// What a test wants to fail.
#[derive(Debug, Default)]
pub struct Faults {
    /// Errors for the next calls, by method, in order: how often, and which.
    next: BTreeMap<u32, Vec<(u32, Refusal)>>,
    /// Seconds between two calls, by method.
    floods: BTreeMap<u32, i32>,
    /// When a limited method may be called again, by method and caller.
    free: BTreeMap<(u32, i64), i32>,
}

impl Faults {
    /// The next calls of a method fail.
    ///
    /// # Errors
    /// If there is no such method.
    pub fn fail_next(
        &mut self,
        method: &str,
        times: u32,
        code: i32,
        text: &str,
    ) -> Result<(), String> {
        let failures = self.next.entry(methods::id(method)?).or_default();
        if times > 0 {
            failures.push((times, (code, text.to_owned())));
        }
        Ok(())
    }

    /// Limits how often an account may call a method; 0 seconds lifts the limit.
    ///
    /// # Errors
    /// If there is no such method, or the time has more than 31 bits.
    pub fn flood(&mut self, method: &str, seconds: u32) -> Result<(), String> {
        let id = methods::id(method)?;
        let seconds = i32::try_from(seconds).map_err(|_| format!("{method}: {seconds} s"))?;
        if seconds == 0 {
            self.floods.remove(&id);
        } else {
            self.floods.insert(id, seconds);
        }
        self.free.retain(|(method, _), _| *method != id);
        Ok(())
    }

    /// Whether this call fails. `who`: the account, or a key without one.
    pub fn strike(&mut self, method: u32, who: i64, now: i32) -> Option<Refusal> {
        if let Some(failures) = self.next.get_mut(&method)
            && let Some((times, refusal)) = failures.first_mut()
        {
            let refusal = refusal.clone();
            *times = times.saturating_sub(1);
            if *times == 0 {
                failures.remove(0);
            }
            return Some(refusal);
        }
        let pause = *self.floods.get(&method)?;
        if let Some(free) = self.free.get(&(method, who))
            && now < *free
        {
            return Some(flood_wait(free.saturating_sub(now)));
        }
        if self.free.len() >= MAX_CALLS {
            self.free.retain(|_, free| now < *free);
            if self.free.len() >= MAX_CALLS {
                self.free.clear();
            }
        }
        self.free.insert((method, who), now.saturating_add(pause));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: &str = "messages.sendMessage";

    #[test]
    fn failures_come_in_order_and_end() {
        let mut faults = Faults::default();
        faults.fail_next(METHOD, 2, 500, "ONE").unwrap();
        faults.fail_next(METHOD, 0, 500, "NEVER").unwrap();
        faults.fail_next(METHOD, 1, 400, "TWO").unwrap();
        let id = methods::id(METHOD).unwrap();
        let other = methods::id("help.getConfig").unwrap();
        let mut struck = |id| faults.strike(id, 1, 0).map(|(_, text)| text);
        assert_eq!(struck(other), None);
        let texts: Vec<_> = (0..4).map(|_| struck(id)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(texts, [text("ONE"), text("ONE"), text("TWO"), None]);
    }

    #[test]
    fn a_limit_holds_for_each_account_by_itself_and_says_how_long() {
        let mut faults = Faults::default();
        faults.flood(METHOD, 5).unwrap();
        let id = methods::id(METHOD).unwrap();
        assert_eq!(faults.strike(id, 1, 100), None);
        assert_eq!(faults.strike(id, 1, 102), Some(flood_wait(3)));
        assert_eq!(faults.strike(id, 2, 102), None, "another account");
        assert_eq!(faults.strike(id, 1, 105), None, "in time");
        faults.flood(METHOD, 0).unwrap();
        assert_eq!(faults.strike(id, 1, 105), None, "no limit any more");
    }

    #[test]
    fn unknown_methods_are_named() {
        let mut faults = Faults::default();
        for method in ["messages.sendMesage", "user", "", "0"] {
            let error = faults.fail_next(method, 1, 500, "X").unwrap_err();
            assert!(error.contains(method), "{error}");
            assert!(faults.flood(method, 1).is_err());
        }
        assert!(faults.flood(METHOD, u32::MAX).is_err());
    }
}
