//! `cargo ci`: every check and every test, in the order in which they fail fastest.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::test_programs::TestRun;
use crate::tools;

/// One step and what it took.
struct Timed {
    name: &'static str,
    took: Duration,
}

pub(crate) fn run(full: bool) -> Result<()> {
    let root = crate::root();
    let mut steps = Steps::begin();
    steps.step("format", || cargo(&root, &["fmt", "--all", "--check"]))?;
    // Installing waits for the network, compiling does not.
    let environment = std::thread::scope(|scope| {
        let installing = scope.spawn(|| install(&root, full));
        compile(&root, &mut steps)?;
        let wait = || installing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        steps.step("tools, as far as they were not there by now", wait)
    })?;
    let tests = TestRun { root: &root, environment, shows_output: full };
    steps.step("tests that wait", || tests.waiting())?;
    steps.step("tests", || tests.others())?;
    if full {
        steps.step("licences, sources, bans", || {
            let deny = tools::cargo_deny(&root)?;
            let mut check = Command::new(deny);
            check.current_dir(&root).args(["check", "bans", "licenses", "sources"]);
            tools::run(&mut check)
        })?;
        steps.step("book", || {
            let mdbook = tools::mdbook(&root)?;
            tools::run(Command::new(mdbook).arg("build").arg(root.join("docs")))
        })?;
    }
    steps.report();
    Ok(())
}

/// Installs what the tests need; what tells them where it is, and how densely to sample.
fn install(root: &Path, full: bool) -> Result<Vec<(&'static str, OsString)>> {
    let mut environment = vec![
        ("PROMPTLAKE_PYTHON", tools::python(root)?.into()),
        ("PROMPTLAKE_AZURITE", tools::azurite(root)?.into()),
        ("PROMPTLAKE_ADAPTIVECARDS", tools::adaptivecards(root)?.into()),
        ("PROMPTLAKE_GRAPH_CLIENT_PYTHON", tools::graph_client(root)?.into()),
    ];
    tools::strace()?;
    tools::systemd_analyze()?;
    tools::openssl()?;
    if full {
        environment.push(("PROMPTLAKE_TESTS", "full".into()));
        environment.push(("PROMPTLAKE_SPARK_PYTHON", tools::spark(root)?.into()));
    }
    Ok(environment)
}

/// What the compiler, clippy and rustdoc say, and the programs that the tests are.
fn compile(root: &Path, steps: &mut Steps) -> Result<()> {
    steps.step("clippy", || {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    steps.step("generated files", crate::schemas::check)?;
    steps.step("documentation", || {
        let mut doc = command(root, &["doc", "--workspace", "--no-deps", "--quiet"]);
        tools::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.step("build", || cargo(root, &["test", "--workspace", "--no-run", "--quiet"]))
}

fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments);
    command
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    tools::run(&mut command(root, arguments))
}

struct Steps {
    began: Instant,
    done: Vec<Timed>,
}

#[expect(clippy::disallowed_methods, reason = "how long a step took is what this program reports")]
impl Steps {
    fn begin() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }

    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("── {name}");
        let began = Instant::now();
        let outcome = work().with_context(|| format!("{name} failed"));
        let took = began.elapsed();
        println!("   {name}: {:.1} s", took.as_secs_f64());
        self.done.push(Timed { name, took });
        outcome
    }

    fn report(&self) {
        println!("── all steps passed");
        for Timed { name, took } in &self.done {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        println!("{:>8.1} s  in all", self.began.elapsed().as_secs_f64());
    }
}
