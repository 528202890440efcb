//! `cargo ci`: every check and every test, in the order in which they fail fastest.

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
    let mut steps = Steps::default();
    let python = steps.step("tools: python with duckdb and moto", || tools::python(&root))?;
    let azurite = steps.step("tools: azurite", || tools::azurite(&root))?;
    let adaptivecards = steps.step("tools: adaptivecards", || tools::adaptivecards(&root))?;
    let graph_client = steps.step("tools: Microsoft's client", || tools::graph_client(&root))?;
    steps.step("tools: strace", tools::strace)?;
    let spark = full.then(|| steps.step("tools: spark", || tools::spark(&root))).transpose()?;
    steps.step("format", || cargo(&root, &["fmt", "--all", "--check"]))?;
    steps.step("clippy", || {
        cargo(&root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    steps.step("generated files", crate::schemas::check)?;
    steps.step("documentation", || {
        let mut doc = command(&root, &["doc", "--workspace", "--no-deps", "--quiet"]);
        tools::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.step("build", || cargo(&root, &["test", "--workspace", "--no-run", "--quiet"]))?;
    let mut environment = vec![
        ("PROMPTLAKE_PYTHON", python.into()),
        ("PROMPTLAKE_AZURITE", azurite.into()),
        ("PROMPTLAKE_ADAPTIVECARDS", adaptivecards.into()),
        ("PROMPTLAKE_GRAPH_CLIENT_PYTHON", graph_client.into()),
    ];
    if let Some(spark) = spark {
        environment.push(("PROMPTLAKE_TESTS", "full".into()));
        environment.push(("PROMPTLAKE_SPARK_PYTHON", spark.into()));
    }
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
    }
    steps.report();
    Ok(())
}

fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments);
    command
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    tools::run(&mut command(root, arguments))
}

#[derive(Default)]
struct Steps {
    done: Vec<Timed>,
}

impl Steps {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("── {name}");
        #[expect(clippy::disallowed_methods, reason = "how long a step took is what this program reports")]
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
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        println!("{:>8.1} s  in all", total.as_secs_f64());
    }
}
