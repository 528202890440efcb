//! A lake without anyone's words: which columns hold them, and how they are left out.

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, BooleanArray, new_null_array};
use arrow_select::nullif::nullif;
use promptlake_model::Table;

/// How much of what people and models wrote is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    #[default]
    Full,
    /// Nothing: keys, counts, apps, times and hosts remain. The tables `raw` and `card_elements` hold nothing else and
    /// can't be written.
    None,
}

/// The columns of words. What a card says of its version, what a parser says of a record and where a URL stands in a
/// card are none as a rule; but whoever writes the card decides that.
const fn words(table: Table) -> &'static [&'static str] {
    match table {
        Table::Interactions => &["body_content", "text", "model_text"],
        Table::Attachments => &["content", "card_version", "card_text"],
        Table::Links => &["label", "pointer"],
        Table::Mentions => &["mention_text"],
        Table::Rejects => &["detail", "raw_bytes"],
        Table::CardElements | Table::Contexts | Table::Raw | Table::Users | Table::Coverage => &[],
    }
}

/// The columns of a URL, and the origins from which it is a part of what somebody wrote.
const URLS: [&str; 2] = ["url", "url_key"];
const ORIGINS_IN_TEXT: [&str; 2] = ["card", "body"];

/// Schemes that are none of somebody's words.
const SCHEMES: [&str; 14] = [
    "http",
    "https",
    "mailto",
    "tel",
    "sip",
    "ftp",
    "file",
    "data",
    "cid",
    "cite",
    "javascript",
    "msteams",
    "ms-word",
    "onenote",
];

/// Takes the words out of the columns of a table.
pub(crate) fn leave_out_words(table: Table, columns: &mut [ArrayRef]) {
    for name in words(table) {
        let column = &mut columns[place(table, name)];
        *column = new_null_array(column.data_type(), column.len());
    }
    if table == Table::Links {
        let origins = columns[place(table, "origin")].as_string::<i32>();
        let is_in_text: BooleanArray = origins
            .iter()
            .map(|origin| Some(origin.is_some_and(|origin| ORIGINS_IN_TEXT.contains(&origin))))
            .collect();
        let schemes = columns[place(table, "scheme")].as_string::<i32>();
        let is_no_scheme: BooleanArray = schemes
            .iter()
            .zip(&is_in_text)
            .map(|(scheme, is_in_text)| {
                let is_known = scheme.is_none_or(|scheme| SCHEMES.contains(&scheme));
                Some(is_in_text.unwrap_or(true) && !is_known)
            })
            .collect();
        for (name, leaves_out) in
            URLS.map(|name| (name, &is_in_text)).into_iter().chain([("scheme", &is_no_scheme)])
        {
            let column = &mut columns[place(table, name)];
            *column = nullif(column, leaves_out).expect("both have a value for each row");
        }
    }
}

fn place(table: Table, name: &str) -> usize {
    let mut names = table.columns().iter().map(|column| column.name);
    names.position(|column| column == name).expect("the names are the table's")
}
