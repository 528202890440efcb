//! Fields of records that this version does not know: kept in `raw`, counted, never an error.

use std::collections::BTreeMap;

/// Names that are told apart: a source that makes up names must not take memory for each of them.
const NAMES_MAX: usize = 32;

/// Characters of a name that are kept.
const NAME_CHARS_MAX: usize = 64;

/// What the others are counted under.
const OTHERS: &str = "other fields";

/// How often each field was met, by its name with that of the object that it is in: `attachments.thumbnailUrl`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownFields(BTreeMap<String, u64>);

impl UnknownFields {
    /// Notes a field of an object; the record itself has no name.
    pub fn note(&mut self, object: &str, name: &str) {
        // Annotations of the protocol say nothing of the record.
        if name.contains("@odata.") {
            return;
        }
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        self.count(if object.is_empty() { name } else { format!("{object}.{name}") }, 1);
    }

    /// Adds what was met elsewhere.
    pub fn add(&mut self, others: &Self) {
        for (name, count) in &others.0 {
            self.count(name.clone(), *count);
        }
    }

    fn count(&mut self, name: String, count: u64) {
        let has_room = self.0.len() < NAMES_MAX || self.0.contains_key(&name);
        *self.0.entry(if has_room { name } else { OTHERS.to_owned() }).or_default() += count;
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with how often it was met, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_limited() {
        let mut fields = UnknownFields::default();
        fields.note("", "new");
        fields.note("body", "new");
        fields.note("body", "@odata.type");
        let mut all = fields.clone();
        all.add(&fields);
        assert!(all.iter().eq([("body.new", 2), ("new", 2)]));
        for number in 0..100 {
            all.note("", &format!("{number}{}", "x".repeat(1_000)));
        }
        assert!(all.iter().all(|(name, _)| name.len() <= NAME_CHARS_MAX));
        assert_eq!(all.iter().find(|(name, _)| *name == OTHERS), Some((OTHERS, 70)));
    }
}
