//! No log line, at any level, holds a token, a secret, a body or a paging token.

use graph_emulator::{Access, RequestKind, Rule, ScriptedAnswer, ServerOptions, TenantSpec};
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{finish, run_command};
use promptlake_tests::tenant::{pipeline, serve};

/// Every JWT begins with a JSON object in base64: `{"`.
const TOKEN: &str = "eyJ";

/// Long enough that no log line has it by chance.
const WORDS_CHARS: usize = 24;

/// What stands in the bodies of answers that refuse or make no sense: words of whoever was asked about, or of anybody on
/// the way.
const IN_ERRORS: &str = "marker-in-an-error-body";

/// An error whose message, details and text beside them are nobody's business either.
fn telling(status: u16) -> ScriptedAnswer {
    let body = format!(
        r#"{{"error":{{"code":"SomeCode","message":"{IN_ERRORS} 1","innerError":{{"message":"{IN_ERRORS} 2",
           "details":["{IN_ERRORS} 3"]}}}},"text":"{IN_ERRORS} 4"}}"#
    );
    ScriptedAnswer::Status { status, headers: Vec::new(), body }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_holds_what_is_nobodys_business() {
    let spec = TenantSpec::default().with_seed(6).with_users(12).with_interactions(2_000);
    let emulator = serve(spec, ServerOptions { requests_per_second: None, ..ServerOptions::default() }).await;
    // Errors are where secrets are said by mistake.
    let open = |user: &graph_emulator::User| user.access == Access::Open;
    let failing = emulator.tenant().users().filter(open).last().unwrap().id;
    emulator.replace_script(vec![
        Rule::always(telling(409), u32::MAX).for_user(failing),
        Rule::always(telling(503), 2),
        Rule::always(telling(401), 1),
        // What is read as a page, and is none.
        Rule::always(telling(200), 1),
        Rule::always(
            ScriptedAnswer::Status { status: 502, headers: Vec::new(), body: IN_ERRORS.to_owned() },
            1,
        ),
        Rule::always(ScriptedAnswer::NotJson, 2),
        Rule::always(ScriptedAnswer::CutOff, 2),
        Rule::always(telling(410), 1).at_page(1),
    ]);
    let lake = Lake::new();
    let mut command = run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret());
    command.env("PROMPTLAKE_LOG", "trace").env("NO_COLOR", "1");
    let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
    ended
        .assert_code(3)
        .assert_said("DEBUG")
        .assert_said("answered")
        .assert_said("a list is read from its beginning");

    let interactions = files_of(&lake.path(), "interactions");
    let words = format!(
        "SELECT DISTINCT substr(said, 1, {WORDS_CHARS}) FROM
         (SELECT unnest([text, body_content, model_text]) AS said FROM {interactions})
         WHERE length(said) >= {WORDS_CHARS}"
    );
    let words: Vec<String> =
        query(&words).into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    assert!(words.len() > 100, "{} beginnings of texts", words.len());
    let report = emulator.report();
    for status in [401, 409, 410, 502, 503] {
        assert!(report.answered(RequestKind::Interactions, status) > 0, "nothing was answered {status}");
    }
    let planted = [emulator.client_secret(), TOKEN, "skiptoken", "Bearer", IN_ERRORS].map(str::to_owned);
    for text in planted.iter().chain(&words) {
        let line = ended.said.lines().find(|line| line.contains(text.as_str()));
        assert!(line.is_none(), "{text:?} is in the log: {}", line.unwrap_or_default());
    }
    emulator.shutdown().await;
}
