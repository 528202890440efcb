//! The crowd: how many requests are under way at once. Values in, values out.
//!
//! As few as keep the source busy, since users are read one page after the other and one that is only half read when a
//! run ends is read again. More are let in while all that may be are under way, answers are quick, and requests
//! still go out later than they might; fewer after a 429 or an answer that did not come in time.

use std::time::Duration;

/// Enough for answers of a tenth of a second at 25 requests a second.
const AT_FIRST: usize = 4;

/// An answer that takes longer comes from a source that has too much to do already.
const QUICK: Duration = Duration::from_secs(10);

/// What is left of a crowd that was too large.
const SMALLER: f64 = 0.75;

/// How many may be under way.
#[derive(Debug, Clone)]
pub(crate) struct Crowd {
    most: f64,
    size: f64,
    /// Whether it has ever been too large: before, it may double with each round of answers.
    was_too_large: bool,
    /// What departed before says nothing about its size.
    changed_at: Duration,
    under_way: usize,
    /// The most that were missing before any departure since the crowd was last full.
    missed: f64,
}

/// What a request was when it went out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Departure {
    /// When.
    pub(crate) at: Duration,
    /// How many might have gone out before it, had there been anybody to send them.
    pub(crate) missing: f64,
}

impl Crowd {
    /// A crowd of at most so many, at least one.
    pub(crate) fn new(most: usize) -> Self {
        let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let most = number(most.max(1));
        Self {
            most,
            size: number(AT_FIRST).min(most),
            was_too_large: false,
            changed_at: Duration::ZERO,
            under_way: 0,
            missed: 0.0,
        }
    }

    /// How many may be under way now, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 1 to the most, which was a usize"
    )]
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// Whether nobody else may go.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= self.size()
    }

    /// Lets one go, before which so many might have gone.
    pub(crate) fn depart(&mut self, now: Duration, missing: f64) -> Departure {
        self.under_way += 1;
        self.missed = self.missed.max(missing);
        // Where more may go, it is not the crowd that is too small; but those who come back together go one by one, and
        // only the first of them was missed.
        let missing = if self.is_full() { std::mem::take(&mut self.missed) } else { 0.0 };
        Departure { at: now, missing }
    }

    /// One is back, or was dropped.
    pub(crate) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Takes note of an answer.
    pub(crate) fn answered(&mut self, departure: Departure, now: Duration) {
        let is_quick = now.saturating_sub(departure.at) <= QUICK;
        if departure.missing >= 1.0 && is_quick && departure.at >= self.changed_at {
            let step = departure.missing.min(if self.was_too_large { 1.0 } else { self.size });
            self.size = (self.size + step).min(self.most);
            self.changed_at = now;
        }
    }

    /// Takes note of a 429 or of an answer that did not come in time: once for all that were under way together.
    pub(crate) fn was_too_much(&mut self, departure: Departure, now: Duration) {
        if departure.at >= self.changed_at {
            self.was_too_large = true;
            self.size = (self.size * SMALLER).max(1.0);
            self.changed_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Lets as many go as may, twenty too few, and answers them after `took`.
    fn round(crowd: &mut Crowd, at: Duration, took: Duration) {
        let mut departures = Vec::new();
        while !crowd.is_full() {
            departures.push(crowd.depart(at, 20.0));
        }
        for departure in departures {
            crowd.leave();
            crowd.answered(departure, at + took);
        }
    }

    #[test]
    fn it_grows_while_answers_are_quick_and_somebody_is_missing() {
        let mut crowd = Crowd::new(64);
        let sizes: Vec<usize> = (0..6)
            .map(|second| {
                let size = crowd.size();
                round(&mut crowd, ms(second * 1_000), ms(900));
                size
            })
            .collect();
        assert_eq!(sizes, [4, 8, 16, 32, 52, 64]);
        let mut slow = Crowd::new(64);
        round(&mut slow, ms(0), ms(10_001));
        assert_eq!(slow.size(), 4);
    }

    #[test]
    fn only_a_full_crowd_is_too_small() {
        let mut crowd = Crowd::new(64);
        let mut is_too_small = |missing| crowd.depart(ms(0), missing).missing >= 1.0;
        assert_eq!([9.0, 0.0, 0.0, 0.0].map(&mut is_too_small), [false, false, false, true]);
        crowd.leave();
        assert!(crowd.depart(ms(0), 0.1).missing < 1.0, "it went when it might");
        assert!(crowd.is_full());
        crowd.leave();
        assert!(!crowd.is_full());
    }

    #[test]
    fn it_shrinks_once_for_all_that_were_under_way_and_grows_slowly_afterwards() {
        let mut crowd = Crowd { size: 32.0, ..Crowd::new(64) };
        let (early, late) = (crowd.depart(ms(0), 0.0), crowd.depart(ms(500), 0.0));
        crowd.was_too_much(early, ms(600));
        crowd.was_too_much(late, ms(700));
        assert_eq!(crowd.size(), 24);
        crowd.leave();
        crowd.leave();
        round(&mut crowd, ms(800), ms(100));
        assert_eq!(crowd.size(), 25, "a whole round adds one");
        let mut one = Crowd::new(1);
        let departure = one.depart(ms(0), 0.0);
        one.was_too_much(departure, ms(1));
        assert_eq!(one.size(), 1);
    }
}
