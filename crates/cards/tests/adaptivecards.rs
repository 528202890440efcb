//! What Microsoft's own library reads of the fixtures is what is read of them here, as far as it knows what is in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use promptlake_cards::{Card, CardKind, Detail, ElementRole};
use serde_json::Value;

/// What the library reads of each file.
fn theirs(package: &Path, files: &[PathBuf]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adaptivecards.js");
    let output = Command::new("node").arg(script).arg(package).args(files).output().expect("start node");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("node prints text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|entry| entry.as_str().expect("a text")).collect()
}

/// The texts that it displays. It knows nothing of the model's own text, nor of answers in JSON with their reasons.
fn displayed(theirs: &Value) -> Vec<String> {
    let texts = theirs["displayed"].as_array().expect("a list").iter();
    let shown = texts.filter(|entry| entry["id"] != "MessageTextField").map(|entry| {
        let text = entry["text"].as_str().expect("a text");
        let reasoned = serde_json::from_str::<Value>(text).ok();
        reasoned.and_then(|it| it["finalResponse"].as_str().map(str::to_owned)).unwrap_or(text.to_owned())
    });
    shown.collect()
}

fn is_subsequence(part: &[String], whole: &[&str]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|wanted| rest.any(|text| text == wanted))
}

fn check(name: &str, theirs: &Value, card: &Card) {
    let shown = card.elements.iter().filter(|element| element.role == ElementRole::Display);
    let shown: Vec<&str> = shown.map(|element| element.text.as_str()).collect();
    let displayed = displayed(theirs);
    if theirs["unknown"] == 0 {
        assert_eq!(shown, displayed, "{name}");
    } else {
        // What stands in for an element that the library does not know is a fallback here.
        let fallbacks = card.elements.iter().filter(|element| element.role == ElementRole::Fallback);
        let fallbacks: Vec<&str> = fallbacks.map(|element| element.text.as_str()).collect();
        let shown_here: Vec<String> =
            displayed.into_iter().filter(|text| !fallbacks.contains(&text.as_str())).collect();
        assert!(is_subsequence(&shown_here, &shown), "{name}: {shown_here:?} in {shown:?}");
    }
    let texts: BTreeSet<&str> = card.elements.iter().map(|element| element.text.as_str()).collect();
    for text in strings(&theirs["texts"]) {
        let is_reasoned = text.contains("finalResponse");
        assert!(is_reasoned || texts.contains(text), "{name}: {text:?} is not read");
    }
    let urls: BTreeSet<&str> = card.links.iter().map(|link| link.url.as_str()).collect();
    for url in strings(&theirs["urls"]) {
        assert!(urls.contains(url), "{name}: {url} is not read");
    }
}

#[test]
fn microsofts_library_reads_nothing_else() {
    let Some(package) = std::env::var_os("PROMPTLAKE_ADAPTIVECARDS") else {
        return eprintln!(
            "skipped: PROMPTLAKE_ADAPTIVECARDS names no folder of the package; `cargo ci` installs it"
        );
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/adaptive");
    let entries = std::fs::read_dir(fixtures).expect("the fixtures are there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a folder lists its files").path()).collect();
    files.sort();
    let theirs = theirs(Path::new(&package), &files);
    assert!(files.len() > 7 && theirs.len() == files.len(), "{} of {}", theirs.len(), files.len());
    for (file, theirs) in files.iter().zip(&theirs) {
        let content = std::fs::read_to_string(file).expect("a fixture is text");
        let card = Card::read(&content, CardKind::Adaptive, Detail::ALL);
        check(&file.display().to_string(), theirs, &card);
    }
    let texts: usize = theirs.iter().map(|theirs| strings(&theirs["texts"]).len()).sum();
    let urls: usize = theirs.iter().map(|theirs| strings(&theirs["urls"]).len()).sum();
    assert!(texts > 50 && urls > 20, "{texts} texts and {urls} URLs: the library reads less than it should");
}
