//! The machine of one account: routes between what has a file of its own beside this one.
//!
//! Does: [`Client`] and everything that its owner calls.
//! In: calls, bytes of streams, the time. Out: actions, events, updates, the next deadline.
//! Must not know: sockets, files, clocks.
//! Spec: "Calling methods"; "Working with Different Data Centers".

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Function;

use crate::client::calls::Calls;
use crate::client::fetch::Fetch;
use crate::client::link::{Link, LinkId};
use crate::client::pauses::Pauses;
use crate::client::stored::Dc;
use crate::client::updates::{self, UpdateId, Updates};
use crate::client::{
    Account, Action, CallOptions, Config, DcTable, Disconnected, Event, PeerId, Peers, SignedOut,
    Snapshot,
};
use crate::connection::{Call, ConfigError};
use crate::error::SendError;
use crate::ids::{ConnId, DcId, RequestId};
use crate::machine::Machine;
use crate::rng::Rng;
use crate::time::Time;

/// A jump of the time beyond the next deadline that is a sleep of the device: streams may be dead,
/// updates may be missing.
const SLEEP: Duration = Duration::from_secs(60);
/// `close` waits so long for drivers to take what is queued.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// One account over many streams. It does no I/O of its own.
///
/// After any call, do what [`Client::poll_action`] says and take what [`Client::poll_event`] and
/// [`Client::poll_update`] give; wake it at [`Client::poll_timeout`]. The contract of timers and of
/// `now` is that of [`Machine`].
///
/// ```
/// use std::sync::Arc;
///
/// use mtproto_proto::client::{Action, CallOptions, Client, Config, Snapshot, Target};
/// use mtproto_proto::{Rng, Time};
/// use mtproto_schema::api::functions::help::GetNearestDc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Arc::new(Config::production(12345, "your api_hash"));
/// let now = Time::from_unix(1_750_000_000);
/// // Outside of examples the seed comes from the operating system.
/// let mut client = Client::new(config, Snapshot::new(), Rng::from_seed([7; 32]), now)?;
///
/// let call = client.call(now, &GetNearestDc, &CallOptions::default())?;
/// let Some(Action::Connect { conn, target: Target::Tcp(addr), .. }) = client.poll_action() else {
///     return Err("a call needs a stream".into());
/// };
/// assert_eq!(addr.port(), 443);
///
/// // The driver opens it, and writes what the client gives.
/// client.handle_connected(now, conn);
/// assert_eq!(client.poll_action(), Some(Action::Transmit { conn }));
/// let mut out = Vec::new();
/// assert!(client.poll_transmit(now, conn, &mut out)); // the handshake's first question
/// # let _ = call.id();
/// # Ok(())
/// # }
/// ```
pub struct Client {
    pub(super) config: Arc<Config>,
    pub(super) rng: Rng,
    /// What differs from the configuration's table.
    pub(super) dcs: Option<Box<DcTable>>,
    /// It was a server that told them, and not the application.
    pub(super) told_dcs: bool,
    pub(super) account: Option<Account>,
    /// Why nobody is signed in any more.
    pub(super) signed_out: Option<SignedOut>,
    pub(super) main_dc: DcId,
    pub(super) keys: BTreeMap<DcId, Dc>,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) calls: Calls,
    pub(super) pauses: Pauses,
    pub(super) updates: Updates,
    pub(super) peers: Peers,
    pub(super) actions: VecDeque<Action>,
    pub(super) events: VecDeque<Event>,
    pub(super) last_conn: u64,
    /// A stream to the main DC is wanted, calls or not.
    pub(super) keep: bool,
    pub(super) online: bool,
    pub(super) fetch: Fetch,
    /// Nothing new is begun; at this time everything is dropped.
    pub(super) closing: Option<Time>,
    pub(super) latest: Time,
}

impl Client {
    /// A client that goes on from what was stored; nothing is connected until something needs it.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration contradicts itself or what was stored.
    pub fn new(
        config: Arc<Config>,
        stored: Snapshot,
        mut rng: Rng,
        now: Time,
    ) -> Result<Self, ConfigError> {
        Self::check(&config, &stored, &mut rng)?;
        let mut account = stored.account();
        let keys = Self::stored_keys(&stored, account.as_ref());
        if let Some(account) = &mut account
            && !keys.values().any(|dc| dc.authorized)
        {
            // The login is its key, and that is not there.
            account.user_id = None;
        }
        let main_dc = account.as_ref().map_or(config.first_dc, |a| a.main_dc);
        let mut client = Client {
            dcs: Self::stored_dcs(&config, &stored),
            told_dcs: true,
            keys,
            account,
            signed_out: None,
            main_dc,
            links: BTreeMap::new(),
            calls: Calls::default(),
            pauses: Pauses::default(),
            updates: Updates::new(config.updates.clone(), &stored, now),
            peers: Peers::new(&stored, config.limits.peers),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            last_conn: 0,
            keep: false,
            online: false,
            fetch: Fetch::default(),
            closing: None,
            latest: now,
            config,
            rng,
        };
        if client.is_signed_in() {
            client.tell_updates(now);
        } else {
            if stored.account() != client.account {
                client.store_account();
            }
            // A process may end in the middle of a sign-out. What it left is not the next one's.
            client.updates.forget();
            client.peers.clear();
            client.forget_authorizations(now);
        }
        Ok(client)
    }

    /// Keeps a stream to the main DC from now on (without, only while calls are in flight).
    pub fn connect(&mut self, now: Time) {
        let now = self.enter(now);
        self.keep = self.closing.is_none();
        self.settle(now);
    }

    /// Submits a boxed function of the API; its end is [`Event::Response`] or [`Event::Failed`].
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; nothing was queued then.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<RequestId, SendError> {
        let now = self.enter(now);
        let id = self.submit(now, body, options)?;
        self.settle(now);
        Ok(id)
    }

    /// The same, typed.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn call<F: Function>(
        &mut self,
        now: Time,
        function: &F,
        options: &CallOptions,
    ) -> Result<Call<F>, SendError> {
        let mut options = options.clone();
        options.idempotent |= F::IDEMPOTENT;
        let id = self.send(now, function.to_bytes(), &options)?;
        Ok(Call::new(id))
    }

    /// Gives a call up; it ends as [`Event::Failed`] with
    /// [`RequestError::Cancelled`](crate::RequestError::Cancelled) and its fate.
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        let now = self.enter(now);
        self.give_up(now, id);
        self.settle(now);
    }

    /// Whether updates are wanted. While they are not, none is queued and the stored state stays
    /// where it is; when they are again, the difference is fetched.
    pub fn want_updates(&mut self, now: Time, wanted: bool) {
        let now = self.enter(now);
        self.updates.set_wanted(now, wanted);
        self.settle(now);
    }

    /// The next update in order.
    pub fn poll_update(&mut self) -> Option<updates::Event> {
        let update = self.updates.poll_update()?;
        self.note_update(&update);
        Some(update)
    }

    /// The application has handled all up to and including this one: the stored state moves.
    pub fn update_taken(&mut self, now: Time, id: UpdateId) {
        let now = self.enter(now);
        self.updates.taken(now, id);
        self.settle(now);
    }

    /// A chat that is on the screen, or no longer: if it is a channel, it is polled between updates.
    pub fn set_open(&mut self, now: Time, peer: PeerId, open: bool) {
        let now = self.enter(now);
        self.updates.set_open(now, peer, open);
        self.settle(now);
    }

    /// Whether the user waits. No.
    ///
    /// While the user waits, failed attempts to connect are repeated sooner, and streams are
    /// checked when it begins and more often from then on. With the default configuration a dead
    /// stream is noticed after
    ///
    /// | | offline | online | from |
    /// | --- | --- | --- | --- |
    /// | silence, no call waits | 75 s | 15 s | the last thing that came |
    /// | silence, calls wait | 30 s | 15 s | the last thing that came, or the first call after it |
    /// | pings are answered, calls are not | 75 s | 65 s | the oldest call |
    /// | `set_online(true)`, the end of a sleep of the device | 10 s | 10 s | that moment |
    /// | nobody answers the attempt to connect ([`Config::connect_timeout`]) | 10 s | 10 s | the attempt |
    /// | the handshake, or a stored key's first answer ([`Config::handshake_timeout`]) | 10 s | 10 s | the stream's opening |
    ///
    /// The first three are those of the session's configuration:
    /// [`ping_interval`](crate::session::Config::ping_interval),
    /// [`ping_interval_busy`](crate::session::Config::ping_interval_busy) or
    /// [`ping_interval_online`](crate::session::Config::ping_interval_online), and the `pong_timeout`
    /// beside it.
    pub fn set_online(&mut self, now: Time, online: bool) {
        let now = self.enter(now);
        if core::mem::replace(&mut self.online, online) != online {
            for link in self.links.values_mut() {
                if let Some(up) = link.up_mut() {
                    up.machine.set_online(now, online);
                }
            }
            if online {
                self.check_streams(now);
            }
        }
        self.settle(now);
    }

    /// The network is another one: streams are opened anew, without the pauses after failures.
    pub fn network_changed(&mut self, now: Time) {
        let now = self.enter(now);
        let mut last = None;
        while let Some(id) = self.next_link(last) {
            last = Some(id);
            if let Some(link) = self.links.get_mut(&id) {
                link.pace.clear();
                if !link.is_down() {
                    self.stream_ended(now, id, Disconnected::Closed, true);
                }
            }
            // The attempt that was cut off just now does not count either.
            if let Some(link) = self.links.get_mut(&id) {
                link.pace.clear();
            }
        }
        self.settle(now);
    }

    /// The account, when signed in.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref().filter(|_| self.is_signed_in())
    }

    /// The DC that calls go to by default.
    pub fn main_dc(&self) -> DcId {
        self.main_dc
    }

    /// Where DCs are.
    pub fn dcs(&self) -> &DcTable {
        self.dcs.as_deref().unwrap_or(&self.config.dcs)
    }

    /// Changes where DCs are, for connections to come. Emits a change to be stored.
    ///
    /// What a server tells of DCs afterwards is merged into it, and the configuration's addresses
    /// are tried beside what a server told.
    pub fn set_dcs(&mut self, dcs: DcTable) {
        self.dcs = Some(Box::new(dcs));
        self.told_dcs = false;
        self.store_dcs();
        let now = self.latest;
        self.settle(now);
    }

    /// Users, chats and channels seen, with their access hashes.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Everything that is to be stored, as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.everything()
    }

    /// Writes what is queued, then closes all streams ([`Action::Close`]). Calls that are not
    /// answered by then fail with their fate; new ones are refused.
    pub fn close(&mut self, now: Time) {
        let now = self.enter(now);
        if self.closing.is_none() {
            self.begin_close(now, now + CLOSE_WITHIN);
        }
        self.settle(now);
    }

    /// After [`Client::close`]: nothing is left to do but to take actions and events.
    pub fn is_closed(&self) -> bool {
        self.closing.is_some() && self.links.is_empty()
    }

    /// [`Action::Connect`] succeeded.
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        let now = self.enter(now);
        if let Some(id) = self.link_of(conn) {
            self.stream_opened(now, id);
        }
        self.settle(now);
    }

    /// [`Action::Connect`] failed.
    pub fn handle_connect_failed(&mut self, now: Time, conn: ConnId) {
        let now = self.enter(now);
        if let Some(id) = self.link_of(conn) {
            self.stream_ended(now, id, Disconnected::NotConnected, false);
        }
        self.settle(now);
    }

    /// Bytes of a stream, in any slicing. A stream that fails is closed by an action; the client
    /// goes on.
    pub fn handle_input(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let now = self.enter(now);
        if let Some(id) = self.link_of(conn)
            && let Some(up) = self.links.get_mut(&id).and_then(Link::up_mut)
        {
            // The error stays in the machine, where `settle` finds it after the events.
            let _ = up.machine.handle_input(now, bytes);
        }
        self.settle(now);
    }

    /// A stream ended, by the peer or an error of the socket.
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        let now = self.enter(now);
        if let Some(id) = self.link_of(conn) {
            self.stream_ended(now, id, Disconnected::Closed, false);
        }
        self.settle(now);
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.enter(now);
        self.run_timers(now);
        self.settle(now);
    }

    /// What to do: connect, transmit, close.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Appends at most one packet for this stream; `false` when there is nothing to send.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Time, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let now = self.forward(now);
        let Some(id) = self.link_of(conn) else {
            return false;
        };
        let Some(up) = self.links.get_mut(&id).and_then(Link::up_mut) else {
            return false;
        };
        if up.machine.poll_transmit(now, out) {
            return true;
        }
        up.announced = false;
        if up.machine.error().is_some() || self.closing.is_some() {
            self.settle(now);
        }
        false
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        // What is to be stored of updates and peers waits where it may still be replaced by
        // something newer.
        let event = self.events.pop_front();
        if let Some(Event::Failed { id, .. }) = &event {
            self.calls.told(*id);
        }
        event.or_else(|| {
            let change = self.updates.poll_change();
            let change = change.or_else(|| self.peers.poll_change());
            change.map(Event::Changed)
        })
    }

    /// When to call [`Client::handle_timeout`]. Says nothing about waiting output or events.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_timer()
    }

    /// Takes the later of the time given and the latest one seen.
    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// The same, at the beginning of a call: notices that the device slept.
    fn enter(&mut self, now: Time) -> Time {
        let before = self.latest;
        let now = self.forward(now);
        if now > before + SLEEP && self.poll_timeout().is_some_and(|due| now > due + SLEEP) {
            self.check_streams(now);
            self.updates.handle_may_have_missed(now);
        }
        now
    }

    /// Brings everything to where it belongs after something happened.
    pub(super) fn settle(&mut self, now: Time) {
        loop {
            let heard = self.drain_links(now);
            let asked = self.ask_for_updates(now);
            if !heard && !asked {
                break;
            }
        }
        self.serve_links(now);
        self.finish_closing(now);
        self.announce();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("account", &self.account)
            .field("main_dc", &self.main_dc)
            .field("links", &self.links.keys())
            .finish_non_exhaustive()
    }
}
