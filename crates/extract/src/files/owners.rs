//! Whose the parts of a file are. Found in the first pass over it, used in the second.

use promptlake_model::UserId;

use super::survey::{Part, PartKind};

/// What the first pass saw of owners.
#[derive(Debug, Default)]
pub(crate) struct OwnersSeen {
    linked: Linked,
    first_named: Option<UserId>,
    /// A part that can only be named by something outside it, and its line.
    unnamed: Option<u64>,
    unnamed_unreadable: bool,
}

/// The users in the links of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Linked {
    #[default]
    Nobody,
    One(UserId),
    Several,
}

/// Whose a part is, where it does not say so itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnerRule {
    /// The owner of pages and records that name none.
    otherwise: Option<UserId>,
    /// The owner of lines that can't be read and stand before everything else.
    first_named: Option<UserId>,
}

impl OwnersSeen {
    /// Takes note of a part; says why the file can't be used, if that is so. `line` is the part's, from 1.
    pub(crate) fn note(&mut self, part: &Part, line: u64) -> Result<(), String> {
        if part.kind == PartKind::PageArray {
            return Err("it is a list of pages: write one page a line, as NDJSON".to_owned());
        }
        if let Some(linked) = part.linked {
            self.linked = match self.linked {
                Linked::Nobody => Linked::One(linked),
                Linked::One(user) if user == linked => Linked::One(user),
                _ => Linked::Several,
            };
        }
        let envelope = match &part.envelope {
            Some(name) => {
                Some(UserId::parse(name).map_err(|_| format!("the userId in line {line} is no GUID"))?)
            }
            None => None,
        };
        match (envelope.or(part.linked), part.kind) {
            (Some(user), _) => {
                self.first_named.get_or_insert(user);
            }
            (None, PartKind::UnreadableLine) => self.unnamed_unreadable = true,
            (None, _) => {
                self.unnamed.get_or_insert(line);
            }
        }
        Ok(())
    }

    /// The rule for the file, or why it has none. `from_path` and `from_settings` are asked in this order.
    pub(crate) fn settle(
        self,
        from_path: Option<String>,
        from_settings: Option<UserId>,
    ) -> Result<OwnerRule, String> {
        let first_named = self.first_named;
        if let (Linked::Several, Some(line)) = (self.linked, self.unnamed) {
            return Err(format!("it holds pages of several users, and line {line} does not say whose it is"));
        }
        let otherwise = match (self.linked, from_path) {
            (Linked::One(user), _) => Some(user),
            (_, Some(text)) => {
                Some(UserId::parse(&text).map_err(|_| format!("its path gives {text:?}, which is no GUID"))?)
            }
            (_, None) => from_settings,
        };
        let needed = self.unnamed.is_some() || self.unnamed_unreadable && first_named.is_none();
        if needed && otherwise.is_none() {
            return Err("it does not say whose records it holds".to_owned());
        }
        Ok(OwnerRule { otherwise, first_named })
    }
}

impl OwnerRule {
    /// The owner of a part: its envelope's, its link's, the file's. A line that can't be read, in a file without an
    /// owner of its own, goes with the line before it. `None` only where the file is not the one that was surveyed.
    pub(crate) fn owner_of(&self, part: &Part, before: Option<UserId>) -> Option<UserId> {
        let envelope = part.envelope.as_deref().and_then(|name| UserId::parse(name).ok());
        let file = || self.otherwise.or(before).or(self.first_named);
        match part.kind {
            PartKind::UnreadableLine => envelope.or(part.linked).or_else(file),
            _ => envelope.or(part.linked).or(self.otherwise),
        }
    }
}
