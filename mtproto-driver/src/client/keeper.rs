//! From changes to the store.
//!
//! Does: [`Keeper`]: hands changes over in batches, keeps what the store did not take, and tries
//! again after a pause.
//! In: changes. Out: whether the store has them.
//! Must not know: what they say.
//! Spec: none.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use mtproto_proto::client::Change;

use super::events::Event;
use crate::shared::later;
use crate::{Runtime, Store, StoreError};

/// The first pause after a store failed; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A full disk is noticed to have room again after this at the latest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// While the store fails, changes of the same keys are folded when so many more have come.
const FOLD_EVERY: usize = 256;

/// A store, and what it has not taken.
pub(crate) struct Keeper<R: Runtime, S> {
    store: S,
    waiting: Vec<Change>,
    /// How many there were when they were last folded.
    folded: usize,
    failing: Option<Failing<R>>,
}

struct Failing<R: Runtime> {
    error: StoreError,
    pause: Duration,
    retry: Pin<Box<R::Sleep>>,
}

impl<R: Runtime, S: Store> Keeper<R, S> {
    pub(crate) fn new(store: S) -> Self {
        Keeper {
            store,
            waiting: Vec::new(),
            folded: 0,
            failing: None,
        }
    }

    /// One more for the next batch.
    pub(crate) fn push(&mut self, change: Change) {
        self.waiting.push(change);
        if self.failing.is_some() && self.waiting.len() > self.folded.saturating_add(FOLD_EVERY) {
            self.fold();
        }
    }

    /// Hands the batch over, unless the store has just failed. What there is to tell of it.
    pub(crate) fn keep(&mut self, cx: &mut Context<'_>, runtime: &R) -> Option<Event> {
        if self.waiting.is_empty() {
            return None;
        }
        if let Some(failing) = &mut self.failing
            && failing.retry.as_mut().poll(cx).is_pending()
        {
            return None;
        }
        let told = self.try_now(runtime);
        if let Some(failing) = &mut self.failing {
            // So that it wakes the task. A pause that is over at once is noticed at the next turn.
            if failing.retry.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        told
    }

    /// Hands the batch over, whatever happened before.
    pub(crate) fn try_now(&mut self, runtime: &R) -> Option<Event> {
        if self.waiting.is_empty() {
            return None;
        }
        match self.store.apply(&self.waiting) {
            Ok(()) => {
                self.waiting.clear();
                self.folded = 0;
                self.failing.take().map(|_| Event::StoreRecovered)
            }
            Err(error) => {
                let pause = match &self.failing {
                    Some(failing) => failing.pause.saturating_mul(2).min(LONGEST_PAUSE),
                    None => FIRST_PAUSE,
                };
                self.failing = Some(Failing {
                    error: error.clone(),
                    pause,
                    retry: Box::pin(runtime.sleep_until(later(runtime.now(), pause))),
                });
                self.fold();
                Some(Event::StoreFailed {
                    error,
                    waiting: self.waiting.len(),
                })
            }
        }
    }

    /// Why not everything is stored.
    pub(crate) fn error(&self) -> Option<StoreError> {
        self.failing.as_ref().map(|failing| failing.error.clone())
    }

    /// Of several changes of one thing the last one counts.
    fn fold(&mut self) {
        let mut seen = BTreeSet::new();
        self.waiting.reverse();
        self.waiting.retain(|change| seen.insert(change.key));
        self.waiting.reverse();
        self.folded = self.waiting.len();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Pending;
    use std::io;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};
    use std::time::Instant;

    use bytes::Bytes;
    use futures_io::{AsyncRead, AsyncWrite};
    use mtproto_proto::client::{Key, Snapshot};

    use super::*;

    struct Nothing;

    impl AsyncRead for Nothing {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
    }

    impl AsyncWrite for Nothing {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A runtime whose pauses never end.
    #[derive(Clone)]
    struct Still;

    impl Runtime for Still {
        type Stream = Nothing;
        type Sleep = Pending<()>;

        #[expect(clippy::disallowed_methods, reason = "any Instant will do")]
        fn now(&self) -> Instant {
            Instant::now()
        }

        fn sleep_until(&self, _: Instant) -> Self::Sleep {
            std::future::pending()
        }

        async fn connect(&self, _: SocketAddr) -> io::Result<Self::Stream> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}
    }

    /// Notes the batches that it takes.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<(bool, Vec<Vec<Change>>)>>);

    impl Notes {
        fn breaks(&self, broken: bool) {
            self.0.lock().unwrap().0 = broken;
        }

        fn take(&self) -> Vec<Vec<Change>> {
            std::mem::take(&mut self.0.lock().unwrap().1)
        }
    }

    impl Store for Notes {
        fn load(&mut self) -> Result<Snapshot, StoreError> {
            Ok(Snapshot::new())
        }

        fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
            let (broken, batches) = &mut *self.0.lock().unwrap();
            if *broken {
                return Err(StoreError::new("full"));
            }
            batches.push(changes.to_vec());
            Ok(())
        }
    }

    fn change(key: Key, value: u8) -> Change {
        Change {
            key,
            value: Some(Bytes::from(vec![value])),
        }
    }

    fn keep(keeper: &mut Keeper<Still, Notes>) -> Option<Event> {
        keeper.keep(&mut Context::from_waker(Waker::noop()), &Still)
    }

    #[test]
    fn a_batch_is_handed_over_in_order_and_once() {
        let notes = Notes::default();
        let mut keeper = Keeper::<Still, _>::new(notes.clone());
        let batch = [change(Key::Updates, 1), change(Key::Account, 2)];
        batch.iter().for_each(|change| keeper.push(change.clone()));
        assert!(keep(&mut keeper).is_none());
        assert_eq!(notes.take(), [batch.to_vec()]);
        assert!(keep(&mut keeper).is_none());
        assert!(notes.take().is_empty());
    }

    #[test]
    fn what_a_store_did_not_take_waits_folded_and_nothing_is_lost() {
        let notes = Notes::default();
        let mut keeper = Keeper::<Still, _>::new(notes.clone());
        notes.breaks(true);
        keeper.push(change(Key::Account, 1));
        keeper.push(change(Key::Updates, 1));
        keeper.push(change(Key::Account, 2));
        let told = keep(&mut keeper);
        assert!(
            matches!(told, Some(Event::StoreFailed { waiting: 2, .. })),
            "{told:?}"
        );
        assert!(keeper.error().is_some());

        // In the pause it is not asked, and the same keys do not pile up.
        for n in 0..10_000_u16 {
            keeper.push(change(Key::Updates, n.to_le_bytes()[0]));
            assert!(keep(&mut keeper).is_none());
        }
        assert!(keeper.waiting.len() <= 2 + FOLD_EVERY);

        notes.breaks(false);
        keeper.push(change(Key::Channel(7), 3));
        let told = keeper.try_now(&Still);
        assert!(matches!(told, Some(Event::StoreRecovered)), "{told:?}");
        let mut kept = Snapshot::new();
        notes
            .take()
            .into_iter()
            .flatten()
            .for_each(|c| kept.apply(c));
        let last = 9_999_u16.to_le_bytes()[0];
        assert_eq!(
            kept.get(Key::Account),
            change(Key::Account, 2).value.as_ref()
        );
        assert_eq!(
            kept.get(Key::Updates),
            change(Key::Updates, last).value.as_ref()
        );
        assert_eq!(
            kept.get(Key::Channel(7)),
            change(Key::Updates, 3).value.as_ref()
        );
        assert!(keeper.error().is_none());
    }
}
