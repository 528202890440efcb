//! A sample of what is covered, to be asked for again. Pure.
//!
//! A unit is what is covered of one user in one week: the weeks are the same for everybody and in every audit. The units
//! with the smallest hashes of seed and unit are drawn. So a seed draws the same units from the same books, and mostly
//! the same ones from books that went on.

use std::collections::{BTreeMap, BinaryHeap};
use std::num::NonZeroUsize;

use promptlake_model::{Owner, Timestamp, Window};
use xxhash_rust::xxh3::xxh3_64;

/// A week of an ordinary user has about a page: units are asked for by a request or two each, and a list this short
/// hardly has the time to move.
const WEEK_MICROS: i64 = 7 * 24 * 3_600 * 1_000_000;

/// How much is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleSize {
    /// So many user-weeks, or as many as there are.
    UserWeeks(NonZeroUsize),
    /// Whatever is covered, in windows as long as they are.
    All,
}

/// A sample while it is drawn.
#[derive(Debug)]
pub struct Draw {
    size: SampleSize,
    seed: u64,
    offered: u64,
    /// The largest hash on top: the first to go.
    drawn: BinaryHeap<Ticket>,
}

/// A unit in the draw. Its hash comes first, and decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    hash: u64,
    owner: Owner,
    window: Window,
}

impl Draw {
    /// Nothing is drawn yet.
    #[must_use]
    pub fn new(size: SampleSize, seed: u64) -> Self {
        Self { size, seed, offered: 0, drawn: BinaryHeap::new() }
    }

    /// Offers a window of a user. Windows of one user must not overlap.
    pub fn offer(&mut self, owner: Owner, window: Window) {
        match self.size {
            SampleSize::All => self.take(owner, window, usize::MAX),
            SampleSize::UserWeeks(most) => {
                for part in weeks_of(window) {
                    self.take(owner, part, most.get());
                }
            }
        }
    }

    fn take(&mut self, owner: Owner, window: Window, most: usize) {
        self.offered += 1;
        self.drawn.push(Ticket { hash: self.hash(&owner, window), owner, window });
        if self.drawn.len() > most {
            self.drawn.pop();
        }
    }

    /// By where the unit begins alone: the last one grows as time goes on, and stays the same unit.
    fn hash(&self, owner: &Owner, window: Window) -> u64 {
        let numbers = [self.seed.to_le_bytes(), window.from.micros().to_le_bytes()];
        let parts: [&[u8]; 4] = [&numbers[0], owner.tenant.as_bytes(), owner.user.as_bytes(), &numbers[1]];
        xxh3_64(&parts.concat())
    }

    /// The units that were there to be drawn.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// The units that are drawn.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.drawn.len() as u64
    }

    /// What is drawn, by user and in the order of time.
    #[must_use]
    pub fn into_windows(self) -> BTreeMap<Owner, Vec<Window>> {
        let mut windows: BTreeMap<Owner, Vec<Window>> = BTreeMap::new();
        for ticket in self.drawn {
            windows.entry(ticket.owner).or_default().push(ticket.window);
        }
        for of_user in windows.values_mut() {
            of_user.sort_unstable();
        }
        windows
    }
}

/// A window, cut where weeks begin.
fn weeks_of(window: Window) -> impl Iterator<Item = Window> {
    let mut from = window.from;
    std::iter::from_fn(move || {
        let next_week = from.micros().div_euclid(WEEK_MICROS).saturating_add(1).saturating_mul(WEEK_MICROS);
        let part = Window::new(from, Timestamp::from_micros(next_week).min(window.to))?;
        from = part.to;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use promptlake_model::{TenantId, UserId};

    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_micros(from), Timestamp::from_micros(to)).unwrap()
    }

    fn owner(number: u32) -> Owner {
        let guid = format!("00000000-0000-0000-0000-{number:012x}");
        Owner { tenant: TenantId::parse(&guid).unwrap(), user: UserId::parse(&guid).unwrap() }
    }

    fn draw(size: SampleSize, seed: u64, users: u32, weeks: i64) -> Draw {
        let mut draw = Draw::new(size, seed);
        for user in 0..users {
            draw.offer(owner(user), window(0, weeks * WEEK_MICROS));
        }
        draw
    }

    fn some(units: usize) -> SampleSize {
        SampleSize::UserWeeks(NonZeroUsize::new(units).unwrap())
    }

    #[test]
    fn weeks_are_cut_where_all_weeks_begin() {
        const W: i64 = WEEK_MICROS;
        for (from, to, expected) in [
            (0, W, vec![(0, W)]),
            (0, W + 1, vec![(0, W), (W, W + 1)]),
            (5, 6, vec![(5, 6)]),
            (W - 1, 2 * W + 1, vec![(W - 1, W), (W, 2 * W), (2 * W, 2 * W + 1)]),
            (-W - 7, 3, vec![(-W - 7, -W), (-W, 0), (0, 3)]),
            (i64::MAX - 1, i64::MAX, vec![(i64::MAX - 1, i64::MAX)]),
        ] {
            let expected: Vec<Window> = expected.into_iter().map(|(from, to)| window(from, to)).collect();
            assert_eq!(weeks_of(window(from, to)).collect::<Vec<_>>(), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_seed_draws_the_same_units_and_another_seed_others() {
        let once = draw(some(50), 7, 40, 30);
        assert_eq!((once.offered(), once.drawn()), (1_200, 50));
        let units = once.into_windows();
        assert_eq!(draw(some(50), 7, 40, 30).into_windows(), units);
        assert_ne!(draw(some(50), 8, 40, 30).into_windows(), units);
        // Books that went on have more to draw from; what is still drawn was drawn before.
        let later = draw(some(50), 7, 40, 31).into_windows();
        let of = |windows: &BTreeMap<Owner, Vec<Window>>| -> Vec<(Owner, Window)> {
            windows.iter().flat_map(|(owner, all)| all.iter().map(|window| (*owner, *window))).collect()
        };
        let old_end = Timestamp::from_micros(30 * WEEK_MICROS);
        let before = of(&units);
        assert!(of(&later).iter().all(|unit| unit.1.from >= old_end || before.contains(unit)));
    }

    #[test]
    fn every_unit_is_as_likely_as_another() {
        let mut drawn = [0_u32; 4];
        for seed in 0..1_000 {
            for (owner, windows) in draw(some(2), seed, 4, 1).into_windows() {
                let user = (0..4).find(|number| self::owner(*number) == owner).unwrap();
                drawn[user as usize] += u32::try_from(windows.len()).unwrap();
            }
        }
        assert_eq!(drawn.iter().sum::<u32>(), 2_000);
        assert!(drawn.iter().all(|times| (430..570).contains(times)), "{drawn:?}");
    }

    #[test]
    fn all_is_everything_and_uncut() {
        let all = draw(SampleSize::All, 7, 3, 5);
        assert_eq!((all.offered(), all.drawn()), (3, 3));
        let whole = vec![window(0, 5 * WEEK_MICROS)];
        assert_eq!(all.into_windows(), (0..3).map(|user| (owner(user), whole.clone())).collect());
        assert_eq!(draw(some(1_000), 7, 3, 5).drawn(), 15, "no more than there are");
    }
}
