//! A whole client and its DCs, recorded and done again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::{
    Action, CallOptions, Client, Config, DcTable, Event, FloodPolicy, PeerId, Route, Snapshot,
};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{self, Server, ServerConfig};
use mtproto_proto::{ConnId, DcId, Time};
use mtproto_schema::api::functions;
use mtproto_test::pair::START;
use mtproto_test::trace::{Buffer, Recorder, Trace, replay};
use mtproto_test::{Dice, Seed};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap());

fn addr(dc: i16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, dc as u8, 1), 443).into()
}

/// A client, a server for each DC, and streams that carry at once.
struct World {
    client: Recorder<Client>,
    servers: BTreeMap<i16, Recorder<Server>>,
    streams: BTreeMap<ConnId, i16>,
    now: Time,
    events: Vec<String>,
    answers: usize,
}

impl World {
    fn new(trace: &Trace, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        let mut dcs = DcTable::empty();
        for dc in [1, 2] {
            dcs.set(DcId(dc), addr(dc));
        }
        let mut config = Config::new(17, "a hash", dcs, vec![KEY.public().clone()]);
        config.flood = FloodPolicy::Fail;
        config.limits.peers = 99;
        config.updates.gap_wait = Duration::from_millis(500);
        config.pfs = seed.0.is_multiple_of(2).then(|| Duration::from_secs(3_600));
        let servers = [1, 2].map(|dc| {
            let config = ServerConfig::new(DcId(dc), vec![KEY.clone()]);
            let server = Recorder::<Server>::new(trace, Arc::new(config), dice.array(), START);
            (dc, server)
        });
        let stored = Snapshot::new();
        let client =
            Recorder::<Client>::new(trace, Arc::new(config), stored, dice.array(), START).unwrap();
        World {
            client,
            servers: servers.into(),
            streams: BTreeMap::new(),
            now: START,
            events: Vec::new(),
            answers: 0,
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Connect { conn, dc, .. } => {
                self.streams.insert(conn, dc.0);
                let server = self.servers.get_mut(&dc.0).unwrap();
                server.handle_connected(now, conn);
                self.client.handle_connected(now, conn);
            }
            Action::Close { conn } => {
                if let Some(dc) = self.streams.remove(&conn) {
                    self.servers.get_mut(&dc).unwrap().handle_closed(now, conn);
                }
            }
            Action::Transmit { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// Carries everything at this instant.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            let mut moved = false;
            while let Some(action) = self.client.poll_action() {
                self.act(action);
                moved = true;
            }
            for (conn, dc) in self.streams.clone() {
                let server = self.servers.get_mut(&dc).unwrap();
                let mut out = Vec::new();
                while self.client.poll_transmit(now, conn, &mut out) {}
                if !out.is_empty() {
                    server.handle_input(now, conn, &out);
                    moved = true;
                }
                while let Some(event) = server.poll_event() {
                    if let server::Event::Request { id, body, .. } = event {
                        crate::pairs::bind_or(server, now, id, &body, |server| {
                            server.respond(now, id, body.clone());
                        });
                    }
                }
                while server.poll_action().is_some() {}
                let mut out = Vec::new();
                while server.poll_transmit(now, conn, &mut out) {}
                if !out.is_empty() {
                    self.client.handle_input(now, conn, &out);
                    moved = true;
                }
            }
            while let Some(event) = self.client.poll_event() {
                self.answers += usize::from(matches!(event, Event::Response { .. }));
                self.events.push(format!("{event:?}"));
            }
            while let Some(update) = self.client.poll_update() {
                self.events.push(format!("{update:?}"));
            }
            if !moved {
                return;
            }
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let servers = self.servers.values();
            let due = servers.filter_map(|server| server.poll_timeout());
            let due = due.chain(self.client.poll_timeout()).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            if self.client.poll_timeout().is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
            }
            for server in self.servers.values_mut() {
                if server.poll_timeout().is_some_and(|at| at <= self.now) {
                    server.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }
}

fn live(trace: &Trace, seed: Seed) -> (Vec<String>, usize) {
    let mut world = World::new(trace, seed);
    let now = world.now;
    world.client.connect(now);
    world.client.want_updates(now, true);
    world.client.set_online(now, true);
    world.client.set_open(now, PeerId::Channel(12), true);
    let nearest = functions::help::GetNearestDc;
    world
        .client
        .call(now, &nearest, &CallOptions::default())
        .unwrap();
    world.run_for(Duration::from_secs(5));
    let media = CallOptions::default()
        .route(Route::Media(DcId(1)))
        .deadline(Duration::from_secs(30))
        .idempotent();
    let body = Bytes::from_static(b"a file, perhaps, of 28 bytes");
    let now = world.now;
    let first = world.client.send(now, body.clone(), &media).unwrap();
    let later = CallOptions::default().after(first);
    world.client.send(now, body.clone(), &later).unwrap();
    let given_up = world
        .client
        .send(now, body.clone(), &media.clone().flood(FloodPolicy::Fail));
    world.client.cancel(now, given_up.unwrap());
    world.run_for(Duration::from_secs(5));

    // The network takes a stream away, and then the network is another one.
    let (conn, dc) = world.streams.pop_first().unwrap();
    let now = world.now;
    world.servers.get_mut(&dc).unwrap().handle_closed(now, conn);
    world.client.handle_closed(now, conn);
    world
        .client
        .send(now, body.clone(), &CallOptions::default())
        .unwrap();
    world.run_for(Duration::from_secs(20));
    world.client.network_changed(world.now);
    let mut dcs = world.client.dcs().clone();
    dcs.set(DcId(4), addr(4));
    world.client.set_dcs(dcs);
    world
        .client
        .send(world.now, body, &CallOptions::default())
        .unwrap();
    world.run_for(Duration::from_secs(700));
    world.client.close(world.now);
    world.run_for(Duration::from_secs(10));
    assert!(world.client.is_closed(), "seed {seed}");
    (world.events, world.answers)
}

#[test]
fn a_client_over_several_streams_is_done_again() {
    for seed in [1, 2].map(Seed) {
        let file = Buffer::default();
        let trace = Trace::full_to(file.clone()).unwrap();
        let (events, answers) = live(&trace, seed);
        trace.finish().unwrap();
        assert!(answers >= 4, "seed {seed}: {answers} answers, {events:#?}");
        let file = file.take();
        let replayed = replay(&file[..]).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((replayed.machines, replayed.cut), (3, None));
        assert_eq!(live(&Trace::off(), seed), (events, answers), "seed {seed}");
    }
}
