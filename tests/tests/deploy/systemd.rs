//! The units by systemd's own reader, and what a run calls of the kernel against what they let through.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use promptlake_tests::program::program;
use tempfile::TempDir;

use crate::image::Watched;
use crate::text;

/// What the exposure may be, in tenths: systemd calls up to 2 "OK", and what does more than compute is never at 0.
const EXPOSURE_TENTHS_MAX: u32 = 15;

/// The units of a tenant, in a folder, with the program that there is in place of the one that is installed.
fn units(change: impl Fn(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = program().display().to_string();
    for kind in ["service", "timer"] {
        let unit = text(&format!("deploy/systemd/promptlake@.{kind}"));
        assert!(kind == "timer" || unit.contains("ExecStart=/usr/bin/promptlake "));
        let unit = change(unit.replace("/usr/bin/promptlake", &program));
        std::fs::write(folder.path().join(format!("promptlake@contoso.{kind}")), unit).unwrap();
    }
    folder
}

fn systemd_analyze(arguments: &[&str], folder: &Path) -> (bool, String) {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.expect("start systemd-analyze: run `cargo ci` once, which installs it");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

fn verify(folder: &Path) -> (bool, String) {
    let units = ["./promptlake@contoso.service", "./promptlake@contoso.timer"];
    systemd_analyze(&["verify", "--man=no", units[0], units[1]], folder)
}

#[test]
fn systemd_reads_every_line_of_the_units() {
    assert_eq!(verify(units(|unit| unit).path()), (true, String::new()));
    for (right, misspelt) in [
        ("DynamicUser=", "DynamicUsers="),
        ("=strict", "=strictly"),
        ("OnCalendar=*-*-* 02", "OnCalendar=*-*-* 25"),
        ("@system-service", "@system-services"),
    ] {
        let (_, said) = verify(units(|unit| unit.replace(right, misspelt)).path());
        assert!(!said.is_empty(), "{misspelt} was read");
    }
}

#[test]
fn the_unit_is_locked_up() {
    let threshold = format!("--threshold={EXPOSURE_TENTHS_MAX}");
    let arguments = ["security", "--offline=yes", "--no-pager", &threshold, "./promptlake@contoso.service"];
    let (below, said) = systemd_analyze(&arguments, units(|unit| unit).path());
    assert!(below, "{said}");
    let (below, _) = systemd_analyze(&arguments, units(|unit| unit.replace("PrivateUsers=yes", "")).path());
    let (far_below, _) = systemd_analyze(
        &arguments,
        units(|unit| unit.replace("CapabilityBoundingSet=\n", "").replace("SystemCallFilter=", "#")).path(),
    );
    assert!(!(below && far_below), "the threshold lets everything through");
}

/// The system calls of a set, and of the sets in it.
fn calls_of(set: &str) -> BTreeSet<String> {
    let (_, listed) = systemd_analyze(&["syscall-filter", "--no-pager", set], Path::new("/"));
    let lines =
        listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .flat_map(
            |line| if line.starts_with('@') { calls_of(line) } else { BTreeSet::from([line.to_owned()]) },
        )
        .collect()
}

#[test]
fn the_filter_lets_through_what_a_run_calls() {
    let unit = text("deploy/systemd/promptlake@.service");
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let [allowed, denied] = filters[..] else { panic!("{filters:?}") };
    let denied = denied.strip_prefix('~').unwrap();
    let mut through: BTreeSet<String> = allowed.split(' ').flat_map(calls_of).collect();
    assert!(through.contains("openat"), "systemd-analyze lists {through:?}");
    for call in denied.split(' ').flat_map(calls_of) {
        through.remove(&call);
    }
    assert!(!through.contains("setuid"), "what is denied is let through");
    let called = Watched::run().calls();
    assert!(called.contains("openat") && called.len() > 20, "{called:?}");
    assert_eq!(called.difference(&through).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_pipeline_file_finds_the_secret_where_the_unit_puts_it() {
    let unit = text("deploy/systemd/promptlake@.service");
    let credential = unit.lines().find_map(|line| line.strip_prefix("LoadCredential=")).unwrap();
    let (name, _) = credential.split_once(':').unwrap();
    let file = format!("file = \"/run/credentials/promptlake@contoso.service/{name}\"");
    assert!(text("deploy/systemd/contoso.toml").contains(&file));
}
