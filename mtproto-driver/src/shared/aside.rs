//! Computing beside the runtime.
//!
//! Does: [`aside`], a job on a thread of its own.
//! In: a job that computes for long. Out: its result.
//! Must not know: which runtime waits for it.
//! Spec: none.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::watched::Watched;

/// Runs a job that would keep a thread of the runtime, with all its other tasks, for some tens of
/// milliseconds. Where no thread is to be had it runs in the caller's task. A job that panics does
/// so for the caller.
pub(crate) async fn aside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    // Whoever comes first runs it: the thread, or the caller if there is none.
    let job = Arc::new(Mutex::new(Some(job)));
    let result = Arc::new(Watched::new(None));
    let run = {
        let (job, result) = (job.clone(), result.clone());
        move || {
            let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(job) = job {
                let done = catch_unwind(AssertUnwindSafe(job));
                result.update(|slot| *slot = Some(done));
            }
        }
    };
    let thread = thread::Builder::new().name("mtproto".into());
    if thread.spawn(run.clone()).is_err() {
        run();
    }
    match result.wait(Option::take).await {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Wake, Waker};

    struct Woken(mpsc::SyncSender<()>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            _ = self.0.try_send(());
        }
    }

    #[test]
    fn the_caller_is_not_kept_and_gets_the_result() {
        let (go, wait) = mpsc::channel::<()>();
        let (tell, woken) = mpsc::sync_channel(1);
        let waker = Waker::from(Arc::new(Woken(tell)));
        let mut cx = Context::from_waker(&waker);
        let mut job = pin!(aside(move || {
            wait.recv().unwrap();
            thread::current().name().map(str::to_owned)
        }));
        assert_eq!(job.as_mut().poll(&mut cx), Poll::Pending);
        go.send(()).unwrap();
        woken.recv().unwrap();
        let name = Some("mtproto".to_owned());
        assert_eq!(job.as_mut().poll(&mut cx), Poll::Ready(name));
    }
}
