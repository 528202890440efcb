//! The commit that a release is built from, for `promptlake --version`.
//!
//! A build for tests says none: every commit would build all of them anew.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PROMPTLAKE_COMMIT");
    // Who builds outside of a clone names it.
    let named = std::env::var("PROMPTLAKE_COMMIT").ok();
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = named.or_else(|| is_release.then(commit_of_clone).flatten());
    println!("cargo::rustc-env=PROMPTLAKE_BUILT_FROM={}", commit.unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
}

fn commit_of_clone() -> Option<String> {
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git prints; nothing where there is no git, or no clone.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
