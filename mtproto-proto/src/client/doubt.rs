//! Keys that servers deny.
//!
//! Does: decides what a server's word about a key is worth; has the account's key proved by binding
//! a temporary one to it; gives keys up.
//! In: streams that ended with such a word. Out: kept keys, forgotten keys, failed calls.
//! Must not know: bytes, other reasons for the end of a stream (`streams.rs` does).
//! Spec: "Transport errors"; "Perfect Forward Secrecy".

use core::time::Duration;

use rand_core::Rng as _;

use crate::client::link::{Kind, LinkId};
use crate::client::machine::Client;
use crate::client::{CallError, Change, Disconnected, Key, SignedOut};
use crate::error::Fate;
use crate::ids::DcId;
use crate::time::Time;

/// So many streams in a row must end with the server's word that it does not know the key before
/// anything is done about it. Anybody on the path can say so: the key that is the account's login is
/// not given up for it, but put to the proof.
const REFUSALS: u8 = 3;
/// A key that worked so recently is not believed to be gone, even if the server has proved itself.
/// TDLib's number: servers have lost sight of keys for a while.
const IMMUNITY: Duration = Duration::from_secs(24 * 3600);
/// The same for a key that was just made: not all servers of a DC may have it yet. TDLib's number.
const TOO_YOUNG_SECS: i64 = 60;
/// Lifetime of a temporary key that is made only to learn whether the server knows the permanent
/// one: the longest that servers give.
const PROOF_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Temporary keys live up to this part less than the configuration says, so that not all clients
/// make new ones at once; TDLib's live 23 to 24 hours.
const LIFETIME_JITTER: u32 = 24;
/// The shortest life of a temporary key that [`Config::pfs`](super::Config::pfs) allows.
const MIN_LIFETIME: Duration = Duration::from_secs(60);

impl Client {
    /// Lifetime of the temporary keys of a stream to be, if it has any.
    pub(super) fn temporary_keys(&mut self, id: LinkId) -> Option<Duration> {
        if id.kind == Kind::Leaving {
            // A key is destroyed under itself.
            return None;
        }
        if let Some(lifetime) = self.config.pfs {
            let most = lifetime.checked_div(LIFETIME_JITTER).unwrap_or_default();
            let less = u64::from(self.rng.next_u32()).checked_rem(most.as_secs().saturating_add(1));
            let less = Duration::from_secs(less.unwrap_or(0));
            return Some(lifetime.saturating_sub(less).max(MIN_LIFETIME));
        }
        // A server that has proved itself refuses to bind to a key that it does not know: unlike
        // its -404, that cannot be said by anybody else.
        let refused = self.keys.get(&id.dc).map_or(0, |dc| dc.refused);
        let doubted = refused >= REFUSALS && self.is_login(id.dc);
        let rest = self.links.get(&id).and_then(|link| link.rest.as_ref());
        let goes_on = rest.is_some_and(|rest| rest.runs_on_temporary_key());
        (doubted || goes_on).then_some(PROOF_LIFETIME)
    }

    /// Whether the DC's key is the account's login: that of its main DC or, as long as the account was
    /// sent there and has not reached it, of any DC that it may come from.
    fn is_login(&self, id: DcId) -> bool {
        self.is_signed_in()
            && !self.lacks_authorization(id)
            && (id == self.main_dc || self.lacks_authorization(self.main_dc))
    }

    /// The server says that it does not know our key; `proven`: nobody else can have said it.
    ///
    /// The login is never given up on a word that anybody on the path can say. Another key costs a
    /// handshake and an import.
    pub(super) fn key_denied(&mut self, now: Time, id: DcId, proven: bool) {
        let is_login = self.is_login(id);
        let dc = self.dc(id);
        dc.refused = dc.refused.saturating_add(1);
        if dc.refused < REFUSALS {
            return;
        }
        if !is_login {
            return self.drop_key(now, id);
        }
        if !proven {
            return;
        }
        let worked = dc.proved_at.is_some_and(|at| now < at + IMMUNITY);
        let young = dc.key.as_ref().is_some_and(|key| {
            let server = i64::try_from(key.server_now(now).unix()).unwrap_or(i64::MAX);
            server.saturating_sub(key.created_at()) < TOO_YOUNG_SECS
        });
        if !(worked || young) {
            if id != self.main_dc {
                // Another DC may know the account, too: whoever asks for it next finds out.
                return self.drop_key(now, id);
            }
            return self.sign_out(now, SignedOut::KeyInvalid);
        }
        for link in [LinkId::main(id), LinkId::media(id)] {
            let (dc, fate) = (id, Fate::NotSent);
            self.fail_link(now, link, &CallError::KeyDenied { dc, fate });
        }
    }

    /// Forgets a DC's key. What waits goes on under the next one.
    pub(super) fn drop_key(&mut self, now: Time, id: DcId) {
        let links = [LinkId::main(id), LinkId::media(id)];
        for link_id in links {
            self.stream_ended(now, link_id, Disconnected::Closed, true);
        }
        // After the last word of the streams, which may be about the key.
        let dc = self.dc(id);
        dc.key = None;
        dc.authorized = false;
        dc.refused = 0;
        dc.store_at = None;
        self.change(Change {
            key: Key::Dc(id),
            value: None,
        });
        for link_id in links {
            if let Some(link) = self.links.get_mut(&link_id) {
                link.rest = link.rest.take().map(|rest| rest.without_key());
                let waiting = core::mem::take(&mut link.waiting);
                let held = core::mem::take(&mut link.held);
                for call in waiting.into_iter().chain(held) {
                    self.place(now, call);
                }
            }
        }
    }
}
