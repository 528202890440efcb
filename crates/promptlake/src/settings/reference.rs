//! The page of the documentation that lists every setting, made of the same list as the JSON Schema.

use super::examples::EXAMPLES;
use super::json_schema::{SETTINGS, Shape};
use super::validate::{BELONGS, Belongs};

/// What stands around the list.
const PAGE: &str = include_str!("reference.md");

/// The tables of a file: each is a chapter of the page.
const CHAPTERS: [&str; 7] =
    ["source", "source.credential", "source.users", "source.emulator", "transform", "destination", "run"];

/// Where the page is checked in.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/pipeline-file.md");

/// The page.
fn page() -> String {
    let chapters: Vec<String> = CHAPTERS.iter().map(|path| chapter(path)).collect();
    PAGE.replace("{settings}\n", &chapters.concat())
}

fn chapter(table: &str) -> String {
    let meaning = SETTINGS.iter().find(|(path, ..)| *path == table).map_or("", |(.., meaning)| meaning);
    let heading = table
        .strip_prefix("source.")
        .map_or_else(|| format!("## `[{table}]`"), |part| format!("### `source.{part}`"));
    let head = "| setting | holds | example | means |\n|---|---|---|---|\n";
    let is_here = |path: &str| path.rsplit_once('.').is_some_and(|(parent, _)| parent == table);
    let rows = SETTINGS.iter().filter(|(path, ..)| is_here(path)).map(|(path, shape, meaning)| {
        let (_, name) = path.rsplit_once('.').unwrap_or(("", path));
        format!(
            "| `{name}` | {} | {} | {}{} |\n",
            holds(*shape),
            example(path),
            cell(meaning),
            with(path, meaning)
        )
    });
    format!("{heading}\n\n{meaning}\n\n{head}{}\n", rows.collect::<String>())
}

fn holds(shape: Shape) -> String {
    match shape {
        Shape::OneOf(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Shape::Text => "text".to_owned(),
        Shape::Guid => "GUID".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Start => "day, or duration back from now".to_owned(),
        Shape::Day => "day".to_owned(),
        Shape::Size => "size".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Whole => "whole number".to_owned(),
        Shape::Boolean => "`true`, `false`".to_owned(),
        Shape::Texts => "list of texts".to_owned(),
        Shape::Tables => "list of names of [tables](tables.md)".to_owned(),
        Shape::Options => "names with a text each".to_owned(),
        Shape::Table => "table".to_owned(),
    }
}

/// The line that sets it; of a setting in an inline table, the line of the nearest table that has an example.
fn example(path: &str) -> String {
    let mut path = path;
    loop {
        if let Some((_, line)) = EXAMPLES.iter().find(|(known, _)| *known == path) {
            return format!("`{}`", cell(line));
        }
        let Some((parent, _)) = path.rsplit_once('.') else { return String::new() };
        path = parent;
    }
}

/// With what other setting it means something, where its meaning does not say so and it is not that of most.
fn with(path: &str, meaning: &str) -> String {
    let Some((_, belongs)) = BELONGS.iter().find(|(key, _)| path.strip_prefix("source.") == Some(key)) else {
        return String::new();
    };
    let with = match belongs {
        _ if meaning.contains(", with ") => return String::new(),
        Belongs::Everywhere | Belongs::Graph => return String::new(),
        Belongs::RealTenant => "a real tenant",
        Belongs::CustomCloud => "`cloud = \"custom\"`",
        Belongs::Emulator => "`cloud = \"emulator\"`",
        Belongs::Files => "`kind = \"files\"`",
        Belongs::Lake => "`kind = \"lake\"`",
        Belongs::RealTenantOrFiles => "a real tenant, or `kind = \"files\"`",
    };
    format!(" With {with}.")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_page_is_what_the_code_says() {
    if std::env::var_os("PROMPTLAKE_WRITE_DOCS").is_some() {
        std::fs::write(PATH, page()).expect("write the page");
    }
    assert!(
        std::fs::read_to_string(PATH).is_ok_and(|there| there == page()),
        "write it again: PROMPTLAKE_WRITE_DOCS=1 cargo test --workspace --bin promptlake -- settings::reference"
    );
}

#[test]
fn every_setting_is_in_a_chapter() {
    let page = page();
    for (path, ..) in SETTINGS.iter().filter(|(path, ..)| !CHAPTERS.contains(path)) {
        let (_, name) = path.rsplit_once('.').expect("it is in a table");
        assert!(page.contains(&format!("| `{name}` |")), "{path} has no row");
    }
}
