//! A page to a record batch per table. Pure: values in, values out, and no page makes it fail.
//!
//! ```text
//! body ─▶ records (page) ─▶ fields (record) ─▶ text and cards (message), URLs (links) ─▶ columns (table)
//! ```
//!
//! What can't be read becomes a row of `rejects` with its bytes. A record that is odd stays a record: a field that
//! holds something unexpected is null, and `raw` keeps what was there.

mod app;
mod brackets;
mod content;
mod day;
mod json;
mod key;
mod links;
mod marker;
mod message;
mod page;
mod page_rows;
mod record;
mod table;
mod transformer;
mod url;

pub use content::Content;
pub use transformer::{TransformSettings, Transformer};
