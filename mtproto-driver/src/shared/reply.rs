//! One answer on its way from a task to a future.
//!
//! Does: [`Reply`], the task's end, and [`Answer`], the caller's. Dropping either tells the other.
//! In: a result. Out: the same, once.
//! Must not know: what was asked.
//! Spec: none.

use std::sync::{Arc, OnceLock};

use mtproto_proto::RequestId;

use super::watched::Watched;

/// A result that can say that the task is gone.
pub(crate) trait Aborted {
    /// The runtime dropped the task before it had an answer.
    fn aborted() -> Self;
}

/// The task's end. Dropped without an answer, it says that the task is gone.
pub(crate) struct Reply<T: Aborted>(Arc<Slot<T>>);

/// The caller's end.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

/// Names a call whose caller has gone.
pub(crate) struct Gone<T>(Arc<Slot<T>>);

struct Slot<T> {
    result: Watched<Option<T>>,
    /// Set by the task when the machine has taken the request.
    id: OnceLock<RequestId>,
}

pub(crate) fn reply<T: Aborted>() -> (Reply<T>, Answer<T>) {
    let slot = Arc::new(Slot {
        result: Watched::new(None),
        id: OnceLock::new(),
    });
    (Reply(slot.clone()), Answer(slot))
}

impl<T: Aborted> Reply<T> {
    pub(crate) fn set(self, result: T) {
        self.0.result.update(|slot| *slot = Some(result));
    }

    pub(crate) fn taken_as(&self, id: RequestId) {
        // It is taken once.
        _ = self.0.id.set(id);
    }
}

impl<T: Aborted> Drop for Reply<T> {
    fn drop(&mut self) {
        self.0.result.update(|slot| {
            slot.get_or_insert_with(T::aborted);
        });
    }
}

impl<T> Answer<T> {
    pub(crate) async fn wait(&self) -> T {
        self.0.result.wait(Option::take).await
    }

    pub(crate) fn gone(&self) -> Gone<T> {
        Gone(self.0.clone())
    }
}

impl<T> Gone<T> {
    /// The request, if the machine has taken it.
    pub(crate) fn id(&self) -> Option<RequestId> {
        self.0.id.get().copied()
    }
}
