//! One account's keys serve one client, and nobody else reads them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use mtproto_driver::{SessionFile, SessionFileError, Store};

use crate::support::{Folder, account, updates};

const HOLD: &str = "MTPROTO_TEST_HOLD";

/// Not a test by itself: the other process of those below.
#[test]
fn holds_a_session_file() {
    let Some(path) = std::env::var_os(HOLD) else {
        return;
    };
    let _file = SessionFile::open(path).unwrap();
    println!("\nheld");
    // Until the test closes our input, or kills us.
    _ = std::io::stdin().read(&mut [0]);
}

/// Another process that has the file open.
struct Holder {
    child: Child,
    /// It says more when it ends.
    _output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locks::holds_a_session_file", "--nocapture"])
            .env(HOLD, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let held = (&mut output).lines().any(|line| line.unwrap() == "held");
        assert!(held, "it did not open the file");
        Holder {
            child,
            _output: output,
        }
    }

    fn ends(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn dies(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn is_locked(path: impl AsRef<Path>) -> bool {
    match SessionFile::open(path) {
        Ok(_) => false,
        Err(SessionFileError::Locked { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn two_handles_of_one_process_do_not_share_a_file() {
    let folder = Folder::new();
    let mut first = SessionFile::open(folder.file()).unwrap();
    assert!(is_locked(folder.file()));
    first.apply(&[account(7)]).unwrap();
    assert!(is_locked(folder.file()));
    // Not even after the file was written again.
    first.compact().unwrap();
    first.apply(&[updates(7)]).unwrap();
    assert!(is_locked(folder.file()));
    drop(first);
    assert!(!is_locked(folder.file()));
}

#[test]
fn two_processes_do_not_share_a_file_and_one_that_dies_leaves_it() {
    let folder = Folder::new();
    let holder = Holder::start(&folder.file());
    assert!(is_locked(folder.file()));
    holder.ends();
    assert!(!is_locked(folder.file()));

    let holder = Holder::start(&folder.file());
    assert!(is_locked(folder.file()));
    holder.dies();
    assert!(!is_locked(folder.file()));
}

#[cfg(unix)]
#[test]
fn all_names_of_a_file_lead_to_one_lock() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    assert!(is_locked(&link));
    assert!(is_locked(folder.path().join(".").join("a.session")));
    drop(file);
    // Through the link the file is written, not the link.
    let mut file = SessionFile::open(&link).unwrap();
    file.apply(&[updates(1)]).unwrap();
    file.compact().unwrap();
    drop(file);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let kept = SessionFile::open(folder.file()).unwrap().load().unwrap();
    assert_eq!(kept.iter().count(), 2);
}

#[cfg(unix)]
#[test]
fn who_waited_for_the_lock_of_a_deleted_file_does_not_share_the_next_one() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    file.delete().unwrap();
    let _next = SessionFile::open(folder.file()).unwrap();
    assert!(is_locked(folder.file()));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = Folder::new();
    let path = folder.file();
    let mut file = SessionFile::open(&path).unwrap();
    file.apply(&[account(7)]).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path().join("a.session.lock")), 0o600);
    file.compact().unwrap();
    assert_eq!(mode(&path), 0o600);
    drop(file);
    // A careless copy is mended.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _file = SessionFile::open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}
