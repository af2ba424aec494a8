//! The account leaves.
//!
//! Does: forgets account, keys and peers; ends all calls; after a log-out also destroys the keys at
//! their servers.
//! In: a reason. Out: changes and events.
//! Must not know: why it came about (`answers.rs` does).
//! Spec: "auth.logOut"; "Destroying an authorization key".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use mtproto_schema::{Encode, mtproto};

use crate::client::calls::Origin;
use crate::client::link::{Kind, Link, LinkId};
use crate::client::machine::Client;
use crate::client::{
    Action, CallError, CallOptions, Change, Disconnected, Event, FloodPolicy, Key, SignedOut,
};
use crate::connection::{KeyState, Suspended};
use crate::ids::DcId;
use crate::time::Time;

/// Destroying keys is a courtesy: it is not tried for longer than this.
const FAREWELL: Duration = Duration::from_secs(30);

impl Client {
    /// The account is not signed in any more.
    pub(super) fn sign_out(&mut self, now: Time, reason: SignedOut) {
        self.account = None;
        self.signed_out = Some(reason);
        self.pauses.clear();
        self.change(Change {
            key: Key::Account,
            value: None,
        });
        self.updates.set_account(now, None, false);
        self.peers.clear();
        self.forget_imports();
        self.events.push_back(Event::SignedOut(reason));
        let calls: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| !call.is_farewell())
            .map(|(id, _)| id)
            .collect();
        for id in calls {
            let fate = self.withdraw(now, id);
            self.finish(now, id, Err(CallError::SignedOut { reason, fate }));
        }
        match reason {
            SignedOut::Requested => self.leave(now),
            SignedOut::Revoked
            | SignedOut::Expired
            | SignedOut::Deactivated
            | SignedOut::Banned
            | SignedOut::KeyDuplicated
            | SignedOut::KeyInvalid => {
                self.end_links();
                let main = self.main_dc;
                self.drop_key(now, main);
                self.forget_authorizations(now);
            }
        }
    }

    /// Ends all links but those that say farewell already.
    fn end_links(&mut self) {
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            if id.kind == Kind::Leaving {
                continue;
            }
            let conn = self.links.remove(&id).and_then(|mut link| link.suspend());
            if let Some(conn) = conn {
                self.actions.push_back(Action::Close { conn });
                self.events.push_back(Event::Disconnected {
                    dc: id.dc,
                    media: id.is_media(),
                    reason: Disconnected::Closed,
                });
            }
        }
    }

    /// Destroys every key at its server, and forgets it here at once.
    fn leave(&mut self, now: Time) {
        let mut leaving = Vec::new();
        for (id, dc) in core::mem::take(&mut self.keys) {
            let Some(key) = dc.key else {
                continue;
            };
            self.change(Change {
                key: Key::Dc(id),
                value: None,
            });
            let leaves = LinkId::leaving(id);
            if self.links.contains_key(&leaves) || !self.is_reachable(leaves) {
                continue;
            }
            let link = self.farewell(id, key);
            self.links.insert(leaves, link);
            leaving.push(leaves);
        }
        self.end_links();
        for link in leaving {
            let body = mtproto::functions::DestroyAuthKey.to_bytes();
            // Said once: a link that says farewell ends with the answer, and its key with it.
            let mut options = CallOptions::default().idempotent().deadline(FAREWELL);
            options.max_retries = Some(0);
            options.flood = Some(FloodPolicy::Fail);
            self.start_call(now, Origin::Destroy, body, &options, Some(link));
        }
    }

    /// A link under the key: the one that is there, or a new one. A key is destroyed under itself,
    /// which a stream with a temporary one cannot do.
    fn farewell(&mut self, id: DcId, key: KeyState) -> Link {
        let there = self.links.get(&LinkId::main(id)).and_then(Link::up);
        if self.config.pfs.is_none()
            && there.is_some_and(|up| up.connected)
            && let Some(mut link) = self.links.remove(&LinkId::main(id))
        {
            self.events.push_back(Event::Disconnected {
                dc: id,
                media: false,
                reason: Disconnected::Closed,
            });
            link.idle_since = None;
            return link;
        }
        let wire = LinkId::leaving(id).wire(self.config.test_mode);
        let rest = Suspended {
            perm: Some(KeyState { dc: wire, ..key }),
            ..Suspended::default()
        };
        let mut link = Link::new();
        link.rest = Some(Box::new(rest));
        link
    }
}
