//! Tenants to read: an emulator in the test's own process, and the pipeline file that names it.

use std::path::PathBuf;

use graph_emulator::{Emulator, ServerOptions, TenantSpec};

use crate::lake::Lake;

/// A pipeline file that reads an emulator into a lake; `more` is appended to it.
#[must_use]
pub fn pipeline(emulator: &Emulator, lake: &Lake, more: &str) -> PathBuf {
    pipeline_into(emulator, lake, &lake.path().display().to_string(), more)
}

/// The same with a destination of one's own, which the file lies beside.
#[must_use]
pub fn pipeline_into(emulator: &Emulator, beside: &Lake, url: &str, more: &str) -> PathBuf {
    let text = format!(
        r#"[source]
cloud = "custom"
graph_url = "{}"
login_url = "{}"
tenant_id = "{}"
client_id = "{}"
credential = {{ kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }}
start = "2025-01-01"
requests_per_second = 1000
concurrency = 8

[destination]
url = "{url}"

{more}
"#,
        emulator.graph_url(),
        emulator.login_url(),
        emulator.tenant_id(),
        emulator.client_id(),
    );
    beside.write_beside("pipeline.toml", text.as_bytes())
}

/// A tenant without a rate limit: what a test waits for is never the clock.
pub async fn unlimited(spec: TenantSpec) -> Emulator {
    serve(spec, ServerOptions { requests_per_second: None, ..ServerOptions::default() }).await
}

/// A tenant with the options given.
pub async fn serve(spec: TenantSpec, options: ServerOptions) -> Emulator {
    Emulator::start(spec, options).await.expect("start the emulator")
}
