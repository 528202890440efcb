//! What the source gave, before anyone read it.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Owner, Slice};

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
}
