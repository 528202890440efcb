//! The program writes to servers of objects, and DuckDB reads straight from them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use graph_emulator::{Emulator, Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{azurite_prelude, moto_prelude, number};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::servers::{AZURITE_ACCOUNT, AZURITE_KEY, MOTO_KEY, Server};
use promptlake_tests::tenant::{pipeline_into, unlimited};

/// A lake on a server: how the program is told of it, and how DuckDB is.
struct Remote {
    server: Server,
    url: &'static str,
    /// `[destination.options]`
    options: String,
    /// What must not stand in a file.
    secrets: Vec<(&'static str, &'static str)>,
    /// What DuckDB needs before it can read `url`.
    prelude: String,
}

fn in_moto() -> Remote {
    let server = Server::moto();
    server.make_bucket("promptlake");
    let endpoint = server.url();
    Remote {
        url: "s3://promptlake/some/lake",
        options: format!(
            "aws_endpoint = \"{endpoint}\"\naws_allow_http = \"true\"\naws_region = \"us-east-1\"\n\
             aws_access_key_id = \"{MOTO_KEY}\""
        ),
        secrets: vec![("AWS_SECRET_ACCESS_KEY", MOTO_KEY)],
        prelude: moto_prelude(&server),
        server,
    }
}

fn in_azurite() -> Remote {
    let server = Server::azurite();
    server.make_container("promptlake");
    let endpoint = server.azurite_endpoint();
    Remote {
        url: "az://promptlake/some/lake",
        options: format!(
            "azure_storage_endpoint = \"{endpoint}\"\nazure_allow_http = \"true\"\n\
             azure_storage_account_name = \"{AZURITE_ACCOUNT}\""
        ),
        secrets: vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)],
        prelude: azurite_prelude(&server),
        server,
    }
}

impl Remote {
    fn command(&self, file: &Path, emulator: &Emulator) -> Command {
        let mut command = run_command(file, emulator.client_secret());
        command.envs(self.secrets.iter().copied());
        command
    }

    fn rows(&self, table: Table) -> u64 {
        let glob = format!("'{}/{table}/**/*.parquet'", self.url);
        number(&format!("{}SELECT count(*) FROM {glob}", self.prelude))
    }

    fn assert_holds(&self, tenant: &Tenant, runs: u64) {
        let totals = tenant.totals();
        let expected = BTreeMap::from([
            (Table::Interactions.name(), totals.interactions),
            (Table::Attachments.name(), totals.attachments),
            (Table::CardElements.name(), totals.card_elements),
            (Table::Links.name(), totals.links),
            (Table::Contexts.name(), totals.contexts),
            (Table::Mentions.name(), totals.mentions),
            (Table::Raw.name(), totals.raw),
            (Table::Users.name(), totals.users * runs),
        ]);
        let written: BTreeMap<&str, u64> = Table::ALL
            .into_iter()
            .filter(|table| expected.contains_key(table.name()))
            .map(|table| (table.name(), self.rows(table)))
            .collect();
        assert_eq!(written, expected, "{} after {runs} runs", self.url);
        let distinct = format!(
            "{}SELECT count(DISTINCT record_id) FROM '{}/interactions/**/*.parquet'
             WHERE CAST(created_at AS DATE) = date",
            self.prelude, self.url
        );
        assert_eq!(number(&distinct), totals.interactions, "{}", self.url);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_on_a_server_equals_the_tenant_after_one_run_and_after_two() {
    // 2025-01-01 to 2025-02-01.
    let spec = TenantSpec::default().with_seed(21).with_users(20).with_interactions(2_000);
    let emulator = unlimited(spec.with_window(1_735_689_600_000, 1_738_368_000_000)).await;
    for remote in [in_moto(), in_azurite()] {
        let folder = Lake::new();
        let more = format!("[destination.options]\n{}", remote.options);
        let file = pipeline_into(&emulator, &folder, remote.url, &more);
        for runs in 1..3 {
            let command = remote.command(&file, &emulator);
            let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
            ended.assert_code(0);
            if runs == 1 {
                ended.assert_said(&format!("FROM '{}/interactions/**/*.parquet'", remote.url));
            }
            remote.assert_holds(emulator.tenant(), runs);
        }
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_and_a_key_that_is_wrong_are_named() {
    let emulator = unlimited(TenantSpec::default().with_users(1).with_interactions(1)).await;
    let wrong_key = "d3Jvbmc=";
    let (moto, azurite) = (in_moto(), in_azurite());
    let nowhere = "make the bucket or container that destination.url names";
    for (remote, url, secret, code, hint) in [
        (&moto, "s3://nowhere/lake", MOTO_KEY, 6, nowhere),
        (&azurite, "az://nowhere/lake", AZURITE_KEY, 6, nowhere),
        (
            &azurite,
            "az://promptlake/lake",
            wrong_key,
            6,
            "the store took the credentials but not the operation",
        ),
        (&azurite, "az://UPPER/lake", AZURITE_KEY, 2, "write url = \"az://container/lake\""),
    ] {
        let folder = Lake::new();
        let more = format!("[destination.options]\n{}", remote.options);
        let file = pipeline_into(&emulator, &folder, url, &more);
        let mut command = remote.command(&file, &emulator);
        command.env(remote.secrets[0].0, secret);
        let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
        ended.assert_code(code).assert_said(hint);
        assert!(!ended.said.contains(secret) || secret == MOTO_KEY, "{}", ended.said);
    }
    assert!(moto.server.url().starts_with("http://127.0.0.1:"));
    emulator.shutdown().await;
}
