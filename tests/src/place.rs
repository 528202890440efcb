//! Where a lake can lie: in a folder, in S3, in Azure. How the program is told of it, and how DuckDB is.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use graph_emulator::{Emulator, Tenant};
use promptlake_model::Table;

use crate::duckdb::{azurite_prelude, moto_prelude, query};
use crate::lake::Lake;
use crate::program::{Ended, bare_command, finish, run_command};
use crate::reader::Reader;
use crate::servers::{AZURITE_ACCOUNT, AZURITE_KEY, MOTO_KEY, Server};
use crate::tenant::pipeline_into;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder of this machine.
    Local,
    /// moto, which speaks S3.
    S3,
    /// Azurite, Microsoft's emulator of Azure.
    Azure,
}

/// A lake of its own in a store. The servers live as long as the test's process.
#[derive(Debug)]
pub struct Place {
    folder: Lake,
    url: String,
    options: String,
    secrets: Vec<(&'static str, &'static str)>,
    prelude: String,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Local, Self::S3, Self::Azure];

    /// A place where no lake is yet.
    #[must_use]
    pub fn place(self) -> Place {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("lake-{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let folder = Lake::new();
        match self {
            Self::Local => Place {
                url: folder.path().display().to_string(),
                folder,
                options: String::new(),
                secrets: Vec::new(),
                prelude: String::new(),
            },
            Self::S3 => {
                let server = moto();
                let options = format!(
                    "aws_endpoint = \"{}\"\naws_allow_http = \"true\"\naws_region = \"us-east-1\"\n\
                     aws_access_key_id = \"{MOTO_KEY}\"",
                    server.url()
                );
                Place {
                    folder,
                    url: format!("s3://promptlake/{prefix}"),
                    options,
                    secrets: vec![("AWS_SECRET_ACCESS_KEY", MOTO_KEY)],
                    prelude: moto_prelude(server),
                }
            }
            Self::Azure => {
                let server = azurite();
                let options = format!(
                    "azure_storage_endpoint = \"{}\"\nazure_allow_http = \"true\"\n\
                     azure_storage_account_name = \"{AZURITE_ACCOUNT}\"",
                    server.azurite_endpoint()
                );
                Place {
                    folder,
                    url: format!("az://promptlake/{prefix}"),
                    options,
                    secrets: vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)],
                    prelude: azurite_prelude(server),
                }
            }
        }
    }
}

fn moto() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::moto();
        server.make_bucket("promptlake");
        server
    })
}

fn azurite() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::azurite();
        server.make_container("promptlake");
        server
    })
}

impl Place {
    /// Where the lake is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What lets DuckDB read it: put before a query.
    #[must_use]
    pub fn prelude(&self) -> &str {
        &self.prelude
    }

    /// A pipeline file that reads an emulator into this lake; `more` is appended to it.
    #[must_use]
    pub fn pipeline(&self, emulator: &Emulator, more: &str) -> PathBuf {
        let options = if self.options.is_empty() {
            String::new()
        } else {
            format!("[destination.options]\n{}", self.options)
        };
        pipeline_into(emulator, &self.folder, &self.url, &format!("{options}\n{more}"))
    }

    /// A run of such a file, ready to be started.
    #[must_use]
    pub fn run_command(&self, file: &std::path::Path, emulator: &Emulator) -> Command {
        let mut command = run_command(file, emulator.client_secret());
        command.envs(self.secrets.iter().copied());
        command
    }

    /// `promptlake verify` of such a file.
    #[must_use]
    pub fn verify(&self, file: &std::path::Path, arguments: &[&str]) -> Ended {
        let mut command = bare_command();
        command.arg("verify").arg(file).args(arguments).envs(self.secrets.iter().copied());
        finish(command)
    }

    /// Somebody who reads it from now on.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::start(&self.prelude, &self.url)
    }

    /// Fails where the tables do not hold as many rows as the tenant says, or one twice.
    pub fn assert_holds(&self, tenant: &Tenant) {
        let totals = tenant.totals();
        let expected = [
            (Table::Interactions, totals.interactions, "0"),
            (Table::Raw, totals.raw, "0"),
            (Table::Attachments, totals.attachments, "attachment_ordinal"),
            (Table::CardElements, totals.card_elements, "(attachment_ordinal, element_ordinal)"),
            (Table::Links, totals.links, "link_ordinal"),
            (Table::Contexts, totals.contexts, "context_ordinal"),
            (Table::Mentions, totals.mentions, "mention_ordinal"),
        ];
        let mut sql = self.prelude.clone();
        for (number, (table, _, ordinal)) in expected.iter().enumerate() {
            let union = if number == 0 { "" } else { " UNION ALL " };
            write!(
                sql,
                "{union}SELECT '{table}', count(*), count(DISTINCT (record_id, {ordinal}))
                 FROM '{}/{table}/**/*.parquet'",
                self.url
            )
            .expect("a string takes everything");
        }
        let rows = query(&sql);
        assert_eq!(rows.len(), expected.len());
        for (table, count, _) in expected {
            let row = rows.iter().find(|row| row[0] == table.name()).expect("a row for each table");
            assert_eq!(
                (row[1].as_u64(), row[2].as_u64()),
                (Some(count), Some(count)),
                "{table} in {}",
                self.url
            );
        }
    }
}
