//! What the end-to-end tests share: the program itself, lakes to write to, tenants to read, and DuckDB to ask.
//!
//! Nothing here is mocked. The program runs as a process, the tenant is served over HTTP, and what the lake holds is
//! what DuckDB says it holds.

pub mod collector;
pub mod docs;
pub mod duckdb;
pub mod lake;
pub mod memory;
pub mod metrics;
pub mod place;
pub mod power_loss;
pub mod program;
pub mod reader;
pub mod servers;
pub mod slow_proxy;
pub mod spark;
pub mod tenant;

/// How densely to sample: `cargo ci --full` takes many more moments and sizes than `cargo ci`.
#[must_use]
pub fn is_full() -> bool {
    std::env::var("PROMPTLAKE_TESTS").is_ok_and(|density| density == "full")
}

/// The root of the workspace.
#[must_use]
pub fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests lie below the root").to_owned()
}
