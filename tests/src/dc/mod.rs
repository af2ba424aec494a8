//! A Telegram data centre for tests, on loopback.
//!
//! Does: [`TestDc`] runs the core's `Server` on threads of its own and answers what clients ask
//! before anybody signs in. It makes keys with them, temporary ones too, over every framing.
//! In: a [`DcConfig`]. Out: an address, a public key, updates pushed to sessions.
//! Must not know: any runtime; it needs `std::net` and threads only.
//! Spec: "Calling methods", "Perfect Forward Secrecy", "MTProto transports".
//!
//! ```
//! use mtproto_test::{DcConfig, TestDc};
//!
//! let dc = TestDc::start(DcConfig::default())?;
//! println!("a client may connect to {} and trust\n{}", dc.addr(), dc.public_key_pem());
//! # Ok::<(), std::io::Error>(())
//! ```

mod api;
mod clock;
mod config;
mod key;
mod methods;
mod net;
mod owner;
mod wrappers;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::crypto::{RsaPrivateKey, RsaPublicKey};
use mtproto_proto::server::{Server, ServerConfig};
use mtproto_proto::{DcId, Rng};

use api::Api;
use clock::Clock;
use net::{Acceptor, Input};
use owner::Owner;

/// What a test DC is like.
#[derive(Clone)]
#[non_exhaustive]
pub struct DcConfig {
    /// Where it listens: a free port of `127.0.0.1`.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach: no. It knows no accounts, but
    /// it is no server for strangers.
    pub allow_other_machines: bool,
    /// Which DC it is: 2, where clients begin.
    pub dc: DcId,
    /// Where all its randomness comes from, the RSA key included. Without a seed the operating
    /// system is asked. Never use a seed outside of tests: it is the secret.
    pub seed: Option<[u8; 32]>,
    /// Its RSA key, the secret one as PKCS #1 PEM. Without, it makes one; all DCs of a process that
    /// make one without a seed share it.
    pub key: Option<String>,
    /// A stream that makes no progress towards a key within this time is closed: 60 s.
    pub handshake_timeout: Duration,
}

impl Default for DcConfig {
    fn default() -> Self {
        DcConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            allow_other_machines: false,
            dc: DcId(2),
            seed: None,
            key: None,
            handshake_timeout: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for DcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DcConfig")
            .field("listen", &self.listen)
            .field("dc", &self.dc)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

/// A running test DC. It stops when it is dropped.
pub struct TestDc {
    addr: SocketAddr,
    dc: DcId,
    key: RsaPublicKey,
    pem: String,
    inputs: SyncSender<Input>,
    owner: Option<JoinHandle<()>>,
    _acceptor: Acceptor,
}

impl TestDc {
    /// Starts a DC; when this returns, clients can connect.
    ///
    /// # Errors
    /// If the address is taken, is not on loopback, or the key cannot be read.
    pub fn start(config: DcConfig) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() && !config.allow_other_machines {
            return Err(invalid(format!(
                "{} is not a loopback address; others need `allow_other_machines`",
                config.listen.ip()
            )));
        }
        let mut rng = match config.seed {
            Some(seed) => Rng::from_seed(seed),
            None => system_rng()?,
        };
        let key = match &config.key {
            Some(pem) => key::read(pem).map_err(|e| invalid(format!("the key is no `-----BEGIN RSA PRIVATE KEY-----`, which `openssl rsa -traditional` makes: {e}")))?,
            None if config.seed.is_some() => key::generate(&mut rng),
            None => shared_key()?,
        };
        let listener = TcpListener::bind(config.listen)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", config.listen)))?;
        let addr = listener.local_addr()?;
        let public = key.public().clone();

        let clock = Clock::start();
        let mut server = ServerConfig::new(config.dc, vec![key]);
        server.handshake_timeout = config.handshake_timeout;
        let server = Server::new(Arc::new(server), rng, clock.now());
        let owner = Owner::new(server, Api::new(config.dc, addr), clock);

        let (acceptor, inputs, receiver) = Acceptor::start(listener)?;
        let owner = std::thread::Builder::new()
            .name("testdc".to_owned())
            .spawn(move || owner.run(&receiver))?;
        Ok(TestDc {
            addr,
            dc: config.dc,
            pem: public.to_pem(),
            key: public,
            inputs,
            owner: Some(owner),
            _acceptor: acceptor,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Which DC it is.
    pub fn dc(&self) -> DcId {
        self.dc
    }

    /// The key that clients have to trust.
    pub fn public_key(&self) -> RsaPublicKey {
        self.key.clone()
    }

    /// The key that clients have to trust, as PKCS #1 PEM.
    pub fn public_key_pem(&self) -> &str {
        &self.pem
    }

    /// Sends an update, the boxed object as it stands, to every session that has a stream; how many
    /// there were.
    pub fn push(&self, body: Bytes) -> usize {
        let (reply, answer) = sync_channel(1);
        if self.inputs.send(Input::Push(body, reply)).is_err() {
            return 0;
        }
        answer.recv().unwrap_or(0)
    }
}

impl Drop for TestDc {
    fn drop(&mut self) {
        // It fails when the owner has ended, which only a panic there brings about.
        let _ = self.inputs.send(Input::Stop);
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }
}

impl fmt::Debug for TestDc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDc")
            .field("addr", &self.addr)
            .field("dc", &self.dc)
            .finish_non_exhaustive()
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
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
