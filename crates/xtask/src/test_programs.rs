//! The test programs: those that wait beside one another, the others one after the other.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{MetadataCommand, TargetKind};

use crate::tools;

/// Programs that mostly wait: for a rate, for a Retry-After, for time-outs, for the moment of a kill. Beside one another
/// they take as long as the longest of them.
const WAITING: [&str; 8] =
    ["bad_input", "failpoints", "faults", "hard_records", "isolation", "kill", "metrics", "rate"];

/// How test programs are run.
#[derive(Debug)]
pub(crate) struct TestRun<'a> {
    pub(crate) root: &'a Path,
    /// What tells the tests where their tools are, and how densely to sample.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Whether the figures that tests print are shown.
    pub(crate) shows_output: bool,
}

impl TestRun<'_> {
    /// The programs that wait, all at once. What they print comes afterwards, so that none runs into another.
    pub(crate) fn waiting(&self) -> Result<()> {
        let logs = self.root.join("target/ci");
        fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;
        let started: Vec<Started> =
            WAITING.iter().map(|name| self.start(name, &logs)).collect::<Result<_>>()?;
        let mut failed = Vec::new();
        for program in started {
            let name = program.name;
            if !program.finish()? {
                failed.push(name);
            }
        }
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }

    fn start(&self, name: &'static str, logs: &Path) -> Result<Started> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("open {} twice", log.display()))?;
        let mut test = self.command(&["--test", name]);
        test.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = test.spawn().with_context(|| format!("start {test:?}"))?;
        Ok(Started { name, child, log })
    }

    /// Every other program, and the tests within the code and its documentation.
    pub(crate) fn others(&self) -> Result<()> {
        let names = self.other_programs()?;
        let mut arguments = vec!["--lib", "--bins"];
        arguments.extend(names.iter().flat_map(|name| ["--test", name]));
        tools::run(&mut self.command(&arguments))?;
        tools::run(&mut self.command(&["--doc"]))
    }

    fn other_programs(&self) -> Result<Vec<String>> {
        let metadata =
            MetadataCommand::new().current_dir(self.root).no_deps().exec().context("cargo metadata")?;
        let targets = metadata.packages.iter().flat_map(|package| &package.targets);
        let programs = targets.filter(|target| target.kind.contains(&TargetKind::Test));
        let names = programs.map(|target| target.name.clone());
        Ok(names.filter(|name| !WAITING.contains(&name.as_str())).collect())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut test = Command::new("cargo");
        test.current_dir(self.root).args(["test", "--workspace", "--quiet"]).args(arguments);
        test.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.shows_output {
            test.args(["--", "--show-output"]);
        }
        test
    }
}

/// A program under way.
struct Started {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Started {
    /// Waits for its end and shows what it printed; says whether it passed.
    fn finish(mut self) -> Result<bool> {
        let status = self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        let printed = fs::read(&self.log).with_context(|| format!("read {}", self.log.display()))?;
        print!("{}:{}", self.name, String::from_utf8_lossy(&printed));
        Ok(status.success())
    }
}
