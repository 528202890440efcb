//! Who may see whom, and what may not enter the build twice.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use promptlake_tests::root;

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

/// What each crate of ours sees of the others, tests aside.
fn edges(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let ours: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let seen = |package: &&cargo_metadata::Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let names = normal.map(|dependency| dependency.name.clone()).filter(|name| ours.contains(name));
        (package.name.to_string(), names.collect())
    };
    metadata.workspace_packages().iter().map(seen).collect()
}

#[test]
fn the_three_verbs_never_see_one_another_and_the_emulator_sees_nobody() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("promptlake-model", &[][..]),
        ("promptlake-flow", &[]),
        ("promptlake-cards", &[]),
        ("graph-emulator", &[]),
        ("promptlake-extract", &["promptlake-flow", "promptlake-model"]),
        ("promptlake-transform", &["promptlake-cards", "promptlake-model"]),
        ("promptlake-load", &["promptlake-flow", "promptlake-model"]),
        ("promptlake-schemas", &["promptlake-model"]),
        ("xtask", &["promptlake-model", "promptlake-schemas"]),
    ]);
    let everything = ["promptlake", "promptlake-benches", "promptlake-fuzz", "promptlake-tests"];
    for (name, sees) in edges(&metadata()) {
        if everything.contains(&name.as_str()) {
            continue;
        }
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no rule"));
        for other in sees {
            assert!(allowed.contains(&other.as_str()), "{name} must not see {other}");
        }
    }
}

#[test]
fn there_is_one_tls_stack_one_arrow_and_one_client() {
    // `cargo tree` says what is built; metadata also names what no feature asks for.
    let arguments = ["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = Command::new(env!("CARGO")).current_dir(root()).args(arguments).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let built = String::from_utf8(tree.stdout).unwrap();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in built.lines() {
        if let Some((name, version)) = line.split_once(' ') {
            versions.entry(name).or_default().insert(version.split(' ').next().unwrap_or(version));
        }
    }
    for banned in ["openssl", "openssl-sys", "native-tls", "ring"] {
        assert!(!versions.contains_key(banned), "{banned} is a second TLS stack");
    }
    for single in
        ["arrow-array", "parquet", "object_store", "rustls", "aws-lc-rs", "reqwest", "hyper", "tokio"]
    {
        let found = versions.get(single).map_or(0, BTreeSet::len);
        assert_eq!(found, 1, "{single}: {:?}", versions.get(single));
    }
}
