//! What the checks need beyond Rust and a C compiler, installed below `target/` by package name.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The reader that the end-to-end tests query the lake with. Pinned: another version may read something else.
const DUCKDB: &str = "duckdb==1.5.5";

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

/// A Python with `duckdb`, in an environment of its own. Made once; a broken one is made again.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    let environment = root.join("target/python");
    let python = environment.join("bin/python");
    let marker = environment.join("installed");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == DUCKDB) {
        return Ok(python);
    }
    if !succeeds("python3", &["-c", "import venv, ensurepip"]) {
        install_python()?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", DUCKDB];
    run(Command::new(&python).args(install))?;
    std::fs::write(&marker, DUCKDB).with_context(|| format!("write {}", marker.display()))?;
    Ok(python)
}

fn install_python() -> Result<()> {
    let hint = "install python3 with venv, the reader of the end-to-end tests needs it";
    run(Command::new("apt-get").args(["update", "-qq"])).context(hint)?;
    run(Command::new("apt-get").args(["install", "-y", "-qq", "python3", "python3-venv"])).context(hint)
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
