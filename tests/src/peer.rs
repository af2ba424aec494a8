//! One end of an encrypted conversation, driven by hand: an honest peer or a malicious one.
//!
//! Does: [`make_key`] takes a handshake through as a client; [`Peer`] then makes message ids,
//! sequence numbers and packets of either role, which a test may change before it seals them.
//! In: a key, bodies, the time. Out: packets; the messages in the other end's packets.
//! Must not know: framing, streams; it keeps no session: nothing is resent or acknowledged unless
//! the test does it.
//! Spec: "Mobile Protocol: Detailed Description", "Creating an Authorization Key".

use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::handshake::{ClientHandshake, Complete, Error, Step, client};
use mtproto_proto::{MsgId, Rng, SessionId, Time};

use crate::Dice;
use crate::tamper::{self, Item, OpenError, Plain};

/// Makes a key with a server: `exchange` carries a packet there and its answer back.
///
/// # Errors
/// If the server's answers are wrong.
pub fn make_key(
    config: client::Config,
    now: Time,
    rng: &mut Rng,
    mut exchange: impl FnMut(&[u8]) -> Vec<u8>,
) -> Result<Complete, Error> {
    let mut handshake = ClientHandshake::new(config, now, rng);
    loop {
        let answer = exchange(handshake.query());
        match handshake.handle(now, &answer, rng)? {
            Step::Continue(next) => handshake = next,
            Step::Complete(complete) => return Ok(*complete),
        }
    }
}

/// One end of a session.
#[derive(Debug)]
pub struct Peer {
    /// The key of the session.
    pub key: AuthKey,
    /// The salt that the next message carries.
    pub salt: i64,
    /// The session's id.
    pub session: SessionId,
    sends: Direction,
    last_id: i64,
    content_related: i32,
    dice: Dice,
}

impl Peer {
    /// A client in a new session.
    pub fn client(key: AuthKey, salt: i64, mut dice: Dice) -> Self {
        let session = SessionId(i64::from_le_bytes(dice.array()) | 1);
        Peer::new(key, salt, session, Direction::ToServer, dice)
    }

    /// A server in a session that a client began.
    pub fn server(key: AuthKey, salt: i64, session: SessionId, dice: Dice) -> Self {
        Peer::new(key, salt, session, Direction::ToClient, dice)
    }

    fn new(key: AuthKey, salt: i64, session: SessionId, sends: Direction, dice: Dice) -> Self {
        Peer {
            key,
            salt,
            session,
            sends,
            last_id: 0,
            content_related: 0,
            dice,
        }
    }

    /// Forgets the session and begins another one with the same key.
    pub fn renew(&mut self) {
        self.session = SessionId(i64::from_le_bytes(self.dice.array()) | 1);
        self.last_id = 0;
        self.content_related = 0;
    }

    /// The next message id: higher than the last one, and of the parity of this end.
    pub fn msg_id(&mut self, now: Time) -> MsgId {
        let time = u128::from(now.as_nanos()) << 32;
        let time = i64::try_from(time / 1_000_000_000).unwrap_or(i64::MAX - 3) & !3;
        let parity = match self.sends {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        };
        self.last_id = time.max((self.last_id & !3) + 4) | parity;
        MsgId(self.last_id)
    }

    /// The next sequence number.
    pub fn seq_no(&mut self, content_related: bool) -> i32 {
        let seq_no = self.content_related * 2 + i32::from(content_related);
        self.content_related += i32::from(content_related);
        seq_no
    }

    /// The next message, well formed, as an item of a container.
    pub fn item(&mut self, now: Time, content_related: bool, body: Vec<u8>) -> Item {
        let msg_id = self.msg_id(now);
        Item::new(msg_id, self.seq_no(content_related), body)
    }

    /// The next message, well formed, for a packet of its own.
    pub fn plain(&mut self, now: Time, content_related: bool, body: Vec<u8>) -> Plain {
        let item = self.item(now, content_related, body);
        Plain::new(self.salt, self.session, item.msg_id, item.seq_no, item.body)
    }

    /// Items in a container, for a packet of its own.
    pub fn container(&mut self, now: Time, items: &[Item]) -> Plain {
        self.plain(now, false, tamper::container(items, None))
    }

    /// The packet with this message, whatever is in it.
    pub fn seal(&mut self, plain: &Plain) -> Vec<u8> {
        tamper::seal(&self.key, self.sends, plain, &mut self.dice)
    }

    /// What the other end sent, a container taken apart.
    ///
    /// # Errors
    /// If the packet is not one that an honest peer with this key makes.
    pub fn open(&self, packet: &[u8]) -> Result<Vec<Item>, OpenError> {
        let receives = match self.sends {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        };
        let plain = tamper::open(&self.key, receives, packet)?;
        Ok(tamper::open_container(&plain.body)
            .unwrap_or_else(|| vec![Item::new(plain.msg_id, plain.seq_no, plain.body)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const NOW: Time = Time::from_unix(1_767_225_600);

    fn pair() -> (Peer, Peer) {
        let mut dice = Dice::new(Seed(2));
        let key = AuthKey::from_bytes(&dice.array());
        let client = Peer::client(key.clone(), 1, dice.fork());
        let server = Peer::server(key, 1, client.session, dice.fork());
        (client, server)
    }

    #[test]
    fn ids_rise_and_tell_who_sent_them() {
        let (mut client, mut server) = pair();
        let ids: Vec<_> = (0..4).map(|_| client.msg_id(NOW).0).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id % 4 == 0));
        assert_eq!(MsgId(ids[0]).unix(), 1_767_225_600);
        assert_eq!(server.msg_id(NOW).0 % 4, 1);
        assert!(
            client.msg_id(Time::ZERO).0 > ids[3],
            "even when the clock goes back"
        );
    }

    #[test]
    fn sequence_numbers_count_what_is_content_related() {
        let (mut client, _) = pair();
        let numbers = [true, false, true, true, false].map(|related| client.seq_no(related));
        assert_eq!(numbers, [1, 2, 3, 5, 6]);
    }

    #[test]
    fn each_end_opens_what_the_other_seals() {
        let (mut client, mut server) = pair();
        let plain = client.plain(NOW, true, b"body".to_vec());
        let packet = client.seal(&plain);
        assert_eq!(
            server.open(&packet).unwrap(),
            [Item::new(plain.msg_id, 1, b"body".to_vec())]
        );
        assert!(client.open(&packet).is_err(), "but not its own");

        let items = [
            server.item(NOW, true, b"one.".to_vec()),
            server.item(NOW, false, b"two.".to_vec()),
        ];
        let plain = server.container(NOW, &items);
        let packet = server.seal(&plain);
        let bodies: Vec<_> = client.open(&packet).unwrap();
        assert_eq!(
            bodies.into_iter().map(|item| item.body).collect::<Vec<_>>(),
            [b"one.", b"two."]
        );
    }
}
