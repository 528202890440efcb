//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, one after the other.
//!
//! It needs no nightly: coverage is a pass of LLVM that the stable compiler runs as well, and without a sanitizer nothing
//! else is asked of it. There is no unsafe code of ours that a sanitizer could look at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools;

/// Bytes of an input: what a target does not do with so many, it does not do with more, and they are faster to try.
const INPUT_BYTES_MAX: usize = 8_192;

/// Fuzzes the named targets, or all of them, for so many seconds each.
pub(crate) fn run(seconds: u64, names: &[String]) -> Result<()> {
    let root = crate::root();
    let engine = tools::cargo_bolero(&root)?;
    let targets = targets(&root)?;
    if let Some(unknown) = names.iter().find(|name| !targets.contains(name)) {
        bail!("there is no target {unknown}, only {}", targets.join(", "));
    }
    for target in targets.iter().filter(|target| names.is_empty() || names.contains(target)) {
        println!("── {target}");
        fuzz(&root, &engine, target, seconds).with_context(|| {
            format!("{target} broke its law: `cargo test --test fuzz {target}` meets what is in fuzz/crashes")
        })?;
    }
    Ok(())
}

/// The names of the targets: each has a corpus.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/corpus");
    let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> =
        names.collect::<std::io::Result<_>>().with_context(|| format!("list {}", folder.display()))?;
    names.sort();
    Ok(names)
}

/// What it learns lies below `target/` and is gone on with the next time; what it breaks a law with lies in the tree.
fn fuzz(root: &Path, engine: &PathBuf, target: &str, seconds: u64) -> Result<()> {
    let learned = root.join("target/fuzz/corpus").join(target);
    let mut command = Command::new(engine);
    command.current_dir(root).args(["bolero", "test", target, "--package", "promptlake-fuzz"]);
    command.args(["--engine", "libfuzzer", "--sanitizer", "NONE", "-T", &format!("{seconds}s")]);
    command.args(["--max-input-length", &INPUT_BYTES_MAX.to_string()]);
    command.arg("--corpus-dir").arg(learned);
    command.arg("--crashes-dir").arg(root.join("fuzz/crashes").join(target));
    for argument in [
        format!("-dict={}", root.join("fuzz/words.dict").display()),
        "-print_final_stats=1".to_owned(),
        root.join("fuzz/corpus").join(target).display().to_string(),
    ] {
        command.arg(format!("--engine-args={argument}"));
    }
    tools::run(&mut command)
}
