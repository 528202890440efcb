//! A table being checked: it knows its path, so that every fault gets one.

use std::fmt::Display;

use crate::settings::error::{Fault, Problem};
use crate::settings::key_path::KeyPath;
use crate::settings::typed::{Typed, Whole};
use crate::settings::value::Setting;

/// The least and the most of a setting, both allowed, and what it is where nothing is typed.
pub(super) struct Limits<T> {
    pub(super) default: T,
    pub(super) least: T,
    pub(super) most: T,
}

impl<T: PartialOrd + Display + Copy> Limits<T> {
    fn check(&self, value: T) -> Result<T, Fault> {
        if value < self.least {
            return Err(Fault::new(format!("is {value}, below the least of {}", self.least)));
        }
        if value > self.most {
            return Err(Fault::new(format!("is {value}, above the most of {}", self.most)));
        }
        Ok(value)
    }
}

/// The path of a table of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section(pub(super) &'static str);

impl Section {
    pub(super) fn path(self, key: &str) -> KeyPath {
        KeyPath::of(self.0).key(key)
    }

    pub(super) fn fault(self, key: &str, fault: Fault) -> Problem {
        fault.at(self.path(key))
    }

    /// The value, where one was typed.
    pub(super) fn optional<T: Setting>(
        self,
        key: &str,
        typed: Option<&Typed<T>>,
    ) -> Result<Option<T>, Problem> {
        typed.map(Typed::read).transpose().map_err(|fault| self.fault(key, fault))
    }

    /// The value, which must have been typed.
    pub(super) fn required<T: Setting>(self, key: &str, typed: Option<&Typed<T>>) -> Result<T, Problem> {
        self.optional(key, typed)?.ok_or_else(|| self.fault(key, Fault::missing()))
    }

    /// The value within its limits, or its default.
    pub(super) fn within<T: Setting + PartialOrd + Display + Copy>(
        self,
        key: &str,
        typed: Option<&Typed<T>>,
        limits: &Limits<T>,
    ) -> Result<T, Problem> {
        let value = self.optional(key, typed)?.unwrap_or(limits.default);
        limits.check(value).map_err(|fault| self.fault(key, fault))
    }

    /// The value within its limits, where one was typed; the default of the limits means nothing.
    pub(super) fn optional_within<T: Setting + PartialOrd + Display + Copy>(
        self,
        key: &str,
        typed: Option<&Typed<T>>,
        limits: &Limits<T>,
    ) -> Result<Option<T>, Problem> {
        let value = self.optional(key, typed)?.map(|value| limits.check(value)).transpose();
        value.map_err(|fault| self.fault(key, fault))
    }

    /// The whole number within its limits, or its default; limits that `T` can hold.
    pub(super) fn whole<T: TryFrom<i64>>(
        self,
        key: &str,
        typed: Option<Whole>,
        limits: &Limits<i64>,
    ) -> Result<T, Problem> {
        let number = typed.map_or(limits.default, |Whole(number)| number);
        let number = limits.check(number).map_err(|fault| self.fault(key, fault))?;
        // The limits of every caller lie within its type; were it not so, the number would be refused, not
        // bent.
        T::try_from(number)
            .map_err(|_| self.fault(key, Fault::new(format!("is {number}, beyond every limit"))))
    }
}
