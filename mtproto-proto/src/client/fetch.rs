//! What the client asks on its own: the configuration, and who is signed in.
//!
//! Does: `help.getConfig` after the first connection, after sign-in, when it has expired or the
//! server says that it has changed; the account's user when what was stored does not name it.
//! In: answers. Out: a better table of DCs, a known account.
//! Must not know: streams.
//! Spec: "help.getConfig"; "users.getUsers".

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::{Decode, Encode, api};

use crate::client::calls::Origin;
use crate::client::link::{Link, LinkId};
use crate::client::machine::Client;
use crate::client::{Account, CallOptions, Event, updates};
use crate::time::Time;

/// A configuration is good for so long at least, whatever the server says.
const MIN_LIFE: Duration = Duration::from_secs(600);
/// … and at most; the servers' own lasts about an hour.
const MAX_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// After a failure it is asked for again this much later.
const AGAIN: Duration = Duration::from_secs(600);

/// However often the server says that it has changed, it is not asked for sooner than this again.
const MIN_PAUSE: Duration = Duration::from_secs(60);

/// When the configuration is asked for.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// At the beginning at once.
    due: Time,
    asked_at: Time,
    running: bool,
    /// It is not known who is signed in, and somebody was asked.
    asked_who: bool,
}

impl Client {
    /// When to ask, as long as there is a stream to ask over.
    pub(super) fn fetch_timer(&self) -> Option<Time> {
        let connected = self
            .links
            .get(&LinkId::main(self.main_dc))
            .and_then(Link::up)
            .is_some_and(|up| up.connected);
        (connected && !self.fetch.running && self.closing.is_none()).then_some(self.fetch.due)
    }

    /// Asks if it is time.
    pub(super) fn fetch_if_due(&mut self, now: Time) {
        if self.fetch_timer().is_some_and(|due| due <= now) {
            self.fetch.running = true;
            self.fetch.asked_at = now;
            let body = api::functions::help::GetConfig.to_bytes();
            let options = CallOptions::default().idempotent();
            self.start_call(now, Origin::Config, body, &options, None);
        }
    }

    /// An update on its way to the application may say that the configuration has changed.
    pub(super) fn note_update(&mut self, update: &updates::Event) {
        let updates::Event::Update(update) = update else {
            return;
        };
        if matches!(
            update.parsed,
            Some(api::enums::Update::Config | api::enums::Update::DcOptions(_))
        ) {
            let soon = self.latest.max(self.fetch.asked_at + MIN_PAUSE);
            self.fetch.due = self.fetch.due.min(soon);
        }
    }

    /// Asks at the next opportunity.
    pub(super) fn fetch_now(&mut self, now: Time) {
        self.fetch.due = now;
        self.fetch_if_due(now);
    }

    /// The answer came, or it did not.
    pub(super) fn fetched(&mut self, now: Time, answer: Option<&Bytes>) {
        self.fetch.running = false;
        self.fetch.due = now + AGAIN;
        let Some(config) = answer.and_then(|body| api::types::Config::from_bytes(body).ok()) else {
            return;
        };
        let life = u64::try_from(config.expires.saturating_sub(config.date)).unwrap_or(0);
        self.fetch.due = now + Duration::from_secs(life).clamp(MIN_LIFE, MAX_LIFE);
        let mut dcs = self.dcs().clone();
        dcs.merge(&config);
        if dcs != *self.dcs() {
            self.dcs = Some(Box::new(dcs));
            self.told_dcs = true;
            self.store_dcs();
        }
    }

    /// Asks who is signed in, if that is not known.
    pub(super) fn ask_who(&mut self, now: Time) {
        let known = self
            .account
            .as_ref()
            .is_some_and(|account| account.user_id.is_some());
        if known || !self.is_signed_in() || self.closing.is_some() || self.fetch.asked_who {
            return;
        }
        self.fetch.asked_who = true;
        let query = api::functions::users::GetUsers {
            id: vec![api::enums::InputUser::InputUserSelf],
        };
        let options = CallOptions::default().idempotent();
        self.start_call(now, Origin::WhoAmI, query.to_bytes(), &options, None);
    }

    /// It was told, or will be asked again over the next stream.
    pub(super) fn told_who(&mut self, now: Time, answer: Option<&Bytes>) {
        self.fetch.asked_who = false;
        let users = answer.and_then(|body| Vec::<api::enums::User>::from_bytes(body).ok());
        let Some(api::enums::User::User(user)) = users.and_then(|users| users.into_iter().next())
        else {
            return;
        };
        if !self.is_signed_in() {
            return;
        }
        let dc = self.main_dc;
        self.account = Some(Account {
            main_dc: dc,
            user_id: Some(user.id),
            bot: user.bot(),
            test_mode: self.config.test_mode,
        });
        self.store_account();
        self.tell_updates(now);
        self.events.push_back(Event::SignedIn {
            user_id: user.id,
            dc,
        });
    }
}
