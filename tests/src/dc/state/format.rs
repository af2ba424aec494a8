//! The state file as text.
//!
//! Does: renders a world and its servers, reads them again, both versions that were ever written.
//! In: a [`World`], the servers' states. Out: JSON; a [`State`].
//! Must not know: when to save, files.
//! Spec: none.
//!
//! Version 2: `generation` (which journal goes on from it), `rsa` (the private key, PEM), `people`,
//! `keys` (what each said of itself and who is signed in), `future` (tokens that sign in without a
//! code), `talk`, `servers` (for each DC its keys and sessions), `sessions` (what the world knows of
//! them). Version 1 had the permanent keys among `keys`, and no sessions.

use std::collections::BTreeMap;

use mtproto_proto::DcId;
use mtproto_proto::crypto::{AuthKey, RsaPrivateKey};
use mtproto_proto::server::{Server, ServerState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::auth::sessions::FutureTokens;
use super::super::changes::Change;
use super::super::key;
use super::super::logins::{Device, KeyAt, Known, Login};
use super::super::people::Person;
use super::super::saved;
use super::super::talk::Talk;
use super::super::world::World;
use super::journal::Entry;

/// What this program writes; it reads what came before too.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<K, F> {
    version: u32,
    #[serde(default)]
    generation: u64,
    rsa: String,
    people: Vec<Person>,
    keys: Vec<K>,
    future: F,
    talk: Value,
    #[serde(default)]
    servers: Vec<SavedServer>,
    #[serde(default)]
    sessions: Vec<Change>,
}

/// A permanent key in version 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedKey1 {
    #[serde(with = "saved::dc")]
    dc: DcId,
    #[serde(with = "saved::hex")]
    key: Vec<u8>,
    layer: i32,
    device: Option<Device>,
    login: Login,
    active: i32,
    ip: String,
}

/// What is known of a key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedKey {
    at: KeyAt,
    layer: i32,
    device: Option<Device>,
    login: Login,
    active: i32,
    ip: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedServer {
    #[serde(with = "saved::dc")]
    dc: DcId,
    #[serde(with = "saved::hex")]
    state: Vec<u8>,
}

/// A state that was read.
pub struct State {
    /// The private RSA key.
    pub rsa: RsaPrivateKey,
    /// Which journal goes on from it.
    pub(super) generation: u64,
    people: Vec<Person>,
    keys: Vec<SavedKey>,
    future: FutureTokens,
    talk: Talk,
    servers: BTreeMap<DcId, ServerState>,
    /// Permanent keys of version 1, which has no servers.
    bare_keys: Vec<(KeyAt, AuthKey)>,
    sessions: Vec<Change>,
    /// What happened since.
    pub(super) journal: Vec<Entry>,
}

/// The text of a world and its servers.
#[expect(
    clippy::expect_used,
    reason = "its maps have text or numbers as keys, which is all that can fail"
)]
pub(super) fn render(
    generation: u64,
    rsa: &str,
    world: &World,
    servers: &[(DcId, ServerState)],
) -> String {
    let keys = world.logins.iter().map(|(at, known)| SavedKey {
        at,
        layer: known.layer,
        device: known.device.clone(),
        login: known.login.clone(),
        active: known.active,
        ip: known.ip.clone(),
    });
    let servers = servers.iter().map(|(dc, state)| SavedServer {
        dc: *dc,
        state: state.to_bytes().to_vec(),
    });
    let saving = Saved {
        version: VERSION,
        generation,
        rsa: rsa.to_owned(),
        people: world.people.iter().cloned().collect(),
        keys: keys.collect(),
        future: &world.future,
        talk: world.talk.save(),
        servers: servers.collect(),
        sessions: world.heard().chain(world.ended()).collect(),
    };
    serde_json::to_string(&saving).expect("its maps have text or numbers as keys")
}

/// What a text holds.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<State, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    // First, so that a later version's file is not called damaged.
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    match version {
        1 => parse_1(text),
        VERSION => parse_2(text),
        _ => Err(format!(
            "a state of version {version}; this program knows version {VERSION} and those before"
        )),
    }
}

fn damaged(e: serde_json::Error) -> String {
    format!("no state of a test DC, or damaged: {e}")
}

fn parse_1(text: &str) -> Result<State, String> {
    let saved: Saved<SavedKey1, FutureTokens> = serde_json::from_str(text).map_err(damaged)?;
    let (mut keys, mut bare_keys) = (Vec::new(), Vec::new());
    for key in &saved.keys {
        let bytes = <&[u8; 256]>::try_from(&key.key[..]);
        let bytes = bytes.map_err(|_| "damaged: a key has 256 bytes".to_owned())?;
        let auth_key = AuthKey::from_bytes(bytes);
        let at = KeyAt {
            dc: key.dc,
            key: auth_key.id(),
        };
        bare_keys.push((at, auth_key));
        keys.push(SavedKey {
            at,
            layer: key.layer,
            device: key.device.clone(),
            login: key.login.clone(),
            active: key.active,
            ip: key.ip.clone(),
        });
    }
    state(saved, keys, bare_keys)
}

fn parse_2(text: &str) -> Result<State, String> {
    let mut saved: Saved<SavedKey, FutureTokens> = serde_json::from_str(text).map_err(damaged)?;
    let keys = std::mem::take(&mut saved.keys);
    state(saved, keys, Vec::new())
}

fn state<K>(
    saved: Saved<K, FutureTokens>,
    keys: Vec<SavedKey>,
    bare_keys: Vec<(KeyAt, AuthKey)>,
) -> Result<State, String> {
    let talk = Talk::load(&saved.talk).map_err(|e| format!("damaged: {e}"))?;
    let rsa = key::read(&saved.rsa).map_err(|e| format!("damaged: its RSA PRIVATE KEY: {e}"))?;
    let servers = saved.servers.iter().map(|server| {
        let state = ServerState::from_bytes(&server.state);
        state
            .map(|state| (server.dc, state))
            .map_err(|e| format!("damaged: DC {}: {e}", server.dc))
    });
    Ok(State {
        rsa,
        generation: saved.generation,
        people: saved.people,
        keys,
        future: saved.future,
        talk,
        servers: servers.collect::<Result<_, _>>()?,
        bare_keys,
        sessions: saved.sessions,
        journal: Vec::new(),
    })
}

/// What the servers begin with.
#[derive(Default)]
pub struct Servers {
    states: BTreeMap<DcId, ServerState>,
    bare_keys: Vec<(KeyAt, AuthKey)>,
}

impl Servers {
    /// What this DC had.
    pub fn take(&mut self, dc: DcId) -> Option<ServerState> {
        self.states.remove(&dc)
    }

    /// Permanent keys that a DC had, for a server that begins without a state.
    pub fn provide_keys(&self, dc: DcId, server: &mut Server, now: mtproto_proto::Time) {
        for (at, key) in self.bare_keys.iter().filter(|(at, _)| at.dc == dc) {
            server.provide_key(now, at.key, Some(key.clone()));
        }
    }
}

impl State {
    /// Puts it into a new world; what its servers begin with. Without their sessions if they are to
    /// be forgotten.
    ///
    /// # Errors
    /// If it is of a world with other DCs, or what happened since does not fit.
    pub fn restore(self, world: &mut World, forget_sessions: bool) -> Result<Servers, String> {
        let dcs = world.dc_ids();
        let homes = self.people.iter().map(|person| person.dc);
        let known = self.keys.iter().map(|key| key.at.dc);
        let servers = self.servers.keys().copied();
        if let Some(missing) = homes
            .chain(known)
            .chain(servers)
            .find(|dc| !dcs.contains(dc))
        {
            return Err(format!("it is of a world with a DC {missing}"));
        }
        for person in self.people {
            world
                .people
                .insert(person)
                .map_err(|e| format!("damaged: {e}"))?;
        }
        for key in self.keys {
            *world.logins.entry(key.at) = Known {
                layer: key.layer,
                device: key.device,
                login: key.login,
                active: key.active,
                ip: key.ip,
            };
        }
        world.future = self.future;
        world.talk = self.talk;
        let mut states = self.servers;
        for change in self.sessions {
            world.apply(change)?;
        }
        for Entry {
            servers,
            world: changes,
        } in self.journal
        {
            for (dc, change) in servers {
                let state = states.get_mut(&dc);
                state
                    .ok_or_else(|| format!("its journal is of a world with a DC {dc}"))?
                    .apply(change);
            }
            for change in changes {
                world.apply(change)?;
            }
        }
        if forget_sessions {
            states = states
                .into_iter()
                .map(|(dc, state)| (dc, state.without_sessions()))
                .collect();
        }
        let sessions: std::collections::BTreeSet<_> = states
            .iter()
            .flat_map(|(dc, state)| state.sessions().map(|(key, id)| (*dc, key, id)))
            .collect();
        world.keep_sessions(|session| sessions.contains(&session));
        Ok(Servers {
            states,
            bare_keys: self.bare_keys,
        })
    }
}
