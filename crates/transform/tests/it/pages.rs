//! Whole pages in the documented form: every row of them, and what holds for any page.

use crate::support::{OPTIONAL, instant, owner, page, page_of, rows, shown, transformer, value};
use promptlake_model::{AppClasses, PageForm, PageReading, SliceScope, Table, Window};
use proptest::prelude::*;

const CHAT: &str = include_str!("../fixtures/chat.json");
const MEETING: &str = include_str!("../fixtures/meeting.json");

#[test]
fn a_chat_becomes_these_rows() {
    insta::assert_snapshot!(shown(&transformer(&OPTIONAL).page(&page(PageForm::Page, CHAT))));
}

#[test]
fn a_meeting_becomes_these_rows() {
    insta::assert_snapshot!(shown(&transformer(&OPTIONAL).page(&page(PageForm::Page, MEETING))));
}

#[test]
fn batches_are_of_the_tables_own_schema_and_only_of_tables_that_are_written() {
    let batch = transformer(&[Table::Links]).page(&page(PageForm::Page, MEETING));
    let tables: Vec<_> = batch.tables.iter().map(|rows| rows.table).collect();
    assert_eq!(tables, [Table::Interactions, Table::Links, Table::Rejects]);
    for rows in &batch.tables {
        assert!(std::sync::Arc::ptr_eq(&rows.batch.schema(), &rows.table.schema()), "{}", rows.table);
    }
}

#[test]
fn an_empty_page_has_no_tables() {
    let batch = transformer(&OPTIONAL).page(&page(PageForm::Page, r#"{"value":[],"@odata.nextLink":"x"}"#));
    assert_eq!((batch.reading, batch.records.len(), batch.tables.len()), (PageReading::Read, 0, 0));
}

#[test]
fn only_the_window_of_a_history_counts_and_undated_records_pass_it() {
    let body = r#"[{"id":"a","createdDateTime":"2025-01-01T00:00:00Z"},
        {"id":"b","createdDateTime":"2024-12-31T23:59:59.999Z"},
        {"id":"c","createdDateTime":"2025-01-02T00:00:00Z"},
        {"id":"d","createdDateTime":"2025-01-01T23:59:59.9999999Z"},
        {"id":"e"}]"#;
    let window = Window::new(instant("2025-01-01T00:00:00Z"), instant("2025-01-02T00:00:00Z")).unwrap();
    let history = SliceScope::History { owner: owner(), window, classes: AppClasses::default() };
    let batch = transformer(&OPTIONAL).page(&page_of(history, PageForm::RecordArray, body));
    let ids: Vec<_> = (0..batch.records.len())
        .map(|row| value(&batch, Table::Interactions, "interaction_id", row).unwrap())
        .collect();
    assert_eq!(ids, ["a", "d", "e"]);
    assert_eq!(rows(&batch, Table::Raw).unwrap().ends, [1, 2, 3]);
    let file = transformer(&[]).page(&page(PageForm::RecordArray, body));
    assert_eq!(file.records.len(), 5);
}

fn check_rejects(form: PageForm, body: &[u8], reading: PageReading, expected: &[(&str, Option<&str>)]) {
    let batch = transformer(&OPTIONAL).page(&page(form, body.to_vec()));
    let of = |column, row| value(&batch, Table::Rejects, column, row);
    let found: Vec<_> =
        (0..batch.rejects.len()).map(|row| (of("reason", row).unwrap(), of("record_index", row))).collect();
    let found: Vec<_> = found.iter().map(|(reason, index)| (reason.as_str(), index.as_deref())).collect();
    assert_eq!((batch.reading, found.as_slice()), (reading, expected), "{}", String::from_utf8_lossy(body));
}

#[test]
fn what_cannot_be_read_is_a_reject() {
    use PageForm::{Page, RecordLines};
    use PageReading::{Read, Unreadable};
    check_rejects(Page, b"", Unreadable, &[("page_not_json", None)]);
    check_rejects(Page, b"{}", Unreadable, &[("page_without_value", None)]);
    check_rejects(Page, br#"{"value":[{},{"#, Unreadable, &[("page_not_json", None)]);
    check_rejects(
        Page,
        br#"{"value":[7,{},null]}"#,
        Read,
        &[("record_not_object", Some("0")), ("record_not_object", Some("2"))],
    );
    check_rejects(Page, br#"{"value":[{},{"a":NaN},{}]}"#, Read, &[("record_not_json", Some("1"))]);
    check_rejects(
        RecordLines,
        b"{}\n{\"a\":\n\n{} x\n[1]\nx",
        Read,
        &[
            ("record_not_json", Some("1")),
            ("record_not_json", Some("2")),
            ("record_not_object", Some("3")),
            ("record_not_json", Some("4")),
        ],
    );
}

#[test]
fn rejects_keep_their_bytes() {
    let batch = transformer(&[]).page(&page(PageForm::RecordLines, b"{}\n\xff\"x\n".to_vec()));
    assert_eq!(value(&batch, Table::Rejects, "raw_bytes", 0).as_deref(), Some("ff2278"));
    assert_eq!(value(&batch, Table::Rejects, "page_index", 0).as_deref(), Some("3"));
    assert_eq!(batch.rejects[0].day.to_string(), "2025-06-01");
}

#[test]
fn bytes_that_are_no_utf8_are_kept_beside_the_text() {
    let batch = transformer(&OPTIONAL)
        .page(&page(PageForm::Page, b"{\"value\":[{\"id\":\"a\"},{\"id\":\"\xe9\"}]}".to_vec()));
    let of = |table, column, row| value(&batch, table, column, row);
    assert_eq!(of(Table::Interactions, "interaction_id", 1).as_deref(), Some("\u{fffd}"));
    assert_eq!(of(Table::Raw, "json", 1).as_deref(), Some("{\"id\":\"\u{fffd}\"}"));
    assert_eq!(of(Table::Raw, "json_bytes", 0), None);
    assert_eq!(of(Table::Raw, "json_bytes", 1).as_deref(), Some("7b226964223a22e9227d"));
}

/// The records of a page made again from its `raw` rows.
fn again(batch: &promptlake_model::PageBatch) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in 0..batch.records.len() {
        let json = value(batch, Table::Raw, "json", row).unwrap();
        lines.extend(json.replace('\n', " ").into_bytes());
        lines.push(b'\n');
    }
    lines
}

#[test]
fn every_row_can_be_made_again_from_raw() {
    for body in [CHAT, MEETING] {
        let pretty = transformer(&OPTIONAL).page(&page(PageForm::Page, body));
        let once = transformer(&OPTIONAL).page(&page(PageForm::RecordLines, again(&pretty)));
        let twice = transformer(&OPTIONAL).page(&page(PageForm::RecordLines, again(&once)));
        assert_eq!(shown(&once), shown(&twice));
        assert_eq!(pretty.records.len(), once.records.len());
    }
}

/// JSON that resembles records.
fn json_like() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        " ",
        "null",
        "1e999",
        "-",
        "true",
        "\"id\"",
        "\"etag\"",
        "\"sessionId\"",
        "\"createdDateTime\"",
        "\"2025-01-01T00:00:00Z\"",
        "\"from\"",
        "\"user\"",
        "\"body\"",
        "\"content\"",
        "\"contentType\"",
        "\"html\"",
        "\"attachments\"",
        "\"links\"",
        "\"linkUrl\"",
        "\"\\ud83d\"",
        "\"value\"",
        "\"response\"",
        "\"mentions\"",
        "\"<attachment id='x'>\"",
        "\"[1](u)\"",
        "\n",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn any_form() -> impl Strategy<Value = PageForm> {
    prop::sample::select(vec![PageForm::Page, PageForm::RecordArray, PageForm::RecordLines])
}

/// A record whose fields hold whatever JSON can say.
fn any_record() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| format!("{text:?}")),
        "[a-z<>/= \"'&;*\\[\\]()1-]{0,40}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""<attachment id=\"a\"></attachment>""#.to_owned()),
        Just(r#""html""#.to_owned()),
        Just(r#""application/vnd.microsoft.card.adaptive""#.to_owned()),
        Just(r#""{\"body\":[{\"type\":\"TextBlock\",\"text\":\"*a*\"}]}""#.to_owned()),
    ];
    let name = prop::sample::select(vec![
        "id",
        "sessionId",
        "requestId",
        "etag",
        "createdDateTime",
        "appClass",
        "from",
        "user",
        "body",
        "content",
        "contentType",
        "attachments",
        "attachmentId",
        "contentUrl",
        "contexts",
        "contextReference",
        "links",
        "linkUrl",
        "mentions",
        "mentionId",
        "mentioned",
        "displayName",
    ]);
    let tree = scalar.prop_recursive(4, 40, 8, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|entries| format!("[{}]", entries.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    tree.prop_map(|tree| format!("{{\"body\":{tree},\"attachments\":[{tree}],\"links\":{tree}}}"))
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), form in any_form()) {
        let batch = transformer(&OPTIONAL).page(&page(form, body));
        prop_assert!(batch.records.len() <= 200);
    }

    #[test]
    fn nothing_like_json_is_lost(body in json_like(), form in any_form()) {
        let batch = transformer(&OPTIONAL).page(&page(form, body));
        prop_assert_eq!(batch.reading == PageReading::Unreadable, batch.rejects.len() == 1
            && value(&batch, Table::Rejects, "record_index", 0).is_none());
    }

    #[test]
    fn any_record_becomes_the_same_rows_again(record in any_record()) {
        let batch = transformer(&OPTIONAL).page(&page(PageForm::RecordArray, format!("[{record}]")));
        let lines = again(&batch);
        let once = transformer(&OPTIONAL).page(&page(PageForm::RecordLines, lines));
        if batch.rejects.is_empty() {
            prop_assert_eq!(batch.records.len(), 1);
            prop_assert_eq!(shown(&batch), shown(&once));
        }
    }
}
