//! Which server the examples talk to: flags and environment.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::{env, fs};

use clap::Args;
use mtproto_driver::client::{Config, DcTable};
use mtproto_proto::DcId;
use mtproto_proto::crypto::RsaPublicKey;

/// The flags.
#[derive(Debug, Args)]
pub struct Server {
    /// Where a server of your own listens; without it, Telegram's
    #[arg(long, value_name = "HOST:PORT", requires = "key")]
    server: Option<String>,
    /// The data centre that it is
    #[arg(long, value_name = "N", default_value_t = 2)]
    dc: i16,
    /// Its public RSA key, PEM (PKCS #1)
    #[arg(long, value_name = "FILE", requires = "server")]
    key: Option<PathBuf>,
}

impl Server {
    /// A server of one's own.
    #[allow(dead_code, reason = "for tests of the examples")]
    pub fn new(server: SocketAddr, dc: DcId, key: PathBuf) -> Self {
        Server {
            server: Some(server.to_string()),
            dc: dc.0,
            key: Some(key),
        }
    }

    /// The configuration, with API_ID and API_HASH from the environment: for Telegram's servers
    /// they are what my.telegram.org/apps gives you.
    pub fn config(&self) -> Result<Config, Box<dyn Error>> {
        let (Some(server), Some(key)) = (&self.server, &self.key) else {
            let missing = |name| format!("set {name}; my.telegram.org/apps gives you one");
            let id = env::var("API_ID").map_err(|_| missing("API_ID"))?;
            let hash = env::var("API_HASH").map_err(|_| missing("API_HASH"))?;
            return Ok(Config::production(id.parse()?, hash));
        };
        let found = server.to_socket_addrs()?.next();
        let mut dcs = DcTable::empty();
        dcs.set(
            DcId(self.dc),
            found.ok_or("the server's name has no address")?,
        );
        let key = RsaPublicKey::from_pem(&fs::read_to_string(key)?)?;
        let id = env::var("API_ID").unwrap_or_else(|_| "1".into());
        let hash = env::var("API_HASH").unwrap_or_else(|_| "x".repeat(32));
        Ok(Config::new(id.parse()?, hash, dcs, vec![key]))
    }
}
