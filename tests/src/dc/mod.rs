//! A Telegram data centre for tests, on loopback; or several, with one set of accounts.
//!
//! Does: [`TestDc`] runs the core's `Server`s on threads of its own and answers what clients ask:
//! it makes keys with them, signs people and bots in, and lets them talk to each other.
//! In: a [`DcConfig`]. Out: addresses, a public key, updates pushed to sessions.
//! Must not know: any runtime; it needs `std::net` and threads only.
//! Spec: "Calling methods", "User Authorization", "Perfect Forward Secrecy", "MTProto transports".
//!
//! ```
//! use mtproto_test::{Account, DcConfig, TestDc};
//!
//! let mut config = DcConfig::default();
//! config.accounts = vec![Account::user("+9996621234"), Account::bot("7:secret")];
//! let dc = TestDc::start(config)?;
//! println!("a client may connect to {} and trust\n{}", dc.addr(), dc.public_key_pem());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | Room | Knows |
//! | --- | --- |
//! | `net`, `clock` | sockets, threads, the time |
//! | `owner` | servers and streams; when to save |
//! | `world`, `wrappers`, `methods` | who may call what |
//! | `auth`, `logins`, `passwords` | signing in and out |
//! | `people`, `account` | who has an account |
//! | `talk` | what accounts do with each other |
//! | `faults` | errors on demand |
//! | `log` | what was executed |
//! | `order` | which calls may come after which |
//! | `changes`, `state`, `saved` | what survives the process |
//! | `setup`, `key` | what the DC is like |

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "tests"
    )
)]

mod account;
mod auth;
mod changes;
mod clock;
mod faults;
mod help_config;
mod key;
mod layers;
mod log;
pub(crate) mod logins;
mod methods;
mod net;
mod order;
mod owner;
mod passwords;
#[doc(hidden)]
pub mod people;
mod refusal;
mod saved;
mod setup;
mod state;
#[doc(hidden)]
pub mod talk;
pub(crate) mod world;
pub(crate) mod wrappers;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use mtproto_proto::crypto::{RsaPrivateKey, RsaPublicKey};
use mtproto_proto::server::{Server, ServerConfig};
use mtproto_proto::{DcId, Rng};

#[cfg(feature = "sim")]
pub(crate) use methods::name as method_name;

pub use account::Account;
pub use log::digest;
pub use setup::{DcConfig, Failure};

use clock::Clock;
use log::Log;
use net::{Acceptor, Input, Net};
use owner::{Dc, Owner, Saver};
use state::StateFile;
use world::{To, World};

/// A running test DC, or several of one world. It stops when it is dropped.
pub struct TestDc {
    dcs: Vec<(DcId, SocketAddr)>,
    key: RsaPublicKey,
    pem: String,
    net: Net,
    owner: Option<JoinHandle<()>>,
    _acceptors: Vec<Acceptor>,
}

impl TestDc {
    /// Starts a DC; when this returns, clients can connect.
    ///
    /// # Errors
    /// If an address is taken, is not on loopback, an account is wrong, or the key or the state
    /// cannot be read. The message says which.
    pub fn start(config: DcConfig) -> io::Result<Self> {
        config.check().map_err(invalid)?;
        let mut rng = match config.seed {
            Some(seed) => Rng::from_seed(seed),
            None => system_rng()?,
        };
        let (file, state) = match &config.state {
            Some(path) => StateFile::open(path)
                .map(|(file, state)| (Some(file), state))
                .map_err(invalid)?,
            None => (None, None),
        };
        let key = match (&config.key, &state) {
            (Some(pem), _) => read_key(pem)?,
            (None, Some(state)) => state.rsa.clone(),
            (None, None) if config.seed.is_some() => key::generate(&mut rng),
            (None, None) => shared_key()?,
        };
        let listeners = config
            .dcs()
            .into_iter()
            .map(|(dc, listen)| Ok((dc, bind(listen)?)))
            .collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners
            .iter()
            .map(|(dc, listener)| Ok((*dc, listener.local_addr()?)));
        let dcs = addresses.collect::<io::Result<Vec<_>>>()?;

        let clock = Clock::start();
        let mut servers = Vec::new();
        for (id, _) in &dcs {
            let mut server = ServerConfig::new(*id, vec![key.clone()]);
            server.handshake_timeout = config.handshake_timeout;
            server.journal = file.is_some();
            server.max_streams = net::SERVED;
            server.max_refused_streams = net::REFUSED;
            server.max_sessions = net::SESSIONS;
            let rng = Rng::from_rng(&mut rng);
            servers.push((*id, Arc::new(server), rng));
        }
        let (world, mut states) =
            people(&config, config.announced(&dcs), state, rng).map_err(invalid)?;
        let now = clock.now();
        let servers = servers.into_iter().map(|(id, config, rng)| {
            let server = match states.take(id) {
                Some(state) => Server::resume(config, state, rng, now),
                None => {
                    let mut server = Server::new(config, rng, now);
                    states.provide_keys(id, &mut server, now);
                    server
                }
            };
            Dc { id, server }
        });
        let saver = file.map(|file| Saver {
            file,
            rsa: key.to_pem().to_string(),
        });
        let mut owner = Owner::new(servers.collect(), world, clock, saver);
        if let Some(path) = &config.log {
            let log = Log::open(path);
            let log = log.map_err(|e| invalid(format!("{}: {e}", path.display())))?;
            owner.log = Some(log);
        }

        let (net, receiver) = Net::new();
        let acceptors = listeners
            .into_iter()
            .enumerate()
            .map(|(number, (_, listener))| Acceptor::start(net.clone(), number, listener))
            .collect::<io::Result<Vec<_>>>()?;
        let owner = std::thread::Builder::new()
            .name("testdc".to_owned())
            .spawn(move || owner.run(&receiver))?;
        let key = key.public().clone();
        Ok(TestDc {
            dcs,
            pem: key.to_pem(),
            key,
            net,
            owner: Some(owner),
            _acceptors: acceptors,
        })
    }

    /// There is no `TestDc` without a DC.
    #[expect(clippy::indexing_slicing, reason = "`DcConfig::dcs` begins with `dc`")]
    fn first(&self) -> (DcId, SocketAddr) {
        self.dcs[0]
    }

    /// Where the first DC listens.
    pub fn addr(&self) -> SocketAddr {
        self.first().1
    }

    /// Which DC the first one is.
    pub fn dc(&self) -> DcId {
        self.first().0
    }

    /// All DCs and where they listen, the first one first.
    pub fn dcs(&self) -> &[(DcId, SocketAddr)] {
        &self.dcs
    }

    /// Where all DCs listen, the first one first.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.dcs.iter().map(|(_, addr)| *addr).collect()
    }

    /// The key that clients have to trust.
    pub fn public_key(&self) -> RsaPublicKey {
        self.key.clone()
    }

    /// The key that clients have to trust, as PKCS #1 PEM.
    pub fn public_key_pem(&self) -> &str {
        &self.pem
    }

    /// Ends like a process that is killed: streams break, nothing more is saved. What clients were
    /// told is in the state file, if there is one, and another DC may go on with it.
    pub fn kill(mut self) {
        self.end(Input::Kill);
    }

    fn end(&mut self, input: Input) {
        // It fails when the owner has ended, which only a panic there brings about.
        let _ = self.net.send(input);
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }

    /// Sends an update, the boxed object as it stands, to every session that has a stream, signed
    /// in or not; how many there were.
    pub fn push(&self, body: Bytes) -> usize {
        self.ask(move |owner| owner.push(&body)).unwrap_or(0)
    }

    /// Sends an update, the boxed object as it stands, to the sessions of an account that have a
    /// stream on its home DC and want updates; how many there were. A session wants updates once
    /// it called something without `invokeWithoutUpdates`, and other than `upload.…`.
    pub fn push_to(&self, user_id: i64, body: Bytes) -> usize {
        self.ask(move |owner| owner.push_to(To::User(user_id, None), &body))
            .unwrap_or(0)
    }

    /// The code that was sent last to a number and may still be said.
    pub fn code_of(&self, phone: &str) -> Option<String> {
        let phone = phone.to_owned();
        self.ask(move |owner| owner.world.code_of(&phone, owner.now()))
            .flatten()
    }

    /// The id of the account with this number, in any notation.
    pub fn user_of(&self, phone: &str) -> Option<i64> {
        let phone = people::normalize_phone(phone)?;
        self.ask(move |owner| owner.world.people.by_phone(&phone).map(|person| person.id))
            .flatten()
    }

    /// Adds an account; its id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_account(&self, account: Account) -> io::Result<i64> {
        self.try_ask(move |owner| owner.world.add(account))
    }

    /// The next calls of a method, by whomever, are answered with this error instead.
    ///
    /// # Errors
    /// If there is no such method.
    pub fn fail_next(&self, method: &str, times: u32, code: i32, text: &str) -> io::Result<()> {
        let (method, text) = (method.to_owned(), text.to_owned());
        self.try_ask(move |owner| owner.world.faults.fail_next(&method, times, code, &text))
    }

    /// An account may call a method only once in so many seconds; sooner calls are answered
    /// `420 FLOOD_WAIT_X`. With 0, as often as it likes.
    ///
    /// # Errors
    /// If there is no such method.
    pub fn flood(&self, method: &str, seconds: u32) -> io::Result<()> {
        let method = method.to_owned();
        self.try_ask(move |owner| owner.world.faults.flood(&method, seconds))
    }

    /// An account is at home on another DC from now on: its calls are answered `303 USER_MIGRATE_X`
    /// where it was.
    ///
    /// # Errors
    /// If there is no such account or DC.
    pub fn move_to(&self, user_id: i64, dc: DcId) -> io::Result<()> {
        self.try_ask(move |owner| owner.world.move_to(user_id, dc))
    }

    /// Breaks all streams, as a bad network does; how many there were. Clients may come back at
    /// once, keys and sessions stay.
    pub fn cut(&self) -> usize {
        self.ask(Owner::cut).unwrap_or(0)
    }

    /// Ends all logins of an account, as its owner does from elsewhere: their next call that needs
    /// one is answered `401 SESSION_REVOKED`. How many there were.
    pub fn revoke(&self, user_id: i64) -> usize {
        self.ask(move |owner| owner.world.revoke(user_id))
            .unwrap_or(0)
    }

    /// Has the owner do something; `None` if it has ended, which only a panic there brings about.
    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Owner) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        let job = move |owner: &mut Owner| {
            // Whoever asked may have gone.
            let _ = reply.try_send(job(owner));
        };
        self.net.send(Input::Do(Box::new(job))).ok()?;
        answer.recv().ok()
    }

    fn try_ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Owner) -> Result<T, String> + Send + 'static,
    ) -> io::Result<T> {
        self.ask(job)
            .unwrap_or_else(|| Err("the test DC has ended".to_owned()))
            .map_err(invalid)
    }
}

impl Drop for TestDc {
    fn drop(&mut self) {
        if self.owner.is_some() {
            self.end(Input::Stop);
        }
    }
}

impl fmt::Debug for TestDc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDc")
            .field("dcs", &self.dcs)
            .finish_non_exhaustive()
    }
}

/// The world as it begins: what the state file holds, and the configured accounts that it does not.
fn people(
    config: &DcConfig,
    dcs: Vec<(DcId, SocketAddr)>,
    state: Option<state::State>,
    rng: Rng,
) -> Result<(World, state::Servers), String> {
    let mut world = World::new(dcs, config, rng)?;
    let servers = match (state, &config.state) {
        (Some(state), Some(path)) => state
            .restore(&mut world, config.forget_sessions)
            .map_err(|e| format!("{}: {e}", path.display()))?,
        _ => state::Servers::default(),
    };
    // What happened to an account since it was configured counts.
    let saved = world.people.clone();
    for account in &config.accounts {
        let phone = account.phone.as_deref().and_then(people::normalize_phone);
        let known = phone.is_some_and(|phone| saved.by_phone(&phone).is_some())
            || account
                .token
                .as_deref()
                .is_some_and(|token| saved.by_token(token).is_some());
        if !known {
            world.add(account.clone())?;
        }
    }
    Ok((world, servers))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen).map_err(|e| io::Error::new(e.kind(), format!("{listen}: {e}")))
}

fn read_key(pem: &str) -> io::Result<RsaPrivateKey> {
    key::read(pem).map_err(|e| {
        invalid(format!(
            "the key is no `-----BEGIN RSA PRIVATE KEY-----`, which `openssl rsa -traditional` \
             makes: {e}"
        ))
    })
}

fn system_rng() -> io::Result<Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Rng::from_seed(seed))
}

/// One key for all DCs of a process that have none of their own: making one takes a second.
fn shared_key() -> io::Result<RsaPrivateKey> {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let mut rng = system_rng()?;
    Ok(KEY.get_or_init(|| key::generate(&mut rng)).clone())
}
