//! Bytes of a peer, made before anything is measured; fed to a machine whose events nobody takes.

use mtproto_proto::crypto::Direction;
use mtproto_proto::{ConnId, Machine};
use mtproto_test::alloc::{held, peak};
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::{Item, container, seal};

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Bytes that were fed.
    pub fed: usize,
    /// The most that was held meanwhile, beyond what was held before.
    pub peak: usize,
    /// What is held now, beyond what was held before.
    pub held: usize,
}

/// The stream's bytes with one container of these.
pub fn to_client(rogue: &mut RogueServer, items: &[Item]) -> Vec<u8> {
    let plain = rogue.container(container(items, None));
    let key = rogue.key().clone();
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    rogue.frame(&packet)
}

/// The stream's bytes with this said alone in a packet.
pub fn alone_to_client(rogue: &mut RogueServer, said: &Said) -> Vec<u8> {
    let plain = rogue.plain(said);
    let key = rogue.key().clone();
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    rogue.frame(&packet)
}

/// The stream's bytes with one container of these.
pub fn to_server(rogue: &mut RogueClient, conn: ConnId, items: &[Item]) -> Vec<u8> {
    let plain = rogue.container(container(items, None));
    let packet = rogue.seal(&plain);
    rogue.frame(conn, &packet, false)
}

/// Feeds a client; nobody takes its events.
pub fn feed_client(rogue: &mut RogueServer, bytes: &[u8]) -> Cost {
    let (now, before) = (rogue.now(), held());
    let (result, peak) = peak(|| rogue.client.handle_input(now, bytes));
    assert_eq!(result, Ok(()));
    cost(bytes, peak, before)
}

/// Feeds a server; nobody takes its events, and it writes nothing.
pub fn feed_server(rogue: &mut RogueClient, conn: ConnId, bytes: &[u8]) -> Cost {
    let (now, before) = (rogue.now(), held());
    let ((), peak) = peak(|| rogue.server.handle_input(now, conn, bytes));
    cost(bytes, peak, before)
}

fn cost(bytes: &[u8], peak: usize, before: isize) -> Cost {
    Cost {
        fed: bytes.len(),
        peak,
        held: usize::try_from(held() - before).unwrap_or(0),
    }
}
