//! Markdown to text: one line per case.

use promptlake_cards::{TextLink, markdown_to_text};

fn check(markdown: &str, text: &str) {
    assert_eq!(markdown_to_text(markdown).text, text, "{markdown:?}");
}

fn link(url: &str, label: &str, citation_number: Option<u16>) -> TextLink {
    TextLink { url: url.to_owned(), label: label.to_owned(), citation_number, is_image: false }
}

fn check_links(markdown: &str, links: &[TextLink]) {
    assert_eq!(markdown_to_text(markdown).links, links, "{markdown:?}");
}

#[test]
fn marks_vanish_and_words_stay() {
    check("plain", "plain");
    check("", "");
    check("**bold** *it* ~~gone~~ `a * b`", "bold it gone a * b");
    check("# Title\ntext", "Title\n\ntext");
    check("one\ntwo  \nthree", "one\ntwo\nthree");
    check("one\r\ntwo\r\n\r\nthree", "one\ntwo\n\nthree");
    check("&amp; &lt;b&gt; &#233;", "& <b> é");
    check("a\n\n---\n\nb", "a\n\nb");
    check("> quoted\n> on\n\nafter", "quoted\non\n\nafter");
    check("[^2^] and name[3]", "[^2^] and name[3]");
    check("\u{202e}bidi \u{2028} 👩‍👩‍👧 a\u{0}b", "\u{202e}bidi \u{2028} 👩‍👩‍👧 a\u{0}b");
}

#[test]
fn lists_keep_their_marks() {
    check("- a\n- b", "- a\n- b");
    check("Intro:\n- a\n- b\n\nOutro", "Intro:\n\n- a\n- b\n\nOutro");
    check("* a\n  * b\n    + c\n* d", "- a\n  - b\n    - c\n- d");
    check("3. a\n4. b", "3. a\n4. b");
    check("1. a\n   - b\n2. c", "1. a\n  - b\n2. c");
    check("- a\n\n- b\n\n  more of b\n\n- c", "- a\n- b\n\n  more of b\n- c");
    check("- a\n  b", "- a\n  b");
    check("- [x] done\n- [ ] open", "- [x] done\n- [ ] open");
    check("- \n- b", "-\n- b");
    check("- - a", "-\n  - a");
}

#[test]
fn tables_are_separated_by_tabs() {
    check("| a | b |\n|---|---|\n| 1 | **2** |\n|  | 3 |", "a\tb\n1\t2\n\t3");
    check("text\n\n| a |\n|---|\n| [1](u) |\n\nafter", "text\n\na\n[1]\n\nafter");
}

#[test]
fn code_is_verbatim() {
    check("```rust\nfn a() {\n\n    *b*\n}\n```\nafter", "fn a() {\n\n    *b*\n}\n\nafter");
    check("    indented\n      more", "indented\n  more");
    check("```\nopen", "open");
}

#[test]
fn links_give_their_label_and_citations_their_number() {
    check("the reminder[1](https://a.example).", "the reminder[1].");
    check("**[name](https://a.example)**: x", "name: x");
    check("![a chart](https://a.example/x.png) b", "a chart b");
    check("a [1&#10;](u) b", "a 1\n b");
    check("[2024](u) [](u) [ab [c] d](u)", "2024  ab [c] d");
    check_links(
        r"[1](u) **[n *m*](v)** [\[x \| T\]](w) `[no](x)`",
        &[link("u", "1", Some(1)), link("v", "n m", None), link("w", "[x | T]", None)],
    );
    check_links("[a](<url with spaces>)", &[link("url with spaces", "a", None)]);
    check_links("[a](https://x/(b)_c?d=1&amp;e=2)", &[link("https://x/(b)_c?d=1&e=2", "a", None)]);
    check_links("[[a | Word]](u)", &[link("u", "[a | Word]", None)]);
    check_links("[js](javascript:x) [e]()", &[link("javascript:x", "js", None), link("", "e", None)]);
    check_links("<https://a.example>", &[link("https://a.example", "https://a.example", None)]);
    check_links(
        "see https://a.example/b_c_d.",
        &[link("https://a.example/b_c_d", "https://a.example/b_c_d", None)],
    );
}

#[test]
fn tags_vanish_and_markers_stay() {
    check("a <Event>b</Event> c<br>d", "a b c\nd");
    check("a <attachment id='x'></attachment> b", "a <attachment id=\"x\"></attachment> b");
    check("<div>a <b>c</b></div>\n\nd", "a c\n\nd");
    check("<table><tr><td>a<td>b</table>\n\nc", "a\tb\n\nc");
    check("<!-- no --> <script>alert(1)</script>", "");
}

#[test]
fn hostile_markdown_stays_linear_and_within_the_stack() {
    let count = 50_000;
    for unit in [
        "[",
        "*a ",
        "> ",
        "- ",
        "![",
        "_a",
        "`a",
        "<a ",
        "[a](",
        "|",
        "1. ",
        "&",
        "\\",
        "~~a ",
        "https://)",
        "<!--",
        "[](",
    ] {
        let found = markdown_to_text(&unit.repeat(count));
        // An indent has at most 16 levels.
        assert!(found.text.len() <= 40 * count, "{unit:?} grew to {}", found.text.len());
    }
    for unit in ["- ", "1. ", "> ", "> - "] {
        let lazy = format!("{}a{}", unit.repeat(count), "\nb".repeat(count));
        assert!(markdown_to_text(&lazy).text.ends_with('b'), "{unit:?}");
    }
    let nested = (0..1_000).map(|level| "  ".repeat(level)).collect::<Vec<_>>().join("- a\n");
    assert!(markdown_to_text(&nested).text.len() < nested.len());
}

#[test]
fn pictures_are_links_with_their_alternative_text() {
    let found = promptlake_cards::markdown_to_text("a ![b *c*](https://d.example/e.png) [![f](g)](h)");
    assert_eq!(found.text, "a b c f");
    let links = found.links.iter().map(|link| (link.url.as_str(), link.label.as_str(), link.is_image));
    assert!(links.eq([("https://d.example/e.png", "b c", true), ("g", "f", true), ("h", "f", false)]));
    let found = promptlake_cards::markdown_to_text("![a `b` ![c](u1) d](u2)");
    let links = found.links.iter().map(|link| (link.url.as_str(), link.label.as_str()));
    assert!(links.eq([("u1", "c"), ("u2", "a b c d")]), "{:?}", found.links);
}
