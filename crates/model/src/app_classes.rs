//! Which apps' records are asked for: what a window is covered for, and what it is not.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A choice of app classes; none of them stands for every class there is.
///
/// Whether Graph regards case when it compares classes is not known. So two spellings are two classes: Graph is asked
/// for what was typed, and what is covered is covered in that spelling. Kept in order, each once: two choices are equal
/// where they choose the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppClasses(Arc<[String]>);

impl AppClasses {
    /// These classes alone; every class, where there are none.
    #[must_use]
    pub fn of<T: AsRef<str>>(classes: impl IntoIterator<Item = T>) -> Self {
        let mut classes: Vec<String> = classes.into_iter().map(|class| class.as_ref().to_owned()).collect();
        classes.sort_unstable();
        classes.dedup();
        Self(classes.into())
    }

    /// Whether every class is asked for.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The classes, in order; none where all are asked for.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for AppClasses {
    /// As `coverage.app_class_filter` has it: comma-separated, empty for all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl Serialize for AppClasses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for AppClasses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_what_it_chooses() {
        assert_eq!(AppClasses::of(["IPM.B", "IPM.A", "IPM.B"]), AppClasses::of(["IPM.A", "IPM.B"]));
        assert_ne!(
            AppClasses::of(["IPM.A"]),
            AppClasses::of(["ipm.a"]),
            "perhaps they are not the same to Graph"
        );
        assert_eq!(AppClasses::of(["IPM.B", "IPM.A"]).to_string(), "IPM.A,IPM.B");
        assert!(AppClasses::of([""; 0]).is_all());
        assert_eq!(AppClasses::default(), AppClasses::of(Vec::<String>::new()));
    }
}
