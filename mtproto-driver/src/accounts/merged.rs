//! Many accounts' streams as one.
//!
//! Does: [`Merged`]: polls only the streams that have something, each in its turn, and takes in
//! those that come later. A thousand idle accounts cost nothing when one of them speaks.
//! In: streams with their accounts. Out: items with their accounts.
//! Must not know: what the items are.
//! Spec: none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use super::AccountId;

/// The reader's end.
pub(super) struct Merged<S> {
    queue: Arc<Queue<S>>,
    streams: BTreeMap<u64, Member<S>>,
    next: u64,
}

struct Member<S> {
    account: AccountId,
    stream: S,
    waker: Waker,
}

/// The other end: streams to take in, and those that have something.
pub(super) struct Queue<S> {
    coming: Mutex<Coming<S>>,
    ready: Arc<Ready>,
}

struct Coming<S> {
    streams: Vec<(AccountId, S)>,
    ended: bool,
}

#[derive(Default)]
struct Ready(Mutex<Turns>);

#[derive(Default)]
struct Turns {
    /// Who is next.
    order: VecDeque<u64>,
    /// The same, for each is there at most once.
    waiting: BTreeSet<u64>,
    reader: Option<Waker>,
}

/// Gives one stream its turn.
struct Turn {
    key: u64,
    ready: Arc<Ready>,
}

impl<S> Queue<S> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Queue {
            coming: Mutex::new(Coming {
                streams: Vec::new(),
                ended: false,
            }),
            ready: Arc::default(),
        })
    }

    /// One more.
    pub(super) fn join(&self, account: AccountId, stream: S) {
        lock(&self.coming).streams.push((account, stream));
        self.ready.wake();
    }

    /// No more come.
    pub(super) fn end(&self) {
        lock(&self.coming).ended = true;
        self.ready.wake();
    }
}

impl<S: Stream + Unpin> Merged<S> {
    pub(super) fn new(queue: Arc<Queue<S>>) -> Self {
        Merged {
            queue,
            streams: BTreeMap::new(),
            next: 0,
        }
    }

    /// The stream that these items come from.
    pub(super) fn stream(&mut self, key: u64) -> Option<&mut S> {
        self.streams.get_mut(&key).map(|member| &mut member.stream)
    }

    /// The next item, with its stream's key and account; `None` when all have ended and no more
    /// come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, AccountId, S::Item)>> {
        // Before the looking, so that nothing is missed after it.
        self.queue.ready.wait(cx);
        let ended = self.take_in();
        while let Some(key) = self.queue.ready.next() {
            // It may have ended since.
            let Some(member) = self.streams.get_mut(&key) else {
                continue;
            };
            let mut cx = Context::from_waker(&member.waker);
            match Pin::new(&mut member.stream).poll_next(&mut cx) {
                Poll::Pending => {}
                Poll::Ready(Some(item)) => {
                    self.queue.ready.add(key);
                    return Poll::Ready(Some((key, member.account.clone(), item)));
                }
                Poll::Ready(None) => _ = self.streams.remove(&key),
            }
        }
        if ended && self.streams.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn take_in(&mut self) -> bool {
        let (streams, ended) = {
            let mut coming = lock(&self.queue.coming);
            (std::mem::take(&mut coming.streams), coming.ended)
        };
        for (account, stream) in streams {
            let key = self.next;
            self.next = self.next.wrapping_add(1);
            let ready = self.queue.ready.clone();
            let member = Member {
                account,
                stream,
                waker: Waker::from(Arc::new(Turn { key, ready })),
            };
            self.streams.insert(key, member);
            self.queue.ready.add(key);
        }
        ended
    }
}

impl Ready {
    fn wait(&self, cx: &Context<'_>) {
        let mut turns = lock(&self.0);
        match &mut turns.reader {
            Some(waker) => waker.clone_from(cx.waker()),
            None => turns.reader = Some(cx.waker().clone()),
        }
    }

    fn add(&self, key: u64) {
        let mut turns = lock(&self.0);
        if turns.waiting.insert(key) {
            turns.order.push_back(key);
        }
    }

    fn next(&self) -> Option<u64> {
        let mut turns = lock(&self.0);
        let key = turns.order.pop_front()?;
        turns.waiting.remove(&key);
        Some(key)
    }

    fn wake(&self) {
        let reader = lock(&self.0).reader.take();
        // A waker may do anything, so not under the lock.
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.ready.add(self.key);
        self.ready.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
