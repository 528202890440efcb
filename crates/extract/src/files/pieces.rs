//! From the parts of a block to the pages that are sent. Pure.

use std::ops::Range;

use promptlake_model::{PageForm, UserId};

use super::owners::OwnerRule;
use super::survey::{Part, PartKind};

/// A page in the making: consecutive parts that can travel as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it lies in the block.
    pub(crate) range: Range<usize>,
    pub(crate) owner: UserId,
    pub(crate) form: PageForm,
    /// The records in it, as far as they can be told.
    pub(crate) records: u64,
    /// It stands for a whole file that can't be read.
    pub(crate) unreadable_file: bool,
}

/// Pages stay as they are; consecutive lines of one owner become one piece. `before` is the owner of what stands
/// before the block. `None` where a part has no owner: the file is not the one that was surveyed.
pub(crate) fn pieces(parts: &[Part], rule: &OwnerRule, before: Option<UserId>) -> Option<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts {
        let before = pieces.last().map(|piece| piece.owner).or(before);
        let piece = piece_of(part, rule.owner_of(part, before)?);
        match pieces.last_mut() {
            Some(last) if follows(last, &piece) => {
                last.range.end = piece.range.end;
                last.records += piece.records;
            }
            _ => pieces.push(piece),
        }
    }
    Some(pieces)
}

fn piece_of(part: &Part, owner: UserId) -> Piece {
    let (form, records) = match part.kind {
        PartKind::Page(records) => (PageForm::Page, records),
        PartKind::RecordArray(records) => (PageForm::RecordArray, records),
        PartKind::Record => (PageForm::RecordLines, 1),
        PartKind::UnreadableLine => (PageForm::RecordLines, 0),
        // A list of pages was refused before; if it comes here, it is one reject.
        PartKind::UnreadableFile | PartKind::PageArray => (PageForm::Page, 0),
    };
    let unreadable_file = matches!(part.kind, PartKind::UnreadableFile | PartKind::PageArray);
    Piece { range: part.range.clone(), owner, form, records, unreadable_file }
}

/// Whether nothing but the end of a line lies between them.
fn follows(last: &Piece, next: &Piece) -> bool {
    let lines = last.form == PageForm::RecordLines && next.form == PageForm::RecordLines;
    lines && last.owner == next.owner && last.range.end + 1 == next.range.start
}
