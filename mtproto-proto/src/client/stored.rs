//! What is kept of an account: its keys, who it is, where DCs are.
//!
//! Does: reads a snapshot, makes one, emits changes when something is worth storing.
//! In: keys made and changed. Out: [`Event::Changed`].
//! Must not know: the format (`snapshot.rs` does).
//! Spec: "Creating an Authorization Key"; "User authorization".

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::client::authorize::Import;
use crate::client::machine::Client;
use crate::client::{Account, Change, Config, DcTable, Event, Key, Snapshot};
use crate::connection::{ClientConfig, ConfigError, KeyState};
use crate::ids::DcId;
use crate::rng::Rng;
use crate::time::Time;

/// Salts and the server's time are a hint after a restart; storing them more often than this is not
/// worth a write.
const STORE_EVERY: Duration = Duration::from_secs(60);

/// A DC's key, and what is known of the account there.
#[derive(Debug, Default)]
pub(super) struct Dc {
    /// Under the DC's plain id, whatever the links call it.
    pub(super) key: Option<KeyState>,
    /// The account's authorization is there.
    pub(super) authorized: bool,
    /// How it gets there.
    pub(super) import: Import,
    /// Streams in a row that ended with the server's word that it does not know the key.
    pub(super) refused: u8,
    /// When the server proved last that it has the key.
    pub(super) proved_at: Option<Time>,
    /// What changed since it was stored, if anything, is stored at this time.
    pub(super) store_at: Option<Time>,
    stored_at: Time,
}

impl Client {
    /// Whether configuration and snapshot go together.
    pub(super) fn check(
        config: &Config,
        stored: &Snapshot,
        rng: &mut Rng,
    ) -> Result<(), ConfigError> {
        let mut connection = ClientConfig::new(config.first_dc, config.public_keys.clone());
        connection.framing = config.framing;
        connection.obfuscation = config.obfuscation.clone();
        connection.pfs = config.pfs;
        connection.check(true, rng)?;
        match stored.account() {
            Some(account) if account.test_mode != config.test_mode => {
                Err(ConfigError::OtherServers {
                    stored_test: account.test_mode,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn stored_dcs(config: &Config, stored: &Snapshot) -> Option<Box<DcTable>> {
        let told = DcTable::from_bytes(stored.get(Key::DcOptions)?)?;
        let mut dcs = config.dcs.clone();
        dcs.overlay(told.into_options());
        Some(Box::new(dcs))
    }

    pub(super) fn stored_keys(stored: &Snapshot, account: Option<&Account>) -> BTreeMap<DcId, Dc> {
        let dcs = stored.iter().filter_map(|(key, _)| match key {
            Key::Dc(dc) => Some(dc),
            Key::Account | Key::DcOptions | Key::Updates | Key::Channel(_) | Key::Peer(_) => None,
        });
        let mut keys = BTreeMap::new();
        for dc in dcs {
            let Some((mut key, authorized)) = stored.dc(dc) else {
                continue;
            };
            key.dc = dc;
            let known = Dc {
                key: Some(key),
                authorized,
                ..Dc::default()
            };
            keys.insert(dc, known);
        }
        // Who has an account has it on its main DC, unless it was about to move there.
        if let Some(account) = account.filter(|account| account.user_id.is_some())
            && !keys.values().any(|dc| dc.authorized)
            && let Some(main) = keys.get_mut(&account.main_dc)
        {
            main.authorized = true;
        }
        keys
    }

    /// All of it.
    pub(super) fn everything(&self) -> Snapshot {
        let mut all = Snapshot::new();
        if let Some(account) = &self.account {
            all.apply(Snapshot::account_change(account));
        }
        for dc in self.keys.values() {
            if let Some(key) = &dc.key {
                all.apply(Snapshot::dc_change(key, dc.authorized));
            }
        }
        if let Some(dcs) = &self.dcs {
            all.apply(dcs_change(dcs));
        }
        for change in self.updates.changes() {
            all.apply(change);
        }
        for change in self.peers.changes() {
            all.apply(change);
        }
        all
    }

    pub(super) fn change(&mut self, change: Change) {
        self.events.push_back(Event::Changed(change));
    }

    pub(super) fn store_dcs(&mut self) {
        if let Some(dcs) = &self.dcs {
            let change = dcs_change(dcs);
            self.change(change);
        }
    }

    pub(super) fn store_account(&mut self) {
        if let Some(account) = &self.account {
            let change = Snapshot::account_change(account);
            self.change(change);
        }
    }

    /// The DC of a key.
    pub(super) fn dc(&mut self, dc: DcId) -> &mut Dc {
        self.keys.entry(dc).or_default()
    }

    /// Stores a DC's key now.
    pub(super) fn store_key(&mut self, now: Time, id: DcId) {
        let Some(dc) = self.keys.get_mut(&id) else {
            return;
        };
        dc.store_at = None;
        dc.stored_at = now;
        if let Some(key) = &dc.key {
            let change = Snapshot::dc_change(key, dc.authorized);
            self.change(change);
        }
    }

    /// A link made the DC's key, or learnt something about it.
    pub(super) fn key_changed(&mut self, now: Time, id: DcId, mut key: KeyState) {
        key.dc = id;
        let dc = self.dc(id);
        let is_new = dc
            .key
            .as_ref()
            .is_none_or(|known| known.auth_key_id() != key.auth_key_id());
        dc.key = Some(key);
        if is_new {
            dc.refused = 0;
            self.store_key(now, id);
        } else if dc.store_at.is_none() {
            dc.store_at = Some((dc.stored_at + STORE_EVERY).max(now));
        }
    }

    /// Stores what has waited long enough; `all`: everything.
    pub(super) fn store_keys(&mut self, now: Time, all: bool) {
        let due: Vec<DcId> = self
            .keys
            .iter()
            .filter(|(_, dc)| dc.store_at.is_some_and(|at| all || at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.store_key(now, id);
        }
    }

    /// No DC knows whoever signs in next.
    pub(super) fn forget_authorizations(&mut self, now: Time) {
        for dc in self.keys.keys().copied().collect::<Vec<DcId>>() {
            self.set_authorized(now, dc, false);
        }
    }

    /// The account is signed in on the DC, or not.
    pub(super) fn set_authorized(&mut self, now: Time, id: DcId, authorized: bool) {
        let dc = self.dc(id);
        if core::mem::replace(&mut dc.authorized, authorized) != authorized {
            self.store_key(now, id);
        }
    }
}

fn dcs_change(dcs: &DcTable) -> Change {
    Change {
        key: Key::DcOptions,
        value: Some(Bytes::from(dcs.to_bytes())),
    }
}
