//! Somebody on the path who may have the keys.
//!
//! Does: [`Middle`] decides what becomes of each packet: it passes, is lost, comes twice, has a bit
//! changed, or is held back while something else is said in its place. What it says is true (it
//! claims that a message was refused only when it kept that message from the server), so that every
//! invariant has to hold whatever it does.
//! In: opened packets with their sealed form, the weather. Out: packets to pass on.
//! Must not know: machines, streams.
//! Spec: "Service Messages about Messages", notice of ignored error message.

use std::collections::BTreeMap;

use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{AuthKeyId, MsgId, SessionId, Time};

use super::faults::{Fault, Faults};
use super::watch::From;
use super::weather::{Weather, happens};
use crate::Dice;
use crate::rogue::{Packet, Said, msg_id_at};
use crate::tamper::{Item, Plain, container, seal};

/// Packets that are kept to be replayed.
const MAX_KEPT: usize = 24;
/// Codes that mean that a message was not executed, or that it cannot be known.
const CODES: [i32; 10] = [16, 17, 18, 19, 20, 32, 33, 34, 35, 64];

/// What became of a packet on its way.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    /// To whom.
    pub(super) to: To,
    pub(super) sealed: Vec<u8>,
    /// What it is, if it opens.
    pub(super) packet: Option<Packet>,
    /// The key that it is sealed with.
    pub(super) key: AuthKeyId,
    /// The session that it names; of a packet that does not open, the one that it was made for.
    pub(super) session: SessionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Client,
    Server,
}

/// What it needs to know of the moment.
pub(super) struct Moment<'a> {
    pub(super) now: Time,
    pub(super) server_now: Time,
    pub(super) weather: &'a Weather,
    pub(super) key: &'a AuthKey,
    /// The salt that the server would name; if nobody can tell, the one that it was seen with last.
    pub(super) salt: Option<i64>,
    pub(super) dice: &'a mut Dice,
    pub(super) faults: &'a mut Faults,
}

/// Somebody on the path.
#[derive(Debug, Default)]
pub(super) struct Middle {
    kept: Vec<Passed>,
    /// The last `new_session_created` of each session.
    created: Vec<(SessionId, Said)>,
    last_id: i64,
    /// The salt of each key that the server used last.
    salts: BTreeMap<AuthKeyId, i64>,
}

impl Middle {
    /// Forgets what was said to a server that is gone: it cannot know a copy.
    pub(super) fn server_forgot(&mut self) {
        self.kept.retain(|passed| passed.to == To::Client);
        // The next server's clock may be behind.
        self.last_id = 0;
    }

    /// One of the packets that were kept.
    pub(super) fn copy(&self, which: usize) -> Option<Passed> {
        let at = which.checked_rem(self.kept.len())?;
        self.kept.get(at).cloned()
    }

    /// What becomes of a packet.
    pub(super) fn judge(&mut self, from: From, packet: Packet, m: &mut Moment<'_>) -> Vec<Passed> {
        let to = match from {
            From::Client => To::Server,
            From::Server => To::Client,
        };
        let mut out = Vec::with_capacity(1);
        let (w, session) = (m.weather, packet.session);
        if from == From::Server {
            self.salts.insert(m.key.id(), packet.salt);
        }
        m.salt = m.salt.or_else(|| self.salts.get(&m.key.id()).copied());
        if from == From::Server {
            for message in &packet.messages {
                let said = message.said();
                if matches!(said, Said::NewSession { .. }) {
                    self.created.retain(|(of, _)| *of != session);
                    self.created.push((session, said));
                }
            }
        }
        if happens(m.dice, w.replay) && !self.kept.is_empty() {
            let old = m.dice.choose(&self.kept).clone();
            m.faults.count(Fault::Replay);
            out.push(old);
        }
        if from == From::Server && happens(m.dice, w.forged_session) {
            m.faults.count(Fault::NewSessionForged);
            let said = self.invented_session(&packet, m);
            out.push(self.say(session, &[said], m));
        }
        if from == From::Server
            && happens(m.dice, w.session_again)
            && let Some((_, said)) = self.created.iter().find(|(of, _)| *of == session)
        {
            m.faults.count(Fault::NewSessionAgain);
            let said = said.clone();
            out.push(self.say(session, &[said], m));
        }
        if happens(m.dice, w.loss) {
            m.faults.count(Fault::Loss);
            return out;
        }
        if from == From::Client && happens(m.dice, w.bad_salt) {
            m.faults.count(Fault::BadSalt);
            let said = Said::BadSalt {
                bad: packet.msg_id,
                seq_no: packet.seq_no,
                new_salt: m.salt.unwrap_or_default(),
            };
            out.push(self.say(session, &[said], m));
            return out;
        }
        if from == From::Client && happens(m.dice, w.bad_msg) {
            m.faults.count(Fault::BadMsg);
            let said = Said::BadMsg {
                bad: packet.msg_id,
                seq_no: packet.seq_no,
                code: *m.dice.choose(&CODES),
            };
            out.push(self.say(session, &[said], m));
            return out;
        }
        if from == From::Server
            && !packet.is_container
            && let Said::Result { req, .. } = packet.messages[0].said()
        {
            if happens(m.dice, w.detailed) {
                m.faults.count(Fault::DetailedInfo);
                let answer = packet.msg_id;
                let said = Said::DetailedInfo {
                    msg_id: req,
                    answer,
                };
                out.push(self.say(session, &[said], m));
                return out;
            }
            if happens(m.dice, w.session_with_answer) {
                m.faults.count(Fault::NewSessionInContainer);
                let created = self.invented_session(&packet, m);
                let answer = packet.messages[0].clone();
                out.push(self.say_with(session, &[created], &[answer], m));
                return out;
            }
        }
        let passed = Passed {
            to,
            key: m.key.id(),
            session,
            sealed: packet.sealed.clone(),
            packet: Some(packet),
        };
        if happens(m.dice, w.flip) {
            m.faults.count(Fault::BitFlip);
            let mut bad = passed.clone();
            let bit = m.dice.index(bad.sealed.len() * 8);
            bad.sealed[bit / 8] ^= 1 << (bit % 8);
            bad.packet = None;
            out.push(bad);
            return out;
        }
        if w.replay.is_some() {
            if self.kept.len() < MAX_KEPT {
                self.kept.push(passed.clone());
            } else {
                let at = m.dice.index(MAX_KEPT);
                self.kept[at] = passed.clone();
            }
        }
        if happens(m.dice, w.twice) {
            m.faults.count(Fault::Twice);
            out.push(passed.clone());
        }
        out.push(passed);
        out
    }

    /// A session that began before, with, or after what was sent last.
    fn invented_session(&mut self, packet: &Packet, m: &mut Moment<'_>) -> Said {
        let seconds = m.dice.range(0..=40) as i64 - 20;
        let first = match packet.messages[0].said() {
            Said::Result { req, .. } => req,
            _ => msg_id_at(m.server_now, 0),
        };
        Said::NewSession {
            first: MsgId(first.0.saturating_add(seconds << 30)),
            unique_id: m.dice.range(1..=u64::MAX / 2) as i64,
            salt: m.salt.unwrap_or_default(),
        }
    }

    /// Something that the server did not say.
    fn say(&mut self, session: SessionId, said: &[Said], m: &mut Moment<'_>) -> Passed {
        self.say_with(session, said, &[], m)
    }

    fn say_with(
        &mut self,
        session: SessionId,
        said: &[Said],
        also: &[crate::rogue::Message],
        m: &mut Moment<'_>,
    ) -> Passed {
        let mut items = Vec::new();
        for said in said {
            let parity = if said.is_response() { 1 } else { 3 };
            let id = self.msg_id(parity, m);
            items.push(Item::new(id, i32::from(said.is_content()), said.to_bytes()));
        }
        for message in also {
            let body = message.body.to_vec();
            items.push(Item::new(message.msg_id, message.seq_no, body));
        }
        let plain = match items.as_slice() {
            [only] => Plain::new(
                m.salt.unwrap_or_default(),
                session,
                only.msg_id,
                only.seq_no,
                only.body.clone(),
            ),
            _ => {
                let id = self.msg_id(3, m);
                Plain::new(
                    m.salt.unwrap_or_default(),
                    session,
                    id,
                    0,
                    container(&items, None),
                )
            }
        };
        let sealed = seal(m.key, Direction::ToClient, &plain, m.dice);
        Passed {
            to: To::Client,
            sealed: sealed.clone(),
            key: m.key.id(),
            session,
            packet: Some(Packet::new(m.now, plain, false, sealed)),
        }
    }

    /// An id as the server would make it; the server's own are made at random within the same
    /// millisecond.
    fn msg_id(&mut self, parity: i64, m: &mut Moment<'_>) -> MsgId {
        let id = msg_id_at(m.server_now, parity).0 ^ (m.dice.range(0..=0xf_ffff) << 2) as i64;
        self.last_id = id.max((self.last_id & !3) + 4 + parity);
        MsgId(self.last_id)
    }
}
