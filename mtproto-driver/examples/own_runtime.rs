//! A runtime of one's own: every task is a thread, sockets and timers come from `async-io`.
//!
//! ```sh
//! cargo run -p mtproto-driver --example own_runtime -- 127.0.0.1:4430 2 key.pem
//! ```

use std::future::Future;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Instant;
use std::{io, thread};

use async_io::{Async, Timer, block_on};
use mtproto_driver::{ClientConfig, Config, Connection, Runtime, Start};
use mtproto_proto::DcId;
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_schema::mtproto::functions::Ping;

/// A thread per task.
#[derive(Clone, Copy, Debug)]
pub struct Threads;

impl Runtime for Threads {
    type Stream = Async<TcpStream>;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    #[expect(clippy::disallowed_methods, reason = "a Runtime is the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        Box::pin(async move { _ = Timer::at(at).await })
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = Async::<TcpStream>::connect(to).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| block_on(task));
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, dc, key] = args.as_slice() else {
        return Err("arguments: ADDRESS:PORT DC KEY.PEM".into());
    };
    let pem = std::fs::read_to_string(key).map_err(|e| format!("cannot read {key}: {e}"))?;
    let key = RsaPublicKey::from_pem(&pem).map_err(|e| format!("{key}: {e}"))?;
    let config = Config::new(ClientConfig::new(DcId(dc.parse()?), vec![key]));
    let to = server.parse().map_err(|e| format!("{server}: {e}"))?;

    block_on(async {
        let connection = Connection::connect(&Threads, to, config, Start::NewKey).await?;
        let pong = connection.invoke(&Ping { ping_id: 1 }).await?;
        println!("{pong:?}");
        connection.close().await;
        Ok(())
    })
}
