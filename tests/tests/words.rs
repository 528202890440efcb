//! `content = "none"`: a lake for adoption, in which nobody finds a word that anybody wrote.

use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{Ended, finish, run_command};
use serde_json::json;

const TENANT: &str = "7c1f3c5e-62a0-4a0e-9f0b-6f3f1a2b4c5d";
const USER: &str = "0d9a3a86-2f57-4c0e-8a52-9a4f0c1d2e3f";

/// It stands in every place of a body or a card that somebody can write to, with letters before and behind it.
const WORD: &str = "XylographQ";

fn run(lake: &Lake, more: &str) -> Ended {
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"{TENANT}\"\nuser_id = \"{USER}\"\n\
         [transform]\ncontent = \"none\"\n{more}\n[destination]\nurl = \"{}\"\ncompression = \"uncompressed\"\n",
        lake.path().with_file_name("pages").display(),
        lake.path().display()
    );
    finish(run_command(&lake.write_beside("pipeline.toml", text.as_bytes()), ""))
}

/// Records whose every body, card and mention holds the word.
fn records() -> Vec<String> {
    let record = |id: u32, content_type: &str, content: String, attachments: serde_json::Value| {
        json!({
            "id": id.to_string(), "etag": id.to_string(), "sessionId": "19:one@thread.v2", "requestId": "r",
            "appClass": "IPM.SkypeTeams.Message.Copilot.Word", "interactionType": "userPrompt",
            "createdDateTime": "2025-01-28T08:00:00Z", "locale": "en-us",
            "body": {"contentType": content_type, "content": content}, "attachments": attachments,
            "links": [{"linkUrl": "https://contoso.example/plan", "displayName": format!("{WORD} plan"), "linkType": "File"}],
            "mentions": [{"mentionId": 0, "mentionText": WORD, "mentioned": {"user": {"id": "1"}}}],
        })
        .to_string()
    };
    let card = json!({
        "type": format!("Type{WORD}"), "version": format!("1.{WORD}"), "fallbackText": WORD, "speak": WORD, WORD: WORD,
        "body": [
            {"type": "TextBlock", "text": format!("a {WORD} [{WORD}](https://links.example/{WORD}?q={WORD})")},
            {"type": "TextBlock", "id": "MessageTextField", "text": format!("{WORD}[^1^]")},
            {"type": format!("My{WORD}"), format!("{WORD}Url"): format!("https://links.example/{WORD}")},
            {"type": "Image", "altText": WORD, "url": format!("data:text/plain,{WORD}")},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": WORD, "url": format!("mailto:{WORD}@a.example")}],
    });
    let attachment = |content_type: &str, content: String| json!([{"attachmentId": "a", "contentType": content_type, "content": content}]);
    let adaptive = "application/vnd.microsoft.card.adaptive";
    vec![
        record(
            9,
            "markdown",
            format!("[a]({WORD}:rest)"),
            json!([{"contentType": "reference", "contentUrl": format!("data:text/plain,{WORD}")}]),
        ),
        record(1, "text", format!("please {WORD} it https://links.example/{WORD}"), json!([])),
        record(
            2,
            "html",
            format!("<p>{WORD}</p><a href='https://links.example/{WORD}'>{WORD}</a>"),
            json!([]),
        ),
        record(3, "markdown", format!("# {WORD}\n[{WORD}](https://links.example/{WORD})"), json!([])),
        record(
            4,
            "html",
            "<attachment id=\"a\"></attachment>".to_owned(),
            attachment(adaptive, card.to_string()),
        ),
        record(5, "html", String::new(), attachment(adaptive, format!("{{\"body\": {WORD}"))),
        record(
            6,
            "html",
            String::new(),
            attachment("application/vnd.microsoft.card.hero", json!({"title": WORD}).to_string()),
        ),
        format!("{{\"id\":\"7\",\"body\":{{\"content\":\"{WORD}\" {WORD}}}}}"),
        format!("[\"{WORD}\"]"),
    ]
}

#[test]
fn no_word_of_a_body_is_in_any_object_of_the_lake() {
    let lake = Lake::new();
    lake.write_beside("pages/records.jsonl", records().join("\n").as_bytes());
    run(&lake, "").assert_code(0);

    let objects = objects_below(&lake.path());
    assert!(objects.len() > 5, "{objects:?}");
    for object in objects {
        let bytes = std::fs::read(lake.path().join(&object)).unwrap();
        let found = bytes.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD.as_bytes()));
        assert!(!found && !object.contains(WORD), "{object} holds the word");
    }
    // What the files say once they are decoded.
    for table in Table::ALL.into_iter().filter(|table| lake.rows(*table) > 0) {
        let rows = format!(
            "SELECT count(*) FROM {} AS t WHERE contains(lower(t::VARCHAR), lower('{WORD}'))",
            files_of(&lake.path(), table.name())
        );
        assert_eq!(number(&rows), 0, "{table}");
    }
}

#[test]
fn what_is_no_word_remains() {
    let lake = Lake::new();
    lake.write_beside("pages/records.jsonl", records().join("\n").as_bytes());
    run(&lake, "").assert_code(0);
    assert_eq!((lake.rows(Table::Interactions), lake.rows(Table::Rejects)), (7, 2));
    assert_eq!((lake.rows(Table::Raw), lake.rows(Table::CardElements)), (0, 0));
    let hosts = query(&format!(
        "SELECT origin, host, count(*), count(url) FROM {} GROUP BY ALL ORDER BY ALL",
        files_of(&lake.path(), "links")
    ));
    let said: Vec<String> = hosts.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    assert_eq!(
        said,
        [
            r#"["attachment",null,1,1]"#,
            r#"["body","links.example",3,0]"#,
            r#"["body",null,1,0]"#,
            r#"["card","links.example",2,0]"#,
            r#"["card",null,2,0]"#,
            r#"["links","contoso.example",7,7]"#
        ]
    );
    let counts = format!(
        "SELECT count(*) FROM {} WHERE app = 'word' AND link_count = 1 AND mention_count = 1 AND text IS NULL",
        files_of(&lake.path(), "interactions")
    );
    assert_eq!(number(&counts), 7);
}

#[test]
fn tables_of_words_are_refused_by_name() {
    let lake = Lake::new();
    lake.write_beside("pages/records.jsonl", b"");
    run(&lake, "tables = [\"links\", \"raw\"]")
        .assert_code(2)
        .assert_said("raw")
        .assert_said("content = \"none\"");
}
