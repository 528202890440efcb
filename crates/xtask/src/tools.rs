//! What the checks need beyond Rust and a C compiler, installed below `target/` by package name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What the tests run in Python. Pinned: another version may read or answer something else.
///
/// - `duckdb` is the reader that the end-to-end tests query the lake with, `duckdb-extension-*` are what it reads S3 and
///   Azure with, of the same version, so that no test downloads them;
/// - `moto` is a server of S3 that honours conditional puts.
const PYTHON_PACKAGES: [&str; 4] = [
    "duckdb==1.5.5",
    "duckdb-extension-httpfs==1.5.5",
    "duckdb-extension-azure==1.5.5",
    "moto[server]==5.2.5",
];

/// Microsoft's own client library of the API: what pages through the emulator's histories beside our own client.
const GRAPH_CLIENT: &str = "microsoft-agents-m365copilot==1.11.0";

/// Microsoft's own emulator of Azure's Blob Storage.
const AZURITE: &str = "azurite@3.37.0";

/// The second engine that must read the lake; with `--full` only, for it takes 400 MB and Java.
const PYSPARK: &str = "pyspark==4.1.*";

/// The checker of licences, sources and banned crates.
pub(crate) const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Runs a command and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A Python with `duckdb` and `moto`, in an environment of its own.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    python_with(&root.join("target/python"), &PYTHON_PACKAGES)
}

/// A Python with `pyspark`, and Java to run it. Give its path to the tests as `PROMPTLAKE_SPARK_PYTHON`.
pub(crate) fn spark(root: &Path) -> Result<PathBuf> {
    if !succeeds("java", &["-version"]) {
        apt_install(&["openjdk-17-jre-headless"], "install Java 17, Spark needs it")?;
    }
    python_with(&root.join("target/spark"), &[PYSPARK])
}

/// A Python with Microsoft's client library. Give its path to the tests as `PROMPTLAKE_GRAPH_CLIENT_PYTHON`.
pub(crate) fn graph_client(root: &Path) -> Result<PathBuf> {
    python_with(&root.join("target/graph-client"), &[GRAPH_CLIENT])
}

/// Azurite's program for blobs, installed once. Give its path to the tests as `PROMPTLAKE_AZURITE`.
pub(crate) fn azurite(root: &Path) -> Result<PathBuf> {
    let modules = root.join("target/tools/node");
    let program = modules.join("node_modules/.bin/azurite-blob");
    let marker = modules.join("installed");
    if program.exists() && std::fs::read_to_string(&marker).is_ok_and(|installed| installed == AZURITE) {
        return Ok(program);
    }
    if !succeeds("node", &["--version"]) || !succeeds("npm", &["--version"]) {
        apt_install(&["nodejs", "npm"], "install node and npm, the tests of Azure need them")?;
    }
    std::fs::create_dir_all(&modules).with_context(|| format!("make {}", modules.display()))?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&modules);
    run(install.arg(AZURITE))?;
    std::fs::write(&marker, AZURITE).with_context(|| format!("write {}", marker.display()))?;
    Ok(program)
}

/// A Python with packages, in an environment of its own. Made once; a broken one is made again.
fn python_with(environment: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = environment.join("bin/python");
    let marker = environment.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !succeeds("python3", &["-c", "import venv, ensurepip"]) {
        install_python()?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(install).args(packages))?;
    std::fs::write(&marker, wanted).with_context(|| format!("write {}", marker.display()))?;
    Ok(python)
}

fn install_python() -> Result<()> {
    let hint = "install python3 with venv, the reader of the end-to-end tests needs it";
    apt_install(&["python3", "python3-venv"], hint)
}

fn apt_install(packages: &[&str], hint: &'static str) -> Result<()> {
    run(Command::new("apt-get").args(["update", "-qq"])).context(hint)?;
    run(Command::new("apt-get").args(["install", "-y", "-qq"]).args(packages)).context(hint)
}

/// The tracer of the test of power loss.
pub(crate) fn strace() -> Result<()> {
    if succeeds("strace", &["--version"]) {
        return Ok(());
    }
    apt_install(&["strace"], "install strace, the test of power loss needs it")
}

/// cargo-deny, built where the machine has none.
pub(crate) fn cargo_deny(root: &Path) -> Result<PathBuf> {
    if succeeds("cargo-deny", &["--version"]) {
        return Ok(PathBuf::from("cargo-deny"));
    }
    let tools = root.join("target/tools");
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", "--locked", "--root"]).arg(&tools).arg(CARGO_DENY);
        run(&mut install)?;
    }
    Ok(program)
}
