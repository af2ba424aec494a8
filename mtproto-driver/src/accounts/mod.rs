//! Several accounts in one process.
//!
//! Does: [`Accounts`]: opens, lists, closes and deletes the accounts of a folder, each a session
//! file with a client of its own; tells what happens to all of them as one stream.
//! In: names. Out: clients, updates and events with the account's name.
//! Must not know: what the accounts are used for.
//! Spec: none.

mod error;
mod id;
mod merged;

use std::collections::BTreeMap;
use std::fs;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::{fmt, io, mem};

use futures_core::Stream;
use mtproto_proto::client::Snapshot;

pub use error::AccountsError;
pub use id::{AccountId, AccountIdError};

use merged::{Merged, Queue};

use crate::client::{Client, Event, Events, Incoming, Options, Updates};
use crate::session_file::{Cipher, SessionFile};
use crate::shared::Watched;
use crate::{Runtime, SessionFileError, Store};

/// What follows an account's name in the name of its file.
const SUFFIX: &str = ".session";

/// The accounts of a folder.
///
/// A handle: clone it freely. Each account has its own file, key, streams and task; what one does
/// or runs into is nothing to the others. The clients stay open until they are closed here, or
/// until the last handle of these accounts and of the client is gone.
///
/// ```no_run
/// # async fn example<R: mtproto_driver::Runtime>(
/// #     runtime: R,
/// #     config: mtproto_driver::client::Config,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use mtproto_driver::{AccountId, Accounts};
///
/// let accounts = Accounts::new(runtime, "accounts", config)?;
/// let mut updates = accounts.updates();
/// for id in accounts.list()? {
///     accounts.open(&id).await?;
/// }
/// accounts.open(&AccountId::new("one_more")?).await?;
/// while let Some((account, update)) = updates.next().await {
///     println!("{account}: {update:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Accounts<R: Runtime>(Arc<Inner<R>>);

struct Inner<R> {
    runtime: R,
    folder: PathBuf,
    options: Options,
    ciphers: Option<Ciphers>,
    state: Watched<State>,
}

type Ciphers = Box<dyn Fn(&AccountId) -> Box<dyn Cipher> + Send + Sync>;

#[derive(Default)]
struct State {
    accounts: BTreeMap<AccountId, Slot>,
    updates: Vec<Weak<Queue<Updates>>>,
    events: Vec<Weak<Queue<Events>>>,
}

#[derive(Default)]
struct Slot {
    client: Option<Client>,
    /// Somebody opens, closes or deletes it.
    busy: bool,
}

impl<R: Runtime> Accounts<R> {
    /// The accounts of this folder, which is made if it is not there. None is opened yet. The
    /// options are those of every client.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(
        runtime: R,
        folder: impl AsRef<Path>,
        options: impl Into<Options>,
    ) -> Result<Self, AccountsError> {
        Self::new_any(runtime, folder.as_ref(), options.into(), None)
    }

    /// The same with encrypted files; `ciphers` gives the cipher of each.
    ///
    /// # Errors
    /// As for [`new`](Accounts::new).
    pub fn new_with(
        runtime: R,
        folder: impl AsRef<Path>,
        options: impl Into<Options>,
        ciphers: impl Fn(&AccountId) -> Box<dyn Cipher> + Send + Sync + 'static,
    ) -> Result<Self, AccountsError> {
        let ciphers = Box::new(ciphers);
        Self::new_any(runtime, folder.as_ref(), options.into(), Some(ciphers))
    }

    fn new_any(
        runtime: R,
        folder: &Path,
        options: Options,
        ciphers: Option<Ciphers>,
    ) -> Result<Self, AccountsError> {
        make_folder(folder).map_err(|error| AccountsError::Folder {
            path: folder.to_owned(),
            error,
        })?;
        Ok(Accounts(Arc::new(Inner {
            runtime,
            folder: folder.to_owned(),
            options,
            ciphers,
            state: Watched::new(State::default()),
        })))
    }

    /// The accounts that are stored, open or not, by name.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<AccountId>, AccountsError> {
        let read = || -> io::Result<Vec<AccountId>> {
            let mut ids = Vec::new();
            for entry in fs::read_dir(&self.0.folder)? {
                let name = entry?.file_name();
                let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
                // What has another name is nothing of ours.
                ids.extend(id.and_then(|id| AccountId::new(id).ok()));
            }
            ids.sort();
            Ok(ids)
        };
        read().map_err(|error| AccountsError::Folder {
            path: self.0.folder.clone(),
            error,
        })
    }

    /// Opens an account, stored or new; the same client again while it is open. A new one is
    /// stored with its first key.
    ///
    /// # Errors
    /// Its file is of no use, or in use by another process; or the configuration contradicts
    /// itself.
    pub async fn open(&self, id: &AccountId) -> Result<Client, AccountsError> {
        let (claim, open) = self.claim(id).await;
        if let Some(client) = open.filter(|client| !has_ended(client)) {
            return Ok(client);
        }
        let inner = &self.0;
        let store = self.file(id)?;
        let opened = Client::open(&inner.runtime, inner.options.clone(), store).await;
        let client = opened.map_err(|error| AccountsError::Client {
            account: id.clone(),
            error,
        })?;
        claim.keep(&client);
        Ok(client)
    }

    /// The client of an account that is open.
    pub fn get(&self, id: &AccountId) -> Option<Client> {
        let slot = |state: &mut State| state.accounts.get(id)?.client.clone();
        self.0.state.with(slot).filter(|client| !has_ended(client))
    }

    /// The accounts that are open, with their clients, by name.
    pub fn opened(&self) -> Vec<(AccountId, Client)> {
        let mut opened = self.0.state.with(|state| state.opened());
        opened.retain(|(_, client)| !has_ended(client));
        opened
    }

    /// Closes an account in good order; nothing happens if it is not open.
    ///
    /// # Errors
    /// Not everything could be stored.
    pub async fn close(&self, id: &AccountId) -> Result<(), AccountsError> {
        let (claim, open) = self.claim(id).await;
        let Some(client) = open else {
            return Ok(());
        };
        claim.forget();
        client.close().await.map_err(|error| AccountsError::Client {
            account: id.clone(),
            error,
        })
    }

    /// Closes all accounts that are open, all at once, and returns when all are closed.
    ///
    /// # Errors
    /// The first that could not store everything; the others are closed all the same.
    pub async fn close_all(&self) -> Result<(), AccountsError> {
        let ids: Vec<_> = self.0.state.with(|state| {
            let ids = state.accounts.keys();
            ids.cloned().collect()
        });
        let mut closing: Vec<_> = ids.iter().map(|id| Box::pin(self.close(id))).collect();
        let mut result = Ok(());
        poll_fn(|cx| {
            closing.retain_mut(|close| match close.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(error)) => {
                    if result.is_ok() {
                        result = Err(error);
                    }
                    false
                }
            });
            if closing.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        result
    }

    /// Closes an account and deletes what is stored of it. The server still knows the login: sign
    /// out first if it is to end.
    ///
    /// # Errors
    /// Its file is in use by another process, or cannot be deleted.
    pub async fn delete(&self, id: &AccountId) -> Result<(), AccountsError> {
        let (claim, open) = self.claim(id).await;
        if let Some(client) = open {
            claim.forget();
            // Whether the rest was stored does not matter any more.
            _ = client.close().await;
        }
        SessionFile::delete_at(self.path(id)).map_err(|error| named(id, error))
    }

    /// Stores an account that comes from elsewhere, under a name that is free.
    ///
    /// # Errors
    /// [`AccountsError::Exists`] when the name is not free; the file cannot be written.
    pub async fn import(&self, id: &AccountId, account: &Snapshot) -> Result<(), AccountsError> {
        let (_claim, open) = self.claim(id).await;
        if open.is_some_and(|client| !has_ended(&client)) {
            return Err(AccountsError::Exists(id.clone()));
        }
        let mut file = self.file(id)?;
        let stored = file.load().map_err(|error| AccountsError::Client {
            account: id.clone(),
            error: error.into(),
        })?;
        if stored != Snapshot::new() {
            return Err(AccountsError::Exists(id.clone()));
        }
        file.replace(account).map_err(|error| named(id, error))
    }

    /// The updates of all accounts that are open, and of those that are opened later: see
    /// [`Updates`]. Asking for the next item says that the one before is handled.
    pub fn updates(&self) -> AccountUpdates {
        let queue = Queue::new();
        let opened = self.0.state.with(|state| {
            state.updates.retain(|queue| queue.strong_count() > 0);
            state.updates.push(Arc::downgrade(&queue));
            state.opened()
        });
        for (id, client) in opened {
            queue.join(id, client.updates());
        }
        AccountUpdates {
            merged: Merged::new(queue),
            last: None,
        }
    }

    /// What happens to all accounts that are open, and to those that are opened later: see
    /// [`Events`].
    pub fn events(&self) -> AccountEvents {
        let queue = Queue::new();
        let opened = self.0.state.with(|state| {
            state.events.retain(|queue| queue.strong_count() > 0);
            state.events.push(Arc::downgrade(&queue));
            state.opened()
        });
        for (id, client) in opened {
            queue.join(id, client.events());
        }
        AccountEvents(Merged::new(queue))
    }

    fn path(&self, id: &AccountId) -> PathBuf {
        self.0.folder.join(format!("{id}{SUFFIX}"))
    }

    fn file(&self, id: &AccountId) -> Result<SessionFile, AccountsError> {
        let path = self.path(id);
        let opened = match &self.0.ciphers {
            None => SessionFile::open(path),
            Some(ciphers) => SessionFile::open_with(path, ciphers(id)),
        };
        opened.map_err(|error| named(id, error))
    }

    /// Waits until nobody is at work on this account, and is then who is.
    async fn claim<'a>(&'a self, id: &'a AccountId) -> (Claim<'a>, Option<Client>) {
        let state = &self.0.state;
        let free = state.wait(|state| {
            let slot = state.accounts.entry(id.clone()).or_default();
            (!mem::replace(&mut slot.busy, true)).then(|| slot.client.clone())
        });
        let open = free.await;
        (Claim { state, id }, open)
    }
}

impl State {
    fn opened(&self) -> Vec<(AccountId, Client)> {
        let open = |(id, slot): (&AccountId, &Slot)| Some((id.clone(), slot.client.clone()?));
        self.accounts.iter().filter_map(open).collect()
    }
}

/// Who is at work on an account; others wait.
struct Claim<'a> {
    state: &'a Watched<State>,
    id: &'a AccountId,
}

impl Claim<'_> {
    /// This one is open now, and heard by those who listen to all.
    fn keep(&self, client: &Client) {
        let (updates, events) = self.state.with(|state| {
            let slot = state.accounts.entry(self.id.clone()).or_default();
            slot.client = Some(client.clone());
            let updates: Vec<_> = state.updates.iter().filter_map(Weak::upgrade).collect();
            let events: Vec<_> = state.events.iter().filter_map(Weak::upgrade).collect();
            (updates, events)
        });
        for queue in updates {
            queue.join(self.id.clone(), client.updates());
        }
        for queue in events {
            queue.join(self.id.clone(), client.events());
        }
    }

    fn forget(&self) {
        self.state.with(|state| {
            let slot = state.accounts.get_mut(self.id);
            drop(slot.and_then(|slot| slot.client.take()));
        });
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.state.update(|state| {
            if let Some(slot) = state.accounts.get_mut(self.id) {
                slot.busy = false;
                if slot.client.is_none() {
                    state.accounts.remove(self.id);
                }
            }
        });
    }
}

impl<R> Drop for Inner<R> {
    fn drop(&mut self) {
        let (updates, events) = self.state.with(|state| {
            let updates: Vec<_> = state.updates.iter().filter_map(Weak::upgrade).collect();
            let events: Vec<_> = state.events.iter().filter_map(Weak::upgrade).collect();
            (updates, events)
        });
        updates.iter().for_each(|queue| queue.end());
        events.iter().for_each(|queue| queue.end());
    }
}

/// The updates of all accounts of an [`Accounts`], each account's in order; accounts take turns.
///
/// Ends when the last handle of the accounts is gone and all clients have ended.
pub struct AccountUpdates {
    merged: Merged<Updates>,
    /// The stream whose item was given last.
    last: Option<u64>,
}

impl AccountUpdates {
    /// The next item; what was returned before counts as handled.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<(AccountId, Incoming)> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Says that what was returned before is handled, without asking for more.
    pub fn handled(&mut self) {
        if let Some(stream) = self.last.take().and_then(|key| self.merged.stream(key)) {
            stream.handled();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(AccountId, Incoming)>> {
        self.handled();
        self.merged.poll(cx).map(|item| {
            let (key, account, item) = item?;
            self.last = Some(key);
            Some((account, item))
        })
    }
}

impl Stream for AccountUpdates {
    type Item = (AccountId, Incoming);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// What happens to all accounts of an [`Accounts`].
///
/// Ends when the last handle of the accounts is gone and all clients have ended.
pub struct AccountEvents(Merged<Events>);

impl AccountEvents {
    /// The next event.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<(AccountId, Event)> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(AccountId, Event)>> {
        self.0
            .poll(cx)
            .map(|item| item.map(|(_, account, event)| (account, event)))
    }
}

impl Stream for AccountEvents {
    type Item = (AccountId, Event);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl<R: Runtime> Clone for Accounts<R> {
    fn clone(&self) -> Self {
        Accounts(self.0.clone())
    }
}

impl<R: Runtime> fmt::Debug for Accounts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<_> = self.opened().into_iter().map(|(id, _)| id).collect();
        f.debug_struct("Accounts")
            .field("folder", &self.0.folder)
            .field("open", &open)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccountUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountUpdates(..)")
    }
}

impl fmt::Debug for AccountEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountEvents(..)")
    }
}

/// Whether it was closed, by whomever.
fn has_ended(client: &Client) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(client.closed()).poll(&mut cx).is_ready()
}

fn named(account: &AccountId, error: SessionFileError) -> AccountsError {
    AccountsError::File {
        account: account.clone(),
        error,
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
