//! Each kind within a whole exchange: what is asked, and when again.

use std::time::Duration;

use promptlake_model::Timestamp;
use secrecy::SecretString;
use url::{Url, form_urlencoded};

use super::fixture;
use crate::graph::scripted::{Bench, Reply, Seen, error, page, plan, reply, token};
use crate::graph::settings::tests::settings;
use crate::graph::{
    ClientCertificate, Credential, GraphSettings, ManagedEndpoint, ManagedIdentity, SecretCommand,
};
use crate::{ErrorKind, ExtractError};

fn with(credential: Credential) -> GraphSettings {
    GraphSettings { credential, ..settings() }
}

fn fields(form: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn is_graph(seen: &Seen) -> bool {
    seen.url.starts_with("https://graph.test/")
}

async fn run(bench: &Bench) -> Result<(), ExtractError> {
    bench.extract(vec![plan(1, 1)]).await.result
}

fn imds(client_id: Option<&str>) -> Credential {
    let origin = Url::parse("http://169.254.169.254").unwrap();
    let client_id = client_id.map(str::to_owned);
    Credential::ManagedIdentity(ManagedIdentity { endpoint: ManagedEndpoint::Imds { origin }, client_id })
}

fn app_service() -> Credential {
    let endpoint = ManagedEndpoint::AppService {
        url: Url::parse("http://localhost:42356/msi/token").unwrap(),
        header: SecretString::from("header-secret"),
    };
    Credential::ManagedIdentity(ManagedIdentity { endpoint, client_id: None })
}

const ASSERTED: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test(start_paused = true)]
async fn each_token_gets_an_assertion_of_its_own() {
    let bytes = std::fs::read(fixture("app.pem")).unwrap();
    let now = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    let certificate = ClientCertificate::from_bytes(&bytes, None, now, "app.pem".as_ref()).unwrap();
    let settings = with(Credential::Certificate { client_id: "app".into(), certificate });
    let bench = Bench::with(settings, |seen| if is_graph(seen) { page(1, None) } else { token("t", 600) });
    run(&bench).await.unwrap();
    tokio::time::advance(Duration::from_mins(9)).await;
    run(&bench).await.unwrap();
    let asked: Vec<_> = bench.seen().into_iter().filter(|seen| !is_graph(seen)).collect();
    let forms: Vec<_> = asked.iter().map(|seen| fields(seen.form.as_deref().unwrap())).collect();
    assert_eq!(forms.len(), 2);
    assert_eq!(forms[0][0], ("grant_type".into(), "client_credentials".into()));
    assert_eq!(forms[0][1], ("client_id".into(), "app".into()));
    assert_eq!(forms[0][2], ("scope".into(), "https://graph.test/.default".into()));
    assert_eq!(forms[0][3], ("client_assertion_type".into(), ASSERTED.into()));
    assert_eq!((forms[0][4].0.as_str(), forms[0].len()), ("client_assertion", 5));
    assert_ne!(forms[0][4].1, forms[1][4].1);
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let credential =
        || Credential::WorkloadIdentity { client_id: "app".into(), token_file: token_file.clone() };
    let missing = Bench::with(with(credential()), |_| Reply::lost());
    let error = run(&missing).await.unwrap_err();
    assert!(matches!(error, ExtractError::Credential(_)), "{error}");
    assert_eq!((error.kind(), missing.seen().len()), (ErrorKind::Settings, 0));
    std::fs::write(&token_file, "first\n").unwrap();
    let bench =
        Bench::with(with(credential()), |seen| if is_graph(seen) { page(1, None) } else { token("t", 600) });
    run(&bench).await.unwrap();
    for (text, seconds) in [("second", 540), ("third", 540)] {
        std::fs::write(&token_file, text).unwrap();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        run(&bench).await.unwrap();
    }
    // Replaced by halves: the token that still lives is used, and the file is read again.
    std::fs::write(&token_file, "").unwrap();
    tokio::time::advance(Duration::from_secs(500)).await;
    run(&bench).await.unwrap();
    let asked: Vec<_> = bench.seen().into_iter().filter(|seen| !is_graph(seen)).collect();
    let shown: Vec<_> = asked.iter().map(|seen| fields(seen.form.as_deref().unwrap())[4].1.clone()).collect();
    assert_eq!(shown, ["first", "second", "third"]);
    assert_eq!(fields(asked[0].form.as_deref().unwrap())[3].1, ASSERTED);
}

#[tokio::test(start_paused = true)]
async fn a_machine_asks_its_metadata_service() {
    for (client_id, query) in [(None, ""), (Some("a b"), "&client_id=a+b")] {
        let answer = r#"{"access_token":"t","expires_in":"3599","expires_on":"1","resource":"x"}"#;
        let bench = Bench::with(with(imds(client_id)), move |seen| {
            if is_graph(seen) { page(1, None) } else { reply(200, answer) }
        });
        run(&bench).await.unwrap();
        let asked = &bench.seen()[0];
        let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
                   &resource=https%3A%2F%2Fgraph.test";
        assert_eq!(asked.url, format!("{url}{query}"));
        assert_eq!((asked.header("metadata"), asked.form.as_deref()), (Some("true"), None));
        assert_eq!(bench.seen()[1].authorization.as_deref(), Some("Bearer t"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_says_when_its_token_ends_and_nothing_else() {
    // The clock of the bench begins at 1,764,000,000: 600 seconds of life, renewed in the last fifth.
    let mut given = 0;
    let bench = Bench::with(with(app_service()), move |seen| {
        if is_graph(seen) {
            return page(1, None);
        }
        given += 600;
        let ends_on = 1_764_000_000 + given;
        reply(200, format!(r#"{{"access_token":"t","expires_on":"{ends_on}","token_type":"Bearer"}}"#))
    });
    for (until, tokens) in [(0, 1), (479, 1), (480, 2)] {
        let wait = Duration::from_secs(until).saturating_sub(bench.clock.elapsed());
        tokio::time::advance(wait).await;
        run(&bench).await.unwrap();
        let asked = bench.seen().into_iter().filter(|seen| !is_graph(seen)).count();
        assert_eq!(asked, tokens, "at {until} s");
    }
    let asked = &bench.seen()[0];
    let url = "http://localhost:42356/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fgraph.test";
    assert_eq!(asked.url, url);
    assert_eq!((asked.header("x-identity-header"), asked.header("metadata")), (Some("header-secret"), None));
}

#[tokio::test(start_paused = true)]
async fn a_metadata_service_that_is_replaced_is_waited_for() {
    for status in [404, 410] {
        let mut begun = None;
        let bench = Bench::with(with(imds(None)), move |seen| {
            let since = *begun.get_or_insert(seen.at);
            match seen {
                seen if is_graph(seen) => page(1, None),
                // What Azure documents as the longest.
                seen if seen.at < since + Duration::from_secs(70) => reply(status, ""),
                _ => token("t", 3600),
            }
        });
        run(&bench).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
    for status in [429, 500, 503] {
        let mut asked = 0;
        let bench = Bench::with(with(imds(None)), move |seen| {
            asked += 1;
            match asked {
                _ if is_graph(seen) => page(1, None),
                1 | 2 => reply(status, ""),
                _ => token("t", 3600),
            }
        });
        run(&bench).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_not_there_is_refused_at_once() {
    for (credential, status) in [(imds(None), 400), (app_service(), 404)] {
        let answer = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
        let bench = Bench::with(with(credential), move |_| reply(status, answer));
        let error = run(&bench).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "get a token: the platform's identity endpoint answered invalid_request"
        );
        assert!(error.hint().unwrap().contains("identity"), "{:?}", error.hint());
        assert_eq!(bench.seen().len(), 1);
    }
}

/// A command that prints what a file holds, and counts how often it ran.
#[cfg(unix)]
struct Printer {
    folder: tempfile::TempDir,
}

#[cfg(unix)]
impl Printer {
    fn new(text: &str) -> Self {
        let printer = Self { folder: tempfile::tempdir().unwrap() };
        printer.print(text);
        printer
    }

    fn print(&self, text: &str) {
        std::fs::write(self.folder.path().join("token"), text).unwrap();
    }

    fn credential(&self) -> Credential {
        let folder = self.folder.path().display();
        let line = format!("printf x >> {folder}/runs; cat {folder}/token && test -s {folder}/token");
        Credential::TokenCommand(SecretCommand::new(&line))
    }

    fn runs(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("runs")).map_or(0, |file| file.len())
    }
}

/// Time is real here: a paused clock would jump over the minute that a command has.
#[cfg(unix)]
#[tokio::test]
async fn a_command_is_run_again_near_the_end_and_after_a_401() {
    let printer = Printer::new(r#"{"accessToken":"t1","expires_on":1764000600}"#);
    let bench = Bench::with(with(printer.credential()), |seen| match seen.authorization.as_deref() {
        Some("Bearer t2") => error(401, "InvalidAuthenticationToken", ""),
        _ => page(1, None),
    });
    run(&bench).await.unwrap();
    run(&bench).await.unwrap();
    assert_eq!(printer.runs(), 1);
    printer.print("t2");
    jump(Duration::from_secs(500)).await;
    // The new one is refused: the command is run once more, and then it is over.
    let refused = run(&bench).await.unwrap_err();
    assert!(matches!(refused, ExtractError::TokenRejected { .. }), "{refused}");
    assert_eq!(printer.runs(), 3);
    printer.print("t3");
    run(&bench).await.unwrap();
    // Nobody said when it ends.
    jump(Duration::from_hours(1000)).await;
    run(&bench).await.unwrap();
    assert_eq!(printer.runs(), 4);
    assert_eq!(bench.asked().len(), 7);
    assert!(bench.seen().iter().all(is_graph), "no login service is asked");
}

#[cfg(unix)]
async fn jump(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_fails_at_the_start_is_not_repeated() {
    let printer = Printer::new("");
    let bench = Bench::with(with(printer.credential()), |_| Reply::lost());
    let error = run(&bench).await.unwrap_err();
    assert!(matches!(error, ExtractError::Credential(_)), "{error}");
    assert_eq!((error.kind(), printer.runs()), (ErrorKind::Settings, 1));
}

#[test]
fn nothing_secret_is_in_debug() {
    let bytes = std::fs::read(fixture("app.pem")).unwrap();
    let now = Timestamp::parse("2030-01-01T00:00:00Z").unwrap();
    let certificate = ClientCertificate::from_bytes(&bytes, None, now, "app.pem".as_ref()).unwrap();
    let secret = SecretString::from("marker");
    for (credential, expected) in [
        (
            Credential::ClientSecret { client_id: "app".into(), secret },
            r#"Credential { kind: ClientSecret, client_id: Some("app"), .. }"#,
        ),
        (
            Credential::Certificate { client_id: "app".into(), certificate },
            r#"Credential { kind: Certificate, client_id: Some("app"), .. }"#,
        ),
        (app_service(), "Credential { kind: ManagedIdentity, client_id: None, .. }"),
        (
            Credential::TokenCommand(SecretCommand::new("echo marker")),
            "Credential { kind: TokenCommand, client_id: None, .. }",
        ),
    ] {
        assert_eq!(format!("{credential:?}"), expected);
    }
}
