//! A lake in a folder of its own, and what its readers must find in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use graph_emulator::{Tenant, User};
use promptlake_model::Table;
use serde_json::Value;
use tempfile::TempDir;

use crate::duckdb::{files_of, number, query};

/// A folder that goes with the test; the lake lies below it.
#[derive(Debug)]
pub struct Lake {
    folder: TempDir,
}

/// One interaction as an export must have it: owner, session, id, etag, instant, day, and the lengths of its lists.
type Interaction = (String, Option<String>, String, String, i64, String, [u64; 3]);

impl Lake {
    /// An empty folder; the lake itself does not exist yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("make a folder") }
    }

    /// Where the lake is, or will be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// A file beside the lake; gives its path.
    #[expect(clippy::must_use_candidate, reason = "it is called for the file")]
    pub fn write_beside(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("make a folder");
        // Renamed into place: a program that was started with it may be reading it just now.
        let whole = path.with_added_extension("part");
        std::fs::write(&whole, content).expect("write a file");
        std::fs::rename(&whole, &path).expect("put a file in its place");
        path
    }

    /// Rows of a table; 0 where it has no file.
    #[must_use]
    pub fn rows(&self, table: Table) -> u64 {
        if !self.path().join(table.name()).exists() {
            return 0;
        }
        number(&format!("SELECT count(*) FROM {}", files_of(&self.path(), table.name())))
    }

    /// Rows of each table that has any.
    #[must_use]
    pub fn all_rows(&self) -> BTreeMap<&'static str, u64> {
        Table::ALL
            .into_iter()
            .map(|table| (table.name(), self.rows(table)))
            .filter(|(_, rows)| *rows > 0)
            .collect()
    }

    /// Fails where a table that has record ids has a row twice, or one whose partition is not its day.
    pub fn assert_no_row_twice(&self) {
        let ordinals = [
            (Table::Interactions, "0"),
            (Table::Raw, "0"),
            (Table::Attachments, "attachment_ordinal"),
            (Table::Links, "link_ordinal"),
            (Table::Contexts, "context_ordinal"),
            (Table::Mentions, "mention_ordinal"),
        ];
        for (table, ordinal) in ordinals {
            if !self.path().join(table.name()).exists() {
                continue;
            }
            let files = files_of(&self.path(), table.name());
            let twice =
                number(&format!("SELECT count(*) - count(DISTINCT (record_id, {ordinal})) FROM {files}"));
            assert_eq!(twice, 0, "{table} has rows twice");
            let misplaced = format!(
                "SELECT count(*) FROM read_parquet({files}, hive_partitioning = true)
                 WHERE date IS DISTINCT FROM CAST(created_at AS DATE)"
            );
            assert_eq!(number(&misplaced), 0, "{table} has rows under another day");
        }
    }

    /// Fails where the lake does not hold exactly the tenant's history: as many rows in every table as the tenant
    /// says, each interaction by name, day and lengths, and every child with its parent.
    pub fn assert_holds(&self, tenant: &Tenant) {
        let totals = tenant.totals();
        let expected = [
            (Table::Interactions, totals.interactions),
            (Table::Attachments, totals.attachments),
            (Table::CardElements, totals.card_elements),
            (Table::Links, totals.links),
            (Table::Contexts, totals.contexts),
            (Table::Mentions, totals.mentions),
            (Table::Raw, totals.raw),
            (Table::Rejects, 0),
        ];
        for (table, rows) in expected {
            assert_eq!(self.rows(table), rows, "{table}");
        }
        self.assert_no_row_twice();
        assert_eq!(self.interactions(), expected_interactions(tenant));
        for (table, count) in [
            ("attachments", "attachment_count"),
            ("contexts", "context_count"),
            ("mentions", "mention_count"),
        ] {
            let orphans = format!(
                "WITH children AS (SELECT record_id, count(*) AS rows FROM {} GROUP BY ALL)
                 SELECT count(*) FROM {} AS parents FULL JOIN children USING (record_id)
                 WHERE coalesce(children.rows, 0) IS DISTINCT FROM parents.{count}",
                files_of(&self.path(), table),
                files_of(&self.path(), "interactions"),
            );
            assert_eq!(number(&orphans), 0, "{table} whose parents say otherwise");
        }
    }

    /// The interactions of the tenant that the lake does not hold: how many of which user and day.
    #[must_use]
    pub fn lacking(&self, tenant: &Tenant) -> BTreeMap<(String, String), u64> {
        let held = self.interactions();
        let mut lacking = BTreeMap::new();
        for expected in expected_interactions(tenant) {
            if held.binary_search(&expected).is_err() {
                *lacking.entry((expected.0, expected.5)).or_default() += 1;
            }
        }
        lacking
    }

    fn interactions(&self) -> Vec<Interaction> {
        let rows = query(&format!(
            "SELECT user_id, session_id, interaction_id, etag, epoch_us(created_at), CAST(date AS VARCHAR),
                    attachment_count, context_count, mention_count
             FROM read_parquet({}, hive_partitioning = true)",
            files_of(&self.path(), "interactions"),
        ));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let count = |value: &Value| value.as_u64().expect("a count");
        let row = |row: Vec<Value>| {
            let required = |column: usize| text(&row[column]).expect("the emulator always gives it");
            let micros = row[4].as_i64().expect("an instant");
            let counts = [count(&row[6]), count(&row[7]), count(&row[8])];
            (required(0), text(&row[1]), required(2), required(3), micros, required(5), counts)
        };
        let mut interactions: Vec<Interaction> = rows.into_iter().map(row).collect();
        interactions.sort();
        interactions
    }
}

fn expected_interactions(tenant: &Tenant) -> Vec<Interaction> {
    let of_user = |user: User| {
        let id = user.id.clone();
        let records: Vec<_> = tenant.expected_records(&user).collect();
        records.into_iter().map(move |record| {
            let counts = [record.attachments, record.contexts, record.mentions].map(u64::from);
            (
                id.clone(),
                record.session_id,
                record.interaction_id,
                record.etag,
                record.created_at_us,
                record.day,
                counts,
            )
        })
    };
    let mut interactions: Vec<Interaction> = tenant.users().flat_map(of_user).collect();
    interactions.sort();
    interactions
}

/// Every object below a folder, with its path relative to it.
#[must_use]
pub fn objects_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        // A folder that went in between has nothing in it.
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(folder) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}
