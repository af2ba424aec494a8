//! H6 and H7 on streams: handshakes that stall, stop, repeat themselves, or are too many.

use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::connection::{ClientConnection, ClientEvent, Error, Start};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Server, ServerConfig};
use mtproto_proto::transport::{Codec, Frame, Framing, ServerTransport};
use mtproto_proto::{ConnId, Machine, MsgId, Rng, Time, handshake};
use mtproto_test::alloc::held;
use mtproto_test::pair::START;
use mtproto_test::rogue::RogueClient;
use mtproto_test::{Dice, Seed};

use crate::both::{client_config, server_config};
use crate::support::secs;

/// A client that makes a key with a server, step by step, and the packets that it sent.
struct Stepper {
    client: ClientConnection,
    server: Server,
    conn: ConnId,
    now: Time,
    dice: Dice,
    packets: Vec<Vec<u8>>,
}

impl Stepper {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(Seed::from_env_or(seed));
        let client =
            ClientConnection::new(Arc::new(client_config()), Start::NewKey, dice.rng(), START)
                .unwrap();
        let mut server = Server::new(Arc::new(server_config()), dice.rng(), START);
        server.handle_connected(START, ConnId(1));
        Stepper {
            client,
            server,
            conn: ConnId(1),
            now: START,
            dice,
            packets: Vec::new(),
        }
    }

    /// The client's next bytes; their packet is noted.
    fn ask(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(self.client.poll_transmit(self.now, &mut bytes));
        let mut codec = Codec::server(ServerTransport::default());
        if !bytes.starts_with(&[0xee; 4]) {
            codec.feed(&[0xee; 4]);
        }
        codec.feed(&bytes);
        if let Some(Frame::Packet { data, .. }) = codec.next_frame().unwrap() {
            self.packets.push(data.to_vec());
        }
        bytes
    }

    /// One question and its answer.
    fn step(&mut self) {
        let question = self.ask();
        self.now = self.now + Duration::from_millis(10);
        self.server.handle_input(self.now, self.conn, &question);
        let mut answer = Vec::new();
        while self.server.poll_transmit(self.now, self.conn, &mut answer) {}
        self.client.handle_input(self.now, &answer).unwrap();
    }

    /// The server goes away, the client takes what it has to another stream.
    fn reconnect(mut self) -> Self {
        self.server.handle_closed(self.now, self.conn);
        let conn = ConnId(self.conn.0 + 1);
        self.server.handle_connected(self.now, conn);
        let rest = self.client.suspend();
        let client = ClientConnection::new(
            Arc::new(client_config()),
            Start::Resume(rest),
            self.dice.rng(),
            self.now,
        )
        .unwrap();
        Stepper {
            client,
            conn,
            ..self
        }
    }
}

#[test]
fn h6_without_an_answer_the_deadline_fires_and_the_next_stream_goes_on_byte_for_byte() {
    for answered in 0..3 {
        let mut stepper = Stepper::new(2301 + answered);
        for _ in 0..answered {
            stepper.step();
        }
        stepper.ask();
        let asked = stepper.packets.last().unwrap().clone();
        let deadline = stepper.client.poll_timeout().unwrap();
        assert!(deadline <= START + secs(11), "{answered}");
        stepper.now = deadline;
        assert_eq!(
            stepper.client.handle_timeout(deadline),
            Err(Error::Handshake(handshake::Error::TimedOut)),
            "{answered}"
        );

        let mut stepper = stepper.reconnect();
        stepper.step();
        assert_eq!(*stepper.packets.last().unwrap(), asked, "{answered}");
        while !stepper.client.is_connected() {
            stepper.step();
        }
        assert_eq!(stepper.packets.len() as u64, 4, "{answered}: no step twice");
        assert!(matches!(
            stepper.client.poll_event(),
            Some(ClientEvent::KeyCreated(_))
        ));
    }
}

#[test]
fn h6_a_stream_that_breaks_in_the_middle_is_gone_on_with_byte_for_byte() {
    for answered in 0..3 {
        let mut stepper = Stepper::new(2311 + answered);
        for _ in 0..answered {
            stepper.step();
        }
        stepper.ask();
        let asked = stepper.packets.last().unwrap().clone();
        assert_eq!(stepper.client.handle_eof(stepper.now), Err(Error::Eof));
        let mut stepper = stepper.reconnect();
        stepper.step();
        assert_eq!(*stepper.packets.last().unwrap(), asked, "{answered}");
    }
}

#[test]
fn h6_a_server_that_does_not_know_the_handshake_any_more_gets_a_new_one() {
    let mut stepper = Stepper::new(2321);
    stepper.step();
    stepper.step();
    stepper.ask();
    let mut stepper = stepper.reconnect();
    stepper.server = Server::new(Arc::new(server_config()), stepper.dice.rng(), stepper.now);
    stepper.server.handle_connected(stepper.now, stepper.conn);
    let question = stepper.ask();
    let mut answer = Vec::new();
    stepper
        .server
        .handle_input(stepper.now, stepper.conn, &question);
    while stepper
        .server
        .poll_transmit(stepper.now, stepper.conn, &mut answer)
    {}
    assert_eq!(
        stepper.client.handle_input(stepper.now, &answer),
        Err(Error::Status { code: -404 })
    );
    let mut stepper = stepper.reconnect();
    while !stepper.client.is_connected() {
        stepper.step();
    }
}

/// The three packets of a whole handshake.
fn packets(seed: u64) -> Vec<Vec<u8>> {
    let mut stepper = Stepper::new(seed);
    while !stepper.client.is_connected() {
        stepper.step();
    }
    assert_eq!(stepper.packets.len(), 3);
    stepper.packets
}

#[test]
fn h7_steps_out_of_order_and_of_another_stream_are_refused() {
    let packets = packets(2331);
    for order in [&[1][..], &[2], &[0, 2], &[0, 1], &[0, 0, 1]] {
        let mut rogue = RogueClient::unknown(server_config(), Seed::from_env_or(2332));
        let conn = rogue.connect();
        let (last, before) = order.split_last().unwrap();
        for step in before {
            rogue.send_packet(conn, &packets[*step], false);
            assert_eq!(rogue.closed(conn), None, "{order:?}");
        }
        rogue.hear_plain(conn);
        rogue.send_packet(conn, &packets[*last], false);
        assert!(
            matches!(rogue.closed(conn), Some(Error::Handshake(_))),
            "{order:?}"
        );
        assert_eq!(rogue.statuses(conn), [-404], "{order:?}: the last frame");
        assert_eq!(rogue.hear_plain(conn), [] as [Vec<u8>; 0], "{order:?}");
        // Nothing is taken any more.
        rogue.send_packet(conn, &packets[0], false);
        assert_eq!(rogue.hear_plain(conn), [] as [Vec<u8>; 0], "{order:?}");
        assert_eq!(rogue.events(), [], "{order:?}: no key is made");
    }
}

#[test]
fn h7_a_whole_handshake_that_comes_again_makes_no_second_key() {
    let mut stepper = Stepper::new(2333);
    while !stepper.client.is_connected() {
        stepper.step();
    }
    let packets = stepper.packets.clone();
    let mut keys = 0;
    let mut count_keys = |server: &mut Server| {
        while let Some(event) = server.poll_event() {
            keys += usize::from(matches!(
                event,
                mtproto_proto::server::Event::KeyCreated { .. }
            ));
        }
        keys
    };
    assert_eq!(count_keys(&mut stepper.server), 1);
    // On the same stream and on another one.
    for conn in [stepper.conn, ConnId(9)] {
        if conn == ConnId(9) {
            stepper.server.handle_connected(stepper.now, conn);
        }
        let mut rng = stepper.dice.rng();
        let mut codec = Codec::client(Framing::Intermediate, None, &mut rng).unwrap();
        for packet in &packets {
            let mut bytes = Vec::new();
            codec
                .write_packet(&mut rng, &mut bytes, packet.len(), false, |out, _| {
                    out.extend(packet);
                })
                .unwrap();
            let skip = if conn == stepper.conn && bytes.starts_with(&[0xee; 4]) {
                4
            } else {
                0
            };
            stepper
                .server
                .handle_input(stepper.now, conn, &bytes[skip..]);
        }
    }
    assert_eq!(count_keys(&mut stepper.server), 1);
}

#[test]
fn h7_half_open_handshakes_are_bounded_in_number_memory_and_time() {
    let mut config: ServerConfig = server_config();
    config.max_streams = 50;
    config.max_half_open = 100;
    let mut rogue = RogueClient::unknown(config, Seed::from_env_or(2334));
    let first = packets(2335).remove(0);
    let before = held();
    let mut most = 0;
    for n in 0..2_000_u32 {
        let conn = rogue.connect();
        // Another nonce each time.
        let mut packet = first.clone();
        packet[24..28].copy_from_slice(&n.to_le_bytes());
        rogue.send_packet(conn, &packet, false);
        assert_eq!(rogue.hear_plain(conn).len(), 1);
        // Every other client vanishes, the rest stay and say nothing more.
        if n % 2 == 0 || rogue.server.streams() >= 50 {
            rogue.disconnect(conn);
        }
        most = most.max(held() - before);
    }
    assert!(most < 1 << 20, "{most} bytes");
    rogue.later(secs(601));
    // The streams are closed by their deadline, the others are forgotten.
    let left = rogue.server.streams() as u64;
    for n in 1..=2_000 {
        let conn = ConnId(n);
        if rogue.is_open(conn) {
            assert!(rogue.closed(conn).is_some());
            rogue.disconnect(conn);
        }
    }
    rogue.later(secs(601));
    assert_eq!((left, rogue.server.streams()), (49, 0));
    assert_eq!(rogue.server.poll_timeout(), None, "nothing waits");
    let left = held() - before;
    assert!(left < 100_000, "{left} bytes are left");
}

#[test]
fn h7_a_client_that_begins_again_and_again_is_closed() {
    let first = packets(2336).remove(0);
    let mut rogue = RogueClient::unknown(server_config(), Seed::from_env_or(2337));
    let conn = rogue.connect();
    let mut begun = 0_u32;
    while rogue.closed(conn).is_none() {
        let mut packet = first.clone();
        packet[24..28].copy_from_slice(&begun.to_le_bytes());
        rogue.send_packet(conn, &packet, false);
        begun += 1;
        assert!(begun <= 100);
    }
    assert_eq!(rogue.statuses(conn), [-404]);
}

#[test]
fn h7_repeating_one_question_does_not_hold_a_stream_for_ever() {
    let first = packets(2338).remove(0);
    let mut rogue = RogueClient::unknown(server_config(), Seed::from_env_or(2339));
    let conn = rogue.connect();
    let start = rogue.now();
    while rogue.closed(conn).is_none() {
        rogue.send_packet(conn, &first, false);
        rogue.later(secs(50));
        assert!(rogue.now() < start + secs(1_300), "it lives");
    }
}

#[test]
fn h7_a_client_that_asks_and_never_reads_is_closed() {
    let first = packets(2340).remove(0);
    let mut rogue = RogueClient::unknown(server_config(), Seed::from_env_or(2341));
    let conn = rogue.connect();
    rogue.reads(conn, false);
    let mut asked = 0;
    while rogue.closed(conn).is_none() {
        rogue.send_packet(conn, &first, false);
        asked += 1;
        assert!(asked <= 300);
    }
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
}

#[test]
fn h7_garbage_instead_of_a_handshake_is_refused() {
    let mut rng = Rng::from_seed([5; 32]);
    for len in [20, 24, 36, 40, 56, 300, 8_196] {
        let mut rogue = RogueClient::unknown(server_config(), Seed::from_env_or(2342));
        let conn = rogue.connect();
        let mut packet = vec![0; 20];
        packet[16..20].copy_from_slice(&(len - 20_i32).to_le_bytes());
        while packet.len() < len as usize {
            packet.extend(rng.array::<4>());
        }
        rogue.send_packet(conn, &packet, false);
        assert!(rogue.closed(conn).is_some(), "{len}");
        assert_eq!(rogue.statuses(conn), [-404], "{len}");
    }
}

/// The time that the server tells lies where 31 bits end, so that each temporary key has ended when
/// it is made.
#[test]
fn a_server_at_the_end_of_time_does_not_make_its_client_agree_on_key_after_key() {
    let mut dice = Dice::new(Seed::from_env_or(2411));
    let mut config = client_config();
    config.pfs = Some(secs(86_400));
    let mut client =
        ClientConnection::new(Arc::new(config), Start::NewKey, dice.rng(), START).unwrap();
    let key = RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap();
    let config = handshake::server::Config {
        keys: vec![key],
        dc: None,
    };
    let end = Time::from_unix(u64::from(i32::MAX.unsigned_abs()));
    let mut server = handshake::ServerHandshake::new(end);
    let (mut rng, mut reader) = (dice.rng(), Codec::server(ServerTransport::default()));
    let (mut keys, mut now) = (0, START);
    for _ in 0..1_000 {
        now = now + Duration::from_millis(10);
        if client.poll_timeout().is_some_and(|at| at <= now) && client.handle_timeout(now).is_err()
        {
            break;
        }
        let mut asked = Vec::new();
        if !client.poll_transmit(now, &mut asked) {
            continue;
        }
        reader.feed(&asked);
        let Some(Frame::Packet { data, .. }) = reader.next_frame().unwrap() else {
            continue;
        };
        // What is encrypted stays without an answer.
        if !data.starts_with(&[0; 8]) {
            continue;
        }
        let answer = MsgId(0x6553_f100_0000_0001);
        let (next, reply) = server
            .handle(&config, end, &data, answer, &mut |_| false, &mut rng)
            .unwrap();
        server = next;
        if reply.complete.is_some() {
            keys += 1;
            server = handshake::ServerHandshake::new(end);
        }
        let packet = reply.packet.unwrap();
        let mut bytes = u32::try_from(packet.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(packet);
        if client.handle_input(now, &bytes).is_err() {
            break;
        }
    }
    // The permanent one, and one beside it.
    assert!(
        keys <= 2,
        "{keys} keys in {:?}",
        now.saturating_since(START)
    );
}
