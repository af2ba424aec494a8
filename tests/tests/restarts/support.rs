//! What the suites share: patience, folders.

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use mtproto_driver::Runtime;
use mtproto_proto::DcId;

/// No test takes longer, whatever goes wrong.
pub const PATIENCE: Duration = Duration::from_secs(100);
/// How long a test sleeps before it looks again whether something has happened.
pub const GLANCE: Duration = Duration::from_millis(2);
pub const DC: DcId = DcId(2);
pub const DC_4: DcId = DcId(4);

/// Polls a future for a while.
pub async fn ready_within<R: Runtime, T>(
    rt: &R,
    time: Duration,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> bool {
    let mut sleep = pin!(rt.sleep_until(rt.now() + time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| false),
    })
    .await
}

pub async fn pause<R: Runtime>(rt: &R, time: Duration) {
    rt.sleep_until(rt.now() + time).await;
}

pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    futures_util::future::join(a, b).await
}

/// A folder that is gone at the end of the test, unless it failed: the log may say why.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("restarts-{}-{n}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("see {}", self.0.display());
        } else {
            _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
