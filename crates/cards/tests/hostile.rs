//! Cards that somebody made to break a parser: each is read in time linear in its size, and says how well.

use std::time::{Duration, Instant};

use promptlake_cards::{Card, CardKind, CardStatus, Detail, html_to_text, markdown_to_text};

/// The best of three: what the machine does beside it only ever adds.
fn time(work: &dyn Fn()) -> Duration {
    let once = || {
        #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..3).map(|_| once()).min().expect("three are not none")
}

/// Fails where four times as much input takes more than ten times as long: a square would take sixteen. It is measured
/// again where it seems to, since whatever else the machine does looks like that as well.
fn assert_linear(what: &str, size: usize, input: impl Fn(usize) -> String, read: impl Fn(&str)) {
    let (small, large) = (input(size / 4), input(size));
    let measured = || {
        let (short, long) = (time(&|| read(&small)), time(&|| read(&large)));
        (long < short * 10 + Duration::from_millis(20), short, long)
    };
    let mut last = measured();
    for _ in 0..4 {
        if last.0 {
            return;
        }
        last = measured();
    }
    assert!(last.0, "{what}: {:?} for a quarter, {:?} for all", last.1, last.2);
}

fn read(content: &str) -> Card {
    Card::read(content, CardKind::Adaptive, Detail::ALL)
}

fn check(what: &str, size: usize, status: CardStatus, content: impl Fn(usize) -> String) -> Card {
    let card = read(&content(size));
    assert_eq!(card.status, status, "{what}: {:?}", card.error);
    assert_linear(what, size, content, |content| drop(read(content)));
    card
}

fn nested(unit: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", unit.repeat(levels), close.repeat(levels))
}

#[test]
fn brackets_without_end() {
    let card = check("10 MB of [", 10_000_000, CardStatus::Truncated, |size| "[".repeat(size));
    assert!(card.error.unwrap().contains("262144 values"));
    check("100,000 open objects", 100_000, CardStatus::Truncated, |size| r#"{"items":["#.repeat(size));
    check("10 MB of {", 10_000_000, CardStatus::Invalid, |size| "{".repeat(size));
    check("a string without end", 10_000_000, CardStatus::NotACard, |size| {
        format!("[\"{}\"]", "[".repeat(size))
    });
}

#[test]
fn hundred_thousand_levels() {
    let content = |levels| nested(r#"{"items":["#, r#"{"type":"TextBlock","text":"deep"}"#, "]}", levels);
    let card = check("100,000 levels", 100_000, CardStatus::Ok, content);
    assert_eq!((card.display_text(), card.elements[0].depth), ("deep", 99_999));
    // A text on every level: pointers would take the square of the levels.
    let content = |levels| nested(r#"{"text":"a","items":["#, "", "]}", levels);
    let card = check("a text on each of 80,000 levels", 80_000, CardStatus::Truncated, content);
    assert!(card.error.unwrap().contains("nested so deep"));
    let pointers: usize = card.elements.iter().map(|element| element.pointer.len()).sum();
    assert!(pointers < 5 * content(80_000).len(), "{pointers}");
}

#[test]
fn twenty_thousand_elements() {
    let content = |count: usize| {
        format!(r#"{{"body":[{}]}}"#, vec![r#"{"type":"TextBlock","text":"a"}"#; count].join(","))
    };
    assert_eq!(check("elements", 20_000, CardStatus::Ok, content).elements.len(), 20_000);
    let content = |count: usize| format!("{{{}\"body\":[]}}", r#""text":"a","#.repeat(count));
    check("names that repeat", 50_000, CardStatus::Ok, content);
    let content = |count: usize| {
        let urls: Vec<String> =
            (0..count).map(|at| format!(r#""a{at}Url":"https://a.example/{at}""#)).collect();
        format!(r#"{{"body":[{{"type":"X",{}}}]}}"#, urls.join(","))
    };
    assert_eq!(check("URLs in one element", 4_000, CardStatus::Ok, content).links.len(), 4_000);
}

#[test]
fn citations_of_a_long_url_and_of_many_references() {
    let citations = |count: usize, to: usize| {
        let runs = vec![format!(r#"{{"type":"CitationRun","referenceIndex":{to}}}"#); count];
        format!(r#"[{{"type":"RichTextBlock","inlines":[{}]}}]"#, runs.join(","))
    };
    let content = |size: usize| {
        let url = "x".repeat(size / 2);
        format!(r#"{{"references":[{{"url":"{url}"}}],"body":{}}}"#, citations(size / 100, 1))
    };
    let card = check("a long URL cited often", 1_000_000, CardStatus::Truncated, content);
    let bytes: usize = card.links.iter().map(|link| link.url.len()).sum();
    assert!(bytes < 6_000_000, "{bytes}");
    let content = |count: usize| {
        let references = vec![r#"{"url":"u"}"#; count].join(",");
        format!(r#"{{"references":[{references}],"body":{}}}"#, citations(count, count))
    };
    let card = check("citations of many references", 40_000, CardStatus::Ok, content);
    assert_eq!(card.links.len(), 80_000);
}

#[test]
fn long_texts_and_urls() {
    let block = |text: &str| {
        format!(r#"{{"body":[{{"type":"TextBlock","text":{}}}]}}"#, serde_json::Value::from(text))
    };
    let card = check("2 MB of text", 2_000_000, CardStatus::Ok, |size| block(&"word ".repeat(size / 5)));
    assert_eq!(card.display_text().len(), 1_999_999);
    let card = check("a URL of 100 kB", 100_000, CardStatus::Ok, |size| {
        block(&format!("[a](https://a.example/{})", "x".repeat(size)))
    });
    assert_eq!(card.links[0].url.len(), 100_018);
    for unit in [
        "[",
        "*a ",
        "![",
        "<",
        "`",
        "[a](",
        "**a",
        "> ",
        "- ",
        "1. ",
        "|a",
        "&",
        "https://a ",
        "\\",
        "~~a ",
        "<a href='",
    ] {
        check(unit, 50_000, CardStatus::Ok, |size| block(&unit.repeat(size)));
    }
    check("escapes", 1_000_000, CardStatus::Repaired, |size| {
        format!(r#"{{"body":[{{"text":"{}"}}]}}"#, r"\ud83d".repeat(size / 6))
    });
    check("comments", 1_000_000, CardStatus::Repaired, |size| format!("{{{}}}", "/*a*/".repeat(size / 5)));
}

#[test]
fn what_is_referred_to_often() {
    let block = |text: &str| format!(r#"{{"type":"TextBlock","text":{}}}"#, serde_json::Value::from(text));
    let content = |size: usize| {
        let text = format!("[x]: https://a.example/{}\n\n{}", "y".repeat(600), "[x] ".repeat(150));
        format!(r#"{{"body":[{}]}}"#, vec![block(&text); size / 1_300].join(","))
    };
    let card = check("URLs that are said once", 1_000_000, CardStatus::Truncated, content);
    let bytes: usize = card.links.iter().map(|link| link.url.len() + link.pointer.len()).sum();
    assert!(bytes < 5 * content(1_000_000).len(), "{bytes}");
    let content = |size: usize| {
        let members = r#""a":0,"#.repeat(size);
        let cited = vec![r#"{"type":"CitationRun","referenceIndex":1}"#; size / 3].join(",");
        format!(
            r#"{{"references":[{{{members}"url":"u"}}],"body":[{{"type":"RichTextBlock","inlines":[{cited}]}}]}}"#
        )
    };
    check("a reference of many members", 60_000, CardStatus::Ok, content);
}

#[test]
fn strings_within_strings() {
    let mut content = r#"{"body":[{"text":"a"}]}"#.to_owned();
    for level in 1..=6 {
        content = serde_json::to_string(&content).unwrap();
        let card = read(&content);
        let expected = if level <= 4 { (CardStatus::Repaired, "a") } else { (CardStatus::NotACard, "") };
        assert_eq!((card.status, card.display_text()), expected, "{level} levels");
    }
}

#[test]
fn markup_by_itself() {
    for unit in [
        "<div>",
        "<ul><li>",
        "<table><tr><td>",
        "<a href=x>",
        "<pre>",
        "</p>",
        "<attachment id=",
        "&#",
        "<!--",
        "<at id=1>",
    ] {
        assert_linear(unit, 100_000, |size| unit.repeat(size), |html| drop(html_to_text(html)));
    }
    for unit in ["[", "*a _b ", "](", "- a\n", "> - ", "<a>", "![a](", "|a|\n|-|\n"] {
        assert_linear(unit, 50_000, |size| unit.repeat(size), |markdown| drop(markdown_to_text(markdown)));
    }
}
