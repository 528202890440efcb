//! The documentation is true: every query and every command in it is run, every file in it is read, no link is dead.
//!
//! A block says by its language what is done with it, and the comment before it what is special about it:
//!
//! | block | what is done | comment |
//! |---|---|---|
//! | `sql` | DuckDB runs it over the demo lake and must find rows | `no row over the demo: why` |
//! | `sh` | a shell runs those of a page one after the other, in a folder of their own like a clone | |
//! | `toml`, `json` | read as a pipeline file (by a test of the program), or as JSON | `file: name` puts it into that folder |
//! | `yaml` | read, and its metrics must be documented | |
//! | `console`, `powershell` | nothing | `not run: why`, always |
//! | `text` | nothing: drawings, and what is no command | |
//!
//! A line of a `sh` block that ends with `# exit 7` must end with 7, any other with 0. The folder of a page that says
//! `over the demo lake` has it. Pipeline files that name a tenant read the emulator instead.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_tests::docs::{Block, Page, pages};
use promptlake_tests::duckdb::python;
use promptlake_tests::program::program;
use promptlake_tests::root;
use promptlake_tests::tenant::unlimited;
use tempfile::TempDir;

/// What is run, or read as what it is.
const RUN: [&str; 5] = ["sql", "sh", "toml", "json", "yaml"];
/// What is not, and says why.
const NOT_RUN: [&str; 2] = ["console", "powershell"];

/// Where the files of the repository are, seen from the book.
const REPOSITORY: &str = "https://github.com/promptlake/promptlake/";

/// Between what makes the views and what a block prints.
const MARK: &str = "=== the block ===";

/// Of a page that needs it.
const WITH_LAKE: &str = "<!-- over the demo lake -->";

#[test]
fn every_block_is_run_or_says_why_not() {
    for page in pages() {
        for block in &page.blocks {
            let (place, language) = (page.place(block), block.language.as_str());
            if NOT_RUN.contains(&language) {
                assert!(block.note_after("not run").is_some(), "{place}: say why: <!-- not run: … -->");
            } else {
                assert!(language == "text" || RUN.contains(&language), "{place}: what is {language:?}?");
                assert_eq!(block.note_after("not run"), None, "{place}: it is run");
            }
        }
    }
}

#[test]
fn the_summary_names_every_page() {
    let (summary, pages): (Vec<Page>, Vec<Page>) =
        pages().into_iter().partition(|page| page.path.ends_with("/SUMMARY.md"));
    let named: BTreeSet<String> =
        summary[0].links.iter().map(|link| format!("docs/src/{}", link.target)).collect();
    let there: BTreeSet<String> =
        pages.into_iter().map(|page| page.path).filter(|path| path.starts_with("docs/")).collect();
    assert_eq!(named, there);
}

#[test]
fn no_link_is_dead() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        let distinct: BTreeSet<&String> = page.anchors.iter().collect();
        assert_eq!(distinct.len(), page.anchors.len(), "{}: two headings are one anchor", page.path);
        for link in &page.links {
            let wrong = wrong_with(&link.target, page, &pages);
            assert!(wrong.is_none(), "{}:{}: {}: {}", page.path, link.line, link.target, wrong.unwrap());
            links += 1;
        }
    }
    assert!(links > 50, "{links} are few");
}

/// What is wrong with a link, where it leads to a file of ours.
fn wrong_with(target: &str, page: &Page, pages: &[Page]) -> Option<&'static str> {
    if let Some(path) = target.strip_prefix(REPOSITORY) {
        let path = path.strip_prefix("blob/main/").or_else(|| path.strip_prefix("tree/main/"))?;
        return (!root().join(path).exists()).then_some("no such file");
    }
    if target.contains("://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(&page.path).parent().unwrap();
    let path = if path.is_empty() { PathBuf::from(&page.path) } else { folder.join(path) };
    if !root().join(&path).exists() {
        return Some("no such file");
    }
    // Links out of the book lead nowhere once it is built.
    if page.path.starts_with("docs/") && !path.starts_with("docs/src") {
        return Some("not within the book: name it by its URL");
    }
    let anchor = anchor?;
    let there = pages.iter().find(|page| Path::new(&page.path) == path);
    let is_there = there.is_some_and(|page| page.anchors.iter().any(|other| other == anchor));
    (!is_there).then_some("no such heading")
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let help = Command::new(program()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let code = |line: &str| line.split_whitespace().next().and_then(|word| word.parse::<u8>().ok());
    let said: BTreeSet<u8> = help.lines().filter_map(code).collect();
    let operating = page("docs/src/operating.md");
    let chapter = operating.text.split("\n## Exit codes\n").nth(1).unwrap();
    let rows =
        chapter.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<u8> = rows.filter_map(|row| code(row.trim_start_matches('|'))).collect();
    assert_eq!(documented, said);
    assert!(said.contains(&130));
}

/// What the page about operating says that the program says, it says.
#[test]
fn warnings_are_those_of_the_code() {
    let operating = page("docs/src/operating.md");
    let table = operating.text.split("<!-- each of these is in the code -->\n").nth(1).unwrap();
    let rows =
        table.lines().take_while(|line| line.starts_with('|')).filter_map(|row| row.strip_prefix("| `"));
    let mut code = String::new();
    sources(&root().join("crates"), &mut code);
    let mut warnings = 0;
    for row in rows {
        let (warning, _) = row.split_once('`').unwrap();
        assert!(code.contains(warning), "no code says {warning:?}");
        warnings += 1;
    }
    assert!(warnings > 5);
}

fn sources(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn page(path: &str) -> Page {
    pages().into_iter().find(|page| page.path == path).unwrap()
}

#[test]
fn json_is_json_and_alerts_know_the_metrics() {
    let metrics = page("docs/src/operating.md").text;
    let (mut files, mut names) = (0, BTreeSet::new());
    for page in pages() {
        for block in &page.blocks {
            if block.language == "json" {
                let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
                assert!(parsed.is_ok(), "{}: {}", page.place(block), parsed.unwrap_err());
                files += 1;
            }
            if block.language == "yaml" {
                assert_is_yaml(&page, block);
                let words = block.text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                names.extend(words.filter(|word| word.starts_with("promptlake_")).map(str::to_owned));
                files += 1;
            }
        }
    }
    for name in &names {
        let is_documented =
            [format!("| `{name}` |"), format!("| `{name}{{")].iter().any(|row| metrics.contains(row));
        assert!(is_documented, "{name} is in no table");
    }
    assert!(files >= 2 && names.len() > 4);
}

fn assert_is_yaml(page: &Page, block: &Block) {
    let mut command = Command::new(python());
    command.args(["-c", "import sys, yaml; assert yaml.safe_load(sys.stdin)"]);
    let output = fed(command, &block.text);
    assert!(output.status.success(), "{}: {}", page.place(block), String::from_utf8_lossy(&output.stderr));
}

/// The slugs that the page about tables lists are all that the demo has.
#[test]
fn apps_are_documented() {
    let page = page("docs/src/tables.md");
    let apps = run_sql("SELECT DISTINCT app FROM interactions;", "apps");
    assert!(apps.len() > 20, "{apps:?}");
    for row in apps {
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        let app = row["app"].as_str().unwrap();
        assert!(page.text.contains(&format!("`{app}`")), "{app} is not listed");
    }
}

#[test]
fn every_query_finds_rows_in_the_demo_lake() {
    let mut queries = 0;
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "sql") {
            let place = page.place(block);
            let rows = run_sql(&block.text, &place);
            match block.note_after("no row over the demo") {
                Some(_) => assert!(rows.is_empty(), "{place}: it finds rows: {}", rows[0]),
                None => assert!(!rows.is_empty(), "{place}: it finds nothing"),
            }
            queries += 1;
        }
    }
    assert!(queries > 15, "{queries} are few");
}

/// Runs a block in DuckDB's own shell over the demo lake, with the views made; gives the rows as JSON.
fn run_sql(sql: &str, place: &str) -> Vec<String> {
    let mut command = Command::new(duckdb());
    command.args(["-batch", "-bail"]).current_dir(demo()).env("HOME", demo());
    let before = format!("SET TimeZone = 'UTC';\n.read schemas/duckdb.sql\n.mode jsonlines\n.print {MARK}\n");
    let output = fed(command, &(before + sql));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{place}: DuckDB refused:\n{error}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, rows) = printed.split_once(MARK).unwrap();
    rows.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
}

fn duckdb() -> PathBuf {
    let shell = python().with_file_name("duckdb");
    assert!(shell.exists(), "{} is missing: run `cargo ci` once, which installs it", shell.display());
    shell
}

fn fed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A folder with the demo lake in `lake`, made once.
fn demo() -> &'static Path {
    static DEMO: OnceLock<TempDir> = OnceLock::new();
    let folder = DEMO.get_or_init(|| {
        let folder = like_a_clone();
        let mut run = Command::new(program());
        run.current_dir(folder.path()).args(["run", "pipelines/demo.toml"]);
        run.args([
            "--set",
            "source.requests_per_second=1000",
            "--set",
            "source.emulator.requests_per_second=1000",
        ]);
        let output = run.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    folder.path()
}

/// A folder with what a person has who cloned the repository, as far as commands name it.
fn like_a_clone() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["pipelines", "schemas"] {
        copy(&root().join(name), folder.path());
    }
    folder
}

fn copy(what: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-r").arg(what).arg(into).status().unwrap();
    assert!(copied.success(), "copy {}", what.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_shall() {
    let emulator = unlimited(TenantSpec::default().with_seed(7).with_users(12).with_interactions(800)).await;
    let programs = programs(&emulator);
    let scripts: Vec<(Page, Script)> = pages()
        .into_iter()
        .map(|page| {
            let script = script(&page);
            (page, script)
        })
        .filter(|(_, script)| script.commands > 0)
        .collect();
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for (page, script) in &scripts {
                scope.spawn(|| run_script(page, &script.text, programs.path()));
            }
        });
    });
    let commands: usize = scripts.iter().map(|(_, script)| script.commands).sum();
    assert!(commands > 30, "{commands} are few");
    emulator.shutdown().await;
}

/// The commands of a page, one after the other.
struct Script {
    text: String,
    commands: usize,
}

fn script(page: &Page) -> Script {
    let mut script = Script { text: "set -euo pipefail\n".to_owned(), commands: 0 };
    for block in &page.blocks {
        if let Some(name) = block.note_after("file") {
            let text = &block.text;
            writeln!(
                script.text,
                "mkdir -p \"$(dirname {name})\"\ncat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE"
            )
            .unwrap();
        }
        if block.language != "sh" {
            continue;
        }
        for (line, command) in logical_lines(block) {
            // Where a script fails is where it was last.
            writeln!(script.text, "echo '@ {}:{line}' >&2", page.path).unwrap();
            writeln!(script.text, "{}", with_exit_code(&command)).unwrap();
            script.commands += 1;
        }
    }
    script
}

/// Lines, each with what its backslash or its open quote goes on to, and its number in the page.
fn logical_lines(block: &Block) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (block.line..).zip(block.text.lines()) {
        match lines.last_mut() {
            Some((_, command)) if goes_on => *command = format!("{command}\n{line}"),
            _ if line.trim().is_empty() => continue,
            _ => lines.push((number, line.to_owned())),
        }
        let command = &lines.last().unwrap().1;
        goes_on = command.ends_with('\\') || command.matches('"').count() % 2 == 1;
    }
    lines
}

/// `command # exit 7` as a command that succeeds where that is how it ends.
fn with_exit_code(command: &str) -> String {
    match command.rsplit_once("# exit ") {
        Some((command, code)) => format!("code=0; {command} || code=$?\n[ $code = {code} ]"),
        None => command.to_owned(),
    }
}

fn run_script(page: &Page, script: &str, programs: &Path) {
    let folder = like_a_clone();
    if page.text.contains(WITH_LAKE) {
        copy(&demo().join("lake"), folder.path());
    }
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).current_dir(folder.path()).stdin(Stdio::null());
    shell.env("PATH", format!("{}:{}:{path}", programs.display(), duckdb().parent().unwrap().display()));
    shell.env("HOME", folder.path()).env_remove("PROMPTLAKE_LOG");
    let output = shell.output().unwrap();
    let (said, printed) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}: {}\n{printed}\n{said}", page.path, output.status);
}

/// A folder of programs that come before all others: `promptlake`, whose tenants are the emulator and whose rates nobody
/// waits for, and the one alias of `cargo` that needs nothing to be built.
fn programs(emulator: &Emulator) -> TempDir {
    let folder = TempDir::new().unwrap();
    let promptlake = format!(
        r#"#!/bin/bash
set -eu
sets=()
case "${{1:-}}" in run|plan|check|audit)
    if grep -q '^cloud = "emulator"' "$2"; then
        sets=(source.requests_per_second=1000 source.emulator.requests_per_second=1000)
    elif ! grep -q '^kind = "\(files\|lake\)"' "$2"; then
        export PROMPTLAKE_CLIENT_SECRET='{secret}'
        sets=(source.requests_per_second=1000 source.cloud=custom source.graph_url={graph} source.login_url={login}
            source.tenant_id={tenant} source.client_id={client})
    fi
    command=$1 file=$2
    shift 2
    exec '{program}' "$command" "$file" "${{sets[@]/#/--set=}}" "$@" ;;
esac
exec '{program}' "$@"
"#,
        secret = emulator.client_secret(),
        graph = emulator.graph_url(),
        login = emulator.login_url(),
        tenant = emulator.tenant_id(),
        client = emulator.client_id(),
        program = program().display(),
    );
    let cargo = format!(
        r#"#!/bin/bash
set -eu
alias=$(sed -n "s/^$1 = \"run --quiet --package promptlake -- \(.*\)\"$/\1/p" '{}/.cargo/config.toml')
[ -n "$alias" ] || {{ echo "cargo $1 is not run here" >&2; exit 1; }}
exec promptlake $alias
"#,
        root().display()
    );
    for (name, text) in [("promptlake", promptlake), ("cargo", cargo)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let executable = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
    }
    folder
}
