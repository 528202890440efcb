//! Bytes that may be in flight at once: what makes a full stage slow down the ones before it.
//!
//! A permit travels with the bytes it stands for, from the request that fetches them to the stage that lets them go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::waits::Waits;

/// The grain of the budget. Coarser than a byte, so that a semaphore's 2²⁹ permits span 512 GiB.
const GRAIN_BYTES: usize = 1024;

/// A bound on bytes in flight, shared by clones.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    semaphore: Arc<Semaphore>,
    growth_lane: Arc<Mutex<()>>,
    total_grains: u32,
    peak_bytes: Arc<AtomicUsize>,
    waits: Waits,
}

/// Leave to hold so many bytes; given back on drop.
#[derive(Debug)]
pub struct BytePermit {
    budget: ByteBudget,
    held: OwnedSemaphorePermit,
    lane: Option<OwnedMutexGuard<()>>,
}

/// A value together with the permit for its bytes.
#[derive(Debug)]
pub struct Held<T> {
    /// What is held.
    pub value: T,
    /// The leave to hold it.
    pub permit: BytePermit,
}

impl ByteBudget {
    /// A budget of `bytes`, rounded down to whole KiB, at least one.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let grains = (bytes / GRAIN_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        let total_grains = u32::try_from(grains).unwrap_or(u32::MAX);
        Self {
            semaphore: Arc::new(Semaphore::new(total_grains as usize)),
            growth_lane: Arc::default(),
            total_grains,
            peak_bytes: Arc::default(),
            waits: Waits::default(),
        }
    }

    /// The same budget, whose waits for bytes are summed up there.
    #[must_use]
    pub fn noting(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Waits for leave to hold `bytes`. More than the whole budget is taken as the whole: such a thing goes alone.
    /// Cancel-safe: a dropped wait takes nothing.
    pub async fn acquire(&self, bytes: usize) -> BytePermit {
        let grains = self.grains(bytes);
        let semaphore = Arc::clone(&self.semaphore);
        let held = self.waits.during(semaphore.acquire_many_owned(grains)).await;
        let held = held.expect("the semaphore is never closed");
        self.note_peak();
        BytePermit { budget: self.clone(), held, lane: None }
    }

    /// Bytes held at this moment.
    #[must_use]
    pub fn in_use_bytes(&self) -> usize {
        (self.total_grains as usize - self.semaphore.available_permits()) * GRAIN_BYTES
    }

    /// The most bytes that were held at once, as seen whenever some were taken.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn note_peak(&self) {
        self.peak_bytes.fetch_max(self.in_use_bytes(), Ordering::Relaxed);
    }

    /// Bytes that may be held at once.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.total_grains as usize * GRAIN_BYTES
    }

    fn grains(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX).min(self.total_grains)
    }
}

impl BytePermit {
    /// Bytes that may be held under it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held.num_permits() * GRAIN_BYTES
    }

    /// Waits until it spans `bytes`, if it does not yet.
    ///
    /// Whoever grows holds the budget's one growth lane until [`Self::settle_at`]: two that hold a part each and
    /// wait for the rest would wait for ever. Hence the budget must be larger than all first reservations together
    /// with the largest growth.
    pub async fn grow_to(&mut self, bytes: usize) {
        let wanted = self.budget.grains(bytes) as usize;
        if wanted <= self.held.num_permits() {
            return;
        }
        let waits = self.budget.waits.clone();
        if self.lane.is_none() {
            self.lane = Some(waits.during(Arc::clone(&self.budget.growth_lane).lock_owned()).await);
        }
        let missing = u32::try_from(wanted - self.held.num_permits()).unwrap_or(u32::MAX);
        let semaphore = Arc::clone(&self.budget.semaphore);
        let more = waits.during(semaphore.acquire_many_owned(missing)).await;
        self.held.merge(more.expect("the semaphore is never closed"));
        self.budget.note_peak();
    }

    /// Whether it holds the growth lane, for which others may wait.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.lane.is_some()
    }

    /// Gives back what goes beyond `bytes`, and leaves the growth lane: the size is known now.
    pub fn settle_at(&mut self, bytes: usize) {
        let wanted = self.budget.grains(bytes) as usize;
        let beyond = self.held.num_permits().saturating_sub(wanted);
        drop(self.held.split(beyond));
        self.lane = None;
    }
}

impl<T> Held<T> {
    /// The same permit for what the value became.
    pub fn map<U>(self, become_other: impl FnOnce(T) -> U) -> Held<U> {
        Held { value: become_other(self.value), permit: self.permit }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_can_be_held_again() {
        let budget = ByteBudget::new(10 * 1024);
        let first = budget.acquire(8_000).await;
        assert_eq!((first.bytes(), budget.in_use_bytes()), (8 * 1024, 8 * 1024));
        let mut second = budget.acquire(1).await;
        second.settle_at(0);
        assert_eq!(budget.in_use_bytes(), 8 * 1024);
        drop(first);
        assert_eq!(budget.in_use_bytes(), 0);
    }

    #[tokio::test]
    async fn the_peak_is_the_most_that_was_held_at_once_and_stays() {
        let budget = ByteBudget::new(10 * 1024);
        assert_eq!(budget.peak_bytes(), 0);
        let first = budget.acquire(4 * 1024).await;
        let mut second = budget.acquire(1024).await;
        assert_eq!(budget.peak_bytes(), 5 * 1024);
        second.grow_to(3 * 1024).await;
        second.settle_at(2 * 1024);
        drop(first);
        let clone = budget.clone();
        drop(clone.acquire(4 * 1024).await);
        assert_eq!((budget.peak_bytes(), clone.peak_bytes()), (7 * 1024, 7 * 1024));
    }

    #[tokio::test]
    async fn more_than_the_budget_goes_alone_instead_of_never() {
        let budget = ByteBudget::new(4 * 1024);
        let all = budget.acquire(1 << 30).await;
        assert_eq!(all.bytes(), 4 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_grow_do_not_wait_for_each_other() {
        // Two readers reserve 1 of 6 KiB each and then grow to 5 in small steps.
        let budget = ByteBudget::new(6 * 1024);
        let reader = |budget: ByteBudget| async move {
            let mut permit = budget.acquire(1024).await;
            for kib in 2..=5 {
                permit.grow_to(kib * 1024).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            permit.settle_at(5 * 1024);
        };
        let both = futures_join(reader(budget.clone()), reader(budget.clone()));
        tokio::time::timeout(Duration::from_secs(5), both).await.expect("the growth lane lets one go first");
        assert_eq!(budget.in_use_bytes(), 0);
    }

    async fn futures_join(one: impl Future<Output = ()>, two: impl Future<Output = ()>) {
        tokio::join!(one, two);
    }
}
