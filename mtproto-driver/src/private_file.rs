//! Files that hold keys: what they have in common.
//!
//! Does: locks them, makes them readable by their owner only, replaces them whole.
//! In: paths and bytes. Out: open files, errors of the operating system.
//! Must not know: what the bytes are.
//! Spec: none.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often a lock file may vanish under our hands: only its deletion makes it vanish, and who
/// deletes it has the lock.
const LOCK_ATTEMPTS: u32 = 16;

/// A lock, until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a process that another thread starts at this moment has the same
        // open file until it is another program.
        _ = self.0.unlock();
    }
}

/// Takes the lock of `path`; `None`: somebody else has it. The lock is a file of its own,
/// `<path>.lock`: replacing what it guards would replace what is locked.
pub(crate) fn lock(path: &Path) -> io::Result<Option<Lock>> {
    let name = beside(path, LOCK);
    for _ in 0..LOCK_ATTEMPTS {
        let lock = private().create(true).truncate(false).open(&name)?;
        match lock.try_lock() {
            Ok(()) if is_at(&lock, &name)? => return Ok(Some(Lock(lock))),
            // Deleted between our opening and our locking: it guards nothing any more.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("its lock file is deleted again and again"))
}

/// Writes a new file and puts it in the place of `path`: after a crash at any moment that is the
/// old file or the new one. The new one is returned, for more to be written; it lasts over a loss
/// of power after [`sync_folder`].
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let temporary = beside(path, TEMPORARY);
    // What a crash left behind may be readable by others.
    remove(&temporary)?;
    let mut file = private().read(true).create_new(true).open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // A full disk is not to be filled further.
        _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(file)
}

/// Makes a rename or a deletion last over a loss of power.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder(path))?.sync_all()?;
    }
    Ok(())
}

/// Deletes the file, what a crash left beside it, and its lock: whoever calls this has the lock.
#[cfg(feature = "client")]
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    remove(path)?;
    remove(&beside(path, TEMPORARY))?;
    if cfg!(unix) {
        remove(&beside(path, LOCK))?;
    }
    sync_folder(path)
}

/// Takes the rights of everybody but the owner away.
#[cfg(feature = "client")]
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// The one name of a file, so that two ways to write it lead to one lock. The file need not exist,
/// its folder must.
pub(crate) fn one_name(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(folder(path).canonicalize()?.join(name))
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What follows a file's name in the name of its lock.
const LOCK: &str = ".lock";

/// What follows a file's name in the name of the one that is to replace it.
const TEMPORARY: &str = ".tmp";

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Options for a file that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Whether the open file is the one of that name. Where files do not tell, lock files are never
/// deleted.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let ours = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}
