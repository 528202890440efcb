//! `promptlake emulate`: the emulator in a process of its own.

use std::time::Duration;

use graph_emulator::{Emulator, FaultKind, Faults, ServerOptions, Subscriptions, Tenant, TenantSpec};
use serde_json::json;

use crate::cli::EmulateArguments;
use crate::failure::{Failure, Outcome};
use crate::stdout;
use crate::stopping;

const HINT: &str = "`--port 0` picks a free port; see `promptlake emulate --help` for what else can be given";

/// Serves a tenant until a signal; or says its totals.
pub(crate) async fn emulate(arguments: EmulateArguments) -> Result<Outcome, Failure> {
    let spec = TenantSpec::default()
        .with_seed(arguments.seed)
        .with_users(arguments.users)
        .with_interactions(arguments.interactions)
        .with_broken_share(arguments.broken_users);
    if arguments.totals {
        let tenant =
            Tenant::new(spec).map_err(|error| Failure::setting(&error, "make up the tenant", HINT))?;
        let totals = tenant.totals();
        let by_table = json!({
            "interactions": totals.interactions,
            "attachments": totals.attachments,
            "card_elements": totals.card_elements,
            "links": totals.links,
            "contexts": totals.contexts,
            "mentions": totals.mentions,
            "raw": totals.raw,
            "users": totals.users,
            "coverage": totals.coverage,
        });
        stdout::print(format_args!("{by_table:#}\n"));
        return Ok(Outcome::Done);
    }
    let options = options(&arguments);
    let stop = stopping::on_signals("answering what was asked")?;
    let emulator = Emulator::start(spec, options)
        .await
        .map_err(|error| Failure::setting(&error, "start the emulator", HINT))?;
    print_source(&emulator);
    stop.cancelled().await;
    emulator.shutdown().await;
    Ok(Outcome::Done)
}

fn options(arguments: &EmulateArguments) -> ServerOptions {
    ServerOptions {
        port: arguments.port,
        token_lifetime: Duration::from_secs(arguments.token_lifetime),
        requests_per_second: (arguments.requests_per_second > 0).then_some(arguments.requests_per_second),
        faults: Faults::evenly(arguments.seed, arguments.faults, &FaultKind::ALL),
        rejects_date_filters: arguments.reject_date_filters,
        gzip: arguments.gzip,
        withheld_permissions: arguments.without_permission.clone(),
        subscriptions: if arguments.without_copilot {
            Subscriptions::WithoutCopilot
        } else {
            Subscriptions::WithCopilot
        },
        ..ServerOptions::default()
    }
}

/// The `[source]` that reads this tenant, ready to be pasted.
fn print_source(emulator: &Emulator) {
    eprintln!("serving a tenant of {} users; stop with Ctrl-C", emulator.tenant().spec().users);
    stdout::print(format_args!(
        r#"[source]
cloud = "custom"
graph_url = "{}"
login_url = "{}"
tenant_id = "{}"
client_id = "{}"
credential = {{ kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }}
start = "2025-01-01"
# export PROMPTLAKE_CLIENT_SECRET={}
"#,
        emulator.graph_url(),
        emulator.login_url(),
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.client_secret(),
    ));
}
