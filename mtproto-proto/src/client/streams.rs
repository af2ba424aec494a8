//! The client's streams: opened when something needs them, run, ended.
//!
//! Does: dials, runs the machine of each stream, takes its events, keeps its session for the next.
//! In: streams opened and ended. Out: actions; answers for `answers.rs`, updates for `updates/`.
//! Must not know: what calls mean.
//! Spec: "Working with Different Data Centers"; "Creating an Authorization Key".

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::client::calls::Place;
use crate::client::link::{Kind, Link, LinkId, Stream, Up};
use crate::client::machine::Client;
use crate::client::query::LOG_OUT;
use crate::client::submit::OWN_CALLS;
use crate::client::{Action, CallError, Disconnected, Event};
use crate::connection::{ClientConfig, ClientConnection, ClientEvent, Error, KeyState, Start};
use crate::error::{Fate, RequestError};
use crate::handshake;
use crate::ids::ConnId;
use crate::machine::Machine;
use crate::rng::Rng;
use crate::time::Time;

/// The server's word that it does not know a key.
const UNKNOWN_KEY: i32 = -404;

impl Client {
    /// The link after this one, or the first: links may come and go while they are visited.
    pub(super) fn next_link(&self, after: Option<LinkId>) -> Option<LinkId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.links.range((from, Bound::Unbounded));
        rest.next().map(|(id, _)| *id)
    }

    pub(super) fn link_of(&self, conn: ConnId) -> Option<LinkId> {
        self.links
            .iter()
            .find(|(_, link)| link.conn() == Some(conn))
            .map(|(id, _)| *id)
    }

    /// Whether anything needs a stream of this link.
    pub(super) fn is_wanted(&self, id: LinkId) -> bool {
        (self.keep && id == LinkId::main(self.main_dc))
            || self.links.get(&id).is_some_and(Link::has_calls)
    }

    /// Whether the link may open a stream: there is a key, or it is the one that makes it.
    pub(super) fn may_dial(&self, id: LinkId) -> bool {
        let has_key = self.keys.get(&id.dc).is_some_and(|dc| dc.key.is_some());
        match id.kind {
            Kind::Leaving => true,
            Kind::Main | Kind::Media if has_key => true,
            Kind::Main => self
                .links
                .get(&LinkId::media(id.dc))
                .is_none_or(Link::is_down),
            Kind::Media => {
                let main = LinkId::main(id.dc);
                let makes = self.links.get(&main).is_some_and(|link| !link.is_down());
                !makes && !self.is_wanted(main)
            }
        }
    }

    /// Every link does what it can: sends what waits, opens a stream, or rests.
    pub(super) fn serve_links(&mut self, now: Time) {
        if self.keep && self.closing.is_none() && self.is_reachable(LinkId::main(self.main_dc)) {
            self.links
                .entry(LinkId::main(self.main_dc))
                .or_insert_with(Link::new);
        }
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            self.flush(now, id);
            let wanted = self.is_wanted(id);
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            match (&link.stream, wanted) {
                (Stream::Down, true) => self.dial(now, id),
                (Stream::Down, false) => {
                    // The stream is gone and nobody misses the session.
                    link.rest = link.rest.take().and_then(|rest| rest.without_session());
                    link.idle_since = None;
                    if id.kind == Kind::Leaving {
                        self.links.remove(&id);
                    }
                }
                (_, true) => link.idle_since = None,
                (_, false) if id.kind == Kind::Leaving => {
                    self.stream_ended(now, id, Disconnected::Idle, true);
                    self.links.remove(&id);
                }
                (_, false) => {
                    link.idle_since.get_or_insert(now);
                }
            }
        }
    }

    fn dial(&mut self, now: Time, id: LinkId) {
        let online = self.online;
        let rested = self
            .links
            .get(&id)
            .is_some_and(|link| link.pace.next(online) <= now);
        if self.closing.is_some() || !rested || !self.may_dial(id) {
            return;
        }
        let candidates = self.candidates(id);
        let timeout = self.config.connect_timeout;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(to) = link.pace.choose(&candidates) else {
            let (dc, fate) = (id.dc, Fate::NotSent);
            return self.fail_link(now, id, &CallError::UnknownDc { dc, fate });
        };
        self.last_conn = self.last_conn.saturating_add(1);
        let conn = ConnId(self.last_conn);
        let target = super::Target::Tcp(to.addr);
        link.pace.attempted(now, to);
        link.stream = Stream::Connecting {
            conn,
            until: now + timeout,
            to: Box::new(to.clone()),
        };
        self.actions.push_back(Action::Connect {
            conn,
            dc: id.dc,
            target,
        });
    }

    /// Ends all calls of a link, each with its fate or, if that is worse, the error's.
    pub(super) fn fail_link(&mut self, now: Time, id: LinkId, error: &CallError) {
        let ids: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| match call.place {
                Place::Waiting(at) | Place::Held(at) | Place::Sent(at, _) => at == id,
                Place::Nowhere | Place::Paused(_) | Place::Behind => false,
            })
            .map(|(call, _)| call)
            .collect();
        for call in ids {
            let fate = self.withdraw(now, call);
            self.finish(now, call, Err(error.with_fate(fate)));
        }
    }

    /// The driver opened what a link asked for.
    pub(super) fn stream_opened(&mut self, now: Time, id: LinkId) {
        let key = self.keys.get(&id.dc).and_then(|dc| dc.key.clone());
        let wire = id.wire(self.config.test_mode);
        let rng = Rng::from_rng(&mut self.rng);
        let mut config = ClientConfig::new(wire, self.config.public_keys.clone());
        config.init = Some(self.config.init.clone());
        config.handshake_timeout = self.config.handshake_timeout;
        config.session = self.config.session.clone();
        config.taps = self.config.taps.clone();
        // `submit` has looked.
        config.session.max_requests = self.config.limits.calls.saturating_add(OWN_CALLS);
        config.session.max_request_bytes = usize::MAX;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Stream::Connecting { conn, to, .. } = &link.stream else {
            return;
        };
        let conn = *conn;
        config.framing = to.framing;
        config.obfuscation = to.obfuscation.clone();
        config.pfs = self.temporary_keys(id);
        let has_pfs = config.pfs.is_some();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let key = key.map(|key| KeyState { dc: wire, ..key });
        let start = match (link.rest.take(), key) {
            (Some(mut rest), key) => {
                if rest.perm.is_none() && key.is_some() {
                    rest.perm = key;
                    rest.handshake = None;
                }
                Start::Resume(rest)
            }
            (None, Some(key)) => Start::Key(key),
            (None, None) => Start::NewKey,
        };
        let had_key = match &start {
            Start::NewKey => false,
            Start::Key(_) => true,
            Start::Resume(rest) => rest.perm.is_some(),
        };
        let used = !link.sent.is_empty();
        match ClientConnection::new(Arc::new(config), start, rng, now) {
            Ok(mut machine) => {
                machine.set_online(now, self.online);
                link.stream = Stream::Up(Box::new(Up {
                    conn,
                    machine,
                    announced: false,
                    connected: false,
                    had_key,
                    has_pfs,
                    used,
                }));
            }
            // `Client::new` has checked everything that this is made of.
            Err(_) => self.stream_ended(now, id, Disconnected::NotConnected, true),
        }
    }

    /// A link's stream is no more; `close`: the driver does not know yet.
    pub(super) fn stream_ended(
        &mut self,
        now: Time,
        id: LinkId,
        reason: Disconnected,
        close: bool,
    ) {
        let before = self.links.get(&id).and_then(Link::conn);
        // Answers that came before the end count; one of them may have ended the link.
        self.take_events(now, id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.conn() != before {
            return;
        }
        let up = link.up().map(|up| (up.connected, up.had_key, up.has_pfs));
        let (connected, had_key, has_pfs) = up.unwrap_or_default();
        let Some(conn) = link.suspend() else {
            return;
        };
        link.idle_since = None;
        let error = match &reason {
            Disconnected::Error(error) => Some(error.clone()),
            Disconnected::NotConnected | Disconnected::Closed | Disconnected::Idle => None,
        };
        let told = matches!(error, Some(Error::Status { .. }));
        if reason != Disconnected::Idle && (told || !connected) {
            let refused = error.as_ref().is_some_and(is_word);
            link.pace.failed(now, refused, &mut self.rng);
        }
        if close {
            self.actions.push_back(Action::Close { conn });
        }
        if id.kind == Kind::Leaving {
            if matches!(error, Some(Error::Status { code: UNKNOWN_KEY })) {
                // It is gone already.
                self.fail_link(now, id, &RequestError::Lost(Fate::NotReceived).into());
            }
            return;
        }
        self.events.push_back(Event::Disconnected {
            dc: id.dc,
            media: id.is_media(),
            reason,
        });
        self.logged_out_without_answer(now, id);
        if had_key && !connected {
            match error {
                // With temporary keys it is about the temporary one.
                Some(Error::Status { code: UNKNOWN_KEY }) if !has_pfs => {
                    self.key_denied(now, id.dc, false);
                }
                Some(Error::BindRefused(RequestError::Rpc(error)))
                    if error.message == "ENCRYPTED_MESSAGE_INVALID" =>
                {
                    self.key_denied(now, id.dc, true);
                }
                Some(_) | None => {}
            }
        }
    }

    /// Takes what the machines of the streams tell; whether there was anything.
    pub(super) fn drain_links(&mut self, now: Time) -> bool {
        let mut any = false;
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            any |= self.take_events(now, id);
            let error = self
                .links
                .get(&id)
                .and_then(Link::up)
                .and_then(|up| up.machine.error().cloned());
            if let Some(error) = error {
                any = true;
                self.stream_ended(now, id, Disconnected::Error(error), true);
            }
        }
        any
    }

    fn take_events(&mut self, now: Time, id: LinkId) -> bool {
        let Some(up) = self.links.get_mut(&id).and_then(Link::up_mut) else {
            return false;
        };
        // All at once: an event may end the stream, which asks for the rest of them. One inside
        // the other, thousands of answers would exhaust the stack.
        let events: Vec<_> = core::iter::from_fn(|| up.machine.poll_event()).collect();
        let conn = self.links.get(&id).and_then(Link::conn);
        let any = !events.is_empty();
        for event in events {
            let is_end = matches!(
                event,
                ClientEvent::Response { .. } | ClientEvent::Failed { .. }
            );
            // What the stream told of itself is void once it was ended: its key may be forgotten.
            if is_end || self.links.get(&id).and_then(Link::conn) == conn {
                self.handle_link_event(now, id, event);
            }
        }
        any
    }

    fn handle_link_event(&mut self, now: Time, id: LinkId, event: ClientEvent) {
        let is_main = id == LinkId::main(self.main_dc);
        match event {
            ClientEvent::KeyCreated(key) | ClientEvent::KeyStateChanged(key) => {
                if id.kind != Kind::Leaving {
                    self.key_changed(now, id.dc, key);
                }
            }
            ClientEvent::Connected => self.proved(now, id),
            ClientEvent::Response { id: inner, body } => self.answered(now, id, inner, Ok(body)),
            ClientEvent::Failed { id: inner, error } => self.answered(now, id, inner, Err(error)),
            ClientEvent::Acked { id: inner } => {
                let ours = self.links.get(&id).and_then(|link| link.sent.get(&inner));
                if let Some(call) = ours.and_then(|ours| self.calls.get_mut(*ours)) {
                    call.acked = true;
                }
            }
            ClientEvent::Update { body } => {
                if is_main {
                    self.updates.handle(now, &body, &mut self.peers);
                }
            }
            ClientEvent::SessionRenewed { .. } | ClientEvent::UpdatesMissed => {
                if is_main {
                    self.updates.handle_may_have_missed(now);
                }
            }
            ClientEvent::ClockCorrected { .. } => {}
        }
    }

    /// The server has proved that it has our key.
    fn proved(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.pace.succeeded();
        if let Some(up) = link.up_mut() {
            up.connected = true;
        }
        if id.kind == Kind::Leaving {
            return;
        }
        let dc = self.dc(id.dc);
        dc.refused = 0;
        dc.proved_at = Some(now);
        self.events.push_back(Event::Connected {
            dc: id.dc,
            media: id.is_media(),
        });
        if id == LinkId::main(self.main_dc) {
            // Nobody kept for us what was sent while there was no stream.
            self.updates.handle_may_have_missed(now);
            self.fetch_if_due(now);
            self.ask_who(now);
        }
    }

    /// Asks the servers at once whether they are there.
    pub(super) fn check_streams(&mut self, now: Time) {
        for link in self.links.values_mut() {
            if let Some(up) = link.up_mut() {
                up.machine.check(now);
            }
        }
    }

    /// Tells the driver where there is output.
    pub(super) fn announce(&mut self) {
        for link in self.links.values_mut() {
            if let Some(conn) = link.take_announcement() {
                self.actions.push_back(Action::Transmit { conn });
            }
        }
    }

    /// `auth.logOut` may stay without an answer: that the server has it is enough.
    fn logged_out_without_answer(&mut self, now: Time, id: LinkId) {
        if id != LinkId::main(self.main_dc) {
            return;
        }
        let call = self
            .calls
            .iter()
            .find(|(_, call)| {
                call.acked
                    && call.method == LOG_OUT
                    && matches!(call.place, Place::Sent(at, _) if at == id)
            })
            .map(|(call, _)| call);
        if let Some(call) = call {
            self.withdraw(now, call);
            self.logged_out(now, call);
        }
    }
}

/// Whether the stream ended by the word of the server or of somebody who plays one, and not because
/// nothing came.
fn is_word(error: &Error) -> bool {
    !matches!(
        error,
        Error::Silent | Error::Handshake(handshake::Error::TimedOut)
    )
}
