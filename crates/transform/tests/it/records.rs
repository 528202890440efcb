//! Single records: how odd fields are read, and what the person saw.

use crate::support::{record, value};
use promptlake_model::Table;

/// A field of `interactions` for a record.
fn check(json: &str, column: &str, expected: Option<&str>) {
    let batch = record(json);
    assert_eq!(batch.records.len(), 1, "{json:.200}");
    assert_eq!(value(&batch, Table::Interactions, column, 0).as_deref(), expected, "{json:.200}");
}

#[test]
fn odd_fields_are_read_as_far_as_they_are_text() {
    check(r#"{"id":1745224200123}"#, "interaction_id", Some("1745224200123"));
    check(r#"{"locale":true}"#, "locale", Some("true"));
    check(r#"{"locale":1.50}"#, "locale", Some("1.50"));
    check(r#"{"locale":{"a":1}}"#, "locale", None);
    check(r#"{"locale":["a"]}"#, "locale", None);
    check(r#"{"locale":"a","locale":"b"}"#, "locale", Some("b"));
    check(r#"{"locale":"a","locale":null}"#, "locale", None);
    check(r#"{"loc\u0061le":"a","__proto__":{"x":1}}"#, "locale", Some("a"));
    check(r#"{"locale":"a\ud83d"}"#, "locale", Some("a\u{fffd}"));
    check(r#"{"\ud83d":1,"locale":"a"}"#, "locale", Some("a"));
    check(r#"{"x":1e999,"locale":"a"}"#, "locale", Some("a"));
    check("{\"locale\":\"a\tb\"}", "locale", Some("a\tb"));
    check(r#"{"locale":"\u0000\u202e\u2028"}"#, "locale", Some("\u{0}\u{202e}\u{2028}"));
    let deep = format!(r#"{{"x":{}{},"locale":"a"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    check(&deep, "locale", Some("a"));
    check(&deep.replace("\"x\"", "\"body\""), "locale", Some("a"));
    check(&deep.replace("\"x\"", "\"attachments\""), "attachment_count", Some("1"));
}

#[test]
fn lists_are_counted_as_received() {
    check(r#"{"attachments":null}"#, "attachment_count", Some("0"));
    check(r#"{"links":{"a":1}}"#, "link_count", Some("0"));
    check(r#"{"contexts":[{},null,7]}"#, "context_count", Some("3"));
    check(r#"{"mentions":[{},{}]}"#, "mention_count", Some("2"));
}

#[test]
fn the_sender_is_the_first_that_is_there() {
    check(r#"{"from":{"application":{"id":"a"},"user":{"id":"u"}}}"#, "from_id", Some("u"));
    check(r#"{"from":{"application":{"id":"a"},"user":null}}"#, "from_kind", Some("application"));
    check(r#"{"from":{"device":{"deviceIdentityType":"d"}}}"#, "from_identity_type", Some("d"));
    check(r#"{"from":{"user":"u"}}"#, "from_kind", None);
    check(r#"{"from":"u"}"#, "from_kind", None);
    check(r#"{"etag":"1732148357313"}"#, "modified_at", Some("2024-11-21T00:19:17.313000Z"));
    check(r#"{"etag":"W/1"}"#, "modified_at", None);
}

/// A record with a body and cards of the ids `a`, `b`, … that display `A`, `B`, ….
fn check_text(content_type: &str, body: &str, cards: usize, expected: &str) {
    let attachments: Vec<_> = ('a'..)
        .take(cards)
        .map(|id| {
            let card =
                format!(r#"{{"body":[{{"type":"TextBlock","text":"**{}**"}}]}}"#, id.to_ascii_uppercase());
            serde_json::json!({
                "attachmentId": id.to_string(),
                "contentType": "Application/vnd.microsoft.card.Adaptive",
                "content": card,
            })
        })
        .collect();
    let json = serde_json::json!({"body": {"contentType": content_type, "content": body}, "attachments": attachments});
    check(&json.to_string(), "text", Some(expected));
}

#[test]
fn cards_stand_where_their_markers_do() {
    let (a, b) = (r#"<attachment id="a"></attachment>"#, r#"<attachment id="b"></attachment>"#);
    check_text("html", a, 1, "A");
    check_text("html", &format!("<p>x</p>{b}{a}<p>y</p>"), 2, "x\n\nB\n\nA\n\ny");
    check_text("html", &format!("x {a} y {a} z"), 1, "x\n\nA\n\ny  z");
    check_text("html", "<p>x</p>", 2, "x\n\nA\n\nB");
    check_text("html", "<p>x</p><p><attachment id=\"none\"></attachment></p><p>y</p>", 0, "x\n\ny");
    check_text("html", "&lt;attachment id=\"a\"&gt;&lt;/attachment&gt;", 1, "A");
    check_text("text", &format!("x\n{a}"), 2, "x\n\nA\n\nB");
    check_text("text", "&lt;attachment id=\"a\"&gt;&lt;/attachment&gt; y", 1, "A\n\ny");
    check_text("text", "x <attachment id='none'/>", 0, "x");
    check_text("text", " as *it* is &amp; <b>stays</b>\n", 0, " as *it* is &amp; <b>stays</b>\n");
    check_text("markdown", &format!("*x* {a}"), 1, "x\n\nA");
    check_text("HTML", "<b>x</b>", 0, "x");
    check_text("unknown", "<b>x</b>", 0, "<b>x</b>");
}

#[test]
fn without_a_body_there_is_the_text_of_cards_or_none() {
    check(r#"{"body":null}"#, "text", None);
    check(r#"{"body":{"content":""}}"#, "text", Some(""));
    let card = r#"{"attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":"{\"body\":[{\"type\":\"TextBlock\",\"text\":\"a\"}]}"}]}"#;
    check(card, "text", Some("a"));
}

#[test]
fn a_card_that_cannot_be_read_has_a_status() {
    for (content, status, bytes) in [
        ("null", "not_a_card", None),
        (r#""""#, "not_a_card", Some("0")),
        (r#""{}""#, "ok", Some("2")),
        (r#""{\"body\":[""#, "truncated", Some("9")),
        (r#""x""#, "invalid", Some("1")),
        (r#""{\"a\":\"\\ud83d\"}""#, "repaired", Some("14")),
    ] {
        let json = format!(
            r#"{{"attachments":[{{"contentType":"application/vnd.microsoft.card.adaptive","content":{content}}},{{"contentType":"reference"}}]}}"#
        );
        let batch = record(&json);
        let of = |column, row| value(&batch, Table::Attachments, column, row);
        assert_eq!(of("card_status", 0).as_deref(), Some(status), "{content}");
        assert_eq!(of("content_bytes", 0).as_deref(), bytes, "{content}");
        assert_eq!((of("card_status", 1), of("card_text", 1)), (None, None));
    }
}

#[test]
fn links_stand_in_the_order_of_their_origins() {
    let card = serde_json::json!({"body": [{"type": "TextBlock",
        "text": "[e](https://e.example/?a&EntityRepresentationId=2) [7](https://c.example) [i](data:text/plain,abc)"}]});
    let json = serde_json::json!({
        "links": [{"linkUrl": null}, {"linkUrl": "https://E.example/?a&EntityRepresentationId=1", "linkType": "File"}],
        "attachments": [{"contentUrl": "https://r.example"},
            {"contentType": "application/vnd.microsoft.card.adaptive", "content": card.to_string()}],
        "contexts": [{"contextReference": "relative/url"}],
        "body": {"contentType": "html", "content": "<a href='mailto:x'>1</a>"},
    });
    let json = json.to_string().replace("https://E.example", "https://e.example");
    let batch = record(&json);
    let of = |column, row| value(&batch, Table::Links, column, row).unwrap_or_default();
    let found: Vec<_> = (0..8)
        .map(|row| {
            ["origin", "role", "url_key", "host", "citation_number", "attachment_ordinal", "pointer"]
                .map(|column| of(column, row))
                .join("|")
        })
        .collect();
    assert_eq!(
        found,
        [
            "links|entity|||||",
            "links|entity|https://e.example/?a|e.example|||",
            "attachment|reference|https://r.example|r.example||0|",
            "context|reference|relative/url||||",
            "card|entity|https://e.example/?a|e.example||1|/body/0/text",
            "card|citation|https://c.example|c.example|7|1|/body/0/text",
            "card|inline|data:text/plain;length=3;sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad|||1|/body/0/text",
            "body|inline|mailto:x||||",
        ]
    );
}

#[test]
fn fields_that_nobody_knows_are_counted_by_name() {
    let json = r##"{"new":1,"@odata.type":"#x","from":{"@odata.type":"#y","tag":{},"user":{"id":"u","email":"e"}},
        "body":{"subject":"s"},"attachments":[{"thumbnailUrl":"a"},{"thumbnailUrl":"b"}],
        "mentions":[{"mentioned":{"bot":{}}}],"links":[{"linkUrl":"x"}]}"##;
    let batch = record(&json.replace('\n', ""));
    assert!(batch.unknown_fields.iter().eq([
        ("attachments.thumbnailUrl", 2),
        ("body.subject", 1),
        ("from.tag", 1),
        ("identity.email", 1),
        ("mentioned.bot", 1),
        ("new", 1),
    ]));
    let known = include_str!("../fixtures/chat.json");
    let page = crate::support::page(promptlake_model::PageForm::Page, known);
    assert!(crate::support::transformer(&[]).page(&page).unknown_fields.is_empty());
}

#[test]
fn every_url_of_a_body_is_a_link() {
    for (content_type, content, links) in [
        (
            "text",
            "see https://a.example/b, or (https://c.example)",
            "inline https://a.example/b|inline https://c.example",
        ),
        ("html", "<p>https://a.example</p><img src='cid:1' alt='x'>", "inline https://a.example|image cid:1"),
        ("markdown", "[1](https://a.example) ![x](b.png)", "citation https://a.example|image b.png"),
    ] {
        let batch = record(
            &serde_json::json!({"body": {"contentType": content_type, "content": content}}).to_string(),
        );
        let of = |column, row| value(&batch, Table::Links, column, row);
        let found: Vec<_> =
            (0..2).map(|row| format!("{} {}", of("role", row).unwrap(), of("url", row).unwrap())).collect();
        assert_eq!(found.join("|"), links, "{content_type}");
    }
}

#[test]
fn markers_without_an_attachment_are_counted() {
    for (body, lost) in [
        ("<attachment id='a'></attachment><attachment id='a'></attachment>", 0),
        (
            "<attachment id='b'></attachment> <attachment id='b'></attachment><attachment id=''></attachment>",
            3,
        ),
        ("no marker", 0),
    ] {
        let json = serde_json::json!({
            "body": {"contentType": "html", "content": body},
            "attachments": [{"attachmentId": "a", "contentType": "reference"}],
        });
        assert_eq!(record(&json.to_string()).lost_markers, lost, "{body}");
    }
}
