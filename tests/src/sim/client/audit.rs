//! Looks into the world without a client.
//!
//! Does: asks the world as an account does, past servers and streams: what lies in its box, what
//! happened since a state; lets the friend write, who has no client.
//! In: an account. Out: what the world says.
//! Must not know: clients, but for what they store.
//! Spec: "Working with updates".

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mtproto_proto::client::Key;
use mtproto_proto::{AuthKeyId, DcId, MsgId, SessionId};
use mtproto_schema::api::functions::{InvokeWithoutUpdates, updates::GetDifference};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Decode, Encode, Function, LAYER};

use super::app::message_to;
use super::ledger::{Checked, Deed, Tag};
use super::rig::Rig;
use crate::dc::logins::{Device, KeyAt, Known, Login, SignedIn};
use crate::dc::world::{Answer, Caller};
use crate::sim::End;

/// The keys that the audit asks with: no client's.
const AUDITOR: i64 = 0x0a0d_1700;
/// The state of a box in which nothing has happened.
const FIRST_PTS: i32 = 1;

/// The tag in a message's text.
pub(super) fn tag_of(text: &str) -> Option<Tag> {
    text.strip_prefix('m')?.parse().ok()
}

impl Rig {
    /// Asks the world as an account; `None` if it refuses.
    fn ask_world<F: Function + Encode>(&mut self, user: i64, query: F) -> Option<Bytes> {
        let home = self.world.people.get(user)?.dc;
        let at = KeyAt {
            dc: home,
            key: AuthKeyId(AUDITOR + user),
        };
        let login = SignedIn {
            user,
            hash: at.key.0,
            since: 1,
            // Not one of the account's own, which others may end.
            from: Some(at),
        };
        *self.world.logins.entry(at) = Known {
            layer: LAYER,
            device: Some(Device::default()),
            login: Login::In(login),
            ..Known::default()
        };
        let caller = Caller {
            dc: home,
            key: at.key,
            perm: Some(at.key),
            session: SessionId(1),
            msg_id: MsgId(0),
            ip: String::new(),
            elsewhere: false,
        };
        let body = InvokeWithoutUpdates { query }.to_bytes();
        match self.world.call(self.now, &caller, &body) {
            Answer::Result(body) => Some(body),
            Answer::Error(..) | Answer::Bind(_) | Answer::DropTempKeys(..) => None,
        }
    }

    /// All messages to an account from this state on: how often each is there.
    fn messages_since(&mut self, user: i64, mut pts: i32) -> BTreeMap<Tag, u32> {
        let mut found = BTreeMap::new();
        loop {
            let query = GetDifference {
                pts,
                pts_limit: None,
                pts_total_limit: None,
                date: 1,
                qts: 0,
                qts_limit: None,
            };
            let answer = self.ask_world(user, query);
            let answer = answer.and_then(|body| enums::updates::Difference::from_bytes(&body).ok());
            let (messages, next) = match answer {
                Some(enums::updates::Difference::Difference(it)) => (it.new_messages, None),
                Some(enums::updates::Difference::Slice(it)) => {
                    (it.new_messages, Some(it.intermediate_state.pts))
                }
                Some(
                    enums::updates::Difference::Empty(_) | enums::updates::Difference::TooLong(_),
                )
                | None => return found,
            };
            for message in messages {
                if let enums::Message::Message(message) = message
                    && !message.out
                    && let Some(tag) = tag_of(&message.message)
                {
                    *found.entry(tag).or_default() += 1;
                }
            }
            match next {
                Some(next) => pts = next,
                None => return found,
            }
        }
    }

    /// What a process may still get that goes on from what is stored.
    pub(super) fn difference(&mut self, index: usize) -> BTreeSet<Tag> {
        let person = &self.people[index];
        let stored = person.store.get(Key::Updates);
        // A version, then the counters, pts first.
        let pts = stored.and_then(|value| value.get(1..5)?.try_into().ok());
        let Some(pts) = pts.map(i32::from_le_bytes) else {
            return BTreeSet::new();
        };
        let user = person.user;
        self.messages_since(user, pts).into_keys().collect()
    }

    /// Each message lies in its box as often as it should.
    pub(super) fn check_boxes(&mut self) -> Checked {
        let mut users: Vec<i64> = self.people.iter().map(|person| person.user).collect();
        users.push(self.friend);
        for user in users {
            let found = self.messages_since(user, FIRST_PTS);
            self.ledger.check_history(user, &found)?;
        }
        Ok(())
    }

    /// The friend writes to an account.
    pub(super) fn friend_writes(&mut self, to: i64) -> Checked {
        let friend = self.friend;
        let tag = self.ledger.submit(friend, Deed::Message { to }, false);
        let query = message_to(self.input_peer(to), tag);
        let end = match self.ask_world(friend, query) {
            Some(_) => {
                self.ledger.executed(tag)?;
                End::Answered
            }
            None => End::RpcError,
        };
        self.push_all();
        self.ledger.ended(tag, end)
    }

    /// How others name an account.
    pub(super) fn input_peer(&self, user: i64) -> enums::InputPeer {
        let access_hash = self.world.people.get(user).map_or(0, |p| p.access_hash);
        enums::InputPeer::User(types::InputPeerUser {
            user_id: user,
            access_hash,
        })
    }

    /// Where an account is at home.
    pub(super) fn home(&self, index: usize) -> DcId {
        let user = self.people[index].user;
        self.world.people.get(user).map_or(DcId(2), |p| p.dc)
    }
}
