//! The wire, seen from outside with the keys.
//!
//! Does: [`Watch`] reads every packet that a machine sends and every one that reaches a machine, and
//! checks what an honest sender keeps to: ids, numbers, containers, salts, retry budgets,
//! acknowledgements, what is done about a refusal.
//! In: opened packets. Out: nothing, or what is broken.
//! Must not know: what machines hold inside.
//! Spec: "Message Identifier (msg_id)", "Message Sequence Number (msg_seqno)", "Service Messages about
//! Messages"; containers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mtproto_proto::{AuthKeyId, MsgId, SessionId, Time};

use super::body::{self, Tag};
use super::model::{Checked, Model, broken};
use super::outcome::Invariant;
use crate::rogue::{Message, Packet, Said};

/// What is refused is sent again with the next packet, which leaves at once; a refusal that has to
/// repair a session first needs nothing of the server either.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);
/// A client acknowledges within 30 s by default, a server within 50 ms; a busy line adds to it.
const CLIENT_ACKS_WITHIN: Duration = Duration::from_secs(36);
const SERVER_ACKS_WITHIN: Duration = Duration::from_secs(6);
/// The specification's bounds for a client's message id against the server's time.
const MAX_BEHIND: i64 = 300;
const MAX_AHEAD: i64 = 30;
/// The specification's bounds for a container, less what some servers do not take.
const MAX_MESSAGES: usize = 1_020;
const MAX_CONTAINER: usize = 1_044_456;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    Client,
    Server,
}

/// What one end has sent in one session.
#[derive(Clone, Debug, Default)]
struct Conduct {
    last: i64,
    content_messages: i32,
    /// Content-related messages, which may be sent again in a container, as they are.
    sent: BTreeMap<MsgId, (i32, usize)>,
}

/// What a message of the server that has to be acknowledged holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Update(u64),
    NewSession(i64),
    Other,
}

/// A request that was refused and has to be sent again.
#[derive(Clone, Copy, Debug)]
struct Refused {
    due: Time,
    client: usize,
    tag: Tag,
    msg_id: MsgId,
}

/// Everything seen on the wires of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    conduct: BTreeMap<(From, AuthKeyId, SessionId), Conduct>,
    /// Salts that the server named for each key.
    salts: BTreeMap<AuthKeyId, BTreeSet<i64>>,
    owners: BTreeMap<(AuthKeyId, SessionId), usize>,
    /// The session that each client speaks in.
    pub(super) current: BTreeMap<usize, SessionId>,
    /// What each message or container of a client holds of requests.
    members: BTreeMap<(AuthKeyId, SessionId, MsgId), Vec<(Tag, MsgId)>>,
    sends: BTreeMap<Tag, Vec<MsgId>>,
    refused: Vec<Refused>,
    /// Whether a packet leaves as soon as a machine has one: else nothing is asked of refusals.
    pub(super) leaves_at_once: bool,
    /// Refusals and contents that came before, by their own message.
    arrived: BTreeMap<(usize, SessionId, MsgId), (Content, Time)>,
    came: BTreeSet<(From, usize, SessionId, MsgId)>,
    /// Content-related messages whose acknowledgement is due.
    unacked: BTreeMap<(From, usize, SessionId, MsgId), Time>,
    acked: Vec<(usize, Content, Time)>,
    /// When each application was last told that it may have missed something.
    told_missed: BTreeMap<usize, Time>,
    /// Names of new sessions that the application was told.
    told_sessions: BTreeSet<(usize, i64)>,
    /// From when on acknowledgements are demanded and ids judged by the server's time: everything
    /// is calm and the clients know it.
    pub(super) settled: BTreeSet<usize>,
}

impl Watch {
    /// A salt that belongs to this key.
    pub(super) fn salt_of(&mut self, key: AuthKeyId, salt: i64) {
        self.salts.entry(key).or_default().insert(salt);
    }

    /// A machine sent this.
    pub(super) fn sent(
        &mut self,
        from: From,
        client: usize,
        key: AuthKeyId,
        packet: &Packet,
        server_now: Time,
        model: &Model,
    ) -> Checked {
        self.check_numbers(from, key, packet)?;
        match from {
            From::Client => self.client_sent(client, key, packet, server_now, model)?,
            From::Server => self.server_sent(client, key, packet),
        }
        self.check_acks(from, client, packet.session, packet.at, model)
    }

    fn client_sent(
        &mut self,
        client: usize,
        key: AuthKeyId,
        packet: &Packet,
        server_now: Time,
        model: &Model,
    ) -> Checked {
        let session = packet.session;
        if session.0 == 0 {
            return broken(Invariant::SenderRules, "the session id is 0");
        }
        let owner = *self.owners.entry((key, session)).or_insert(client);
        if owner != client {
            return broken(
                Invariant::Separate,
                format!("clients {owner} and {client} share a session id"),
            );
        }
        let is = |salts: &BTreeSet<i64>| salts.contains(&packet.salt);
        if !self.salts.get(&key).is_some_and(is)
            && let Some((other, _)) = self.salts.iter().find(|(_, salts)| is(salts))
        {
            return broken(
                Invariant::Separate,
                format!("a packet of key {key} has a salt of key {other}"),
            );
        }
        self.current.insert(client, session);
        let off = packet.msg_id.unix() - server_now.unix() as i64;
        if self.settled.contains(&client) && !(-MAX_BEHIND..=MAX_AHEAD).contains(&off) {
            return broken(
                Invariant::SenderRules,
                format!("a message id is {off} s off the server's time, which is known"),
            );
        }
        let mut members = Vec::new();
        for message in &packet.messages {
            if let Said::Acks(ids) = message.said() {
                for id in ids {
                    self.client_acked(client, session, id, packet.at)?;
                }
                continue;
            }
            let Some(peeled) = body::peel(&message.body) else {
                continue;
            };
            let tag = peeled.tag;
            members.push((tag, message.msg_id));
            self.members
                .insert((key, session, message.msg_id), vec![(tag, message.msg_id)]);
            let sends = self.sends.entry(tag).or_default();
            sends.push(message.msg_id);
            let Some(request) = model.get(tag) else {
                return broken(Invariant::SenderRules, format!("nobody asked for {tag:?}"));
            };
            let budget = 1 + usize::from(request.submission.retries);
            if sends.len() > budget {
                return broken(
                    Invariant::RetryBudget,
                    format!(
                        "{tag:?} was sent {} times, its budget is {budget}",
                        sends.len()
                    ),
                );
            }
            self.refused.retain(|refused| refused.tag != tag);
        }
        if packet.is_container {
            self.members.insert((key, session, packet.msg_id), members);
        }
        Ok(())
    }

    fn client_acked(&mut self, client: usize, session: SessionId, id: MsgId, now: Time) -> Checked {
        let due = self.unacked.remove(&(From::Server, client, session, id));
        if let Some((content, at)) = self.arrived.get(&(client, session, id)) {
            self.acked.push((client, *content, *at));
        }
        match due {
            Some(at) if at + CLIENT_ACKS_WITHIN < now => broken(
                Invariant::Acknowledged,
                format!(
                    "message {id} was acknowledged {:?} late",
                    now.saturating_since(at)
                ),
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn server_sent(&mut self, client: usize, key: AuthKeyId, packet: &Packet) {
        for message in &packet.messages {
            let said = message.said();
            let ids = match said {
                Said::Acks(ids) => ids,
                Said::Result { req, .. } | Said::Error { req, .. } | Said::Dropped { req, .. } => {
                    vec![req]
                }
                Said::BadMsg { bad, .. } => self.behind(key, packet.session, bad),
                Said::BadSalt { bad, new_salt, .. } => {
                    self.salt_of(key, new_salt);
                    self.behind(key, packet.session, bad)
                }
                Said::DetailedInfo { msg_id, .. } => vec![msg_id],
                Said::NewSession { salt, .. } => {
                    self.salt_of(key, salt);
                    continue;
                }
                Said::FutureSalts { salts, .. } => {
                    for (_, _, salt) in salts {
                        self.salt_of(key, salt);
                    }
                    continue;
                }
                _ => continue,
            };
            for id in ids {
                self.unacked
                    .remove(&(From::Client, client, packet.session, id));
            }
        }
    }

    /// The message, or the requests of the container.
    fn behind(&self, key: AuthKeyId, session: SessionId, id: MsgId) -> Vec<MsgId> {
        let members = self.members.get(&(key, session, id));
        members.map_or_else(
            || vec![id],
            |members| members.iter().map(|(_, id)| *id).collect(),
        )
    }

    /// A packet reached the client's machine, which took it.
    pub(super) fn reached_client(
        &mut self,
        client: usize,
        key: AuthKeyId,
        packet: &Packet,
        now: Time,
        model: &mut Model,
    ) {
        let session = packet.session;
        let current = self.current.get(&client) == Some(&session);
        for message in &packet.messages {
            let id = (client, session, message.msg_id);
            let first = self
                .came
                .insert((From::Server, client, session, message.msg_id));
            let said = message.said();
            match &said {
                Said::BadMsg { bad, .. } | Said::BadSalt { bad, .. }
                    if current && first && self.leaves_at_once =>
                {
                    self.refusal(client, key, session, *bad, now, model);
                }
                Said::Other(body) => {
                    if let Some(number) = body::updated(body) {
                        self.first_arrival(id, Content::Update(number), now);
                        model.update_arrived(client, number);
                    }
                }
                Said::NewSession { unique_id, .. } => {
                    self.first_arrival(id, Content::NewSession(*unique_id), now);
                }
                _ => self.first_arrival(id, Content::Other, now),
            }
            self.demand_ack(From::Server, client, session, message, current, now);
        }
    }

    /// Whoever is told at some time after this to ask for what it missed will find it.
    fn first_arrival(&mut self, id: (usize, SessionId, MsgId), content: Content, now: Time) {
        self.arrived.entry(id).or_insert((content, now));
    }

    /// A packet reached the server's machine, which took it.
    pub(super) fn reached_server(&mut self, client: usize, packet: &Packet, now: Time) {
        for message in &packet.messages {
            self.demand_ack(From::Client, client, packet.session, message, true, now);
        }
    }

    fn demand_ack(
        &mut self,
        from: From,
        client: usize,
        session: SessionId,
        message: &Message,
        current: bool,
        now: Time,
    ) {
        if message.seq_no & 1 == 1 && current && self.settled.contains(&client) {
            self.unacked
                .insert((from, client, session, message.msg_id), now);
        }
    }

    fn refusal(
        &mut self,
        client: usize,
        key: AuthKeyId,
        session: SessionId,
        bad: MsgId,
        now: Time,
        model: &Model,
    ) {
        for (tag, msg_id) in self
            .members
            .remove(&(key, session, bad))
            .unwrap_or_default()
        {
            let sends = self.sends.get(&tag).map(Vec::as_slice).unwrap_or_default();
            // Of what was sent twice under one id, the other copy may have been taken: it is asked for.
            if sends.iter().filter(|sent| **sent == msg_id).count() > 1 {
                continue;
            }
            let latest = sends.last();
            // What comes after something may have to wait for it now.
            let open = model.get(tag).is_some_and(|request| {
                request.ended.is_none() && request.submission.after.is_empty()
            });
            if open && latest == Some(&msg_id) {
                self.refused.push(Refused {
                    due: now + REFUSAL_PATIENCE,
                    client,
                    tag,
                    msg_id,
                });
            }
        }
    }

    /// The application was told of a new session.
    pub(super) fn told_new_session(&mut self, client: usize, name: i64) {
        self.told_sessions.insert((client, name));
    }

    /// The application was told that it may have missed something.
    pub(super) fn told_missed(&mut self, client: usize, now: Time) {
        self.told_missed.insert(client, now);
    }

    /// The client's stream is over: what was refused over it is settled over the next one.
    pub(super) fn stream_ended(&mut self, client: usize) {
        self.refused.retain(|refused| refused.client != client);
        self.unacked.retain(|(_, of, _, _), _| *of != client);
    }

    /// The client's process ended with all that it had not told.
    pub(super) fn client_restarted(&mut self, client: usize) {
        self.stream_ended(client);
        self.acked.retain(|(of, _, _)| *of != client);
        self.arrived.retain(|(of, _, _), _| *of != client);
    }

    /// The session is gone at the server, and what it was to acknowledge.
    pub(super) fn server_forgot(&mut self) {
        self.unacked.clear();
        // Its numbers begin anew under the same session id.
        self.conduct.retain(|(from, _, _), _| *from == From::Client);
    }

    /// The server forgot a session: if it comes again, its numbers begin anew.
    pub(super) fn session_forgotten(&mut self, key: AuthKeyId, session: SessionId) {
        self.conduct.remove(&(From::Server, key, session));
    }

    /// What is due by now. `holds`: this client's application takes no events.
    pub(super) fn check(&mut self, now: Time, holds: &[bool], model: &Model) -> Checked {
        for refused in &mut self.refused {
            if holds.get(refused.client).copied().unwrap_or_default() {
                refused.due = now + REFUSAL_PATIENCE;
            }
        }
        if let Some(late) = self.refused.iter().find(|refused| {
            refused.due < now && model.get(refused.tag).is_some_and(|r| r.ended.is_none())
        }) {
            return broken(
                Invariant::Repairs,
                format!(
                    "{:?} was refused as {} and not sent again",
                    late.tag, late.msg_id
                ),
            );
        }
        Ok(())
    }

    /// Whoever speaks in a session has acknowledged what was due in it.
    fn check_acks(
        &self,
        from: From,
        client: usize,
        session: SessionId,
        now: Time,
        model: &Model,
    ) -> Checked {
        let (of, patience) = match from {
            From::Client => (From::Server, CLIENT_ACKS_WITHIN),
            From::Server => (From::Client, SERVER_ACKS_WITHIN),
        };
        let first = (of, client, session, MsgId(i64::MIN));
        let last = (of, client, session, MsgId(i64::MAX));
        let late = self
            .unacked
            .range(first..=last)
            .find(|((_, _, _, id), at)| {
                **at + patience < now && (of == From::Server || self.is_awaited(*id, model))
            });
        match late {
            Some(((_, _, _, id), at)) => broken(
                Invariant::Acknowledged,
                format!(
                    "message {id} came to the {from:?} {:?} ago and is not acknowledged",
                    now.saturating_since(*at)
                ),
            ),
            None => Ok(()),
        }
    }

    /// Whether a client still awaits the answer to its request under this id: it does not once it
    /// sent it again.
    fn is_awaited(&self, id: MsgId, model: &Model) -> bool {
        self.sends.iter().any(|(tag, sends)| {
            sends.last() == Some(&id)
                && model
                    .get(*tag)
                    .is_some_and(|request| request.ended.is_none())
        })
    }

    /// Everything was taken by the applications: what was acknowledged was delivered.
    pub(super) fn check_delivered(&self, model: &Model) -> Checked {
        for (client, content, at) in &self.acked {
            // Too old to tell whether it came, and said to be.
            if self.told_missed.get(client).is_some_and(|told| told >= at) {
                continue;
            }
            match content {
                Content::Update(number) if !model.has_update(*client, *number) => {
                    return broken(
                        Invariant::AcknowledgedIsDelivered,
                        format!("update {number} was acknowledged and never delivered"),
                    );
                }
                Content::NewSession(name) if !self.told_sessions.contains(&(*client, *name)) => {
                    return broken(
                        Invariant::ToldOfNewSession,
                        format!("new session {name} was acknowledged and nobody was told"),
                    );
                }
                Content::Update(_) | Content::NewSession(_) | Content::Other => {}
            }
        }
        Ok(())
    }

    /// Ids increase and have their sender's parity, a container's is the greatest, numbers count
    /// content-related messages, containers keep their limits.
    fn check_numbers(&mut self, from: From, key: AuthKeyId, packet: &Packet) -> Checked {
        let rule = |what: String| broken(Invariant::SenderRules, format!("{from:?}: {what}"));
        let conduct = self.conduct.entry((from, key, packet.session)).or_default();
        let mut again = false;
        for message in &packet.messages {
            let (id, seq_no, said) = (message.msg_id, message.seq_no, message.said());
            let parity = match from {
                From::Client => 0,
                From::Server if said.is_response() => 1,
                From::Server => 3,
            };
            if id.0 & 3 != parity {
                return rule(format!("the low bits of {id} are not {parity}: {said:?}"));
            }
            if packet.is_container && conduct.sent.get(&id) == Some(&(seq_no, message.body.len())) {
                again = true;
                continue;
            }
            if said.is_content() {
                conduct.sent.insert(id, (seq_no, message.body.len()));
            }
            if id.0 <= conduct.last {
                return rule(format!("{id} comes after {:#x}", conduct.last));
            }
            conduct.last = id.0;
            let content = i32::from(said.is_content());
            if seq_no != conduct.content_messages * 2 + content {
                return rule(format!("seq_no {seq_no} of {said:?}"));
            }
            conduct.content_messages += content;
        }
        if !packet.is_container {
            return Ok(());
        }
        if packet.msg_id.0 <= conduct.last {
            return rule(format!(
                "container {} after {:#x}",
                packet.msg_id, conduct.last
            ));
        }
        if packet.seq_no != conduct.content_messages * 2 {
            return rule(format!("seq_no {} of a container", packet.seq_no));
        }
        conduct.last = packet.msg_id.0;
        let (count, bytes) = (packet.messages.len(), packet.body_len);
        if count > MAX_MESSAGES || (bytes > MAX_CONTAINER && !again) || count == 0 {
            return rule(format!("a container of {count} messages and {bytes} bytes"));
        }
        Ok(())
    }
}
