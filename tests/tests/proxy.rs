//! The proxy does to bytes what it was told, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests, in real time"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};

use mtproto_test::proxy::{Counts, Cut, Direction, Door, Path, Proxy};
use mtproto_test::{Dice, Seed};

/// No test waits longer for anything, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a test waits for nothing to happen.
const SHORT: Duration = Duration::from_millis(200);

/// A proxy, and the listener that it leads to.
fn start() -> (Proxy, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let seed = Seed::from_env_or(11);
    let proxy = Proxy::start(server.local_addr().unwrap(), seed).unwrap();
    (proxy, server)
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Both ends of a stream through the proxy.
fn ends(proxy: &Proxy, server: &TcpListener) -> (TcpStream, TcpStream) {
    let client = connect(proxy.addr());
    let (taken, _) = server.accept().unwrap();
    taken.set_read_timeout(Some(PATIENCE)).unwrap();
    taken.set_write_timeout(Some(PATIENCE)).unwrap();
    (client, taken)
}

fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    stream.read_exact(&mut out).unwrap();
    out
}

/// All bytes up to the end, which must be one in order.
fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut out = Vec::new();
    stream.read_to_end(&mut out).unwrap();
    out
}

/// The stream carries nothing for a while, and has not ended.
fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let heard = stream.read(&mut [0; 1]);
    let kind = heard.map_err(|e| e.kind());
    assert!(
        matches!(kind, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)),
        "{kind:?}"
    );
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

fn assert_reset(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    let error = stream.read_to_end(&mut heard).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// Waits until the counts are as wanted.
fn counts_become(proxy: &Proxy, wanted: impl Fn(&Counts) -> bool) -> Counts {
    let begin = Instant::now();
    loop {
        let counts = proxy.counts();
        if wanted(&counts) {
            return counts;
        }
        assert!(begin.elapsed() < PATIENCE, "{counts:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends bytes from one end and takes them at the other, at once.
fn carry(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(bytes).unwrap());
        read(to, bytes.len())
    })
}

#[test]
fn bytes_pass_in_order_both_ways_at_once_and_are_counted() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    let mut dice = Dice::from_env_or(1);
    // More than the proxy and the socket buffers hold.
    let (up, down) = (dice.bytes(3 << 20), dice.bytes(5 << 20));
    let (mut other_client, mut other_taken) =
        (client.try_clone().unwrap(), taken.try_clone().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| client.write_all(&up).unwrap());
        scope.spawn(|| other_taken.write_all(&down).unwrap());
        let heard = scope.spawn(|| read(&mut other_client, down.len()));
        assert!(read(&mut taken, up.len()) == up, "to the server");
        assert!(heard.join().unwrap() == down, "to the client");
    });
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open, counts.cut), (1, 1, 0));
    assert_eq!((counts.to_server, counts.to_client), (3 << 20, 5 << 20));
}

#[test]
fn an_end_in_order_passes_each_way_apart() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut taken), b"question");
    taken.write_all(b"answer").unwrap();
    drop(taken);
    assert_eq!(read_all(&mut client), b"answer");
    counts_become(&proxy, |counts| counts.open == 0);
}

#[test]
fn a_reset_by_one_side_reaches_the_other() {
    let (proxy, server) = start();
    let (mut client, taken) = ends(&proxy, &server);
    client.write_all(b"never read").unwrap();
    counts_become(&proxy, |counts| counts.to_server == 10);
    // Closing with unread bytes resets.
    drop(taken);
    assert_reset(&mut client);
    counts_become(&proxy, |counts| counts.open == 0);
}

#[test]
fn latency_delays_without_overtaking() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    let least = Duration::from_millis(30);
    let path = Path::new().latency(least..=Duration::from_millis(90));
    proxy.set_path(Direction::ToServer, path);
    let begin = Instant::now();
    let mut dice = Dice::from_env_or(2);
    let mut sent = Vec::new();
    for _ in 0..50 {
        let len = dice.range(1..=100) as usize;
        let piece = dice.bytes(len);
        client.write_all(&piece).unwrap();
        sent.extend(piece);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(read(&mut taken, 1), sent[..1]);
    assert!(begin.elapsed() >= least);
    assert_eq!(read(&mut taken, sent.len() - 1), sent[1..]);
    // The other direction is not concerned, and nor is what comes later.
    proxy.set_path(Direction::ToServer, Path::new());
    assert_eq!(carry(&mut taken, &mut client, b"back"), b"back");
    assert_eq!(carry(&mut client, &mut taken, b"forth"), b"forth");
}

#[test]
fn a_narrow_path_carries_no_more_than_it_may() {
    const RATE: u32 = 100_000;
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    let path = Path::new().bytes_per_second(NonZeroU32::new(RATE).unwrap());
    proxy.set_path(Direction::ToClient, path);
    let bytes = Dice::from_env_or(3).bytes(30_000);
    let begin = Instant::now();
    assert_eq!(carry(&mut taken, &mut client, &bytes), bytes);
    // Less the first portion, which leaves at once.
    let least = Duration::from_secs_f64(29_000.0 / f64::from(RATE));
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
}

#[test]
fn segments_arrive_as_small_as_they_were_made() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    // Slow enough that the reader meets each alone.
    let path = Path::new()
        .segments(1..=3)
        .bytes_per_second(NonZeroU32::new(150).unwrap());
    proxy.set_path(Direction::ToServer, path);
    let bytes = Dice::from_env_or(4).bytes(60);
    client.write_all(&bytes).unwrap();
    let (mut heard, mut small) = (Vec::<u8>::new(), 0);
    while heard.len() < bytes.len() {
        let mut buffer = [0; 64];
        let n = taken.read(&mut buffer).unwrap();
        small += usize::from(n <= 3);
        heard.extend(&buffer[..n]);
    }
    assert_eq!(heard, bytes);
    assert!(small > 0, "all segments were joined");
}

#[test]
fn a_stall_holds_one_direction_and_loses_nothing() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    proxy.stall(Direction::ToServer, None);
    client.write_all(b"held").unwrap();
    assert_silent(&mut taken);
    assert_eq!(carry(&mut taken, &mut client, b"passes"), b"passes");
    proxy.go_on();
    assert_eq!(read(&mut taken, 4), b"held");
}

#[test]
fn a_stall_of_some_time_ends_by_itself() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    let begin = Instant::now();
    proxy.stall(Direction::ToClient, Some(SHORT));
    taken.write_all(b"late").unwrap();
    assert_eq!(read(&mut client, 4), b"late");
    assert!(begin.elapsed() >= SHORT);
}

#[test]
fn who_sends_into_a_stall_has_to_wait() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    proxy.stall(Direction::ToServer, None);
    client.set_nonblocking(true).unwrap();
    let piece = vec![7; 64 << 10];
    let mut sent = 0;
    let begin = Instant::now();
    // The buffers of two sockets take some megabytes.
    let full = loop {
        match client.write(&piece) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(20));
                match client.write(&piece) {
                    Ok(n) => sent += n,
                    Err(e) => break e.kind(),
                }
            }
            Err(e) => panic!("{e}"),
        }
        assert!(begin.elapsed() < PATIENCE && sent < 1 << 30);
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    assert_eq!(proxy.counts().to_server, 0);
    proxy.go_on();
    assert!(read(&mut taken, sent).iter().all(|byte| *byte == 7));
}

#[test]
fn frozen_streams_stay_so_while_new_ones_work() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    assert_eq!(proxy.freeze(), 1);
    client.write_all(b"lost").unwrap();
    taken.write_all(b"lost").unwrap();
    let (mut second, mut second_taken) = ends(&proxy, &server);
    assert_eq!(carry(&mut second, &mut second_taken, b"new"), b"new");
    proxy.go_on();
    assert_silent(&mut client);
    // Not even the end of one side is told.
    drop(client);
    assert_silent(&mut taken);
    assert_eq!(proxy.cut(Cut::Fin), 2);
    assert_eq!(read_all(&mut taken), b"");
}

#[test]
fn a_cut_ends_all_streams_in_the_way_that_was_wanted() {
    let (proxy, server) = start();
    for how in [Cut::Fin, Cut::Rst] {
        let mut streams: Vec<_> = (0..3).map(|_| ends(&proxy, &server)).collect();
        for (client, taken) in &mut streams {
            assert_eq!(carry(client, taken, b"before"), b"before");
        }
        assert_eq!(proxy.cut(how), 3);
        for (client, taken) in &mut streams {
            for end in [client, taken] {
                match how {
                    Cut::Fin => assert_eq!(read_all(end), b""),
                    Cut::Rst => assert_reset(end),
                }
            }
        }
        drop(streams);
        counts_become(&proxy, |counts| counts.open == 0);
    }
    assert_eq!(proxy.counts().cut, 6);
}

#[test]
fn a_cut_comes_behind_exactly_the_byte_that_was_named() {
    let (proxy, server) = start();
    for len in [0, 1, 2, 99, 100] {
        let (mut client, mut taken) = ends(&proxy, &server);
        proxy.cut_after(Direction::ToServer, len, Cut::Fin);
        client.write_all(&[7; 101]).unwrap();
        assert_eq!(read_all(&mut taken).len() as u64, len);
        assert_eq!(read_all(&mut client), b"");

        let (mut client, mut taken) = ends(&proxy, &server);
        proxy.cut_after(Direction::ToClient, len, Cut::Fin);
        taken.write_all(&[7; 101]).unwrap();
        assert_eq!(read_all(&mut client).len() as u64, len);
    }
    // Once.
    let (mut client, mut taken) = ends(&proxy, &server);
    assert_eq!(carry(&mut client, &mut taken, &[7; 500]), [7; 500]);
}

#[test]
fn a_cut_counts_bytes_over_several_streams() {
    let (proxy, server) = start();
    let (mut first, mut first_taken) = ends(&proxy, &server);
    let (mut second, mut second_taken) = ends(&proxy, &server);
    proxy.cut_after(Direction::ToServer, 10, Cut::Rst);
    assert_eq!(carry(&mut first, &mut first_taken, b"sixsix"), b"sixsix");
    second.write_all(b"and ten").unwrap();
    assert_reset(&mut second);
    assert!(second_taken.read_to_end(&mut Vec::new()).is_err());
    assert_eq!(carry(&mut first, &mut first_taken, b"on"), b"on");
    assert_eq!(proxy.counts().to_server, 12);
}

#[test]
fn every_later_stream_is_cut_within_the_range() {
    let (proxy, server) = start();
    let (mut before, mut before_taken) = ends(&proxy, &server);
    proxy.cut_each(Some(5..=20));
    for n in 1..=20 {
        let (mut client, mut taken) = ends(&proxy, &server);
        // The reset of one direction may be met while the other one still writes.
        let _ = client.write_all(&[1; 30]);
        let _ = taken.write_all(&[2; 30]);
        for end in [&mut client, &mut taken] {
            let mut heard = Vec::new();
            let _ = end.read_to_end(&mut heard);
        }
        let counts = counts_become(&proxy, |counts| counts.cut == n);
        assert_eq!(counts.open, 1);
    }
    assert_eq!(carry(&mut before, &mut before_taken, &[3; 50]), [3; 50]);
    proxy.cut_each(None);
    let (mut client, mut taken) = ends(&proxy, &server);
    assert_eq!(carry(&mut client, &mut taken, &[3; 50]), [3; 50]);
}

#[test]
fn one_seed_cuts_at_the_same_bytes_and_another_seed_elsewhere() {
    let lengths = |seed| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap(), Seed(seed)).unwrap();
        proxy.cut_each(Some(0..=1_000));
        let mut before = proxy.counts();
        let mut lengths = Vec::new();
        for n in 1..=8 {
            let (mut client, mut taken) = ends(&proxy, &server);
            let _ = client.write_all(&[1; 1_001]);
            let after = counts_become(&proxy, |counts| {
                counts.cut == n || counts.to_server - before.to_server == 1_001
            });
            if after.cut < n {
                // It is the other direction's turn.
                let _ = taken.write_all(&[1; 1_001]);
            }
            let after = counts_become(&proxy, |counts| counts.cut == n);
            lengths.push((
                after.to_server - before.to_server,
                after.to_client - before.to_client,
            ));
            before = after;
        }
        lengths
    };
    let seed = Seed::from_env_or(5).0;
    assert_eq!(lengths(seed), lengths(seed));
    assert_ne!(lengths(seed), lengths(seed.wrapping_add(1)));
}

#[test]
fn a_silent_door_accepts_and_says_nothing() {
    let (proxy, server) = start();
    proxy.set_door(Door::Silent).unwrap();
    let mut client = connect(proxy.addr());
    client.write_all(b"anybody?").unwrap();
    counts_become(&proxy, |counts| counts.swallowed == 1);
    assert_silent(&mut client);
    proxy.set_door(Door::Open).unwrap();
    assert_silent(&mut client);
    let (mut second, mut taken) = ends(&proxy, &server);
    assert_eq!(carry(&mut second, &mut taken, b"yes"), b"yes");
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open, counts.to_server), (1, 2, 3));
    assert_eq!(proxy.cut(Cut::Rst), 2);
    assert_reset(&mut client);
}

#[test]
fn a_closed_door_refuses_and_opens_again_at_the_same_port() {
    let (proxy, server) = start();
    let (mut client, mut taken) = ends(&proxy, &server);
    for _ in 0..3 {
        proxy.set_door(Door::Refuse).unwrap();
        let refused = TcpStream::connect_timeout(&proxy.addr(), PATIENCE);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // Who is in stays in.
        assert_eq!(carry(&mut client, &mut taken, b"in"), b"in");
        proxy.set_door(Door::Open).unwrap();
        let (mut second, mut second_taken) = ends(&proxy, &server);
        assert_eq!(carry(&mut second, &mut second_taken, b"new"), b"new");
    }
}

#[test]
fn a_door_that_hangs_up_does_so_in_either_way() {
    let (proxy, _server) = start();
    proxy.set_door(Door::HangUp(Cut::Fin)).unwrap();
    assert_eq!(read_all(&mut connect(proxy.addr())), b"");
    proxy.set_door(Door::HangUp(Cut::Rst)).unwrap();
    // The reset may be there before the client knows that it is connected.
    if let Ok(mut client) = TcpStream::connect_timeout(&proxy.addr(), PATIENCE) {
        assert!(client.read_to_end(&mut Vec::new()).is_err());
    }
    counts_become(&proxy, |counts| counts.turned_away == 2);
}

#[test]
fn a_target_that_is_not_there_resets_and_another_one_may_take_its_place() {
    let (proxy, server) = start();
    drop(server);
    if let Ok(mut client) = TcpStream::connect_timeout(&proxy.addr(), PATIENCE) {
        assert!(client.read_to_end(&mut Vec::new()).is_err());
    }
    counts_become(&proxy, |counts| (counts.unreachable, counts.open) == (1, 0));
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_target(elsewhere.local_addr().unwrap());
    let (mut client, mut taken) = ends(&proxy, &elsewhere);
    assert_eq!(carry(&mut client, &mut taken, b"hello"), b"hello");
}

#[test]
fn dropping_the_proxy_ends_every_stream_and_frees_the_port() {
    let (proxy, server) = start();
    let addr = proxy.addr();
    let (mut client, mut taken) = ends(&proxy, &server);
    proxy.freeze();
    let (mut second, _second_taken) = ends(&proxy, &server);
    drop(proxy);
    for end in [&mut client, &mut taken, &mut second] {
        assert_eq!(end.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    }
    let refused = TcpStream::connect_timeout(&addr, PATIENCE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_storm_of_clients_gets_through_whole() {
    let (proxy, server) = start();
    for direction in Direction::ALL {
        let path = Path::new()
            .latency(Duration::ZERO..=Duration::from_millis(3))
            .segments(1..=5_000);
        proxy.set_path(direction, path);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..30 {
                let (mut taken, _) = server.accept().unwrap();
                scope.spawn(move || {
                    let bytes = read_all(&mut taken);
                    taken.write_all(&bytes).unwrap();
                });
            }
        });
        for n in 0..30 {
            let addr = proxy.addr();
            scope.spawn(move || {
                let bytes = Dice::new(Seed(n)).bytes(50_000);
                let mut client = connect(addr);
                client.write_all(&bytes).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                assert!(read_all(&mut client) == bytes);
            });
        }
    });
    let counts = counts_become(&proxy, |counts| counts.open == 0);
    assert_eq!((counts.accepted, counts.cut), (30, 0));
    assert_eq!((counts.to_server, counts.to_client), (1_500_000, 1_500_000));
}
