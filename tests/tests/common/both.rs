//! Both roles of the core on the kit's wires, and an owner that answers the server's calls.

#![allow(dead_code, reason = "each suite uses a part")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, Error, KeyState, ServerConnection, Start,
};
use mtproto_proto::crypto::{AuthKey, RsaPrivateKey};
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{AuthKeyId, DcId, IncomingId, RequestError, RequestId, Rng, Time};
use mtproto_schema::{Reader, tl};
use mtproto_test::pair::START;
use mtproto_test::{Dice, Pair, Seed, pair};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap());

const BIND_TEMP_AUTH_KEY: u32 = 0xcdd4_2a05;
const BOOL_TRUE: u32 = 0x9972_75b5;

pub fn client_config() -> ClientConfig {
    ClientConfig::new(DcId(2), vec![KEY.public().clone()])
}

pub fn server_config() -> ServerConfig {
    ServerConfig::new(DcId(2), vec![KEY.clone()])
}

/// How the owner of the server treats calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Each is answered with its own body; temporary keys are bound.
    Echoes,
    /// The same, but no temporary key is bound.
    RefusesToBind,
    /// None is answered.
    IsSilent,
}

/// A call as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    pub id: IncomingId,
    pub body: Bytes,
    pub auth_key_id: AuthKeyId,
    pub perm_key: Option<AuthKeyId>,
}

/// Both ends and what happened.
pub struct Both {
    pub pair: Pair<ClientConnection, ServerConnection>,
    pub owner: Owner,
    /// Calls in their order, but for bindings.
    pub executed: Vec<Executed>,
    /// Bindings that were tried.
    pub bindings: Vec<Binding>,
    /// Keys made, and whether they are temporary.
    pub keys: Vec<(AuthKeyId, bool)>,
    /// The same keys themselves, as the server has them.
    pub made: Vec<AuthKey>,
    pub events: Vec<ClientEvent>,
    /// The server knows the client's session.
    pub was_established: bool,
    config: Arc<ClientConfig>,
    dice: Dice,
}

/// `auth.bindTempAuthKey` as it came.
#[derive(Clone, Debug)]
pub struct Binding {
    pub id: IncomingId,
    pub perm: i64,
    pub nonce: i64,
    pub expires_at: i32,
    pub message: Bytes,
}

impl Both {
    pub fn new(client: ClientConfig, server: ServerConfig, seed: u64) -> Self {
        Both::start(client, server, Start::NewKey, seed)
    }

    pub fn start(client: ClientConfig, server: ServerConfig, start: Start, seed: u64) -> Self {
        Both::skewed(client, server, start, [0, 0], seed)
    }

    /// The clocks are so many seconds ahead of the pair's: the client's, the server's.
    pub fn skewed(
        client: ClientConfig,
        server: ServerConfig,
        start: Start,
        [client_skew, server_skew]: [i64; 2],
        seed: u64,
    ) -> Self {
        let seed = Seed::from_env_or(seed);
        let mut dice = Dice::new(seed);
        let config = Arc::new(client);
        let at = |skew: i64| Time::from_unix((START.unix() as i64 + skew) as u64);
        let client =
            ClientConnection::new(config.clone(), start, dice.rng(), at(client_skew)).unwrap();
        let server = ServerConnection::new(Arc::new(server), dice.rng(), at(server_skew));
        let mut pair = pair(client, server, seed);
        pair.skew_client(client_skew);
        pair.skew_server(server_skew);
        Both {
            pair,
            owner: Owner::Echoes,
            executed: Vec::new(),
            bindings: Vec::new(),
            keys: Vec::new(),
            made: Vec::new(),
            events: Vec::new(),
            was_established: false,
            config,
            dice,
        }
    }

    pub fn rng(&mut self) -> Rng {
        self.dice.rng()
    }

    pub fn call(&mut self, body: &[u8]) -> RequestId {
        self.call_with(body, &SendOptions::default())
    }

    pub fn call_with(&mut self, body: &[u8], options: &SendOptions) -> RequestId {
        let now = self.pair.client_now();
        let body = Bytes::copy_from_slice(body);
        match self.pair.client.send(now, body, options) {
            Ok(id) => id,
            Err(error) => panic!(
                "{error}: {:?} at the client, {:?} at the server, {:?}",
                self.pair.client_error(),
                self.pair.server_error(),
                self.pair.now(),
            ),
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until this holds; whether it did.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.pair.now() + limit;
        while !done(self) {
            let left = end.saturating_since(self.pair.now());
            let (owner, mut executed, mut bindings, mut keys) =
                (self.owner, Vec::new(), Vec::new(), Vec::new());
            let (mut events, mut made) = (Vec::new(), Vec::new());
            let happened = self
                .pair
                .run_until(left, |pair| {
                    let now = pair.server_now();
                    for event in pair.server_events() {
                        if let Event::KeyCreated {
                            key, expires_at, ..
                        } = &event
                        {
                            keys.push((key.id(), expires_at.is_some()));
                            made.push(key.clone());
                        }
                        serve(pair, now, owner, event, &mut executed, &mut bindings);
                    }
                    events.extend(pair.client_events());
                    !events.is_empty() || !executed.is_empty()
                })
                .unwrap();
            self.executed.extend(executed);
            self.bindings.extend(bindings);
            self.keys.extend(keys);
            self.made.extend(made);
            self.events.extend(events);
            if !happened {
                return done(self);
            }
        }
        true
    }

    /// The server's owner answers a call that it was silent about.
    pub fn respond(&mut self, call: &Executed) {
        let now = self.pair.server_now();
        let server = self.pair.server.server();
        assert!(server.respond(now, call.id, call.body.clone()));
    }

    /// Runs until this request ended, and tells how.
    pub fn end_of(&mut self, id: RequestId, limit: Duration) -> ClientEvent {
        let ends = move |event: &ClientEvent| matches!(event, ClientEvent::Response { id: of, .. } | ClientEvent::Failed { id: of, .. } if *of == id);
        self.run_until(limit, |both| both.events.iter().any(ends));
        let ended: Vec<_> = self.events.iter().filter(|event| ends(event)).collect();
        assert_eq!(
            ended.len(),
            1,
            "{:?} {:?}",
            self.client_error(),
            self.events
        );
        ended[0].clone()
    }

    /// The client's events so far.
    pub fn take_events(&mut self) -> Vec<ClientEvent> {
        std::mem::take(&mut self.events)
    }

    pub fn client_error(&self) -> Option<&Error> {
        self.pair.client_error()
    }

    /// Goes on over a new stream with the same server.
    pub fn reconnect(mut self) -> Self {
        self.events.extend(self.pair.client_events());
        let (config, rng) = (self.config.clone(), self.dice.rng());
        let pair = self.pair.reconnect(|client, server, now| {
            let resumed = Start::Resume(client.suspend());
            let client = ClientConnection::new(config, resumed, rng, now).unwrap();
            (client, ServerConnection::with(server.into_server(now), now))
        });
        Both { pair, ..self }
    }

    /// The same with another configuration of the client.
    pub fn reconnect_with(mut self, config: ClientConfig) -> Self {
        self.config = Arc::new(config);
        self.reconnect()
    }

    /// The application gives up; how what waits ends.
    pub fn give_up(self) -> Vec<(RequestId, RequestError)> {
        self.pair.client.suspend().into_failures()
    }

    /// The process ends; later another one begins with what was stored of the key.
    pub fn another_process(mut self, stored: KeyState, later: Duration) -> Self {
        self.pair.client_to_server.cut_after(0);
        self.run(later);
        self.pair.client_events();
        self.events.clear();
        let (config, rng) = (self.config.clone(), self.dice.rng());
        let pair = self.pair.reconnect(|_, server, now| {
            let client = ClientConnection::new(config, Start::Key(stored), rng, now).unwrap();
            (client, ServerConnection::with(server.into_server(now), now))
        });
        Both { pair, ..self }
    }

    /// Goes on over a new stream with a server that lost its sessions; its keys are stored.
    pub fn restart_server(mut self, server: ServerConfig) -> Self {
        self.events.extend(self.pair.client_events());
        let key = self.pair.client.key_state().map(|state| *state.auth_key());
        let (config, rng, server_rng) = (self.config.clone(), self.dice.rng(), self.dice.rng());
        let pair = self.pair.reconnect(|client, _, now| {
            let resumed = Start::Resume(client.suspend());
            let client = ClientConnection::new(config, resumed, rng, now).unwrap();
            let mut server = ServerConnection::new(Arc::new(server), server_rng, now);
            if let Some(key) = key {
                let key = mtproto_proto::crypto::AuthKey::from_bytes(&key);
                server.server().provide_key(now, key.id(), Some(key));
            }
            (client, server)
        });
        Both { pair, ..self }
    }
}

fn serve(
    pair: &mut Pair<ClientConnection, ServerConnection>,
    now: mtproto_proto::Time,
    owner: Owner,
    event: Event,
    executed: &mut Vec<Executed>,
    bindings: &mut Vec<Binding>,
) {
    let Event::Request {
        id,
        auth_key_id,
        perm_key,
        body,
        ..
    } = event
    else {
        return;
    };
    let server = pair.server.server();
    let mut r = Reader::new(&body);
    if r.u32() == BIND_TEMP_AUTH_KEY {
        let binding = Binding {
            id,
            perm: r.i64(),
            nonce: r.i64(),
            expires_at: r.i32(),
            message: r.bytes(),
        };
        r.finish().unwrap();
        if owner == Owner::RefusesToBind {
            server.respond_error(now, id, 400, "ENCRYPTED_MESSAGE_INVALID");
        } else if owner == Owner::Echoes {
            let bound = server.bind_temp_key(
                now,
                id,
                binding.perm,
                binding.nonce,
                binding.expires_at,
                &binding.message,
            );
            match bound {
                Ok(()) => {
                    let mut answer = Vec::new();
                    tl::put_u32(&mut answer, BOOL_TRUE);
                    server.respond(now, id, answer.into());
                }
                Err(refused) => {
                    server.respond_error(now, id, 400, refused.message());
                }
            }
        }
        bindings.push(binding);
        return;
    }
    executed.push(Executed {
        id,
        body: body.clone(),
        auth_key_id,
        perm_key,
    });
    match (owner, perm_key) {
        (Owner::IsSilent, _) => {}
        (_, None) => {
            server.respond_error(now, id, 401, "AUTH_KEY_PERM_EMPTY");
        }
        (_, Some(_)) => {
            server.respond(now, id, body);
        }
    }
}
