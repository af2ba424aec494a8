//! A value behind a lock, and the futures that wait for it to change.
//!
//! Does: [`Watched`], from which the command queue, the answers, the updates and the status of a
//! connection are made.
//! In: changes from one side. Out: wake-ups on the other.
//! Must not know: what the value means.
//! Spec: none.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A value that futures wait on.
pub(crate) struct Watched<S>(Mutex<Inner<S>>);

struct Inner<S> {
    value: S,
    next: u64,
    /// One per waiting future, in the order in which they came.
    waiting: BTreeMap<u64, Waker>,
}

/// A future's place among those that wait; empty until it has to.
#[derive(Default)]
pub(crate) struct Place(Option<u64>);

impl<S> Watched<S> {
    pub(crate) fn new(value: S) -> Self {
        Watched(Mutex::new(Inner {
            value,
            next: 0,
            waiting: BTreeMap::new(),
        }))
    }

    /// Looks at the value, or changes it in a way that nobody waits for.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut S) -> T) -> T {
        f(&mut self.lock().value)
    }

    /// Changes the value and wakes everybody who waits.
    pub(crate) fn update<T>(&self, f: impl FnOnce(&mut S) -> T) -> T {
        let mut inner = self.lock();
        let result = f(&mut inner.value);
        let waiting = std::mem::take(&mut inner.waiting);
        // A waker may do anything, so not under the lock.
        drop(inner);
        for waker in waiting.into_values() {
            waker.wake();
        }
        result
    }

    /// Waits until `ready` finds what it looks for; it is asked again after each
    /// [`update`](Watched::update).
    pub(crate) fn wait<T, F>(&self, mut ready: F) -> impl Future<Output = T> + use<'_, T, F, S>
    where
        F: FnMut(&mut S) -> Option<T>,
    {
        let mut seat = Seat {
            watched: self,
            place: Place::default(),
        };
        poll_fn(move |cx| seat.watched.poll(&mut seat.place, cx, &mut ready))
    }

    /// [`wait`](Watched::wait) for who polls by hand and calls [`leave`](Watched::leave) at last.
    pub(crate) fn poll<T>(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
        ready: impl FnOnce(&mut S) -> Option<T>,
    ) -> Poll<T> {
        let mut inner = self.lock();
        if let Some(found) = ready(&mut inner.value) {
            return Poll::Ready(found);
        }
        let key = *place.0.get_or_insert_with(|| {
            inner.next = inner.next.wrapping_add(1);
            inner.next
        });
        match inner.waiting.get_mut(&key) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => _ = inner.waiting.insert(key, cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives up a place.
    pub(crate) fn leave(&self, place: &mut Place) {
        if let Some(key) = place.0.take() {
            self.lock().waiting.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        // The closures above leave no half-made value behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Seat<'a, S> {
    watched: &'a Watched<S>,
    place: Place,
}

impl<S> Drop for Seat<'_, S> {
    fn drop(&mut self) {
        self.watched.leave(&mut self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_future_that_waits_is_woken_by_an_update_and_holds_one_place() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let watched = Watched::new(0);
        let mut wait = pin!(watched.wait(|value| (*value == 2).then_some("two")));

        for _ in 0..10 {
            assert_eq!(wait.as_mut().poll(&mut cx), Poll::Pending);
        }
        watched.with(|value| *value = 1);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        watched.update(|value| *value = 2);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready("two"));
    }

    #[test]
    fn a_future_that_is_dropped_leaves_nothing_behind() {
        let watched = Watched::new(0);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            let mut wait = pin!(watched.wait(|_| None::<()>));
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        // `pin!` keeps each until the end of its turn.
        assert_eq!(watched.lock().waiting.len(), 0);
    }
}
