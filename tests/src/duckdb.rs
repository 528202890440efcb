//! DuckDB, as a person would use it: a glob over the Parquet files of a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::servers::{AZURITE_ACCOUNT, AZURITE_KEY, MOTO_KEY, Server};

const SCRIPT: &str = "\
import duckdb, json, sys
connection = duckdb.connect()
connection.execute(\"SET TimeZone='UTC'\")
connection.execute('SET enable_progress_bar = false')
rows = connection.execute(sys.stdin.read()).fetchall()
json.dump(rows, sys.stdout, default=str)
";

/// Python with `duckdb`: what `cargo ci` installs.
#[must_use]
pub fn python() -> PathBuf {
    let installed = || crate::root().join("target/python/bin/python");
    let python = std::env::var_os("PROMPTLAKE_PYTHON").map_or_else(installed, PathBuf::from);
    assert!(python.exists(), "{} is missing: run `cargo ci` once, which installs it", python.display());
    python
}

/// What lets DuckDB read `s3://` from moto: put before a query.
#[must_use]
pub fn moto_prelude(server: &Server) -> String {
    s3_prelude(server, MOTO_KEY, MOTO_KEY)
}

/// The same with a key of one's own.
#[must_use]
pub fn s3_prelude(server: &Server, key_id: &str, secret: &str) -> String {
    let endpoint = server.url().replace("http://", "");
    format!(
        "{} CREATE SECRET (TYPE s3, PROVIDER config, KEY_ID '{key_id}', SECRET '{secret}', REGION 'us-east-1',
         ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false);\n",
        load("httpfs")
    )
}

/// What lets DuckDB read `az://` from Azurite: put before a query.
#[must_use]
pub fn azurite_prelude(server: &Server) -> String {
    let endpoint = server.azurite_endpoint();
    format!(
        "{} CREATE SECRET (TYPE azure, CONNECTION_STRING 'DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};\
         AccountKey={AZURITE_KEY};BlobEndpoint={endpoint};');\n",
        load("azure")
    )
}

/// Loads an extension out of its wheel: what DuckDB would download by itself is not pinned.
fn load(extension: &str) -> String {
    static FILES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut files = FILES.lock().expect("nobody panics while holding it");
    let file = files.entry(extension.to_owned()).or_insert_with(|| {
        let script = format!(
            "import duckdb_extension_{extension} as wheel, pathlib\n\
             print(next(pathlib.Path(wheel.__file__).parent.rglob('{extension}.duckdb_extension')), end='')"
        );
        let found = Command::new(python()).args(["-c", &script]).output().expect("start python");
        let error = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success(), "run `cargo ci` once, which installs {extension}:\n{error}");
        String::from_utf8(found.stdout).expect("a path")
    });
    format!("LOAD '{file}';")
}

/// The rows that a query gives.
#[must_use]
pub fn query(sql: &str) -> Vec<Vec<Value>> {
    let mut command = Command::new(python());
    command.args(["-c", SCRIPT]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("start python");
    let mut input = child.stdin.take().expect("stdin is piped");
    std::io::Write::write_all(&mut input, sql.as_bytes()).expect("hand over the query");
    drop(input);
    let output = child.wait_with_output().expect("wait for python");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "DuckDB refused:\n{sql}\n{error}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// The first value of the first row, as a number.
#[must_use]
pub fn number(sql: &str) -> u64 {
    let rows = query(sql);
    let value = rows.first().and_then(|row| row.first()).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no number: {rows:?}\n{sql}"))
}

/// What makes the views of `schemas/duckdb.sql` over a lake: put before a query.
#[must_use]
pub fn views_prelude(lake: &Path) -> String {
    let script = crate::root().join("schemas/duckdb.sql");
    let script = std::fs::read_to_string(&script).expect("the script is checked in");
    format!("SET VARIABLE lake = '{}';\n{script}\n", lake.display())
}

/// The glob of a table, as a quoted SQL string.
#[must_use]
pub fn files_of(lake: &Path, table: &str) -> String {
    format!("'{}/{table}/**/*.parquet'", lake.display())
}
