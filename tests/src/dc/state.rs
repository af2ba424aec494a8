//! What survives the process.
//!
//! Does: writes keys, logins, accounts and what was said to one file, and reads it again. A write
//! is all or nothing; a damaged file is left as it is.
//! In: a [`World`] and its keys. Out: the file, and the same again.
//! Must not know: when to save; streams.
//! Spec: none.
//!
//! The file is JSON: `version` (1), `rsa` (the private key, PEM), `people`, `keys` (each a permanent
//! key with what it said and who is signed in), `future` (tokens that sign in without a code),
//! `talk`. Temporary keys, codes and tokens on screens do not survive: clients ask for new ones.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use mtproto_proto::DcId;
use mtproto_proto::crypto::{AuthKey, RsaPrivateKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::auth::sessions::FutureTokens;
use super::key;
use super::logins::{Device, KeyAt, Known, Login};
use super::people::Person;
use super::saved;
use super::talk::Talk;
use super::world::World;

/// What this program writes and reads.
const VERSION: u32 = 1;

/// Longest file that is read: a world of a million messages stays below.
const MAX_LEN: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    rsa: String,
    people: Vec<Person>,
    keys: Vec<SavedKey>,
    future: FutureTokens,
    talk: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedKey {
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

/// Permanent keys.
pub type Keys = Vec<(KeyAt, AuthKey)>;

/// A state that was read.
pub struct State {
    /// The private RSA key.
    pub rsa: RsaPrivateKey,
    saved: Saved,
    keys: Keys,
    talk: Talk,
}

/// The file, which nobody else may use meanwhile.
pub struct StateFile {
    path: PathBuf,
    /// What it holds now.
    written: String,
    failed: bool,
    _lock: File,
}

impl StateFile {
    /// Locks the file and reads it, if it is there.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or another program uses it. It is not changed.
    pub fn open(path: &Path) -> Result<(Self, Option<State>), String> {
        let about = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let lock = private(&beside(path, ".lock")).map_err(|e| about(&e))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => about(&"another test DC uses it"),
            TryLockError::Error(e) => about(&e),
        })?;
        let mut file = StateFile {
            path: path.to_owned(),
            written: String::new(),
            failed: false,
            _lock: lock,
        };
        let opened = match File::open(path) {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((file, None)),
            Err(e) => return Err(about(&e)),
        };
        opened
            .take(MAX_LEN)
            .read_to_string(&mut file.written)
            .map_err(|e| about(&e))?;
        let state = parse(&file.written).map_err(|e| about(&e))?;
        Ok((file, Some(state)))
    }

    /// Writes the world, if it changed. A failure is told on stderr once, until it succeeds again.
    pub fn save<'a>(
        &mut self,
        rsa: &str,
        world: &World,
        keys: impl Iterator<Item = (KeyAt, &'a AuthKey)>,
    ) {
        let text = render(rsa, world, keys);
        if text == self.written {
            return;
        }
        match self.write(&text) {
            Ok(()) => {
                self.written = text;
                self.failed = false;
            }
            Err(e) if !self.failed => {
                eprintln!("mtproto-testdc: cannot save {}: {e}", self.path.display());
                self.failed = true;
            }
            Err(_) => {}
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        // A rest of a crash could have other permissions.
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = private(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file for writing, for this user only: who reads it is signed in as everybody.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn render<'a>(
    rsa: &str,
    world: &World,
    keys: impl Iterator<Item = (KeyAt, &'a AuthKey)>,
) -> String {
    #[derive(Serialize)]
    struct Saving<'a> {
        version: u32,
        rsa: &'a str,
        people: Vec<&'a Person>,
        keys: Vec<SavedKey>,
        future: &'a FutureTokens,
        talk: Value,
    }
    let nothing = Known::default();
    let keys = keys.map(|(at, key)| {
        let known = world.logins.get(at).unwrap_or(&nothing).clone();
        SavedKey {
            dc: at.dc,
            key: key.as_bytes().to_vec(),
            layer: known.layer,
            device: known.device,
            login: known.login,
            active: known.active,
            ip: known.ip,
        }
    });
    let saving = Saving {
        version: VERSION,
        rsa,
        people: world.people.iter().collect(),
        keys: keys.collect(),
        future: &world.future,
        talk: world.talk.save(),
    };
    serde_json::to_string(&saving).expect("its maps have text or numbers as keys")
}

fn parse(text: &str) -> Result<State, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged = |e: serde_json::Error| format!("no state of a test DC, or damaged: {e}");
    // First, so that a later version's file is not called damaged.
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != VERSION {
        return Err(format!(
            "a state of version {version}; this program knows version {VERSION}"
        ));
    }
    let saved: Saved = serde_json::from_str(text).map_err(damaged)?;
    let keys = saved.keys.iter().map(|key| {
        let bytes = <&[u8; 256]>::try_from(&key.key[..]);
        let bytes = bytes.map_err(|_| "damaged: a key has 256 bytes".to_owned())?;
        let auth_key = AuthKey::from_bytes(bytes);
        let at = KeyAt {
            dc: key.dc,
            key: auth_key.id(),
        };
        Ok::<_, String>((at, auth_key))
    });
    let keys = keys.collect::<Result<_, _>>()?;
    let talk = Talk::load(&saved.talk).map_err(|e| format!("damaged: {e}"))?;
    let rsa = key::read(&saved.rsa).map_err(|e| format!("damaged: its RSA PRIVATE KEY: {e}"))?;
    Ok(State {
        rsa,
        saved,
        keys,
        talk,
    })
}

impl State {
    /// Puts it into a new world; the permanent keys of its DCs.
    ///
    /// # Errors
    /// If it is of a world with other DCs.
    pub fn restore(self, world: &mut World) -> Result<Keys, String> {
        let State {
            saved, keys, talk, ..
        } = self;
        let dcs = world.dc_ids();
        let homes = saved.people.iter().map(|person| person.dc);
        let known = keys.iter().map(|(at, _)| at.dc);
        if let Some(missing) = homes.chain(known).find(|dc| !dcs.contains(dc)) {
            return Err(format!("it is of a world with a DC {missing}"));
        }
        for person in saved.people {
            world
                .people
                .insert(person)
                .map_err(|e| format!("damaged: {e}"))?;
        }
        for ((at, _), key) in keys.iter().zip(saved.keys) {
            *world.logins.entry(*at) = Known {
                layer: key.layer,
                device: key.device,
                login: key.login,
                active: key.active,
                ip: key.ip,
            };
        }
        world.future = saved.future;
        world.talk = talk;
        Ok(keys)
    }
}
