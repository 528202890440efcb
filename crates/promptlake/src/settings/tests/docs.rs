//! Every pipeline file of the documentation is one, and so is every part of one below the file that it says it is of.

use promptlake_tests::docs::{Block, Page, pages};
use toml::{Table, Value};

use super::read;

/// What a part of a file is put into, by the word after `fragment of:`. The key that the part says itself wins.
fn base(word: &str) -> Option<&'static str> {
    Some(match word {
        "graph" => {
            "[source]\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\nclient_id = \"00000000-0000-0000-0000-000000000000\"\n\
             credential = { kind = \"client_secret\", env = \"PROMPTLAKE_CLIENT_SECRET\" }\n[destination]\nurl = \"./lake\"\n"
        }
        "graph without a client_id" => {
            "[source]\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\n[destination]\nurl = \"./lake\"\n"
        }
        "files" => {
            "[source]\nkind = \"files\"\npath = \"./saved\"\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\n\
             [destination]\nurl = \"./lake\"\n"
        }
        _ => return None,
    })
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(new)) if key != "credential" && key != "users" => {
                merge(there, new);
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The block as a whole file.
fn whole(page: &Page, block: &Block) -> String {
    let Some(word) = block.note_after("fragment of") else { return block.text.clone() };
    let place = page.place(block);
    let base = base(word).unwrap_or_else(|| panic!("{place}: there is no base {word:?}"));
    let parsed = |text: &str| text.parse::<Table>().unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut file = parsed(base);
    merge(&mut file, parsed(&block.text));
    file.to_string()
}

#[test]
fn every_pipeline_file_of_the_documentation_is_right() {
    let mut files = 0;
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "toml") {
            let text = whole(&page, block);
            let outcome = read(&text, &[]);
            assert!(outcome.is_ok(), "{}: {}\n{text}", page.place(block), outcome.unwrap_err());
            files += 1;
        }
    }
    assert!(files > 10, "{files} are few");
}
