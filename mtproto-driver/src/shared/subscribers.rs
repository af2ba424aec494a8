//! Queues from a task to who subscribed to them.
//!
//! Does: [`Subscribers`], the task's side, and [`Subscription`], one subscriber's. The task never
//! waits: what a full queue does is the business of its [`Pending`].
//! In: items. Out: the same, to each subscriber, in order.
//! Must not know: what the items are.
//! Spec: none.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use super::watched::{Place, Watched};

/// What one subscriber has not taken yet: bounded by whoever implements it.
pub(crate) trait Pending {
    /// What it gets.
    type Item;
    /// The next item.
    fn take(&mut self) -> Option<Self::Item>;
}

struct Queue<P> {
    pending: P,
    ended: bool,
}

/// One subscriber's end.
pub(crate) struct Subscription<P> {
    queue: Arc<Watched<Queue<P>>>,
    place: Place,
}

/// The task's side: all subscribers. Without one nothing is kept.
pub(crate) struct Subscribers<P>(Mutex<List<P>>);

struct List<P> {
    queues: Vec<Weak<Watched<Queue<P>>>>,
    ended: bool,
}

impl<P: Pending> Subscription<P> {
    /// The next item; `None` when all has ended and everything is taken. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<P::Item> {
        poll_fn(|cx| self.poll(cx)).await
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<P::Item>> {
        self.queue.poll(&mut self.place, cx, |queue| {
            let item = queue.pending.take();
            (item.is_some() || queue.ended).then_some(item)
        })
    }

    #[cfg(test)]
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut P) -> T) -> T {
        self.queue.with(|queue| f(&mut queue.pending))
    }
}

impl<P> Drop for Subscription<P> {
    fn drop(&mut self) {
        self.queue.leave(&mut self.place);
    }
}

impl<P> Subscribers<P> {
    pub(crate) fn new() -> Self {
        Subscribers(Mutex::new(List {
            queues: Vec::new(),
            ended: false,
        }))
    }

    /// One more, from now on.
    pub(crate) fn subscribe(&self, pending: P) -> Subscription<P> {
        self.with(|list| {
            let queue = Arc::new(Watched::new(Queue {
                pending,
                ended: list.ended,
            }));
            list.queues.push(Arc::downgrade(&queue));
            Subscription {
                queue,
                place: Place::default(),
            }
        })
    }

    /// Changes what each has pending, and wakes those who wait.
    pub(crate) fn each(&self, mut f: impl FnMut(&mut P)) {
        for queue in self.living() {
            queue.update(|queue| f(&mut queue.pending));
        }
    }

    /// Ends all, of now and of later, after what they still hold.
    pub(crate) fn end(&self) {
        self.with(|list| list.ended = true);
        for queue in self.living() {
            queue.update(|queue| queue.ended = true);
        }
    }

    fn living(&self) -> Vec<Arc<Watched<Queue<P>>>> {
        self.with(|list| {
            list.queues.retain(|queue| queue.strong_count() > 0);
            list.queues.iter().filter_map(Weak::upgrade).collect()
        })
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.with(|list| list.queues.len())
    }

    fn with<T>(&self, f: impl FnOnce(&mut List<P>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
