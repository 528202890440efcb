//! The one bridge between the I/O threads of tokio and the CPU threads of rayon.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

/// Threads for CPU work, so that no I/O thread computes and no CPU thread waits.
#[derive(Clone)]
pub struct ComputePool {
    pool: Arc<rayon::ThreadPool>,
}

/// The pool could not start its threads.
#[derive(Debug, thiserror::Error)]
#[error("start the compute threads")]
pub struct PoolError(#[source] rayon::ThreadPoolBuildError);

/// A job panicked. That is a defect of ours: the caller names what the job was working on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("finish a computation, which panicked: {0}")]
pub struct JobPanicked(pub String);

impl ComputePool {
    /// A pool of `threads`; 0 means one for each core.
    pub fn new(threads: usize) -> Result<Self, PoolError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("compute-{index}"))
            .build()
            .map_err(PoolError)?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Its threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs a job on a compute thread and waits for it without holding up an I/O thread.
    ///
    /// Cancelling the wait does not stop a job that has begun; its result is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobPanicked> {
        let (sender, receiver) = oneshot::channel();
        self.pool.spawn(move || {
            let outcome =
                catch_unwind(AssertUnwindSafe(job)).map_err(|panic| JobPanicked(panic_text(&*panic)));
            // Nobody waits any more: the result has no owner.
            drop(sender.send(outcome));
        });
        receiver.await.unwrap_or_else(|_| Err(JobPanicked("its thread is gone".into())))
    }
}

impl std::fmt::Debug for ComputePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComputePool").field("threads", &self.threads()).finish()
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    text.or(owned).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_pool_lives_on() {
        let pool = ComputePool::new(1).unwrap();
        let panicked = pool.run(|| -> u32 { panic!("page 7") }).await;
        assert_eq!(panicked, Err(JobPanicked("page 7".into())));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }
}
