//! The handle over a connection, against the core's server role, in memory and in virtual time.

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use mtproto_driver::{
    ClientConfig, Clock, CloseReason, Config, Connection, Driver, Error, Gap, Incoming, Runtime,
    SendOptions, Start,
};
use mtproto_proto::connection::{self, ServerConnection};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Event, Server, ServerConfig};
use mtproto_proto::{DcId, Fate, Rng, SendError};
use support::{Pipe, Virtual, duplex};

const SECOND: Duration = Duration::from_secs(1);

/// Requests that the server knows; the first word of their bodies.
const ECHO: u32 = 0xec40_ec40;
/// Never answered.
const IGNORE: u32 = 0x1640_0000;
/// Answered after this many updates, the second word.
const PUSH: u32 = 0x9054_0000;

#[test]
fn a_new_key_serves_calls() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        assert_eq!(connection.key_state().unwrap().dc(), DcId(2));
        assert_eq!(echo(&connection, 7).await.unwrap(), body(ECHO, 7));
        connection.close().await;
        assert!(matches!(
            connection.closed().await.reason,
            CloseReason::Requested
        ));
    });
}

#[test]
fn a_stored_key_connects_without_a_word_of_the_server() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        let key = connection.key_state().unwrap();
        connection.close().await;

        // Nobody is at the other end yet.
        let (ours, theirs) = duplex(64 * 1024);
        let start = Start::Key(key.clone());
        let connection = Connection::over(&rt, ours, peer.config(), start)
            .await
            .unwrap();
        assert_eq!(connection.key_state(), Some(key));
        let mut proved = pin!(connection.connected());
        assert!(!ready_within(&rt, SECOND, proved.as_mut()).await);
        peer.serve(theirs);
        proved.await.unwrap();
        echo(&connection, 1).await.unwrap();
    });
}

#[test]
fn a_stream_that_ends_leaves_a_session_that_goes_on() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let mut connection = peer.connect(Start::NewKey).await.unwrap();
        for n in 0..5 {
            echo(&connection, n).await.unwrap();
            peer.hang_up();
            let closed = connection.closed().await;
            assert!(
                matches!(closed.reason, CloseReason::Peer),
                "{:?}",
                closed.reason
            );
            let start = Start::Resume(closed.suspended.unwrap());
            connection = peer.connect(start).await.unwrap();
        }
        echo(&connection, 5).await.unwrap();
        assert_eq!(peer.sessions(), 1, "each stream carried the same session");
    });
}

#[test]
fn calls_in_flight_end_with_their_fate_when_the_stream_does() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        let mut written = pin!(send(&connection, IGNORE, 0));
        assert!(!ready_within(&rt, SECOND, written.as_mut()).await);
        peer.hang_up();
        match written.await {
            Err(Error::Cut { fate, reason }) => {
                assert_eq!(fate, Fate::MaybeExecuted);
                assert!(matches!(reason, CloseReason::Peer), "{reason:?}");
            }
            other => panic!("{other:?}"),
        }
        match echo(&connection, 1).await {
            Err(Error::Closed(CloseReason::Peer)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_the_stream_did_not_take_is_known_not_to_be_sent() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        echo(&connection, 1).await.unwrap();
        peer.pause();
        // The first fills the pipe, the second waits behind it.
        let large = || connection.invoke_raw(Bytes::from(vec![1; 1 << 19]));
        let mut first = pin!(large());
        let mut second = pin!(large());
        assert!(!ready_within(&rt, SECOND, first.as_mut()).await);
        assert!(!ready_within(&rt, SECOND, second.as_mut()).await);
        peer.hang_up();
        let fates = [first.await, second.await].map(|result| match result {
            Err(Error::Cut { fate, .. }) => fate,
            other => panic!("{other:?}"),
        });
        assert_eq!(fates, [Fate::MaybeExecuted, Fate::NotSent]);
    });
}

#[test]
fn connecting_is_bounded() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        // Nobody answers the call …
        let to = ([127, 0, 0, 1], 9).into();
        let failed = Connection::connect(&rt, to, peer.config(), Start::NewKey)
            .await
            .unwrap_err();
        assert!(
            matches!(failed.error, Error::ConnectTimedOut { .. }),
            "{failed}"
        );
        assert!(matches!(failed.retry, Some(Start::NewKey)));
        assert_eq!(rt.elapsed(), 10 * SECOND);

        // … it is refused …
        let to = ([127, 0, 0, 1], 1).into();
        let failed = Connection::connect(&rt, to, peer.config(), Start::NewKey)
            .await
            .unwrap_err();
        assert!(matches!(failed.error, Error::Connect { .. }), "{failed}");

        // … or nobody speaks.
        let begin = rt.elapsed();
        let (ours, _theirs) = duplex(64 * 1024);
        let failed = Connection::over(&rt, ours, peer.config(), Start::NewKey)
            .await
            .unwrap_err();
        assert!(
            matches!(
                &failed.error,
                Error::Closed(CloseReason::Protocol(e))
                    if matches!(**e, connection::Error::Handshake(_))
            ),
            "{failed}"
        );
        assert!((10 * SECOND..12 * SECOND).contains(&(rt.elapsed() - begin)));
    });
}

#[test]
fn a_half_done_handshake_is_resumed() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let (ours, theirs) = duplex(64 * 1024);
        rt.spawn({
            let rt = rt.clone();
            async move {
                rt.sleep_until(rt.now() + SECOND).await;
                drop(theirs);
            }
        });
        let failed = Connection::over(&rt, ours, peer.config(), Start::NewKey)
            .await
            .unwrap_err();
        assert!(
            matches!(failed.error, Error::Closed(CloseReason::Peer)),
            "{failed}"
        );
        let connection = peer.connect(failed.retry.unwrap()).await.unwrap();
        echo(&connection, 1).await.unwrap();
    });
}

#[test]
fn a_call_that_nobody_answers_ends_at_its_deadline() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        let begin = rt.elapsed();
        let options = SendOptions::default().deadline(3 * SECOND);
        let failed = connection
            .invoke_raw_with(body(IGNORE, 0), options)
            .await
            .unwrap_err();
        assert!(
            matches!(failed, Error::TimedOut(Fate::MaybeExecuted)),
            "{failed:?}"
        );
        assert_eq!(rt.elapsed() - begin, 3 * SECOND);
        echo(&connection, 1).await.unwrap();
    });
}

#[test]
fn dropping_a_future_cancels_its_call_wherever_it_is() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let mut config = peer.config();
        let mut client = (*config.client).clone();
        client.session.max_requests = 3;
        config.client = Arc::new(client);
        config.command_queue = 1;
        let connection = peer.connect_with(config, Start::NewKey).await.unwrap();
        for polls in 0..4 {
            let mut calls: Vec<_> = (0..3)
                .map(|_| Box::pin(send(&connection, IGNORE, 0)))
                .collect();
            for call in &mut calls {
                let mut left = polls;
                let mut polled = poll_fn(|cx| {
                    let _ = call.as_mut().poll(cx).is_pending();
                    if left == 0 {
                        return Poll::Ready(());
                    }
                    left -= 1;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                });
                (&mut polled).await;
            }
            drop(calls);
            // All places are free, whether the calls waited, were queued, or were written.
            for n in 0..3 {
                assert_eq!(
                    echo(&connection, n).await.unwrap(),
                    body(ECHO, n),
                    "{polls} polls"
                );
            }
        }
        let full: Vec<_> = (0..3)
            .map(|_| Box::pin(send(&connection, IGNORE, 0)))
            .collect();
        let mut full = join_all(full);
        assert!(!ready_within(&rt, SECOND, pin!(&mut full)).await);
        let failed = echo(&connection, 0).await.unwrap_err();
        assert!(
            matches!(failed, Error::Send(SendError::TooMany { max: 3 })),
            "{failed:?}"
        );
    });
}

#[test]
fn closing_writes_what_is_queued_and_then_takes_nothing() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        echo(&connection, 0).await.unwrap();
        let before = peer.requests();
        let mut calls = pin!(join_all((0..100).map(|n| send(&connection, IGNORE, n))));
        let mut close = pin!(connection.close());
        let mut done = false;
        poll_fn(|cx| {
            done |= calls.as_mut().poll(cx).is_ready();
            close.as_mut().poll(cx)
        })
        .await;
        if !done {
            for result in calls.await {
                assert!(
                    matches!(
                        result,
                        Err(Error::Cut {
                            fate: Fate::MaybeExecuted,
                            reason: CloseReason::Requested
                        })
                    ),
                    "{result:?}"
                );
            }
        }
        rt.sleep_until(rt.now() + SECOND).await;
        assert_eq!(peer.requests() - before, 100);
        let failed = echo(&connection, 1).await.unwrap_err();
        assert!(
            matches!(failed, Error::Closed(CloseReason::Requested)),
            "{failed:?}"
        );
    });
}

#[test]
fn closing_towards_a_peer_that_does_not_read_takes_its_timeout_and_a_second() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        echo(&connection, 0).await.unwrap();
        peer.pause();
        let mut call = pin!(connection.invoke_raw(Bytes::from(vec![1; 1 << 19])));
        assert!(!ready_within(&rt, SECOND, call.as_mut()).await);
        let begin = rt.elapsed();
        connection.close().await;
        assert_eq!(rt.elapsed() - begin, 6 * SECOND);
        assert!(matches!(call.await, Err(Error::Cut { .. })));
    });
}

#[test]
fn closing_during_a_handshake_does_not_wait_for_it() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let (ours, theirs) = duplex(64 * 1024);
        {
            let mut connecting = pin!(Connection::over(&rt, ours, peer.config(), Start::NewKey));
            assert!(!ready_within(&rt, SECOND, connecting.as_mut()).await);
        }
        // The future is dropped, and with it the only handle.
        let begin = rt.elapsed();
        while !theirs.peer_has_closed() {
            rt.sleep_until(rt.now() + SECOND / 100).await;
        }
        assert!(rt.elapsed() - begin < SECOND);
    });
}

#[test]
fn the_last_handle_and_the_last_call_close_the_connection() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        let mut updates = connection.updates();
        let mut call = pin!(echo(&connection, 3));
        drop(connection);
        assert_eq!(call.as_mut().await.unwrap(), body(ECHO, 3));
        assert_eq!(updates.next().await, None);
    });
}

#[test]
fn a_subscriber_that_sleeps_gets_its_bound_and_a_gap_and_stops_nobody() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let mut config = peer.config();
        config.update_queue = 10;
        let connection = peer.connect_with(config, Start::NewKey).await.unwrap();
        let mut asleep = connection.updates();
        let mut awake = connection.updates();
        for round in 0..20 {
            // Five updates, then the answer.
            send(&connection, PUSH, 5).await.unwrap();
            for n in 0..5 {
                match awake.next().await {
                    Some(Incoming::Update(update)) => {
                        assert_eq!(*update.body(), body(PUSH, n), "round {round}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let mut got = Vec::new();
        while got.len() < 11 {
            got.push(asleep.next().await.unwrap());
        }
        assert_eq!(got.pop(), Some(Incoming::Gap(Gap::Dropped { count: 90 })));
        assert!(got.iter().all(|item| matches!(item, Incoming::Update(_))));
        // From here on it gets everything again.
        send(&connection, PUSH, 1).await.unwrap();
        assert!(matches!(asleep.next().await, Some(Incoming::Update(_))));
    });
}

#[test]
fn an_idle_connection_sleeps() {
    let rt = Virtual::new();
    rt.run(async {
        let peer = Peer::new(&rt);
        let connection = peer.connect(Start::NewKey).await.unwrap();
        echo(&connection, 0).await.unwrap();
        let rounds = rt.rounds();
        rt.sleep_until(rt.now() + 3600 * SECOND).await;
        // Pings and their acknowledgements, on both sides: some wake-ups a minute.
        let rounds = rt.rounds() - rounds;
        assert!(rounds < 60 * 20, "{rounds} wake-ups in an hour");
        echo(&connection, 1).await.unwrap();
    });
}

// Helpers.

/// A server that carries its keys and sessions from stream to stream.
#[derive(Clone)]
struct Peer {
    rt: Virtual,
    key: RsaPrivateKey,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    server: Option<Server>,
    requests: usize,
    sessions: usize,
    hang_up: bool,
    paused: bool,
    wakers: Vec<std::task::Waker>,
}

impl Peer {
    fn new(rt: &Virtual) -> Self {
        Peer {
            rt: rt.clone(),
            key: RsaPrivateKey::from_pem(include_str!("support/server.pem")).unwrap(),
            state: Arc::default(),
        }
    }

    fn config(&self) -> Config {
        Config::new(ClientConfig::new(DcId(2), vec![self.key.public().clone()]))
    }

    async fn connect(&self, start: Start) -> Result<Connection, mtproto_driver::ConnectError> {
        self.connect_with(self.config(), start).await
    }

    async fn connect_with(
        &self,
        config: Config,
        start: Start,
    ) -> Result<Connection, mtproto_driver::ConnectError> {
        let (ours, theirs) = duplex(64 * 1024);
        self.serve(theirs);
        Connection::over(&self.rt, ours, config, start).await
    }

    /// Serves one stream in the background.
    fn serve(&self, stream: Pipe) {
        let peer = self.clone();
        self.rt.spawn(async move {
            let mut clock = Clock::system(peer.rt.now());
            let now = clock.time(peer.rt.now());
            let server = {
                let mut state = peer.state.lock().unwrap();
                (state.hang_up, state.paused) = (false, false);
                state.server.take()
            };
            let machine = match server {
                Some(server) => ServerConnection::with(server, now),
                None => {
                    let config = ServerConfig::new(DcId(2), vec![peer.key.clone()]);
                    ServerConnection::new(Arc::new(config), Rng::from_seed([7; 32]), now)
                }
            };
            let mut driver = Driver::new(machine, stream, peer.rt.clone(), clock);
            while let Some(event) = peer.next(&mut driver).await {
                peer.handle(&mut driver, event);
            }
            let now = driver.now();
            let (machine, _) = driver.into_parts();
            peer.state.lock().unwrap().server = Some(machine.into_server(now));
        });
    }

    /// The next event, unless it is told to pause or to hang up.
    async fn next(&self, driver: &mut Driver<ServerConnection, Virtual>) -> Option<Event> {
        poll_fn(|cx| {
            let mut state = self.state.lock().unwrap();
            if state.hang_up {
                return Poll::Ready(None);
            }
            state.wakers.push(cx.waker().clone());
            if state.paused {
                return Poll::Pending;
            }
            drop(state);
            driver.poll_next(cx).map(|result| result.ok().flatten())
        })
        .await
    }

    fn handle(&self, driver: &mut Driver<ServerConnection, Virtual>, event: Event) {
        let now = driver.now();
        let server = driver.machine().server();
        if let Event::SessionCreated { .. } = event {
            self.state.lock().unwrap().sessions += 1;
        }
        let Event::Request {
            id,
            auth_key_id,
            session,
            body: request,
            ..
        } = event
        else {
            return;
        };
        self.state.lock().unwrap().requests += 1;
        match (word(&request, 0), word(&request, 4)) {
            (ECHO, _) => assert!(server.respond(now, id, request)),
            (PUSH, count) => {
                for n in 0..count {
                    assert!(server.push(now, auth_key_id, session, body(PUSH, n)));
                }
                assert!(server.respond(now, id, request));
            }
            _ => {}
        }
    }

    fn change(&self, f: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        f(&mut state);
        for waker in std::mem::take(&mut state.wakers) {
            waker.wake();
        }
    }

    fn hang_up(&self) {
        self.change(|state| state.hang_up = true);
    }

    fn pause(&self) {
        self.change(|state| state.paused = true);
    }

    fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions
    }
}

fn body(constructor: u32, argument: u32) -> Bytes {
    [constructor.to_le_bytes(), argument.to_le_bytes()]
        .concat()
        .into()
}

fn word(body: &Bytes, at: usize) -> u32 {
    body.get(at..at + 4)
        .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
}

fn send(
    connection: &Connection,
    constructor: u32,
    argument: u32,
) -> impl Future<Output = Result<Bytes, Error>> + use<> {
    connection.invoke_raw(body(constructor, argument))
}

fn echo(
    connection: &Connection,
    argument: u32,
) -> impl Future<Output = Result<Bytes, Error>> + use<> {
    send(connection, ECHO, argument)
}

async fn ready_within<T>(
    rt: &Virtual,
    time: Duration,
    mut future: std::pin::Pin<&mut impl Future<Output = T>>,
) -> bool {
    let mut sleep = pin!(rt.sleep_until(rt.now() + time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| false),
    })
    .await
}
