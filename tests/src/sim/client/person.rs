//! An account's client, its store and its application.
//!
//! Does: [`Person`]: the process that runs a client, ends at any moment and goes on from what was
//! stored; takes events and updates as an application does, and checks them.
//! In: events and updates of a client. Out: nothing, or the invariant that does not hold.
//! Must not know: streams; what is asked of the client (`app.rs` does).
//! Spec: "User authorization"; "Working with updates".

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::updates::UpdateId;
use mtproto_proto::client::{
    Account, Change, Client, Config, DcOption, DcTable, Event, Key, SignedOut, Snapshot,
};
use mtproto_proto::connection::KeyState;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::transport::Obfuscation;
use mtproto_proto::{AuthKeyId, ConnId, DcId, RequestId, Time};

use super::app::Pending;
use super::inbox::Inbox;
use super::ledger::{Checked, broken};
use super::plan::{Begin, Plan, Who, clock};
use super::rig::{RSA, Rig, addr, shift};
use super::sign_in::Signing;
use crate::dc::logins::{KeyAt, Login, SignedIn};
use crate::sim::{Fault, Invariant};
use crate::trace::Recorder;
use crate::{Dice, dc};

/// A call ends at its deadline; timers fire at the instant they are due.
const DEADLINE_SLACK: Duration = Duration::from_millis(1);
/// Attempts of one link while the user waits: at most so many within this time, as `dial.rs` says.
const DIALS: (Duration, usize) = (Duration::from_secs(5), 5);
/// Links that a client may have to one data centre: calls and files.
const LINKS: usize = 2;

/// An account and its client.
pub(super) struct Person {
    pub(super) user: i64,
    pub(super) phone: String,
    pub(super) token: Option<String>,
    pub(super) password: Option<&'static str>,
    pub(super) config: Arc<Config>,
    pub(super) client: Recorder<Client>,
    /// What was told to be stored.
    pub(super) store: Snapshot,
    /// How wrong the device's clock is, nanoseconds.
    pub(super) clock: i64,
    /// The device sleeps until then.
    pub(super) asleep: Option<Time>,
    /// The process ends before it takes the event after so many.
    pub(super) ends_after: Option<u64>,
    pub(super) calls: BTreeMap<RequestId, Pending>,
    pub(super) signing: Signing,
    pub(super) inbox: Inbox,
    /// The application takes updates.
    pub(super) takes: bool,
    pub(super) untaken: VecDeque<UpdateId>,
    /// It stays connected and wants updates.
    pub(super) stays: bool,
    /// It has another home than in the beginning.
    pub(super) moved: bool,
    /// The world has ended its login.
    pub(super) ended: bool,
    /// Somebody asked for the sign-out.
    pub(super) left: bool,
    /// Keys as they were stored, ever: who owns a key that a request comes under.
    keys: BTreeMap<i16, AuthKeyId>,
    dials: BTreeMap<i16, VecDeque<Time>>,
    pub(super) timers: (u64, u32),
    pub(super) fired: u64,
}

const PASSWORD: &str = "correct horse";

impl Person {
    pub(super) fn new(rig: &mut Rig, index: usize, who: Who) -> Self {
        let (phone, token) = match who.begin {
            Begin::Bot => (String::new(), Some(format!("{}:secret", 7_000 + index))),
            Begin::Stored { .. } | Begin::Code { .. } => {
                (format!("99966{}000{index}", who.home), None)
            }
        };
        let mut account = match &token {
            Some(token) => dc::Account::bot(token),
            None => dc::Account::user(&phone),
        };
        account.dc = Some(who.home);
        let password = (who.begin == Begin::Code { password: true }).then_some(PASSWORD);
        account.password = password.map(str::to_owned);
        let user = rig
            .world
            .add(account)
            .expect("the plan's accounts are right");
        let store = match &who.begin {
            Begin::Stored { elsewhere } => stored(rig, user, who.home, elsewhere),
            Begin::Code { .. } | Begin::Bot => Snapshot::new(),
        };
        let config = Arc::new(config(&rig.plan, &mut rig.dice));
        let now = shift(rig.now, who.clock);
        let (stored, seed) = (store.clone(), rig.dice.array());
        let client = Recorder::<Client>::new(&rig.trace, config.clone(), stored, seed, now);
        let mut person = Person {
            user,
            phone,
            token,
            password,
            config,
            client: client.expect("the plan's configuration is right"),
            clock: who.clock,
            asleep: None,
            ends_after: None,
            calls: BTreeMap::new(),
            signing: Signing::Idle(rig.now),
            inbox: Inbox::default(),
            takes: true,
            untaken: VecDeque::new(),
            stays: rig.dice.chance(5, 6),
            moved: false,
            ended: false,
            left: false,
            keys: keys(&store),
            store,
            dials: BTreeMap::new(),
            timers: (0, 0),
            fired: 0,
        };
        person.begin(now);
        person
    }

    /// What an application does first.
    fn begin(&mut self, local: Time) {
        if self.stays {
            self.client.connect(local);
            self.client.want_updates(local, true);
        }
    }

    pub(super) fn is_bot(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn is_in(&self) -> bool {
        self.client.account().is_some()
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Time> {
        if let Some(until) = self.asleep {
            return Some(until);
        }
        let timer = self.client.poll_timeout();
        timer.map(|at| shift(at, self.clock.saturating_neg()))
    }

    /// A call that should have ended by its deadline.
    pub(super) fn overdue(&self, now: Time) -> Option<(RequestId, &Pending)> {
        if self.asleep.is_some() {
            return None;
        }
        let late = |call: &Pending| now > call.deadline + DEADLINE_SLACK;
        let mut calls = self.calls.iter();
        calls
            .find(|(_, call)| late(call))
            .map(|(id, call)| (*id, call))
    }

    pub(super) fn owns(&self, at: KeyAt) -> bool {
        self.keys.get(&at.dc.0) == Some(&at.key)
    }

    /// The key that is stored for a data centre.
    pub(super) fn key_at(&self, dc: DcId) -> Option<KeyAt> {
        let key = self.store.dc(dc)?.0.auth_key_id();
        Some(KeyAt { dc, key })
    }

    pub(super) fn stored_main(&self) -> Option<DcId> {
        self.store.account().map(|account| account.main_dc)
    }

    /// Attempts to connect are paced, also while the user waits.
    pub(super) fn dialled(&mut self, now: Time, dc: i16) -> Checked {
        let (within, most) = DIALS;
        let dials = self.dials.entry(dc).or_default();
        dials.push_back(now);
        while dials.front().is_some_and(|first| *first + within <= now) {
            dials.pop_front();
        }
        if dials.len() > most * LINKS {
            let detail = format!("{} dials to DC {dc} within {within:?}", dials.len());
            return broken(Invariant::Pacing, detail);
        }
        Ok(())
    }

    /// The paces begin anew: the network is another one, or the account.
    pub(super) fn forget_dials(&mut self) {
        self.dials.clear();
    }
}

/// The keys of a store.
fn keys(store: &Snapshot) -> BTreeMap<i16, AuthKeyId> {
    let key = |dc: DcId| store.dc(dc).map(|(key, _)| (dc.0, key.auth_key_id()));
    store.dcs().filter_map(key).collect()
}

fn config(plan: &Plan, dice: &mut Dice) -> Config {
    let mut dcs = DcTable::empty();
    for dc in &plan.dcs {
        let mut option = DcOption::new(DcId(*dc), addr(*dc));
        option.this_port_only = true;
        dcs.add(option);
    }
    let mut config = Config::new(17, "hash", dcs, vec![RSA.public().clone()]);
    config.pfs = plan.pfs;
    config.framing = plan.framing;
    config.obfuscation = plan.obfuscated.then(Obfuscation::default);
    config.updates.queue = plan.queue;
    config.limits.calls = plan.calls;
    config.limits.idle = *dice.choose(&[Duration::from_secs(300), Duration::from_secs(20)]);
    config
}

/// The store of who signed in earlier, with keys that the servers know.
fn stored(rig: &mut Rig, user: i64, home: i16, elsewhere: &[(i16, bool)]) -> Snapshot {
    let mut store = Snapshot::new();
    let mut account = Account::new(DcId(home));
    account.user_id = Some(user);
    store.apply(Snapshot::account_change(&account));
    let mut from = None;
    for (dc, authorized) in [(home, true)].into_iter().chain(elsewhere.iter().copied()) {
        let key: [u8; 256] = rig.dice.array();
        let now = rig.now;
        rig.centre(dc).provide(now, AuthKey::from_bytes(&key));
        let key = KeyState::from_auth_key(key, DcId(dc));
        let at = KeyAt {
            dc: DcId(dc),
            key: key.auth_key_id(),
        };
        if authorized {
            let login = SignedIn {
                user,
                hash: at.key.0,
                since: 1,
                from,
            };
            rig.world.logins.set(at, Login::In(login));
        }
        from = from.or(Some(at));
        store.apply(Snapshot::dc_change(&key, authorized));
    }
    if let Some(person) = rig.world.people.get_mut(user) {
        person.joined = true;
    }
    store
}

impl Rig {
    /// Takes events, until the process ends.
    pub(super) fn take_events(&mut self, index: usize) -> Checked<bool> {
        let mut any = false;
        loop {
            let person = &mut self.people[index];
            if person.ends_after == Some(0) {
                self.restart_person(index)?;
                return Ok(true);
            }
            let Some(event) = person.client.poll_event() else {
                return Ok(any);
            };
            any = true;
            if let Some(left) = &mut person.ends_after {
                *left -= 1;
            }
            self.handle_event(index, event)?;
        }
    }

    fn handle_event(&mut self, index: usize, event: Event) -> Checked {
        self.say(|| match &event {
            Event::Response { id, body } => format!("{index}: answer to {id}, {}", body.len()),
            event => format!("{index}: {event:?}"),
        });
        match event {
            Event::Response { id, body } => self.ended(index, id, Ok(body)),
            Event::Failed { id, error } => self.ended(index, id, Err(error)),
            Event::Changed(change) => self.store(index, change),
            Event::SignedIn { user_id, .. } => {
                let user = self.people[index].user;
                if user_id != user {
                    let detail = format!("{user_id} is signed in instead of {user}");
                    return broken(Invariant::AccountSurvives, detail);
                }
                self.people[index].left = false;
                self.people[index].ended = false;
                Ok(())
            }
            Event::SignedOut(reason) => self.signed_out(index, reason),
            _ => Ok(()),
        }
    }

    /// Folds a change in, and looks whether what is stored is enough to go on with.
    fn store(&mut self, index: usize, change: Change) -> Checked {
        let (key, forgets) = (change.key, change.value.is_none());
        self.keeps_key(index, &change)?;
        let mail = self.ledger.mail(self.people[index].user).len();
        let person = &mut self.people[index];
        person.store.apply(change);
        match key {
            Key::Updates if forgets => person.inbox.forget(),
            Key::Updates => person.inbox.begin(mail),
            Key::Account | Key::Dc(_) => {
                // A key that was forgotten may still be destroyed.
                person.keys.extend(keys(&person.store));
                return self.can_resume(index);
            }
            _ => {}
        }
        Ok(())
    }

    /// The key of a login goes only when the world has ended the login.
    fn keeps_key(&self, index: usize, change: &Change) -> Checked {
        let person = &self.people[index];
        let Key::Dc(dc) = change.key else {
            return Ok(());
        };
        let Some((before, _)) = person.store.dc(dc) else {
            return Ok(());
        };
        let mut after = Snapshot::new();
        after.apply(change.clone());
        let after = after.dc(dc).map(|(key, _)| key.auth_key_id());
        let at = KeyAt {
            dc,
            key: before.auth_key_id(),
        };
        let is_login = person.stored_main() == Some(dc)
            && self.world.logins.signed_in(at).is_some()
            && !person.ended;
        if is_login && after != Some(at.key) {
            let detail = format!("{index} gives up the key of its login at DC {dc}");
            return broken(Invariant::KeySurvives, detail);
        }
        Ok(())
    }

    /// Another process could go on from what is stored now.
    pub(super) fn can_resume(&mut self, index: usize) -> Checked {
        let rng = self.dice.rng();
        let person = &self.people[index];
        let local = shift(self.now, person.clock);
        let resumed = Client::new(person.config.clone(), person.store.clone(), rng, local);
        let resumed = match resumed {
            Ok(resumed) => resumed,
            Err(error) => return broken(Invariant::Resumable, error.to_string()),
        };
        let stored = person.store.account().and_then(|account| account.user_id);
        let lets_in = person
            .store
            .dcs()
            .filter_map(|dc| person.store.dc(dc))
            .any(|(_, authorized)| authorized);
        if stored.is_some() && lets_in && resumed.account().is_none() {
            let detail = format!("{index}: {stored:?} becomes {:?}", resumed.account());
            return broken(Invariant::Resumable, detail);
        }
        if !person.ended && stored.is_some() && !lets_in {
            let detail = format!("{index}: no stored key is the account's");
            return broken(Invariant::Resumable, detail);
        }
        Ok(())
    }

    fn signed_out(&mut self, index: usize, reason: SignedOut) -> Checked {
        let person = &mut self.people[index];
        let asked = person.left && reason == SignedOut::Requested;
        if !person.ended && !asked {
            let detail = format!("{index} is signed out ({reason:?}), but not by the world");
            return broken(Invariant::AccountSurvives, detail);
        }
        person.forget_dials();
        person.signing = Signing::Idle(self.now);
        Ok(())
    }

    /// The process ends, now or before it takes its next event; another goes on from what was
    /// stored.
    pub(super) fn restart_person(&mut self, index: usize) -> Checked {
        self.count(Fault::ClientRestart);
        let conns: Vec<ConnId> = self
            .names
            .keys()
            .filter(|(of, _)| *of == index)
            .map(|(_, conn)| *conn)
            .collect();
        for conn in conns {
            self.hang_up(index, conn, false);
        }
        let expected = self.difference(index);
        let seed = self.dice.array();
        let turned = self.strikes(Fault::ClientClock, 3);
        let error = clock(&mut self.dice);
        let now = self.now;
        let trace = self.trace.clone();
        let person = &mut self.people[index];
        if turned {
            person.clock = error;
        }
        let local = shift(now, person.clock);
        let (config, stored) = (person.config.clone(), person.store.clone());
        let client = Recorder::<Client>::new(&trace, config, stored, seed, local);
        person.client = match client {
            Ok(client) => client,
            Err(error) => return broken(Invariant::Resumable, error.to_string()),
        };
        person.ends_after = None;
        person.asleep = None;
        person.calls.clear();
        person.untaken.clear();
        person.takes = true;
        person.signing = Signing::Idle(now);
        person.inbox.restart(&expected);
        person.forget_dials();
        person.begin(local);
        Ok(())
    }

    /// Everything that is to be stored was told.
    pub(super) fn check_store(&self, index: usize) -> Checked {
        let person = &self.people[index];
        let now = person.client.snapshot();
        let keys = |of: &Snapshot| -> Vec<_> {
            let dcs = of.dcs().filter_map(|dc| of.dc(dc).map(|it| (dc, it)));
            dcs.map(|(dc, (key, authorized))| (dc, key.auth_key_id(), authorized))
                .collect()
        };
        let others = |of: &Snapshot| -> Vec<(Key, Bytes)> {
            let other = |key: &Key| !matches!(key, Key::Dc(_));
            let entries = of.iter().map(|(key, value)| (key, value.clone()));
            entries.filter(|(key, _)| other(key)).collect()
        };
        if keys(&person.store) != keys(&now) || others(&person.store) != others(&now) {
            let detail = format!("{index}: stored {:?}, to be stored {now:?}", person.store);
            return broken(Invariant::Resumable, detail);
        }
        Ok(())
    }
}
