//! The order of a list. Graph documents none: a client that relies on the one that is usually seen is found out.

use crate::history::History;
use crate::random::{Chance, Purpose};

/// In which order a user's records come. Every page of every list is in it, whatever its filter, so that paging by offset
/// gives each record once.
///
/// A page in another order than the newest first costs a look at the whole list, not at its own records alone. Where a
/// list changes while it is read, the first records of its order stand for its newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ListOrder {
    /// As the samples of Graph's documentation show it.
    #[default]
    NewestFirst,
    /// The other way round.
    OldestFirst,
    /// In an order that the tenant's seed and the user decide, and that has nothing to do with time.
    Shuffled,
}

impl ListOrder {
    /// Puts the positions of a list, newest first, in this order.
    pub(super) fn arrange(self, history: &History, newest_first: &mut [u64]) {
        match self {
            Self::NewestFirst => {}
            Self::OldestFirst => newest_first.reverse(),
            Self::Shuffled => newest_first.sort_by_cached_key(|position| {
                let place = [u64::from(history.user), *position];
                Chance::at(history.seed, Purpose::ListOrder, place).bits()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ListOrder;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    fn arranged(tenant: &Tenant, user: u32, order: ListOrder, mut positions: Vec<u64>) -> Vec<u64> {
        order.arrange(&tenant.history(user), &mut positions);
        positions
    }

    #[test]
    fn every_order_has_the_same_positions() {
        let tenant = Tenant::new(TenantSpec::default()).unwrap();
        let newest_first: Vec<u64> = (0..100).rev().collect();
        let of = |user, order| arranged(&tenant, user, order, newest_first.clone());
        assert_eq!(of(0, ListOrder::NewestFirst), newest_first);
        assert!(of(0, ListOrder::OldestFirst).into_iter().eq(0..100));
        let shuffled = of(0, ListOrder::Shuffled);
        assert!(!shuffled.is_sorted() && !shuffled.iter().rev().is_sorted());
        assert_ne!(shuffled, of(1, ListOrder::Shuffled), "each user has an order of their own");
        let mut sorted = shuffled.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
        let filtered = newest_first.iter().copied().filter(|position| position % 3 == 0).collect();
        let kept: Vec<u64> = shuffled.into_iter().filter(|position| position % 3 == 0).collect();
        assert_eq!(arranged(&tenant, 0, ListOrder::Shuffled, filtered), kept, "a filter only leaves out");
    }
}
