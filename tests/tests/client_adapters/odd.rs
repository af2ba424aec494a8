//! Clients on runtimes with a fault, and what idling costs.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

// The traits of `futures-io`.
use async_std::io::{Read as AsyncRead, Write as AsyncWrite};
use mtproto_driver::Runtime;
use mtproto_driver::client::Event;
use mtproto_schema::api::functions::help;

use crate::support::*;

/// A runtime whose streams never open.
#[derive(Clone)]
struct Deaf<R>(R);

impl<R: Runtime> Runtime for Deaf<R> {
    type Stream = R::Stream;
    type Sleep = R::Sleep;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        self.0.sleep_until(at)
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        pending()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }
}

/// A runtime that counts how often its streams are asked for input.
#[derive(Clone)]
struct Counting<R> {
    runtime: R,
    reads: Arc<AtomicUsize>,
}

struct Counted<S> {
    stream: S,
    reads: Arc<AtomicUsize>,
}

impl<R: Runtime> Runtime for Counting<R> {
    type Stream = Counted<R::Stream>;
    type Sleep = R::Sleep;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        self.runtime.sleep_until(at)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = self.runtime.connect(to).await?;
        let reads = self.reads.clone();
        Ok(Counted { stream, reads })
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

pub async fn a_stream_that_does_not_open_is_given_up_in_time<R: Runtime>(rt: R) {
    let mut config = config(&start_dc());
    config.connect_timeout = SHORT;
    let client = open(&Deaf(rt.clone()), config).await;
    let mut events = client.events();
    let begin = rt.now();
    let call = client.invoke(&help::GetNearestDc);
    let failed = async {
        let kind = seen(&mut events, |event| match event {
            Event::ConnectFailed { error, .. } => Some(error.kind()),
            _ => None,
        });
        assert_eq!(kind.await, io::ErrorKind::TimedOut);
        let waited = rt.now() - begin;
        assert!((SHORT..SHORT * 10).contains(&waited), "{waited:?}");
        client.close().await.unwrap();
    };
    let (call, ()) = both(call, failed).await;
    call.unwrap_err();
}

pub async fn an_idle_client_does_nothing<R: Runtime>(rt: R) {
    let dc = start_dc();
    let reads = Arc::new(AtomicUsize::new(0));
    let counting = Counting {
        runtime: rt.clone(),
        reads: reads.clone(),
    };
    let client = open(&counting, config(&dc)).await;
    let _updates = client.updates();
    client.connect().await.unwrap();
    client.invoke(&help::GetNearestDc).await.unwrap();
    // Acknowledgements of the beginning are still to come and go.
    pause(&rt, SHORT).await;
    let before = reads.load(Ordering::SeqCst);
    pause(&rt, SHORT * 2).await;
    let idle = reads.load(Ordering::SeqCst) - before;
    assert!(idle < 20, "{idle} reads in a second");
}
