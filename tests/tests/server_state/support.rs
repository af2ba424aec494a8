//! What the modules share.

use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::server::{Server, ServerConfig, ServerState};
use mtproto_proto::{ConnId, DcId, MsgId};
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueClient, Said};

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn config() -> ServerConfig {
    let mut config = ServerConfig::new(DcId(2), Vec::new());
    config.journal = true;
    config
}

pub fn settled(seed: u64) -> (RogueClient, ConnId) {
    RogueClient::settled(config(), Seed::from_env_or(seed))
}

/// The server's process ends and another one goes on with this state. All streams break.
pub fn resume(rogue: &mut RogueClient, state: ServerState, config: ServerConfig) {
    let (rng, now) = (rogue.dice().rng(), rogue.now());
    rogue.server = Server::resume(Arc::new(config), state, rng, now);
    for conn in (0..100).map(ConnId) {
        if rogue.is_open(conn) {
            rogue.disconnect(conn);
        }
    }
}

/// The state as it comes back from the disk.
pub fn stored(rogue: &mut RogueClient) -> ServerState {
    let state = rogue.server.suspend();
    let read = ServerState::from_bytes(&state.to_bytes()).unwrap();
    assert_eq!(read, state);
    read
}

pub fn said(packets: &[Packet]) -> Vec<Said> {
    packets.iter().flat_map(Packet::said).collect()
}

/// The messages in these packets that have to be acknowledged.
pub fn content(packets: &[Packet]) -> Vec<MsgId> {
    packets
        .iter()
        .flat_map(|packet| &packet.messages)
        .filter(|message| message.seq_no & 1 == 1)
        .map(|message| message.msg_id)
        .collect()
}

/// A server with everything in it that a state can hold: keys of both kinds, a running call, kept
/// and waiting answers, pending acknowledgements, a session that is over.
pub fn full(seed: u64) -> RogueClient {
    let (mut rogue, conn) = settled(seed);
    let own = rogue.session;
    rogue.session.0 += 1;
    rogue.say(conn, Said::Ping(1));
    let gone = rogue.session;
    rogue.session = own;
    rogue.say(conn, Said::DestroySession(gone));
    rogue.say(conn, Said::other(b"runs"));
    rogue.say(conn, Said::other(b"is answered."));
    let calls = rogue.calls();
    rogue.respond(calls[1].0, b"kept");
    rogue.push(b"kept too");
    rogue.hear(conn);
    rogue.say(conn, Said::other(b"wait"));
    let calls = rogue.calls();
    rogue.reads(conn, false);
    rogue.respond(calls[0].0, b"waiting.");
    rogue
}
