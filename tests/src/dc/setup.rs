//! How a test DC is set up.
//!
//! Does: [`DcConfig`], in Rust or from a JSON file; checks it.
//! In: what a test or a user of the program says. Out: plain values, or what is wrong.
//! Must not know: how they are used.
//! Spec: none.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mtproto_proto::DcId;
use serde::Deserialize;

use super::account::{Account, check_code};

/// What a test DC is like.
#[derive(Clone)]
#[non_exhaustive]
pub struct DcConfig {
    /// Where it listens: a free port of `127.0.0.1`.
    pub listen: SocketAddr,
    /// Whether it may listen at an address that other machines reach: no. Whoever reaches it may
    /// sign in with a code that is no secret.
    pub allow_other_machines: bool,
    /// Which DC it is: 2, where clients begin.
    pub dc: DcId,
    /// More DCs of the same world, and where they listen: none.
    pub more_dcs: Vec<(DcId, SocketAddr)>,
    /// Where `help.getConfig` says that DCs are, if not where they listen: with a proxy in front of
    /// them, clients find the proxy. None.
    pub announce: Vec<(DcId, SocketAddr)>,
    /// Where all its randomness comes from, the RSA key included. Without a seed the operating
    /// system is asked. Never use a seed outside of tests: it is the secret.
    pub seed: Option<[u8; 32]>,
    /// Its RSA key, the secret one as PKCS #1 PEM. Without, it takes the one of the state file, or
    /// makes one; all DCs of a process that make one without a seed share it.
    pub key: Option<String>,
    /// A stream that makes no progress towards a key within this time is closed: 60 s.
    pub handshake_timeout: Duration,
    /// Who has an account: nobody.
    pub accounts: Vec<Account>,
    /// The only pairs of `api_id` and `api_hash` that are taken; if empty, any.
    pub apps: Vec<(i32, String)>,
    /// The code of all accounts that have none of their own: `12345`.
    pub code: String,
    /// How long a code may be used: 5 min.
    pub code_lifetime: Duration,
    /// Whether unknown numbers may sign up: no. Test numbers, `99966XYYYY`, always may.
    pub sign_up: bool,
    /// The DC where this network belongs: `auth.sendCode` for an unknown number is answered
    /// `NETWORK_MIGRATE_X` on the others. None by default.
    pub network_dc: Option<DcId>,
    /// Whether a key with a login that is used from two IP addresses at once is dead from then on,
    /// with `406 AUTH_KEY_DUPLICATED`: no.
    pub refuse_duplicated_keys: bool,
    /// Methods that an account may call only so often: the seconds between two calls. Sooner ones
    /// are answered `420 FLOOD_WAIT_X`.
    pub floods: BTreeMap<String, u32>,
    /// Calls that are answered with an error.
    pub failures: Vec<Failure>,
    /// Where everything is kept that survives the process: keys, sessions, logins, accounts,
    /// messages. A journal is kept beside it, under the same name and `.journal`: who is told of
    /// something finds it again however the process ended.
    pub state: Option<PathBuf>,
    /// Where to append a line of JSON for every call that was executed, before it is answered:
    /// nowhere. Its fields: `dc`, `key` (the permanent one), `session`, `msg_id`, `method`, `digest`
    /// (see [`digest`](super::digest)), `error` (null if there was none).
    pub log: Option<PathBuf>,
    /// Whether the sessions in the state are forgotten at the start, as by a server that kept only
    /// its keys: no.
    pub forget_sessions: bool,
}

/// An error on demand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The method, as `messages.sendMessage`.
    pub method: String,
    /// How many of its next calls fail: 1.
    #[serde(default = "once")]
    pub times: u32,
    /// The error's code, as 500.
    pub code: i32,
    /// The error's text, as `RPC_CALL_FAIL`.
    pub text: String,
}

fn once() -> u32 {
    1
}

impl Default for DcConfig {
    fn default() -> Self {
        DcConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            allow_other_machines: false,
            dc: DcId(2),
            more_dcs: Vec::new(),
            announce: Vec::new(),
            seed: None,
            key: None,
            handshake_timeout: Duration::from_secs(60),
            accounts: Vec::new(),
            apps: Vec::new(),
            code: "12345".to_owned(),
            code_lifetime: Duration::from_secs(300),
            sign_up: false,
            network_dc: None,
            refuse_duplicated_keys: false,
            floods: BTreeMap::new(),
            failures: Vec::new(),
            state: None,
            log: None,
            forget_sessions: false,
        }
    }
}

/// A JSON file that sets a DC up; every field may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dcs: Option<Vec<FileDc>>,
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(default)]
    apps: Vec<FileApp>,
    code: Option<String>,
    code_lifetime: Option<u32>,
    sign_up: Option<bool>,
    network_dc: Option<i16>,
    refuse_duplicated_keys: Option<bool>,
    #[serde(default)]
    floods: BTreeMap<String, u32>,
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDc {
    id: i16,
    listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileApp {
    api_id: i32,
    api_hash: String,
}

impl DcConfig {
    /// Takes what a JSON file says; lists are added to what is there. The fields are those of this
    /// struct, but `dcs` is a list of `{"id": 2, "listen": "127.0.0.1:0"}`, `apps` one of
    /// `{"api_id": 1, "api_hash": "…"}`, and `code_lifetime` is in seconds.
    ///
    /// # Errors
    /// What cannot be read, with its line.
    pub fn read_json(&mut self, text: &str) -> Result<(), String> {
        let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if let Some(dcs) = file.dcs {
            let mut dcs = dcs
                .into_iter()
                .map(|dc| (DcId(dc.id), dc.listen.unwrap_or(self.any_port())));
            let (dc, listen) = dcs.next().ok_or("`dcs` is empty")?;
            self.more_dcs = dcs.collect();
            (self.dc, self.listen) = (dc, listen);
        }
        self.accounts.extend(file.accounts);
        let apps = file.apps.into_iter();
        self.apps.extend(apps.map(|app| (app.api_id, app.api_hash)));
        if let Some(code) = file.code {
            self.code = code;
        }
        if let Some(seconds) = file.code_lifetime {
            self.code_lifetime = Duration::from_secs(seconds.into());
        }
        self.sign_up = file.sign_up.unwrap_or(self.sign_up);
        self.network_dc = file.network_dc.map(DcId).or(self.network_dc);
        self.refuse_duplicated_keys = file
            .refuse_duplicated_keys
            .unwrap_or(self.refuse_duplicated_keys);
        self.floods.extend(file.floods);
        self.failures.extend(file.failures);
        Ok(())
    }

    /// A free port where the first DC listens.
    fn any_port(&self) -> SocketAddr {
        (self.listen.ip(), 0).into()
    }

    /// Where clients are told that DCs are which listen there.
    pub(super) fn announced(&self, dcs: &[(DcId, SocketAddr)]) -> Vec<(DcId, SocketAddr)> {
        let announced = |dc| self.announce.iter().find(|(id, _)| *id == dc);
        dcs.iter()
            .map(|(dc, addr)| announced(*dc).copied().unwrap_or((*dc, *addr)))
            .collect()
    }

    /// All DCs, the first one first.
    pub(super) fn dcs(&self) -> Vec<(DcId, SocketAddr)> {
        let first = (self.dc, self.listen);
        std::iter::once(first)
            .chain(self.more_dcs.clone())
            .collect()
    }

    /// What can be judged without starting anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let dcs = self.dcs();
        for (i, (dc, listen)) in dcs.iter().enumerate() {
            if dc.0 <= 0 {
                return Err(format!("a DC's id is positive, not {dc}"));
            }
            if dcs.iter().take(i).any(|(other, _)| other == dc) {
                return Err(format!("DC {dc} is named twice"));
            }
            if !listen.ip().is_loopback() && !self.allow_other_machines {
                return Err(format!(
                    "{} is not a loopback address; others need `allow_other_machines`",
                    listen.ip()
                ));
            }
        }
        if let Some((dc, _)) = self
            .announce
            .iter()
            .find(|(dc, _)| !dcs.iter().any(|(known, _)| known == dc))
        {
            return Err(format!("the announced DC {dc} is not there"));
        }
        if let Some(network) = self.network_dc
            && !dcs.iter().any(|(dc, _)| *dc == network)
        {
            return Err(format!("the network's DC {network} is not there"));
        }
        check_code(&self.code)
    }
}

impl fmt::Debug for DcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DcConfig")
            .field("dcs", &self.dcs())
            .field("handshake_timeout", &self.handshake_timeout)
            .field("accounts", &self.accounts)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DcConfig, String> {
        let mut config = DcConfig::default();
        config.read_json(text)?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn a_file_says_everything() {
        let config = read(
            r#"{
                "dcs": [{"id": 2, "listen": "127.0.0.1:4430"}, {"id": 4}],
                "accounts": [
                    {"phone": "+9996621234", "password": "secret", "first_name": "Ann"},
                    {"token": "7:x", "username": "echo_bot"}
                ],
                "apps": [{"api_id": 1, "api_hash": "00"}],
                "code": "00000",
                "code_lifetime": 60,
                "sign_up": true,
                "network_dc": 4,
                "refuse_duplicated_keys": true,
                "floods": {"messages.sendMessage": 5},
                "failures": [{"method": "help.getConfig", "code": 500, "text": "RPC_CALL_FAIL"}]
            }"#,
        )
        .unwrap();
        assert_eq!(config.listen, "127.0.0.1:4430".parse().unwrap());
        assert_eq!(config.more_dcs, [(DcId(4), "127.0.0.1:0".parse().unwrap())]);
        assert_eq!(config.accounts.len(), 2);
        assert_eq!(config.accounts[0].password.as_deref(), Some("secret"));
        assert_eq!(config.apps, [(1, "00".to_owned())]);
        assert_eq!(config.code, "00000");
        assert_eq!(config.code_lifetime, Duration::from_secs(60));
        assert!(config.sign_up && config.refuse_duplicated_keys);
        assert_eq!(config.network_dc, Some(DcId(4)));
        assert_eq!(config.floods["messages.sendMessage"], 5);
        assert_eq!(config.failures[0].times, 1);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("", "EOF"),
            ("[]", "invalid length"),
            (r#"{"colour": 1}"#, "unknown field `colour`"),
            (
                r#"{"accounts": [{"phone": "+9996621234", "pasword": "x"}]}"#,
                "unknown field `pasword`",
            ),
            (r#"{"dcs": []}"#, "`dcs` is empty"),
            (r#"{"dcs": [{"id": 0}]}"#, "positive, not 0"),
            (r#"{"dcs": [{"id": 2}, {"id": 2}]}"#, "named twice"),
            (
                r#"{"dcs": [{"id": 2, "listen": "0.0.0.0:0"}]}"#,
                "not a loopback address",
            ),
            (r#"{"network_dc": 5}"#, "DC 5 is not there"),
            (r#"{"code": "secret"}"#, "3 to 10 digits"),
            (r#"{"failures": [{"method": "x"}]}"#, "missing field `code`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
