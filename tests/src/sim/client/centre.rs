//! A data centre: a server of the core before the world of the test DC.
//!
//! Does: [`Centre`] hands requests to the world and answers to the server, with the errors, the
//! delays and the silence of real ones; ends and begins again.
//! In: requests of a server. Out: answers, updates for whoever they are for.
//! Must not know: streams; what the methods do.
//! Spec: "Handling API errors".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::server::{Action, Event, Server, ServerConfig};
use mtproto_proto::{AuthKeyId, DcId, IncomingId, Time};
use mtproto_schema::api::functions::{auth, messages, upload};
use mtproto_schema::{Decode, Encode, Function};

use super::ledger::{Checked, Tag, broken};
use super::plan::{Plan, clock};
use super::rig::{RSA, Rig, shift};
use crate::Dice;
use crate::dc::logins::KeyAt;
use crate::dc::world::{Answer, Caller};
use crate::dc::wrappers::peel;
use crate::sim::{Fault, Invariant};
use crate::trace::{Recorder, Trace};

/// An answer that is ready.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    Result(Bytes),
    Error(i32, String),
}

/// One data centre.
pub(super) struct Centre {
    pub(super) server: Recorder<Server>,
    config: Arc<ServerConfig>,
    /// How wrong its clock is, nanoseconds.
    pub(super) clock: i64,
    /// The permanent keys, which outlive the process.
    pub(super) keys: BTreeMap<AuthKeyId, AuthKey>,
    /// Answers that come later.
    late: BTreeMap<(Time, IncomingId), Ready>,
    /// Calls that were executed and are never answered.
    unanswered: BTreeSet<IncomingId>,
}

/// What the run needs to know of a query.
struct Query {
    id: u32,
    tag: Option<Tag>,
}

impl Query {
    fn read(body: &Bytes) -> Option<Self> {
        let peeled = peel(body).ok()?;
        let query = &peeled.query;
        let tag = match peeled.id {
            messages::SendMessage::ID => {
                let query = messages::SendMessage::from_bytes(query);
                query.ok().map(|query| query.random_id)
            }
            upload::SaveFilePart::ID => {
                let query = upload::SaveFilePart::from_bytes(query);
                query.ok().map(|query| query.file_id)
            }
            _ => None,
        };
        Some(Query { id: peeled.id, tag })
    }

    fn is<F: Function>(&self) -> bool {
        self.id == F::ID
    }
}

impl Centre {
    pub(super) fn new(dc: i16, plan: &Plan, dice: &mut Dice, trace: &Trace) -> Self {
        let config = Arc::new(ServerConfig::new(DcId(dc), vec![RSA.clone()]));
        let clock = if plan.allows(Fault::ServerClock) && dice.chance(1, 2) {
            clock(dice)
        } else {
            0
        };
        let now = shift(crate::pair::START, clock);
        Centre {
            server: Recorder::<Server>::new(trace, config.clone(), dice.array(), now),
            config,
            clock,
            keys: BTreeMap::new(),
            late: BTreeMap::new(),
            unanswered: BTreeSet::new(),
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Time> {
        let timer = self.server.poll_timeout();
        let timer = timer.map(|at| shift(at, self.clock.saturating_neg()));
        let late = self.late.first_key_value().map(|((at, _), _)| *at);
        timer.into_iter().chain(late).min()
    }

    /// A key that was made before the run.
    pub(super) fn provide(&mut self, now: Time, key: AuthKey) {
        let now = shift(now, self.clock);
        self.server.provide_key(now, key.id(), Some(key.clone()));
        self.keys.insert(key.id(), key);
    }

    fn answer(&mut self, now: Time, id: IncomingId, ready: Ready) {
        let now = shift(now, self.clock);
        // The client may have gone meanwhile; then nobody waits for the answer.
        let _ = match ready {
            Ready::Result(body) => self.server.respond(now, id, body),
            Ready::Error(code, text) => self.server.respond_error(now, id, code, &text),
        };
    }
}

impl Rig {
    /// A server's timers, requests and output.
    pub(super) fn serve_centre(&mut self, dc: i16) -> Checked<bool> {
        let mut any = false;
        let now = self.now;
        let Some(centre) = self.centres.get_mut(&dc) else {
            return Ok(false);
        };
        let local = shift(now, centre.clock);
        if centre.server.poll_timeout().is_some_and(|at| at <= local) {
            any = true;
            centre.server.handle_timeout(local);
            if centre.server.poll_timeout().is_some_and(|at| at <= local) {
                return broken(Invariant::NoBusyLoop, format!("a timer of DC {dc}"));
            }
        }
        while let Some(((at, id), _)) = centre.late.first_key_value()
            && *at <= now
        {
            any = true;
            let key = (*at, *id);
            if let Some(ready) = centre.late.remove(&key) {
                centre.answer(now, key.1, ready);
            }
        }
        while let Some(event) = self.centre(dc).server.poll_event() {
            any = true;
            self.handle(dc, event)?;
        }
        while let Some(action) = self.centre(dc).server.poll_action() {
            any = true;
            match action {
                Action::Transmit { conn } => {
                    if let Some(line) = self.lines.get_mut(&conn.0) {
                        line.far_wants = true;
                    }
                }
                Action::Close { conn, .. } => self.drop_far(conn.0, true),
                other => return broken(Invariant::OwnAnswer, format!("{other:?}")),
            }
        }
        Ok(any)
    }

    pub(super) fn centre(&mut self, dc: i16) -> &mut Centre {
        self.centres.get_mut(&dc).expect("the plan has the DC")
    }

    fn handle(&mut self, dc: i16, event: Event) -> Checked {
        match event {
            // It was executed before the restart.
            Event::Request {
                id, again: true, ..
            } => {
                let centre = self.centre(dc);
                let late = centre.late.keys().any(|(_, of)| *of == id);
                if !late && !centre.unanswered.contains(&id) {
                    let detail = format!("DC {dc}: {id} comes again and was answered");
                    return broken(Invariant::NeverTwice, detail);
                }
            }
            Event::Request {
                id,
                auth_key_id,
                perm_key,
                session,
                msg_id,
                body,
                ..
            } => {
                let caller = Caller {
                    dc: DcId(dc),
                    key: auth_key_id,
                    perm: perm_key,
                    session,
                    msg_id,
                    ip: "10.0.0.1".to_owned(),
                    elsewhere: false,
                };
                self.request(dc, id, &caller, &body)?;
            }
            Event::KeyCreated {
                key,
                expires_at: None,
                ..
            } => {
                self.outcome.handshakes += 1;
                self.centre(dc).keys.insert(key.id(), key);
            }
            Event::KeyCreated { .. } => self.outcome.handshakes += 1,
            Event::KeyDestroyed { auth_key_id } => {
                self.world.key_destroyed(DcId(dc), auth_key_id);
                self.centre(dc).keys.remove(&auth_key_id);
            }
            Event::SessionClosed {
                auth_key_id,
                session,
            } => self.world.session_closed(DcId(dc), auth_key_id, session),
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, dc: i16, id: IncomingId, caller: &Caller, body: &Bytes) -> Checked {
        let now = self.now;
        let query = Query::read(body);
        if let Some(query) = &query
            && let Some((code, text)) = self.refuse(dc, caller, query)
        {
            let name = crate::dc::method_name(query.id).unwrap_or("?");
            let tag = query.tag;
            self.say(|| format!("DC {dc} refuses {name} {tag:?}: {code} {text}"));
            self.centre(dc).answer(now, id, Ready::Error(code, text));
            return Ok(());
        }
        let ready = match self.world.call(now, caller, body) {
            Answer::Result(body) => Ready::Result(body),
            Answer::Error(code, text) => match &query {
                // The world keeps no files; it has looked at who asks before it says so.
                Some(query) if query.is::<upload::SaveFilePart>() && text == "METHOD_INVALID" => {
                    Ready::Result(true.to_bytes())
                }
                _ => Ready::Error(code, text),
            },
            Answer::Bind(query) => {
                self.bind(dc, id, caller, &query);
                return Ok(());
            }
            Answer::DropTempKeys(key, except) => {
                let centre = self.centre(dc);
                let local = shift(now, centre.clock);
                centre.server.drop_temp_keys(local, key, &except);
                Ready::Result(true.to_bytes())
            }
        };
        if let (Ready::Result(_), Some(query)) = (&ready, &query)
            && query.is::<auth::LogOut>()
        {
            let at = KeyAt {
                dc: DcId(dc),
                key: caller.perm.unwrap_or(caller.key),
            };
            for person in self.people.iter_mut().filter(|person| person.owns(at)) {
                person.ended = true;
            }
        }
        if let (Ready::Result(_), Some(tag)) = (&ready, query.as_ref().and_then(|q| q.tag)) {
            self.ledger.executed(tag)?;
        }
        self.say(|| {
            let (id, tag) = query.map_or((0, None), |query| (query.id, query.tag));
            let ready = match &ready {
                Ready::Result(body) => format!("{} bytes", body.len()),
                Ready::Error(code, text) => format!("{code} {text}"),
            };
            let name = crate::dc::method_name(id).unwrap_or("?");
            let (key, session) = (caller.key, caller.session);
            format!("DC {dc} executes {name} {tag:?} of {key} {session}: {ready}")
        });
        self.give(dc, id, ready);
        self.push_all();
        Ok(())
    }

    fn bind(&mut self, dc: i16, id: IncomingId, caller: &Caller, query: &auth::BindTempAuthKey) {
        let now = self.now;
        let centre = self.centre(dc);
        let bound = centre.server.bind_temp_key(
            shift(now, centre.clock),
            id,
            query.perm_auth_key_id,
            query.nonce,
            query.expires_at,
            &query.encrypted_message,
        );
        let ready = match bound {
            Ok(()) => Ready::Result(true.to_bytes()),
            Err(error) => Ready::Error(400, error.message().to_owned()),
        };
        centre.answer(now, id, ready);
        if bound.is_ok() {
            let perm = AuthKeyId(query.perm_auth_key_id);
            self.world.bound(DcId(dc), caller.key, perm);
        }
    }

    /// An error instead of the call: it is not executed.
    fn refuse(&mut self, dc: i16, caller: &Caller, query: &Query) -> Option<(i32, String)> {
        // What binds a key and what ends a login is executed when it comes: an acknowledged
        // `auth.logOut` counts as done.
        if !self.stormy || query.is::<auth::BindTempAuthKey>() || query.is::<auth::LogOut>() {
            return None;
        }
        if self.strikes(Fault::FloodWait, 24) {
            let wait = self.dice.range(0..=40);
            return Some((420, format!("FLOOD_WAIT_{wait}")));
        }
        if self.strikes(Fault::ErrorAnswer, 24) {
            let elsewhere = *self.dice.choose(&self.plan.dcs);
            return Some(match self.dice.range(0..=4) {
                0 => (500, "INTERNAL".to_owned()),
                1 => (500, "WORKER_BUSY_TOO_LONG_RETRY".to_owned()),
                2 => (400, "CONNECTION_NOT_INITED".to_owned()),
                3 if query.is::<upload::SaveFilePart>() => {
                    (303, format!("FILE_MIGRATE_{elsewhere}"))
                }
                _ => (400, "PEER_FLOOD".to_owned()),
            });
        }
        if self.strikes(Fault::RpcTimeout, 48) {
            return Some((-503, "Timeout".to_owned()));
        }
        if self.is_foreign(dc, caller) && self.strikes(Fault::Unregistered, 16) {
            return Some((401, "AUTH_KEY_UNREGISTERED".to_owned()));
        }
        None
    }

    /// Whether the data centre is neither the account's nor what its client takes for it.
    fn is_foreign(&self, dc: i16, caller: &Caller) -> bool {
        let key = caller.perm.unwrap_or(caller.key);
        let at = KeyAt { dc: DcId(dc), key };
        let owner = self.people.iter().find(|person| person.owns(at));
        owner.is_some_and(|person| {
            let home = self.world.people.get(person.user).map(|person| person.dc);
            // On its way to another home the account is only where it was.
            let settled = home.is_some_and(|home| {
                let key = person.key_at(home);
                let login = key.and_then(|key| self.world.logins.signed_in(key));
                let known = person
                    .store
                    .dc(home)
                    .is_some_and(|(_, authorized)| authorized);
                known && login.is_some()
            });
            settled && person.client.main_dc() != DcId(dc)
                && home != Some(DcId(dc))
                // The process may end, and what is stored is older.
                && person.stored_main() != Some(DcId(dc))
        })
    }

    /// Gives an answer: at once, late, never, or as an error that hides it.
    fn give(&mut self, dc: i16, id: IncomingId, ready: Ready) {
        let now = self.now;
        if self.strikes(Fault::NoAnswer, 48) {
            self.centre(dc).unanswered.insert(id);
            return;
        }
        let ready = if self.strikes(Fault::RpcTimeout, 48) {
            Ready::Error(-503, "Timeout".to_owned())
        } else {
            ready
        };
        if self.strikes(Fault::LateAnswer, 10) {
            let most = *self.dice.choose(&[1, 8, 8, 70]);
            let delay = self
                .dice
                .duration(Duration::ZERO..=Duration::from_secs(most));
            self.centre(dc).late.insert((now + delay, id), ready);
            return;
        }
        self.centre(dc).answer(now, id, ready);
    }

    /// Gives updates to the sessions that they are for.
    pub(super) fn push_all(&mut self) {
        let now = self.now;
        while let Some((to, body)) = self.world.poll_push() {
            for (dc, key, session) in self.world.sessions_of(to) {
                let body = self.world.update_for((dc, key, session), &body);
                if let Some(centre) = self.centres.get_mut(&dc.0) {
                    let local = shift(now, centre.clock);
                    centre.server.push(local, key, session, body);
                }
            }
        }
    }

    /// The process of a data centre ends and another begins: with all that it knew, or with its
    /// permanent keys only.
    pub(super) fn restart_centre(&mut self, dc: i16, keeps_sessions: bool) {
        for line in self.lines_of(dc) {
            self.drop_far(line, false);
        }
        let now = self.now;
        let jumps = self.strikes(Fault::ServerJump, 2);
        let jump = clock(&mut self.dice);
        let seed = self.dice.array();
        let trace = self.trace.clone();
        let centre = self.centre(dc);
        if jumps && keeps_sessions {
            // What was forgotten of sessions is remembered by time: a server that goes on with it
            // takes nothing new before its clock is where it was.
            centre.clock = centre.clock.max(jump);
        } else if jumps {
            centre.clock = jump;
        }
        if keeps_sessions {
            let state = centre.server.suspend();
            let now = shift(now, centre.clock);
            let config = centre.config.clone();
            centre.server = Recorder::<Server>::resume(&trace, config, state, seed, now);
            return;
        }
        let sessions = centre.server.sessions();
        centre.late.clear();
        centre.unanswered.clear();
        let (config, local) = (centre.config.clone(), shift(now, centre.clock));
        centre.server = Recorder::<Server>::new(&trace, config, seed, local);
        for key in centre.keys.clone().into_values() {
            centre.provide(now, key);
        }
        for (key, session) in sessions {
            self.world.session_closed(DcId(dc), key, session);
        }
    }
}
