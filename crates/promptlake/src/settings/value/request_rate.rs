//! Requests a second.

use std::fmt;

use crate::settings::error::Fault;

/// What Graph allows one app over all tenants: 1,500 a second. A higher rate can only be a slip.
const PER_SECOND_MAX: f64 = 1_500.0;

/// A rate above zero, of at most 1,500 requests a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct RequestRate(f64);

impl RequestRate {
    /// What Graph sustains for this call, per app and tenant: about 83 % of its limit of 30.
    pub(crate) const SUSTAINED: Self = Self(25.0);
    /// Graph's own limit for this call, per app and tenant.
    pub(crate) const GRAPH_LIMIT: Self = Self(30.0);

    pub(crate) const fn per_second(self) -> f64 {
        self.0
    }

    /// Checks a number; zero, NaN and infinities are no rates.
    pub(in crate::settings) fn new(per_second: f64) -> Result<Self, Fault> {
        if per_second > 0.0 && per_second <= PER_SECOND_MAX {
            return Ok(Self(per_second));
        }
        Err(Fault::new(format!("is {per_second}, not a number above 0 and up to {PER_SECOND_MAX}")))
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (number, expected) in [
            (25.0, "25/s"),
            (0.5, "0.5/s"),
            (1500.0, "1500/s"),
            (0.0, "is 0, not a number above 0 and up to 1500"),
            (-1.0, "is -1, not a number above 0 and up to 1500"),
            (1500.5, "is 1500.5, not a number above 0 and up to 1500"),
            (f64::NAN, "is NaN, not a number above 0 and up to 1500"),
            (f64::INFINITY, "is inf, not a number above 0 and up to 1500"),
        ] {
            let outcome =
                RequestRate::new(number).map_or_else(|fault| fault.to_string(), |rate| rate.to_string());
            assert_eq!(outcome, expected);
        }
    }
    #[test]
    fn a_rate_is_per_second() {
        assert!(RequestRate::SUSTAINED < RequestRate::GRAPH_LIMIT);
        assert_eq!(RequestRate::new(30.0).map(RequestRate::per_second), Ok(30.0));
    }
}
