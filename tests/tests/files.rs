//! Saved pages, in the forms that exporters write them.

use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};

const TENANT: &str = "7c1f3c5e-62a0-4a0e-9f0b-6f3f1a2b4c5d";
const USER: &str = "0d9a3a86-2f57-4c0e-8a52-9a4f0c1d2e3f";

/// A page as Graph documents it: a Teams answer with a meeting, and who it belongs to in its nextLink.
fn meeting_page() -> String {
    format!(
        r##"{{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#Collection(microsoft.graph.aiInteraction)","@odata.count":1,
"@odata.nextLink":"https://graph.microsoft.com/v1.0/copilot/users/{USER}/interactionHistory/getAllEnterpriseInteractions?$skiptoken=b25l",
"value":[{{"id":"1738000000001","sessionId":"19:meeting-one@thread.v2","requestId":"5c3f0f0e-1111-4222-8333-444455556666",
"appClass":"IPM.SkypeTeams.Message.Copilot.Teams","interactionType":"aiResponse","conversationType":"appchat","etag":"1738000000001",
"createdDateTime":"2025-01-27T17:46:40.001Z","locale":"en-us",
"contexts":[{{"contextReference":"https://teams.microsoft.com/threads/19:meeting-one@thread.v2","displayName":"Weekly planning","contextType":"TeamsMeeting"}}],
"from":{{"@odata.type":"#microsoft.graph.chatMessageFromIdentitySet","device":null,"user":null,"application":{{"id":"fb8d773d-7ef8-4ec0-a117-179f88add510","displayName":"Copilot in Teams","applicationIdentityType":"bot"}}}},
"body":{{"contentType":"text","content":"Nobody has spoken yet.<attachment id=\"19:meeting-one@thread.v2\"></attachment>"}},
"attachments":[{{"attachmentId":"19:meeting-one@thread.v2","contentType":"reference","contentUrl":"https://teams.microsoft.com/threads/19:meeting-one@thread.v2","content":null,"name":"Weekly planning"}}],
"links":[],"mentions":[]}}]}}"##
    )
}

/// A BizChat answer that is only in its card, and the prompt that it answers.
fn answer_page() -> String {
    let shown = "The launch moves to May. Dana asked for the new date in the review[1](https://contoso.example/review).\n\n- **[Launch plan](https://contoso.example/plan)**: see page 2[2](https://contoso.example/plan).";
    let model = "The launch moves to May. Dana asked for the new date in the review[^2^].\n\n- **Launch plan[1]**: see page 2[^1^].";
    let card = serde_json::json!({"type": "AdaptiveCard", "version": "1.0", "body": [
        {"type": "TextBlock", "text": shown, "wrap": true},
        {"type": "TextBlock", "id": "MessageTextField", "text": model, "wrap": true},
    ]});
    let record = |id: &str, kind: &str, body: serde_json::Value| {
        serde_json::json!({
            "id": id, "etag": id, "sessionId": "19:chat-two@thread.v2", "requestId": "aaaaaaaa-1111-4222-8333-444455556666",
            "appClass": "IPM.SkypeTeams.Message.Copilot.BizChat", "interactionType": kind, "conversationType": "bizchat",
            "createdDateTime": "2025-01-28T08:00:00Z", "locale": "en-us", "contexts": [], "body": body,
            "attachments": [], "links": [], "mentions": [],
        })
    };
    let html =
        serde_json::json!({"contentType": "html", "content": "<attachment id=\"card1\"></attachment>"});
    let mut answer = record("1738051200500", "aiResponse", html);
    answer["attachments"] = serde_json::json!([{
        "attachmentId": "card1", "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
        "content": card.to_string(), "name": null,
    }]);
    answer["links"] = serde_json::json!([
        {"linkUrl": "https://contoso.example/plan?EntityRepresentationId=1", "displayName": "Launch plan", "linkType": "File"},
        {"linkUrl": "https://contoso.example/review", "displayName": "Review", "linkType": "Event"},
    ]);
    let prompt = record(
        "1738051200000",
        "userPrompt",
        serde_json::json!({"contentType": "text", "content": "When do we launch?"}),
    );
    serde_json::json!({
        "@odata.nextLink": format!("https://graph.microsoft.com/beta/copilot/users/{USER}/interactionHistory/getAllEnterpriseInteractions?$skiptoken=dHdv"),
        "value": [answer, prompt],
    })
    .to_string()
}

fn run(lake: &Lake, more: &str) -> Ended {
    let folder = lake.path().with_file_name("pages");
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"{TENANT}\"\n{more}\n[destination]\nurl = \"{}\"\n",
        folder.display(),
        lake.path().display()
    );
    finish(run_command(&lake.write_beside("pipeline.toml", text.as_bytes()), ""))
}

#[test]
fn documented_pages_give_their_rows_and_are_read_once() {
    let lake = Lake::new();
    lake.write_beside("pages/page_1.json", meeting_page().as_bytes());
    lake.write_beside("pages/page_2.json", answer_page().as_bytes());
    run(&lake, "").assert_code(0);
    let rows = |table, wanted: &str| {
        number(&format!("SELECT count(*) FROM {} WHERE {wanted}", files_of(&lake.path(), table)))
    };
    assert_eq!(rows("interactions", &format!("user_id = '{USER}' AND tenant_id = '{TENANT}'")), 3);
    assert_eq!((lake.rows(Table::Attachments), rows("attachments", "card_status = 'ok'")), (2, 1));
    assert_eq!(rows("links", "origin = 'links'"), 2);
    assert_eq!(rows("links", "origin = 'card' AND role = 'citation'"), 2);
    assert_eq!(rows("contexts", "context_type = 'TeamsMeeting'"), 1);
    assert_eq!(lake.rows(Table::Mentions), 0);
    assert_eq!(rows("raw", "json LIKE '{%}'"), 3);
    let texts = query(&format!(
        "SELECT text, model_text FROM {} ORDER BY created_at, interaction_id",
        files_of(&lake.path(), "interactions")
    ));
    let texts: Vec<[Option<&str>; 2]> = texts.iter().map(|row| [row[0].as_str(), row[1].as_str()]).collect();
    assert_eq!(texts[0], [Some("Nobody has spoken yet."), None]);
    assert_eq!(texts[1], [Some("When do we launch?"), None]);
    let answer = "The launch moves to May. Dana asked for the new date in the review[1].\n\n- Launch plan: see page 2[2].";
    assert_eq!(texts[2][0], Some(answer));
    assert!(texts[2][1].is_some_and(|text| text.contains("review[^2^]")));

    let before = lake.all_rows();
    run(&lake, "").assert_code(0);
    assert_eq!(lake.all_rows(), before, "files that are complete are not read again");
}

#[test]
fn a_file_that_is_not_json_is_one_reject_and_stays_uncovered() {
    let lake = Lake::new();
    lake.write_beside("pages/good.json", answer_page().as_bytes());
    lake.write_beside("pages/bad.json", b"<html>503 Service Unavailable</html>");
    let owner = format!("user_id = \"{USER}\"");
    run(&lake, &owner).assert_code(3);
    assert_eq!(lake.rows(Table::Interactions), 2);
    let rejects =
        query(&format!("SELECT reason, decode(raw_bytes) FROM {}", files_of(&lake.path(), "rejects")));
    let texts: Vec<&str> = rejects[0].iter().map(|value| value.as_str().unwrap()).collect();
    assert_eq!(texts, ["page_not_json", "<html>503 Service Unavailable</html>"]);

    // Read again, since nothing covers it; its reject is known.
    run(&lake, &owner).assert_code(3);
    assert_eq!((lake.rows(Table::Rejects), lake.rows(Table::Interactions)), (1, 2));

    // Mended, it is another version of the file.
    lake.write_beside("pages/bad.json", meeting_page().as_bytes());
    run(&lake, &owner).assert_code(0);
    assert_eq!((lake.rows(Table::Rejects), lake.rows(Table::Interactions)), (1, 3));
}

#[test]
fn a_file_that_nobody_owns_is_refused_by_name_before_anything_is_committed() {
    let lake = Lake::new();
    lake.write_beside("pages/a.json", answer_page().as_bytes());
    lake.write_beside("pages/b.json", br#"{"value":[]}"#);
    run(&lake, "").assert_code(2).assert_said("b.json").assert_said("user_id");
    assert_eq!(lake.rows(Table::Interactions), 0);
}

#[test]
fn a_bad_record_is_a_reject_and_its_neighbours_are_read() {
    let lake = Lake::new();
    let good = r#"{"id":"1738051200000","sessionId":"s","createdDateTime":"2025-01-28T08:00:00Z","body":{"content":"one bad emoji \ud83d here"}}"#;
    let lines = format!("{good}\n{{\"id\":\n{}\n", good.replace("1738051200000", "1738051200001"));
    lake.write_beside("pages/records.ndjson", lines.as_bytes());
    run(&lake, &format!("user_id = \"{USER}\"")).assert_code(0).assert_said("1 could not be read");
    assert_eq!((lake.rows(Table::Interactions), lake.rows(Table::Rejects)), (2, 1));
    let exact =
        format!("SELECT count(*) FROM {} WHERE json LIKE '%\\ud83d here%'", files_of(&lake.path(), "raw"));
    assert_eq!(number(&exact), 2, "raw is the record as received");
}

#[test]
fn fields_that_are_new_are_named_at_the_end_and_kept_in_raw() {
    let lake = Lake::new();
    let page = answer_page()
        .replace("\"name\":null", "\"name\":null,\"thumbnailUrl\":\"https://contoso.example/t\"");
    lake.write_beside("pages/page.json", page.as_bytes());
    run(&lake, "").assert_code(0).assert_said("attachments.thumbnailUrl (1)");
    let kept =
        format!("SELECT count(*) FROM {} WHERE json LIKE '%thumbnailUrl%'", files_of(&lake.path(), "raw"));
    assert_eq!(number(&kept), 1);
}
