//! The test DC over real sockets: floods, and too few file descriptors.

use std::io::Write;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use mtproto_test::{DcConfig, TestDc};

use crate::by_hand::Client;
use crate::program::program;

#[test]
fn t6_a_flood_of_connections_leaves_everybody_else_served() {
    const FLOOD: usize = 450;
    let dc = TestDc::start(DcConfig::default()).unwrap();
    let mut honest = Client::new(&dc, 1);
    honest.initialize();
    // Twice as many as are served at once; half of them at a time, for a process has so many files.
    for round in 0..4_u64 {
        let mut flood: Vec<TcpStream> = (0..FLOOD)
            .map(|_| TcpStream::connect(dc.addr()).unwrap())
            .collect();
        for (n, stream) in flood.iter_mut().enumerate() {
            // Nothing, a beginning, and a frame that never ends. The DC may have had enough of it.
            let begun = [
                &[][..],
                &[0xee; 4],
                &[0xee, 0xee, 0xee, 0xee, 0, 0, 16, 0, 1],
            ];
            let _ = stream.write_all(begun[n % 3]);
        }
        honest.initialize();
        let mut newcomer = Client::new(&dc, 10 + round);
        newcomer.initialize();
    }
}

/// It is run under a limit of its own, which only a shell can set from here.
#[cfg(unix)]
#[test]
fn t6_without_file_descriptors_it_waits_and_goes_on() {
    let dc = program(&["--key-out", "/dev/null"]);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 48; exec \"$0\" \"$@\"")
        .arg(dc.get_program())
        .args(dc.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let port = u16::try_from(line["dcs"][0]["port"].as_u64().unwrap()).unwrap();
    let flood: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    drop(flood);
    let stream = TcpStream::connect(("127.0.0.1", port));
    let served = stream.is_ok_and(|mut stream| {
        let patience = Some(Duration::from_secs(20));
        let mut answer = [0; 8];
        // A packet of nothing is refused, which is an answer.
        stream.set_read_timeout(patience).is_ok()
            && stream
                .write_all(&[0xee, 0xee, 0xee, 0xee, 24, 0, 0, 0])
                .is_ok()
            && stream.write_all(&[1; 24]).is_ok()
            && std::io::Read::read_exact(&mut stream, &mut answer).is_ok()
            && answer == [4, 0, 0, 0, 0x6c, 0xfe, 0xff, 0xff]
    });
    let _ = child.kill();
    let _ = child.wait();
    assert!(served);
}
