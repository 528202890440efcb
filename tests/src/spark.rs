//! Spark, as a person would use it: the folder of a table, and nothing said of its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use promptlake_model::Table;
use serde_json::{Value, json};

/// Reads every table whole, so that each value is decoded, and one day of it, as its plan and the metrics of its scan
/// say.
const SCRIPT: &str = r#"
import json, sys
from pyspark.sql import SparkSession, functions
asked = json.load(sys.stdin)
spark = (SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.driver.memory", "1g")
    .getOrCreate())
found = {}
for table in asked["tables"]:
    frame = spark.read.parquet(asked["lake"] + "/" + table)
    hashes = functions.bit_xor(functions.xxhash64(*frame.columns))
    rows, _ = frame.agg(functions.count(functions.lit(1)), hashes).collect()[0]
    day = frame.where("date = DATE'" + asked["day"] + "'")
    rows_of_day = len(day.select("tenant_id").collect())
    narrow = day.select("tenant_id")
    narrow.collect()
    plan = narrow._jdf.queryExecution().executedPlan()
    found[table] = {
        "columns": [[field.name, field.dataType.simpleString()] for field in frame.schema.fields],
        "rows": rows,
        "files": sorted(frame.inputFiles()),
        "rows_of_day": rows_of_day,
        "plan_of_day": narrow._jdf.queryExecution().toString(),
        "files_of_day": plan.collectLeaves().apply(0).metrics().apply("numFiles").value(),
    }
json.dump(found, sys.stdout)
"#;

/// Executes a script statement by statement, as its head says, and then queries; gives the rows of each.
const SCRIPT_OF_VIEWS: &str = r#"
import json, sys
from pyspark.sql import SparkSession
asked = json.load(sys.stdin)
spark = (SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.warehouse.dir", asked["warehouse"])
    .config("spark.driver.memory", "1g")
    .getOrCreate())
spark.conf.set("lake", asked["lake"])
for statement in filter(str.strip, asked["script"].split(";\n")):
    spark.sql(statement)
json.dump([[list(row) for row in spark.sql(query).collect()] for query in asked["queries"]], sys.stdout)
"#;

/// A table as Spark reads it.
#[derive(Debug)]
pub struct SparkTable {
    /// Names and types of all columns, that of the partition last.
    pub columns: Vec<[String; 2]>,
    /// Rows, each decoded to the last value.
    pub rows: u64,
    /// Where they come from, as URLs.
    pub files: Vec<String>,
    /// Rows of one day.
    pub rows_of_day: u64,
    /// The plan by which those were read.
    pub plan_of_day: String,
    /// Files that were read for them.
    pub files_of_day: u64,
}

/// Python with `pyspark` 4.1: what `cargo ci --full` installs.
fn python() -> PathBuf {
    let installed = || crate::root().join("target/spark/bin/python");
    let python = std::env::var_os("PROMPTLAKE_SPARK_PYTHON").map_or_else(installed, PathBuf::from);
    assert!(
        python.exists(),
        "{} is missing: run `cargo ci --full` once, which installs it",
        python.display()
    );
    python
}

/// Reads tables of a lake, and of each one day (`YYYY-MM-DD`).
#[must_use]
pub fn read(lake: &Path, tables: &[Table], day: &str) -> BTreeMap<Table, SparkTable> {
    let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
    let asked = json!({ "lake": lake.display().to_string(), "tables": names, "day": day });
    let found = run(SCRIPT, &asked);
    tables.iter().map(|table| (*table, spark_table(&found[table.name()]))).collect()
}

/// The rows of queries over the tables and views of `schemas/spark.sql`, whose own files go into a folder that may be
/// thrown away.
#[must_use]
pub fn query_views(lake: &Path, warehouse: &Path, queries: &[String]) -> Vec<Vec<Vec<Value>>> {
    let script = crate::root().join("schemas/spark.sql");
    let script = std::fs::read_to_string(&script).expect("the script is checked in");
    let (lake, warehouse) = (lake.display().to_string(), warehouse.display().to_string());
    let asked = json!({ "lake": lake, "warehouse": warehouse, "script": script, "queries": queries });
    serde_json::from_value(run(SCRIPT_OF_VIEWS, &asked)).expect("rows of each query")
}

/// What a Python script prints, as JSON, where it is asked for JSON on its standard input.
fn run(script: &str, asked: &Value) -> Value {
    let mut command = Command::new(python());
    // Without the locale, Java reads names of files as ASCII.
    command.args(["-c", script]).env("LC_ALL", "C.UTF-8").env("SPARK_LOCAL_IP", "127.0.0.1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start python");
    let mut input = child.stdin.take().expect("stdin is piped");
    std::io::Write::write_all(&mut input, asked.to_string().as_bytes()).expect("hand over what is asked");
    drop(input);
    let output = child.wait_with_output().expect("wait for python");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Spark could not do {asked}:\n{error}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

fn spark_table(found: &Value) -> SparkTable {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |name: &str| found[name].as_array().expect("a list").clone();
    let count = |name: &str| found[name].as_u64().expect("a count");
    SparkTable {
        columns: list("columns").iter().map(|column| [text(&column[0]), text(&column[1])]).collect(),
        rows: count("rows"),
        files: list("files").iter().map(text).collect(),
        rows_of_day: count("rows_of_day"),
        plan_of_day: text(&found["plan_of_day"]),
        files_of_day: count("files_of_day"),
    }
}
