//! Whole files in, whole pipelines or whole messages out.

mod bad_credential;
mod bad_emulator;
mod bad_files;
mod bad_graph;
mod bad_lake;
mod bad_overrides;
mod bad_run;
mod bad_settings;
mod bad_shape;
mod bad_store;
mod bad_users;
mod docs;
mod good;

use promptlake_model::Timestamp;

use super::{Override, Pipeline, SettingsError};

/// The beginning of a file, to which a table of bad settings adds the bad one.
const EMULATED: &str = "[source]\ncloud = \"emulator\"\n";
const REAL: &str = "[source]
tenant_id = \"00000000-0000-0000-0000-000000000000\"
client_id = \"00000000-0000-0000-0000-000000000000\"
";
const FILES: &str = "[source]\nkind = \"files\"\n";
/// A whole file, though a short one.
const LAKE: &str = "source = { cloud = \"emulator\" }\n[destination]\nurl = \"./lake\"\n";

fn read(text: &str, sets: &[&str]) -> Result<Pipeline, SettingsError> {
    let overrides: Vec<Override> = sets.iter().map(|set| set.parse()).collect::<Result<_, _>>()?;
    let now = Timestamp::parse("2026-01-15T12:00:00Z").expect("an instant");
    Pipeline::from_toml(text, "lake.toml", &overrides, now)
}

/// The message and the hint, as a user reads them.
fn said(text: &str, sets: &[&str]) -> String {
    let error = read(text, sets).expect_err("a bad setting");
    format!("{error}\nhint: {}", error.hint())
}
