//! Cards: what is read of sound ones, and the status of the others.

use promptlake_cards::CardStatus::{Invalid, NotACard, Ok, Repaired, Truncated};
use promptlake_cards::{Card, CardKind, CardStatus, Detail, ElementRole};
use proptest::prelude::*;

fn block(text: &str) -> String {
    format!(r#"{{"type":"TextBlock","text":{text}}}"#)
}

fn read(content: &str) -> Card {
    Card::read(content, CardKind::Adaptive, Detail::ALL)
}

fn card(body: &str) -> Card {
    read(&format!(r#"{{"type":"AdaptiveCard","version":"1.5","body":[{body}]}}"#))
}

#[test]
fn what_was_seen_and_what_the_model_wrote_are_told_apart() {
    let card = card(
        r#"{"type":"TextBlock","text":"**[Plan](https://a.example/p)** is *due*[2](https://a.example/d)."},
        {"type":"TextBlock","id":"MessageTextField","text":"**Plan[1]** is *due*[^7^]."}"#,
    );
    assert_eq!((card.status, card.error.as_deref(), card.version.as_deref()), (Ok, None, Some("1.5")));
    assert_eq!(card.display_text(), "Plan is due[2].");
    assert_eq!(card.model_text(), Some("**Plan[1]** is *due*[^7^]."));
    let links: Vec<_> = card
        .links
        .iter()
        .map(|l| (l.url.as_str(), l.label.as_deref().unwrap(), l.pointer.as_str(), l.citation_number))
        .collect();
    assert_eq!(
        links,
        [
            ("https://a.example/p", "Plan", "/body/0/text", None),
            ("https://a.example/d", "2", "/body/0/text", Some(2))
        ]
    );
}

#[test]
fn text_blocks_are_found_anywhere_in_reading_order() {
    let card = card(
        r#"{"type":"Container","items":[{"type":"ColumnSet","columns":[
            {"type":"Column","items":[{"type":"textblock","text":"a"}]},
            {"type":"Column","items":[{"text":"b"}]}]}]},
        {"type":"Table","columns":[{"width":1}],"rows":[{"type":"TableRow","cells":[{"type":"TableCell","items":[{"type":"TextBlock","text":"c"}]}]}]},
        {"type":"Carousel","pages":[{"type":"CarouselPage","items":{"type":"TextBlock","text":"d"}}]},
        {"type":"ActionSet","actions":[{"type":"Action.ShowCard","title":"t","card":{"type":"AdaptiveCard","body":[{"type":"TextBlock","text":"e"}]}}]},
        {"type":"Container","isVisible":false,"items":[{"type":"TextBlock","text":"hidden"}]},
        {"type":"TextBlock","text":"f"}"#,
    );
    assert_eq!(card.display_text(), "a\n\nb\n\nc\n\nd\n\ne\n\nf");
    let places: Vec<_> = card.elements.iter().map(|e| (e.pointer.as_str(), e.depth)).collect();
    assert_eq!(places[0], ("/body/0/items/0/columns/0/items/0/text", 3));
    assert_eq!(places[2], ("/body/1/rows/0/cells/0/items/0/text", 3));
    assert_eq!(places[3], ("/body/2/pages/0/items/text", 2));
    assert_eq!(places[5], ("/body/3/actions/0/card/body/0/text", 3));
    assert_eq!(card.elements[6].role, ElementRole::Hidden);
    assert_eq!(places[7], ("/body/5/text", 0));
}

#[test]
fn json_in_a_text_block_is_the_answer_and_its_reasons() {
    let card = card(&block(r#""{\"thoughts\":\"Sum it.\",\"finalResponse\":\"It is **3**.\"}""#));
    assert_eq!((card.display_text(), card.model_text()), ("It is 3.", Some("Sum it.")));
    let other = self::card(&block(r#""{\"a\":1}""#));
    assert_eq!(other.display_text(), r#"{"a":1}"#);
}

#[test]
fn odd_texts_are_read_as_far_as_they_are_text() {
    for (text, shown, status) in [
        ("1", "1", Ok),
        ("true", "true", Ok),
        ("1.50", "1.50", Ok),
        ("1e999", "1e999", Repaired),
        ("null", "", Ok),
        ("\"\"", "", Ok),
        (r#"["a",2,[],null]"#, "a\n\n2", Repaired),
        (r#"{"a":1}"#, "", Repaired),
        (r#"{"finalResponse":"*a*"}"#, "a", Ok),
    ] {
        let card = card(&block(text));
        assert_eq!((card.display_text(), card.status), (shown, status), "{text}");
    }
    for (version, stated) in [("1.5", Some("1.5")), (r#""1.""#, Some("1.")), ("null", None), ("{}", None)] {
        let card = read(&format!(r#"{{"version":{version}}}"#));
        assert_eq!((card.status, card.version.as_deref()), (Ok, stated), "{version}");
    }
}

fn check(content: &str, status: CardStatus, text: &str, error: Option<&str>) {
    let card = read(content);
    assert_eq!((card.status, card.display_text()), (status, text), "{content:.80}");
    let said = card.error.unwrap_or_default();
    assert!(
        said.contains(error.unwrap_or_default()) && said.is_empty() == error.is_none(),
        "{content:.80}: {said:?}"
    );
}

#[test]
fn every_content_has_a_status() {
    let sound = r#"{"body":[{"type":"TextBlock","text":"a"}]}"#;
    check(sound, Ok, "a", None);
    check("{}", Ok, "", None);
    check(r#"{"type":"adaptivecard","body":{"type":"TextBlock","text":"a"}}"#, Ok, "a", None);
    check(r#"{"type":7,"version":null,"__proto__":{"text":"b"}}"#, Ok, "", None);
    check(r#"{"body":[],"body":[{"type":"TextBlock","text":"b","text":"a"}]}"#, Ok, "a", None);
    check("", NotACard, "", Some("empty"));
    check("\u{feff} \0\0", NotACard, "", Some("empty"));
    check("null", NotACard, "", Some("null instead of an object"));
    check("[1]", NotACard, "", Some("a list instead"));
    check(r#""hello""#, NotACard, "", Some("a string instead"));
    check(r#"{"type":"message","body":[{"type":"TextBlock","text":"a"}]}"#, NotACard, "a", Some("its type"));
    check("hello", Invalid, "", Some("expected a value at byte 0"));
    check("{'body':[]}", Invalid, "", Some("a name in quotes at byte 1"));
    check(r#"{"body":[{"text":"a"}],"x" 7}"#, Invalid, "a", Some("a colon at byte 27"));
    check(r#"{"body":[{"text":"a"} {"text":"b"}]}"#, Invalid, "a", Some("a comma or ] at byte 22"));
}

#[test]
fn what_stands_before_the_cut_is_read() {
    let sound = r#"{"body":[{"type":"TextBlock","text":"a"},{"text":"bc\\"},{"x":nul"#;
    for (before, text) in [
        ("ul", "a\n\nbc\\"),
        (r#"},{"x"#, "a\n\nbc\\"),
        (r#"\"},"#, "a\n\nbc"),
        (r#"\\"},"#, "a\n\nbc"),
        (r#"c\\"},"#, "a\n\nb"),
        (r#"bc\\"},"#, "a"),
        (r#"},{"text":"b"#, "a"),
        (r#"a"},"#, ""),
    ] {
        let at = sound.find(before).unwrap();
        check(&sound[..at], Truncated, text, Some("it ends within a value"));
    }
    check("{", Truncated, "", Some("ends"));
    check(r#"{"body":[{"text":"a\ud83"#, Truncated, "a", Some("ends"));
}

#[test]
fn what_anyone_can_read_is_read() {
    let sound = r#"{"body":[{"type":"TextBlock","text":"a"}]}"#;
    let again = |content: &str| serde_json::to_string(content).unwrap();
    check(&format!("\u{feff}{sound}"), Repaired, "a", Some("byte order mark"));
    check(&format!("{sound}\0\0"), Repaired, "a", Some("NUL"));
    check(&format!("{sound} trailing"), Repaired, "a", Some("characters after"));
    check(&again(sound), Repaired, "a", Some("within a string"));
    check(&again(&again(sound)), Repaired, "a", Some("within a string"));
    check(&again(&sound[..38]), Truncated, "a", Some("ends"));
    check(r#"{"body":[{"text":"a\ud83d"}]}"#, Repaired, "a\u{fffd}", Some("surrogates"));
    check("{\"body\":[{\"text\":\"a\tb\"}]}", Repaired, "a\tb", Some("control"));
    check(r#"{"body":[{"text":"a\x"}]}"#, Repaired, r"a\x", Some("escapes"));
    check(r#"{"a":1e999,"body":[{"text":"a"}]}"#, Repaired, "a", Some("out of range"));
    check("/*x*/{\"body\":[{\"text\":\"a\"},//y\n],}", Repaired, "a", Some("comments; commas"));
    check(r#"{"type":7,"body":"text"}"#, Repaired, "text", Some("not theirs"));
    check(r#"{"body":[[{"text":"a"},[[{"text":"b"}]]]]}"#, Ok, "a\n\nb", None);
}

#[test]
fn what_is_kept_as_it_is() {
    for text in ["\u{0}", "\u{202e}a\u{2066}", "a\u{2028}b", "👩\u{200d}🚀"] {
        let json = serde_json::to_string(text).unwrap();
        let card = card(&block(&json));
        assert_eq!(card.elements[0].text, text);
    }
    for url in ["javascript:alert(1)", "mailto:a@b.example", "cite:1", "../a", "", "data:,x"] {
        let card = card(&format!(r#"{{"type":"Action.OpenUrl","title":"t","url":{url:?}}}"#));
        assert_eq!((card.links[0].url.as_str(), card.links[0].role.as_str()), (url, "action"));
    }
}

#[test]
fn citations_point_to_the_references_of_their_own_card() {
    let cited = |number| {
        format!(
            r#"{{"type":"RichTextBlock","inlines":[{{"type":"CitationRun","text":"{number}","referenceIndex":{number}}}]}}"#
        )
    };
    let inner = format!(r#"{{"body":[{}],"references":[{{"url":"https://inner.example"}}]}}"#, cited(1));
    let outer = format!(
        r#"{{"type":"AdaptiveCard","body":[{},{}],"actions":[{{"type":"Action.ShowCard","card":{inner}}}],
        "references":[{{"type":"AdaptiveCard","title":"t","url":"https://outer.example"}}]}}"#,
        cited(1),
        cited(2),
    );
    let card = read(&outer);
    let links: Vec<_> = card.links.iter().map(|link| (link.role.as_str(), link.url.as_str())).collect();
    assert_eq!(
        links,
        [
            ("citation", "https://outer.example"),
            ("citation", "https://inner.example"),
            ("reference", "https://inner.example"),
            ("reference", "https://outer.example")
        ]
    );
    assert_eq!(card.display_text(), "[1]\n\n[2]\n\n[1]");
    assert!(card.elements.iter().any(|element| element.text == "t" && element.role == ElementRole::Alt));
}

#[test]
fn what_is_hidden_thinks_in_hiding() {
    let card = card(
        r#"{"type":"TextBlock","isVisible":false,"text":"{\"thoughts\":\"why\",\"finalResponse\":\"what\"}"}"#,
    );
    assert_eq!((card.display_text(), card.model_text()), ("", None));
    assert!(card.elements.iter().all(|element| element.role == ElementRole::Hidden));
}

#[test]
fn large_cards_are_read_whole() {
    let blocks = vec![block(r#""a""#); 20_000].join(",");
    assert_eq!(card(&blocks).elements.len(), 20_000);
    let long = "word ".repeat(400_000);
    assert_eq!(card(&block(&format!("{long:?}"))).display_text(), long.trim_end());
    let url = format!("https://a.example/{}", "x".repeat(100_000));
    assert_eq!(card(&block(&format!("\"[a]({url})\""))).links[0].url, url);
}

proptest! {
    #[test]
    fn any_content_gives_a_card(content in "\\PC{0,200}|[\\[\\]{}\",:a\\\\ud8 \\x00]{0,200}") {
        let card = read(&content);
        prop_assert_eq!(card.error.is_none(), card.status == Ok);
    }

    #[test]
    fn any_text_is_markup(text in "[-*_`#<>()!&;|a1\\[\\]\\\\ \\n\\tpre/=\"é]{0,200}") {
        for shown in [promptlake_cards::markdown_to_text(&text), promptlake_cards::html_to_text(&text)] {
            prop_assert!(!shown.text.starts_with('\n'), "{:?}", shown.text);
        }
    }

    #[test]
    fn any_string_displays_what_it_says(text in "[a-z][a-z ]{0,38}[a-z]") {
        let json = serde_json::to_string(&text).unwrap();
        let card = card(&block(&json));
        prop_assert_eq!(card.display_text(), text);
    }
}
