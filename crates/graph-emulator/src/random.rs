//! Chance: reproducible draws, keyed by what they are for.
//!
//! Everything in a tenant is a function of the seed and of a place (user, record, …). A [`Chance`] is made
//! from such a key, so that any place can be computed without the places before it. The generator is
//! `SplitMix64` (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, 2014); its output is
//! part of this crate's behaviour and a test holds its published values.

use crate::text::append;

/// The increment of `SplitMix64`: 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a sequence of draws is for. Draws for different purposes at the same place are unrelated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Tenant = 1,
    User = 2,
    Group = 3,
    Weight = 4,
    Block = 5,
    SessionOfBlock = 6,
    SessionOfEra = 7,
    SessionOfTurn = 8,
    Instant = 9,
    Outline = 10,
    Words = 11,
    Request = 12,
    Page = 13,
    Turn = 14,
    Stamp = 15,
    Late = 16,
    Edit = 17,
    Joining = 18,
    Fault = 19,
    Readable = 20,
    ListOrder = 21,
    InnerError = 22,
}

/// A `SplitMix64` sequence.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    /// The sequence of `SplitMix64` seeded with `state` itself.
    pub(crate) fn from_state(state: u64) -> Self {
        Self { state }
    }

    /// The sequence that belongs to a purpose and a place in the tenant of `seed`.
    pub(crate) fn at(seed: u64, purpose: Purpose, place: [u64; 2]) -> Self {
        let mut state = finish(seed.wrapping_add((purpose as u64).wrapping_mul(GOLDEN)));
        for part in place {
            state = finish(state ^ part.wrapping_add(GOLDEN));
        }
        Self::from_state(state)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        finish(self.state)
    }

    /// A number in `0..bound`, or 0 when `bound` is 0. The bias is below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A small number in `0..bound`.
    pub(crate) fn small(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(u64::from(bound))).expect("a draw below a u8 is a u8")
    }

    /// A number in `from..to` (`from` when the range is empty).
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// True in `percent` of 100 draws.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// True in a share (0 to 1) of the draws.
    pub(crate) fn share(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A number from 0 up to, and without, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from((self.bits() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }

    /// One of `choices`, which are never none.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = choices.len().checked_sub(1).expect("a draw has something to choose from");
        let index = usize::try_from(self.below(choices.len() as u64)).unwrap_or(last);
        choices[index]
    }

    /// A GUID of version 4 in lower case.
    pub(crate) fn guid(&mut self) -> String {
        guid_from(self.bits(), self.bits())
    }

    /// `length` letters and digits, as in thread and attachment ids.
    pub(crate) fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_w";
        let mut token = String::with_capacity(length);
        let mut bits = 0;
        for index in 0..length {
            if index % 10 == 0 {
                bits = self.bits();
            }
            token.push(char::from(LETTERS[(bits & 63) as usize]));
            bits >>= 6;
        }
        token
    }

    /// `length` lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        let mut hex = String::with_capacity(length + 16);
        while hex.len() < length {
            append(&mut hex, format_args!("{:016x}", self.bits()));
        }
        hex.truncate(length);
        hex
    }
}

/// A GUID in lower case with the version and variant bits of a random one; the first 32 bits stay as given.
pub(crate) fn guid_from(high: u64, low: u64) -> String {
    let high = (high & !0xF000) | 0x4000;
    let low = (low & (u64::MAX >> 2)) | (1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A number that stands for a name in the place of a draw, whatever the name's case.
pub(crate) fn key_of(name: &str) -> u64 {
    name.bytes().fold(0, |key, byte| finish(key ^ u64::from(byte.to_ascii_lowercase()).wrapping_add(GOLDEN)))
}

/// The output function of `SplitMix64`: a bijection that spreads every input bit over the output.
fn finish(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Chance, Purpose, guid_from};

    #[test]
    fn gives_the_published_values() {
        let mut zero = Chance::from_state(0);
        assert_eq!(
            [zero.bits(), zero.bits(), zero.bits()],
            [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]
        );
        let mut other = Chance::from_state(1_234_567);
        assert_eq!([other.bits(), other.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_place_keeps_its_draws() {
        let draw = |purpose, place| Chance::at(7, purpose, place).bits();
        assert_eq!(draw(Purpose::User, [1, 2]), draw(Purpose::User, [1, 2]));
        assert_ne!(draw(Purpose::User, [1, 2]), draw(Purpose::User, [2, 1]));
        assert_ne!(draw(Purpose::User, [1, 2]), draw(Purpose::Group, [1, 2]));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut chance = Chance::from_state(3);
        for bound in 1..200 {
            assert!(chance.below(bound) < bound);
            assert!((5..5 + bound).contains(&chance.between(5, 5 + bound)));
        }
        assert_eq!(chance.below(0), 0);
        assert!((0..100).all(|_| chance.share(1.0) && !chance.share(0.0)));
        assert_eq!(chance.token(43).len(), 43);
        assert_eq!(chance.hex(33).len(), 33);
    }

    #[test]
    fn guids_have_their_marks() {
        assert_eq!(guid_from(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(guid_from(u64::MAX, u64::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
