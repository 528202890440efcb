//! How `run.memory_limit` is shared out. The shares add up to the limit: what a stage does not use, no other takes.

use promptlake_extract::{FIRST_RESERVATION_BYTES, PAGE_MEMORY_FACTOR};

/// The largest page that is ever taken, in bytes after decompression: no answer of a hundred records is as long, and
/// a gzip bomb is longer.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a page must be able to take: a hundred records that are all twenty times as long as usual.
const LEAST_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The part of what pages may hold that is left for one that grows: readers beyond the rest are not begun.
const GROWTH_PART: usize = 3;

/// Sixteenths of the limit for pages and the rows that are made of them, until they are gathered.
const PAGES_SIXTEENTHS: usize = 7;
/// For gathered rows.
const GATHER_SIXTEENTHS: usize = 4;
/// For sorted runs, row groups and uploads of a merge.
const MERGE_SIXTEENTHS: usize = 4;
/// For the keys of known rows.
const KNOWN_SIXTEENTHS: usize = 1;

/// Bytes that each part may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) pages_bytes: usize,
    pub(crate) gather_bytes: usize,
    pub(crate) merge_bytes: usize,
    pub(crate) known_bytes: usize,
    pub(crate) page_bytes_max: usize,
    /// Pages under way at once.
    pub(crate) readers: usize,
}

impl Shares {
    /// Shares out a limit among stages, with up to `readers_max` pages under way at once, as far as a long page leaves
    /// room for them.
    pub(crate) fn of(limit_bytes: u64, readers_max: usize) -> Self {
        let sixteenth = usize::try_from(limit_bytes / 16).unwrap_or(usize::MAX / 16);
        let pages_bytes = PAGES_SIXTEENTHS * sixteenth;
        let growth_bytes = (LEAST_PAGE_BYTES * PAGE_MEMORY_FACTOR).max(pages_bytes / GROWTH_PART);
        let room = pages_bytes.saturating_sub(growth_bytes) / FIRST_RESERVATION_BYTES;
        let readers = readers_max.min(room).max(1);
        // What the first reservations of all readers leave, so that one page can always grow to its end.
        let left = pages_bytes.saturating_sub(readers * FIRST_RESERVATION_BYTES);
        Self {
            pages_bytes,
            gather_bytes: GATHER_SIXTEENTHS * sixteenth,
            merge_bytes: MERGE_SIXTEENTHS * sixteenth,
            known_bytes: KNOWN_SIXTEENTHS * sixteenth,
            page_bytes_max: (left / PAGE_MEMORY_FACTOR).min(PAGE_BYTES_MAX),
            readers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_shares_stay_within_the_limit_and_leave_room_for_a_page() {
        for (limit_mib, readers_max, readers, page_mib) in [
            (128, 8, 8, 9),
            (128, 64, 28, 4),
            (256, 8, 8, 20),
            (256, 64, 59, 7),
            (512, 64, 64, 28),
            (512, 256, 119, 15),
            (4096, 256, 256, 64),
        ] {
            let shares = Shares::of(limit_mib * MIB, readers_max);
            let all = shares.pages_bytes + shares.gather_bytes + shares.merge_bytes + shares.known_bytes;
            assert!(all as u64 <= limit_mib * MIB);
            let is = (shares.readers, shares.page_bytes_max as u64 / MIB);
            assert_eq!(is, (readers, page_mib), "{limit_mib} MiB, {readers_max} readers");
            assert!(shares.page_bytes_max >= LEAST_PAGE_BYTES);
        }
    }
}
