//! The page of the documentation that lists every column of every table.

use std::fmt::Write as _;

use promptlake_model::{Column, SCHEMA_VERSION, Table};

use crate::describe::type_name;
use crate::sql::day_meaning;

/// What stands around the list.
const PAGE: &str = include_str!("book.md");

/// The page.
#[must_use]
pub fn tables_page() -> String {
    let (mut names, mut chapters) = (String::new(), String::new());
    for table in Table::ALL {
        let meaning = table.meaning().strip_prefix("One row per ").unwrap_or(table.meaning());
        line(&mut names, format_args!("| [`{table}`](#{table}) | {} |", meaning.trim_end_matches('.')));
        chapters.push_str(&chapter(table));
    }
    let page = PAGE.replace("{version}", &SCHEMA_VERSION.to_string());
    page.replace("{names}\n", &names).replace("{tables}\n", &chapters)
}

fn chapter(table: Table) -> String {
    let mut rows = String::new();
    for Column { name, kind, nullable, meaning } in table.columns() {
        let null = if *nullable { "" } else { ", never null" };
        line(&mut rows, format_args!("| `{name}` | {}{null} | {meaning} |", type_name(*kind)));
    }
    let sorted: Vec<String> = table.sort_columns().iter().map(|column| format!("`{column}`")).collect();
    format!(
        "### {table}\n\n{}\n\n| column | type | means |\n|---|---|---|\n{rows}| `date` | date | {} |\n\nSorted by {}.\n\n",
        table.meaning(),
        day_meaning(table),
        sorted.join(", ")
    )
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_left_open() {
        let page = super::tables_page();
        for open in ["{version}", "{names}", "{tables}"] {
            assert!(!page.contains(open), "{open} is left in the page");
        }
    }
}
