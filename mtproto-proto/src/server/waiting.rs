//! What waits in all sessions together: for a stream, for an acknowledgement, for the owner; and the
//! ids that they remember.
//!
//! Does: counts it; lets the session that has most forget its oldest; says which call is one too many.
//! In: sessions that changed, calls that came. Out: whether there is room.
//! Must not know: streams, what a call means.
//! Spec: none.

use crate::ids::{AuthKeyId, SessionId};
use crate::server::registry::Registry;

/// What it takes to keep a call besides its body: its names in two maps and in the session, with the
/// slack of trees and of the allocator.
const CALL_OVERHEAD: usize = 256;
/// Ids that are remembered in all sessions together, beyond the 128 of each: as many as 32 sessions have
/// at most that came and are still to be acknowledged. Each takes up to 24 bytes.
pub(super) const MAX_REMEMBERED: usize = 1 << 20;
/// A session may have this part of what is left for calls: however many sessions take their part,
/// something is left for the next one.
const SHARE: usize = 4;

/// What a call counts whose body has so many bytes.
pub(super) fn call_bytes(len: usize) -> usize {
    len.saturating_add(CALL_OVERHEAD)
}

/// What waits in all sessions together.
impl Registry {
    /// Counts what waits in a session; sessions that have too much forget their oldest.
    pub(super) fn weigh(&mut self, key: AuthKeyId, session: SessionId) {
        self.count_remembered(key, session);
        while self.remembered > self.max_remembered
            && let Some((before, key, session)) = self.by_remembered.last().copied()
        {
            if let Some(entry) = self.get_mut(key, session) {
                entry.session.forget_ids();
            }
            if self.count_remembered(key, session) >= before {
                break;
            }
        }
        self.count_waiting(key, session);
        while self.waiting > self.max_waiting
            && let Some((_, key, session)) = self.by_waiting.last().copied()
        {
            let forgot = self
                .get_mut(key, session)
                .is_some_and(|entry| entry.session.forget_oldest());
            self.count_waiting(key, session);
            if !forgot {
                break;
            }
        }
    }

    /// Whether a session may have one more call with so many bytes.
    pub(super) fn has_room_for_call(&self, key: AuthKeyId, session: SessionId, len: usize) -> bool {
        let own = self
            .sessions
            .get(&(key, session))
            .map_or(0, |entry| entry.running);
        let others = self.running.saturating_sub(own);
        let left = self.max_running.saturating_sub(others);
        // Of what is left without its own, that is one part; the rest stays free.
        let most = left.checked_div(SHARE.saturating_add(1)).unwrap_or(0);
        own.saturating_add(call_bytes(len)) <= most
    }

    /// Counts the ids that a session remembers: so many.
    fn count_remembered(&mut self, key: AuthKeyId, session: SessionId) -> usize {
        let Some(entry) = self.sessions.get_mut(&(key, session)) else {
            return 0;
        };
        let now = entry.session.remembered();
        let before = core::mem::replace(&mut entry.remembered, now);
        if now != before {
            self.remembered = self.remembered.saturating_sub(before).saturating_add(now);
            self.by_remembered.remove(&(before, key, session));
            if now > 0 {
                self.by_remembered.insert((now, key, session));
            }
        }
        now
    }

    fn count_waiting(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.sessions.get_mut(&(key, session)) else {
            return;
        };
        let now = entry.session.waiting_bytes();
        let before = core::mem::replace(&mut entry.waiting, now);
        if now == before {
            return;
        }
        self.waiting = self.waiting.saturating_sub(before).saturating_add(now);
        self.by_waiting.remove(&(before, key, session));
        if now > 0 {
            self.by_waiting.insert((now, key, session));
        }
    }
}
