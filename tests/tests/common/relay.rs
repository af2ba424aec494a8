//! A wire between a client and a server, with a switch.

#![allow(dead_code, reason = "each suite uses a part")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A wire with a switch: forwards bytes to a server, stops, cuts.
pub struct Relay {
    pub addr: SocketAddr,
    wire: Arc<RelayWire>,
}

#[derive(Default)]
struct RelayWire {
    /// Nothing is read from either side.
    held: AtomicBool,
    to_server: AtomicUsize,
    /// Directions that are open, two for each stream.
    open: AtomicUsize,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let wire = Arc::new(RelayWire::default());
        let shared = wire.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(server).unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let mut sockets = shared.sockets.lock().unwrap();
                sockets.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                shared.open.fetch_add(2, Ordering::SeqCst);
                let (wire, from, to) = (
                    shared.clone(),
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                );
                thread::spawn(move || wire.copy(from, to, Some(&wire.to_server)));
                let wire = shared.clone();
                thread::spawn(move || wire.copy(server, client, None));
            }
        });
        Relay { addr, wire }
    }

    pub fn hold(&self, held: bool) {
        self.wire.held.store(held, Ordering::SeqCst);
    }

    /// Ends all streams and lets later ones pass.
    pub fn cut(&self) {
        for socket in self.wire.sockets.lock().unwrap().drain(..) {
            _ = socket.shutdown(Shutdown::Both);
        }
        self.hold(false);
    }

    pub fn to_server(&self) -> usize {
        self.wire.to_server.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.wire.open.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

impl RelayWire {
    fn copy(&self, mut from: TcpStream, mut to: TcpStream, count: Option<&AtomicUsize>) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while self.held.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            let n = match from.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => n,
            };
            // What came while the switch was turned.
            while self.held.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
            if let Some(count) = count {
                count.fetch_add(n, Ordering::SeqCst);
            }
        }
        _ = to.shutdown(Shutdown::Write);
        _ = from.shutdown(Shutdown::Read);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
