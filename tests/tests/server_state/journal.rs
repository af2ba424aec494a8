//! A state and all changes after it are the state at any later time.

use std::sync::Arc;

use mtproto_proto::server::{Server, ServerChange, ServerState};
use mtproto_proto::{ConnId, IncomingId, MsgId};
use mtproto_test::rogue::{RogueClient, Said};
use mtproto_test::{Dice, Seed};

use super::support::{config, content, resume, secs, settled};

/// A random conversation in two sessions over streams that break.
struct Talk {
    rogue: RogueClient,
    dice: Dice,
    conn: Option<ConnId>,
    calls: Vec<IncomingId>,
    heard: Vec<MsgId>,
    said: Vec<MsgId>,
}

impl Talk {
    fn new(seed: Seed) -> Self {
        let (rogue, conn) = RogueClient::settled(
            {
                let mut config = config();
                config.session.max_notices = 40;
                config.session.max_notice_bytes = 20_000;
                config.max_unacked_bytes = 30_000;
                config.session.state_after = secs(5);
                config.max_sessions_per_key = 2;
                config
            },
            seed,
        );
        Talk {
            rogue,
            dice: Dice::new(seed),
            conn: Some(conn),
            calls: Vec::new(),
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    fn step(&mut self) {
        let what = self.dice.range(0..=13);
        let Some(conn) = self.conn else {
            if what < 8 {
                self.conn = Some(self.rogue.connect());
            } else {
                self.rogue.later(secs(1));
            }
            return;
        };
        match what {
            0..=3 => {
                let id = self.rogue.say(conn, Said::other(b"the call"));
                self.said.push(id);
            }
            4 => {
                let said = [
                    Said::other(b"call one"),
                    Said::Ping(1),
                    Said::other(b"call two"),
                ];
                let ids = self.rogue.say_all(conn, &said);
                self.said.extend(ids);
            }
            5..=6 => {
                if let Some(id) = self.calls.pop() {
                    let len = 4 * self.dice.range(1..=600) as usize;
                    self.rogue.respond(id, &vec![7; len]);
                }
            }
            7 => {
                self.rogue
                    .push(&vec![5; 4 * self.dice.range(1..=600) as usize]);
            }
            8 => {
                let heard = std::mem::take(&mut self.heard);
                self.rogue.say(conn, Said::Acks(heard));
            }
            9 => {
                if let Some(id) = self.said.last() {
                    self.rogue.say(conn, Said::DropAnswer(*id));
                }
            }
            10 => {
                let reads = self.dice.chance(2, 3);
                self.rogue.reads(conn, reads);
            }
            11 => {
                self.rogue.disconnect(conn);
                self.conn = None;
            }
            12 => self.rogue.later(secs(self.dice.range(0..=20))),
            _ => {
                // Another session, under a new name now and then, so that old ones give way.
                let session = self.rogue.session.0 + 1;
                if self.dice.chance(1, 4) {
                    self.rogue.session.0 = session;
                }
            }
        }
        if let Some(conn) = self.conn {
            if self.rogue.closed(conn).is_some() {
                self.rogue.disconnect(conn);
                self.conn = None;
            } else {
                let packets = self.rogue.hear(conn);
                self.heard.extend(content(&packets));
            }
        }
        self.calls
            .extend(self.rogue.calls().iter().map(|(id, _)| *id));
    }
}

#[test]
fn changes_make_of_a_state_what_the_server_has_become() {
    for n in 0..60 {
        let seed = Seed::from_env_or(2_000 + n);
        let mut talk = Talk::new(seed);
        let mut state = talk.rogue.server.suspend();
        assert!(talk.rogue.server.poll_change().is_none());
        let mut changes = 0;
        for step in 0..400 {
            talk.step();
            if talk.dice.chance(1, 3) {
                continue;
            }
            if let Some(change) = talk.rogue.server.poll_change() {
                changes += 1;
                state.apply(ServerChange::from_bytes(&change.to_bytes()).unwrap());
            }
            assert!(talk.rogue.server.poll_change().is_none(), "once");
            if talk.dice.chance(1, 10) {
                let whole = talk.rogue.server.suspend();
                assert_eq!(
                    *state.to_bytes(),
                    *whole.to_bytes(),
                    "step {step}, seed {seed}"
                );
            }
        }
        assert!(changes > 100, "{changes}, seed {seed}");
    }
}

#[test]
fn changes_go_on_after_a_restart() {
    for n in 0..20 {
        let seed = Seed::from_env_or(2_100 + n);
        let mut talk = Talk::new(seed);
        let mut state = talk.rogue.server.suspend();
        for step in 0..300 {
            talk.step();
            if let Some(change) = talk.rogue.server.poll_change() {
                state.apply(change);
            }
            if talk.dice.chance(1, 20) {
                let bytes = state.to_bytes();
                let read = ServerState::from_bytes(&bytes).unwrap();
                resume(&mut talk.rogue, read, config());
                talk.conn = None;
                talk.calls.clear();
                talk.calls
                    .extend(talk.rogue.calls().iter().map(|(id, _)| *id));
                if let Some(change) = talk.rogue.server.poll_change() {
                    state.apply(change);
                }
                let whole = talk.rogue.server.suspend();
                assert_eq!(
                    *state.to_bytes(),
                    *whole.to_bytes(),
                    "step {step}, seed {seed}"
                );
            }
        }
    }
}

#[test]
fn a_change_is_as_long_as_what_happened() {
    let (mut rogue, conn) = settled(2_200);
    for _ in 0..2_000 {
        rogue.say(conn, Said::other(b"the call"));
        let (id, _) = rogue.calls()[0];
        rogue.respond(id, b"answered");
        rogue.hear(conn);
    }
    let whole = rogue.server.suspend().to_bytes().len();
    assert!(whole > 50_000, "{whole}");
    rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue.respond(id, b"answered");
    rogue.hear(conn);
    let change = rogue.server.poll_change().unwrap().to_bytes().len();
    assert!(change < 400, "{change} bytes");
}

#[test]
fn a_server_without_a_journal_notes_nothing() {
    let (mut rogue, conn) = RogueClient::settled(
        {
            let mut config = config();
            config.journal = false;
            config
        },
        Seed(2_201),
    );
    rogue.say(conn, Said::other(b"the call"));
    assert!(rogue.server.poll_change().is_none());
    let state = rogue.server.suspend();
    let (rng, now) = (rogue.dice().rng(), rogue.now());
    let mut again = Server::resume(Arc::new(config()), state.clone(), rng, now);
    assert_eq!(*again.suspend().to_bytes(), *state.to_bytes());
}
