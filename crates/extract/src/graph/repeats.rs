//! Records that come more than once within one list: a sign that it moved while it was read.
//!
//! Pages are found by an offset, so whatever is added before a place puts records of one page onto the next one as well,
//! and whatever goes lets others be skipped. The first can be seen here, the second only by reading the list again.

use std::collections::{HashSet, VecDeque};

/// A list moves by what arrives between two of its pages: a hundred pages of a hundred records are far more. It takes
/// about 250 kB of each reader.
const REMEMBERED_MAX: usize = 10_000;

/// The records of a list that came last, as hashes of their bytes.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    seen: HashSet<u64>,
    in_order: VecDeque<u64>,
}

impl Repeats {
    /// Takes the records of a page, and says how many of them came with an earlier one. What a page holds twice says
    /// nothing: it is of one moment.
    pub(crate) fn take(&mut self, hashes: &[u64]) -> u64 {
        let repeated = hashes.iter().filter(|hash| self.seen.contains(hash)).count();
        for hash in hashes {
            if !self.seen.insert(*hash) {
                continue;
            }
            self.in_order.push_back(*hash);
            if self.in_order.len() > REMEMBERED_MAX
                && let Some(oldest) = self.in_order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
        repeated as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_came_before_are_counted_as_far_as_they_are_remembered() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.take(&[1, 2, 3]), 0);
        assert_eq!(repeats.take(&[3, 4, 4]), 1, "two of one page are no sign");
        let many: Vec<u64> = (10..10 + REMEMBERED_MAX as u64).collect();
        assert_eq!(repeats.take(&many), 0);
        assert_eq!(repeats.take(&[1, 2, 3, 4]), 0, "too long ago");
        assert_eq!(repeats.in_order.len(), REMEMBERED_MAX);
        assert_eq!(repeats.seen.len(), REMEMBERED_MAX);
    }
}
