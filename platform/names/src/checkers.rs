//! Threads beside the one that asks, for answers with signatures.
//!
//! A domain can be made so that to check it takes as long as one lets it, and each step of that is long (CVE-2023-50387). So it
//! is done elsewhere, for a while, and given up: the thread that asks goes on with the names of others.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How many names may be made so at once before others wait for their time to be over.
const THREADS: usize = 4;

/// The threads. They end with this, whatever they are at.
pub(crate) struct Checkers(Option<Runtime>);

impl Checkers {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("names-check").enable_all().build().map(Some).map(Self)
    }

    /// Does this there, for so long. `None`: it was given up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Task(self.0.as_ref()?.spawn(work));
        tokio::time::timeout(patience, &mut task.0).await.ok()?.ok()
    }
}

impl Drop for Checkers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What is not waited for any more is not done any more, from its next step on.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    /// One step of it takes longer than anybody waits, and there is always another.
    async fn without_end(goes_on: Arc<AtomicBool>) {
        while goes_on.load(Relaxed) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn what_never_ends_holds_up_nobody() {
        let goes_on = Arc::new(AtomicBool::new(true));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let checkers = Checkers::start().expect("threads");
            let evil = checkers.run(Duration::from_millis(50), without_end(Arc::clone(&goes_on)));
            let other = checkers.run(Duration::from_secs(20), async { 7 });
            assert_eq!(tokio::join!(evil, other), (None, Some(7)));
            drop(checkers); // while it goes on
        });
        goes_on.store(false, Relaxed);
    }
}
