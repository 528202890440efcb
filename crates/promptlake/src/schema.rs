//! `promptlake schema`: what the lake's tables and the pipeline file are, in the words of whoever wants to know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use promptlake_flow::Clock;
use promptlake_load::{LoadError, Store, StoreLocation, StoreSettings, tables_with_files};
use promptlake_model::{Table, Timestamp};

use crate::cli::{PipelineArguments, SchemaCommand};
use crate::failure::{Failure, Outcome};
use crate::lake;
use crate::run;
use crate::settings;
use crate::stdout;
use crate::terminal;

/// A lake as somebody names it: by where it is, or by a pipeline file that fills it.
#[derive(Debug, Clone)]
pub(crate) enum LakeArgument {
    Location(StoreLocation),
    Pipeline(PathBuf),
}

impl FromStr for LakeArgument {
    type Err = String;

    /// What ends as a pipeline file does, is one.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
            return Ok(Self::Pipeline(path.to_owned()));
        }
        settings::lake_location(text).map(Self::Location)
    }
}

/// Prints a schema.
pub(crate) async fn schema(command: SchemaCommand) -> Result<Outcome, Failure> {
    match command {
        SchemaCommand::Pipeline => stdout::print(format_args!("{:#}\n", settings::json_schema())),
        SchemaCommand::Tables { table: Some(table) } => stdout::print(promptlake_schemas::describe(table)),
        SchemaCommand::Tables { table: None } => print_tables(),
        SchemaCommand::Duckdb { lake: None } => stdout::print(promptlake_schemas::duckdb()),
        SchemaCommand::Duckdb { lake: Some(lake) } => stdout::print(duckdb_of(lake).await?),
        SchemaCommand::Spark { lake: None } => stdout::print(promptlake_schemas::spark()),
        SchemaCommand::Spark { lake: Some(lake) } => {
            let root = absolute(store_of(lake)?.location);
            stdout::print(promptlake_schemas::spark_of(&in_spark(&root)));
        }
    }
    Ok(Outcome::Done)
}

/// All tables, as one JSON list.
fn print_tables() {
    let tables = Table::ALL.map(promptlake_schemas::describe);
    let tables: Vec<&str> = tables.iter().map(|table| table.trim_end()).collect();
    stdout::print(format_args!("[\n{}\n]\n", tables.join(",\n")));
}

/// Views that stay: which tables have files is looked up in the lake, since `DuckDB` takes no pattern without one.
async fn duckdb_of(lake: LakeArgument) -> Result<String, Failure> {
    let settings = store_of(lake)?;
    lake::check_root(&settings.location)?;
    let store = Store::open(&settings)?;
    let with_files = tables_with_files(&store).await.map_err(LoadError::from)?;
    let empty = Table::ALL.into_iter().filter(|table| !with_files.contains(table));
    let empty: Vec<&str> = empty.map(Table::name).collect();
    if !empty.is_empty() {
        // A view over no file names none, and goes on to do so.
        let empty = empty.join(", ");
        terminal::say(format_args!(
            "no file yet, so their views stay empty until they are made again: {empty}"
        ));
    }
    Ok(promptlake_schemas::duckdb_of(&absolute(settings.location).in_duckdb(), &with_files))
}

fn store_of(lake: LakeArgument) -> Result<StoreSettings, Failure> {
    match lake {
        LakeArgument::Location(location) => {
            Ok(StoreSettings { location, options: BTreeMap::new(), single_writer: false })
        }
        LakeArgument::Pipeline(file) => {
            let now = Timestamp::from_micros(Clock::system().now_micros());
            Ok(run::read_pipeline(&PipelineArguments { file, overrides: Vec::new() }, now)?.destination.store)
        }
    }
}

/// A path that is the same wherever the script is run.
fn absolute(location: StoreLocation) -> StoreLocation {
    match location {
        StoreLocation::Local(path) => StoreLocation::Local(std::path::absolute(&path).unwrap_or(path)),
        remote @ StoreLocation::Remote(_) => remote,
    }
}

/// The root of a lake in the words of Spark, which reads S3 by the name of its own client.
fn in_spark(location: &StoreLocation) -> String {
    let root = location.to_string();
    root.strip_prefix("s3://").map_or_else(|| root.clone(), |rest| format!("s3a://{rest}"))
}
