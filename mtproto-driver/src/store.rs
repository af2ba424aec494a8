//! Where one account is kept.
//!
//! Does: [`Store`], what a client asks of a place to keep its account; [`MemorySession`], a place
//! that ends with the process unless its text is taken elsewhere.
//! In: changes, in the order in which they happened. Out: all of them folded, at the next start.
//! Must not know: what is in a change.
//! Spec: none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{error, fmt};

use mtproto_proto::client::{Change, Snapshot, SnapshotError};
use zeroize::Zeroizing;

/// One account's place. [`SessionFile`](crate::SessionFile) and [`MemorySession`] are two; a row
/// of a database can be a third.
///
/// A store must not serve two clients at once: two users of one key get it destroyed
/// (`AUTH_KEY_DUPLICATED`).
pub trait Store: Send + 'static {
    /// Everything that is kept; [`Snapshot::new`] when nothing is. Called once, before anything
    /// else.
    ///
    /// # Errors
    /// What is kept cannot be read. The client does not start then, and what is kept stays as it
    /// is.
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Keeps what changed: all of it or, when it fails, none. Called from the client's task, a
    /// batch at a time, so it should take milliseconds.
    ///
    /// A batch with [`Key::Account`](mtproto_proto::client::Key::Account) or
    /// [`Key::Dc`](mtproto_proto::client::Key::Dc) must be kept for good when this returns: without
    /// it the login is lost. The rest only costs a repeated question to the server when it is lost.
    ///
    /// # Errors
    /// It could not be kept. The changes are still the client's; nobody gives them again.
    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        (**self).load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        (**self).apply(changes)
    }
}

/// Why a [`Store`] failed: the store's own error.
#[derive(Clone, Debug)]
pub struct StoreError(Arc<dyn error::Error + Send + Sync>);

impl StoreError {
    /// From the store's own error, or a text.
    pub fn new(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        StoreError(Arc::from(error.into()))
    }

    /// The store's own error, if it is of this type:
    /// [`SessionFileError`](crate::SessionFileError) for files.
    pub fn downcast_ref<E: error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source()
    }
}

/// An account in memory: for tests, and for who keeps its text in a place of their own.
///
/// A handle: a clone is the same account, so that [`to_text`](MemorySession::to_text) tells what a
/// client did with the other clone.
///
/// ```no_run
/// # fn example(text: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use mtproto_driver::MemorySession;
///
/// let session = MemorySession::from_text(text)?;
/// // … a client works with `session.clone()`, and then:
/// println!("{}", *session.to_text()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemorySession(Arc<Mutex<Snapshot>>);

impl MemorySession {
    /// Of nobody yet.
    pub fn new() -> Self {
        MemorySession::default()
    }

    /// Of [`to_text`](MemorySession::to_text), or of
    /// [`SessionFile::to_text`](crate::SessionFile::to_text).
    ///
    /// # Errors
    /// The text is something else, damaged, or of a newer release.
    pub fn from_text(text: &str) -> Result<Self, SnapshotError> {
        Ok(Snapshot::from_text(text)?.into())
    }

    /// Everything that is kept, as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// The same as text. Secret: it is the login.
    ///
    /// # Errors
    /// It is larger than an account can be.
    pub fn to_text(&self) -> Result<Zeroizing<String>, SnapshotError> {
        self.lock().to_text()
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Snapshot> for MemorySession {
    fn from(snapshot: Snapshot) -> Self {
        MemorySession(Arc::new(Mutex::new(snapshot)))
    }
}

impl Store for MemorySession {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(self.snapshot())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut snapshot = self.lock();
        for change in changes {
            snapshot.apply(change.clone());
        }
        Ok(())
    }
}

impl fmt::Debug for MemorySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySession")
            .field("entries", &self.lock().iter().count())
            .finish()
    }
}
