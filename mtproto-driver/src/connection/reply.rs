//! One answer on its way from the task to a future.
//!
//! Does: [`Reply`], the task's end, and [`Answer`], the caller's. Dropping either tells the other.
//! In: a result. Out: the same, once.
//! Must not know: what was asked.
//! Spec: none.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mtproto_proto::RequestId;

use super::error::{CloseReason, Error};
use super::watched::Watched;

/// The task's end. Dropped without an answer, it says that the connection is gone.
pub(crate) struct Reply(Arc<Slot>);

/// The caller's end.
pub(crate) struct Answer(Arc<Slot>);

/// Names a call whose caller has gone.
pub(crate) struct Gone(Arc<Slot>);

struct Slot {
    result: Watched<Option<Result<Bytes, Error>>>,
    /// Set by the task when the machine has taken the request.
    id: OnceLock<RequestId>,
}

pub(crate) fn reply() -> (Reply, Answer) {
    let slot = Arc::new(Slot {
        result: Watched::new(None),
        id: OnceLock::new(),
    });
    (Reply(slot.clone()), Answer(slot))
}

impl Reply {
    pub(crate) fn set(self, result: Result<Bytes, Error>) {
        self.0.result.update(|slot| *slot = Some(result));
    }

    pub(crate) fn taken_as(&self, id: RequestId) {
        // It is taken once.
        _ = self.0.id.set(id);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.result.update(|slot| {
            slot.get_or_insert(Err(Error::Closed(CloseReason::Aborted)));
        });
    }
}

impl Answer {
    pub(crate) async fn wait(&self) -> Result<Bytes, Error> {
        self.0.result.wait(Option::take).await
    }

    pub(crate) fn gone(&self) -> Gone {
        Gone(self.0.clone())
    }
}

impl Gone {
    /// The request, if the machine has taken it.
    pub(crate) fn id(&self) -> Option<RequestId> {
        self.0.id.get().copied()
    }
}
