//! What a client's handles and its task share.
//!
//! Does: [`Command`] on the way to the task, [`Status`] on the way back, the end of both.
//! In and out: see there.
//! Must not know: what a command leads to.
//! Spec: none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::client::{Account, CallOptions, Client as Machine, DcTable};
use mtproto_proto::{DcId, Fate, RequestId, Time};

use super::error::{CloseReason, Error, Trouble};
use super::events::Recent;
use super::log::Log;
use super::updates::Incoming;
use crate::StoreError;
use crate::shared::{Gone, Inbox, Reply, Subscribers, Watched};

/// What comes of a call.
pub(crate) type Answered = Result<Bytes, Error>;

/// Something to do with the machine; an error when there is none any more.
pub(crate) type Job = Box<dyn FnOnce(Result<(&mut Machine, Time), Error>) + Send>;

/// What handles ask for.
pub(crate) enum Command {
    Send {
        body: Bytes,
        options: CallOptions,
        reply: Reply<Answered>,
        /// Who wants the call's name.
        taken: Option<Reply<Result<RequestId, Error>>>,
    },
    Cancel(Gone<Answered>),
    Do(Job),
    /// Look at the log.
    Updates,
    Close,
}

/// What the handles and the task share.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox<Command, CloseReason>,
    pub(crate) status: Watched<Status>,
    pub(crate) log: Watched<Log<Incoming>>,
    pub(crate) events: Subscribers<Recent>,
    /// Events that wait for each subscriber.
    pub(crate) event_queue: usize,
}

/// How the client is.
pub(crate) struct Status {
    pub(crate) account: Option<Account>,
    pub(crate) main_dc: DcId,
    pub(crate) dcs: Arc<DcTable>,
    /// DCs that have proved themselves over the stream at hand.
    pub(crate) connected: BTreeSet<DcId>,
    /// What the others ran into last.
    pub(crate) trouble: BTreeMap<DcId, Trouble>,
    pub(crate) ended: Option<CloseReason>,
    /// What the store did not take at the end.
    pub(crate) unstored: Option<StoreError>,
}

impl Status {
    pub(crate) fn new(machine: &Machine) -> Self {
        Status {
            account: machine.account().cloned(),
            main_dc: machine.main_dc(),
            dcs: Arc::new(machine.dcs().clone()),
            connected: BTreeSet::new(),
            trouble: BTreeMap::new(),
            ended: None,
            unstored: None,
        }
    }
}

/// Ends the client for its handles, once.
pub(crate) fn end(shared: &Shared, reason: CloseReason, unstored: Option<StoreError>) {
    let Some(left) = shared.inbox.close(reason) else {
        return;
    };
    for command in left {
        match command {
            Command::Send { reply, taken, .. } => {
                let cut = || Error::Cut {
                    fate: Fate::NotSent,
                    reason,
                };
                if let Some(taken) = taken {
                    taken.set(Err(cut()));
                }
                reply.set(Err(cut()));
            }
            Command::Do(job) => job(Err(Error::Closed(reason))),
            Command::Cancel(_) | Command::Updates | Command::Close => {}
        }
    }
    shared.status.update(|status| {
        status.ended = Some(reason);
        status.unstored = unstored;
        status.connected.clear();
    });
    shared.log.update(Log::finish);
    shared.events.end();
}

/// Should the runtime drop the task, nobody is left waiting.
pub(crate) struct Guard(pub(crate) Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        end(&self.0, CloseReason::Aborted, None);
    }
}
