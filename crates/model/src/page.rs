//! What the source gave, before anyone read it.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Owner, RunId, Slice, Timestamp};

/// One answer of the source, as received.
#[derive(Debug, Clone)]
pub struct RawPage {
    /// The slice it belongs to.
    pub slice: Arc<Slice>,
    /// Whose records it holds.
    pub owner: Owner,
    /// Its place in the slice, from 0.
    pub index: u32,
    /// How the records lie in the body.
    pub form: PageForm,
    /// The body, decompressed; its bytes are the records' bytes.
    pub body: Bytes,
    /// By whom it was read where that was an earlier run: its rows are that run's.
    pub provenance: Option<Provenance>,
}

/// Which run read something, and when that run started.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provenance {
    /// The run.
    pub run_id: RunId,
    /// Its start.
    pub extracted_at: Timestamp,
}

/// How the records lie in a page's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageForm {
    /// A Graph page: an object with `value`, or an envelope with such an object in `response`.
    Page,
    /// A JSON array of records.
    RecordArray,
    /// Records one a line. A line that can't be read is a reject of its own.
    RecordLines,
    /// Records as [`push_framed`] puts them, whatever their bytes are.
    Framed,
}

/// The length that stands before a framed record.
const FRAME_BYTES: usize = 4;

/// Adds a record to a body of [`PageForm::Framed`]. A record is shorter than 4 GiB.
pub fn push_framed(body: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len()).expect("a record is shorter than 4 GiB");
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(record);
}

/// The records of a body of [`PageForm::Framed`]. What is no whole frame comes last, as it is.
pub fn framed_records(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let whole = rest
            .split_first_chunk::<FRAME_BYTES>()
            .and_then(|(length, after)| after.split_at_checked(u32::from_le_bytes(*length) as usize));
        let (record, after) = whole.unwrap_or((rest, &[]));
        let is_end = rest.is_empty();
        rest = after;
        (!is_end).then_some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framed_records_read_back_whatever_they_hold() {
        let records: [&[u8]; 4] = [b"{}", b"", b"\x1e\n\0\xff", b"[1]"];
        let mut body = Vec::new();
        for record in records {
            push_framed(&mut body, record);
        }
        assert!(framed_records(&body).eq(records));
        assert_eq!(framed_records(b"").count(), 0);
        assert!(framed_records(&body[..body.len() - 1]).last().is_some_and(|rest| rest.ends_with(b"[1")));
    }
}
