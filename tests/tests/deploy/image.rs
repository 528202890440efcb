//! The image, which no test can build without a builder: its file by hadolint, its context by cargo, and what the program asks of
//! the system that it runs on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use promptlake_tests::program::program;
use promptlake_tests::root;
use tempfile::TempDir;

use crate::{fed, files_below, has_extension, program_of_python, text};

const DOCKERFILE: &str = "deploy/Dockerfile";

/// The libraries that `cc-debian12` has, glibc's and gcc's.
const LIBRARIES: [&str; 7] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

fn hadolint(dockerfile: &str) -> String {
    let mut command = program_of_python("hadolint");
    command.arg("-");
    String::from_utf8(fed(command, dockerfile).stdout).unwrap()
}

#[test]
fn hadolint_finds_nothing() {
    let dockerfile = text(DOCKERFILE);
    assert_eq!(hadolint(&dockerfile), "");
    assert!(
        hadolint(&dockerfile.replace("rust:1.95.0-bookworm", "rust")).contains("DL3006"),
        "a base without a tag"
    );
    assert!(
        hadolint(&dockerfile.replace("ENTRYPOINT [\"/usr/bin/promptlake\"]", "ENTRYPOINT promptlake"))
            .contains("DL3025")
    );
}

#[test]
fn the_base_is_the_rust_that_the_workspace_asks_for_and_one_debian() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let package = metadata.packages.iter().find(|package| package.name == "promptlake").unwrap();
    let rust = package.rust_version.clone().unwrap();
    let dockerfile = text(DOCKERFILE);
    assert!(dockerfile.contains(&format!("FROM rust:{rust}-bookworm AS build\n")), "rust-version is {rust}");
    // The glibc of bookworm is that of Debian 12.
    assert!(dockerfile.contains("\nFROM gcr.io/distroless/cc-debian12:nonroot\n"));
}

/// What the builder gets to see: the whole grammar of the file is `*`, `!name` and `**/name`.
fn context() -> TempDir {
    let ignore = text("deploy/Dockerfile.dockerignore");
    let lines: Vec<&str> = ignore.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*");
    let (taken, left_out): (Vec<&str>, Vec<&str>) = lines[1..].iter().partition(|line| line.starts_with('!'));
    assert_eq!(left_out, ["**/target"]);
    let context = tempfile::tempdir().unwrap();
    for name in taken.iter().map(|line| &line[1..]) {
        let files = if root().join(name).is_dir() { files_below(name) } else { vec![name.to_owned()] };
        for file in files.iter().filter(|file| !file.split('/').any(|part| part == "target")) {
            let copy = context.path().join(file);
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(root().join(file), copy).unwrap();
        }
    }
    context
}

/// The files that are read into the program when it is compiled, from where they are read.
fn included(source: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(source).unwrap();
    let named = |with: &str| -> Vec<PathBuf> {
        let paths = text.split(with).skip(1).filter_map(|rest| rest.split_once('"'));
        paths.map(|(path, _)| source.parent().unwrap().join(path)).collect()
    };
    [named("include_str!(\""), named("include_bytes!(\"")].concat()
}

#[test]
fn the_builder_gets_all_that_cargo_reads() {
    let context = context();
    let metadata = MetadataCommand::new()
        .manifest_path(context.path().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .unwrap();
    let mut included_files = 0;
    // What tests read is not compiled into the program.
    let compiled = |file: &&String| has_extension(file, "rs") && !file.contains("/tests");
    for file in files_below("crates").iter().filter(compiled) {
        for path in included(&context.path().join(file)) {
            assert!(path.exists(), "{file} reads {}", path.display());
            included_files += 1;
        }
    }
    assert!(metadata.packages.len() > 5 && included_files > 0);
}

#[test]
fn the_program_needs_no_library_that_the_image_lacks() {
    let output =
        Command::new("readelf").arg("-d").arg(program()).output().expect("binutils come with the C compiler");
    let listed = String::from_utf8(output.stdout).unwrap();
    let needed: Vec<&str> = listed
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{listed}");
    assert!(needed.iter().all(|library| LIBRARIES.contains(library)), "{needed:?}");
}

/// A run under `strace`.
pub(crate) struct Watched {
    folder: TempDir,
    log: String,
}

impl Watched {
    /// Runs a small made-up tenant into `lake` of a folder.
    pub(crate) fn run() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = "[source]\ncloud = \"emulator\"\nstart = \"2025-01-01\"\n[source.emulator]\nusers = 5\n\
                        interactions = 200\nstart = \"2025-01-01\"\nend = \"2025-01-08\"\nrequests_per_second = 0\n\
                        [destination]\nurl = \"./lake\"\n";
        std::fs::write(folder.path().join("pipeline.toml"), pipeline).unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-s", "0", "-o", "log"]).arg(program()).args(["run", "pipeline.toml"]);
        let output =
            command.current_dir(folder.path()).output().expect("start strace: `cargo ci` installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        Self { folder, log }
    }

    /// The lines of the log without the number of the thread.
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.log.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
    }

    /// What was called of the kernel.
    pub(crate) fn calls(&self) -> BTreeSet<String> {
        let names = self.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name);
        let is_name =
            |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        names.filter(is_name).map(str::to_owned).collect()
    }

    /// Files and folders that were made, or opened to be written.
    fn written(&self) -> impl Iterator<Item = &str> {
        const WRITING: [&str; 3] = ["O_WRONLY", "O_RDWR", "O_CREAT"];
        let opened = |line: &str| line.starts_with("open") && WRITING.iter().any(|flag| line.contains(flag));
        let made =
            |line: &str| line.starts_with("mkdir") || line.starts_with("link") || line.starts_with("symlink");
        let lines = self.lines().filter(move |line| opened(line) || made(line));
        lines.filter_map(|line| Some(line.split_once('"')?.1.split_once('"')?.0))
    }
}

#[test]
fn a_run_writes_nothing_but_the_lake() {
    let watched = Watched::run();
    let lake = watched.folder.path().join("lake").display().to_string();
    let in_lake =
        |path: &&str| path.starts_with("./lake") || path.starts_with("lake") || path.starts_with(&lake);
    assert!(watched.written().filter(in_lake).count() > 10, "nothing was seen to be written");
    let elsewhere: BTreeSet<&str> = watched.written().filter(|path| !in_lake(path)).collect();
    assert!(elsewhere.iter().all(|path| *path == "/dev/null"), "{elsewhere:?}");
}
