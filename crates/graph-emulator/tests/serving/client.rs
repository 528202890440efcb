//! A plain client: asks, follows links, and counts what it got by looking at the JSON alone.

use std::time::Duration;

use graph_emulator::{Emulator, ExpectedRecord, ServerOptions, TableTotals, TenantSpec};
use reqwest::{Client, Response};
use serde_json::Value;

/// No limit of requests, for tests of anything else.
pub(crate) fn unlimited() -> ServerOptions {
    ServerOptions { requests_per_second: None, ..ServerOptions::default() }
}

/// A served tenant with a client that has a token.
pub(crate) struct Served {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    pub(crate) token: String,
}

impl Served {
    pub(crate) async fn start(spec: TenantSpec, options: ServerOptions) -> Self {
        let emulator = Emulator::start(spec, options).await.expect("the tenant is served");
        let client = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
        let mut served = Self { emulator, client, token: String::new() };
        let (status, body) =
            served.ask_token(served.emulator.tenant_id(), served.emulator.client_secret()).await;
        assert_eq!(status, 200, "{body}");
        served.token = text(&body["access_token"]);
        served
    }

    pub(crate) async fn ask_token(&self, tenant_id: &str, secret: &str) -> (u16, Value) {
        let url = format!("{}/{tenant_id}/oauth2/v2.0/token", self.emulator.login_url());
        let scope = format!("{}/.default", self.emulator.graph_url());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.emulator.client_id()),
            ("scope", &scope),
            ("client_secret", secret),
        ];
        let response = self.client.post(url).form(&form).send().await.expect("an answer");
        (response.status().as_u16(), json(response).await)
    }

    /// The answer to a path below the server's origin, or to a whole URL.
    pub(crate) async fn get(&self, path_or_url: &str) -> Response {
        let is_url = path_or_url.starts_with("http");
        let origin = if is_url { String::new() } else { self.emulator.graph_url() };
        let request = self.client.get(format!("{origin}{path_or_url}")).bearer_auth(&self.token);
        request.header("client-request-id", "of-the-test").send().await.expect("an answer")
    }

    /// Status and body.
    pub(crate) async fn answer(&self, path_or_url: &str) -> (u16, Value) {
        let response = self.get(path_or_url).await;
        (response.status().as_u16(), json(response).await)
    }

    /// All entries over all pages, and how many pages had a link but no entry.
    pub(crate) async fn list(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut entries, mut empty, mut next) = (Vec::new(), 0, path.to_owned());
        loop {
            let (status, mut page) = self.answer(&next).await;
            assert_eq!(status, 200, "{page}");
            let Value::Array(value) = page["value"].take() else { panic!("a page without entries: {page}") };
            if let Some(count) = page["@odata.count"].as_u64() {
                assert_eq!(count, value.len() as u64);
            }
            empty += usize::from(value.is_empty() && page["@odata.nextLink"].is_string());
            entries.extend(value);
            match page["@odata.nextLink"].as_str() {
                Some(link) => {
                    assert_ne!(link, next, "a link to the page itself");
                    link.clone_into(&mut next);
                }
                None => return (entries, empty),
            }
        }
    }
}

/// The path of the interactions call with a query.
pub(crate) fn interactions(user: &str, query: &str) -> String {
    format!("/v1.0/copilot/users/{user}/interactionHistory/getAllEnterpriseInteractions{query}")
}

pub(crate) async fn json(response: Response) -> Value {
    let text = response.text().await.expect("a whole body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a string")).to_owned()
}

pub(crate) fn entries<'a>(record: &'a Value, list: &str) -> &'a [Value] {
    record[list].as_array().unwrap_or_else(|| panic!("{list} of {record}"))
}

/// The rows that a record gives to `links`, by the definition of the totals.
pub(crate) fn link_rows(record: &Value) -> usize {
    let with =
        |list: &str, key: &str| entries(record, list).iter().filter(|entry| entry[key].is_string()).count();
    let content = text(&record["body"]["content"]);
    let is_html = record["body"]["contentType"] == "html";
    assert!(is_html || !(content.contains("](") || content.contains("http")), "a link in a text: {content}");
    let in_body = if is_html { content.matches("<a href=").count() } else { 0 };
    let in_cards: usize = entries(record, "attachments").iter().map(card_links).sum();
    entries(record, "links").len()
        + with("attachments", "contentUrl")
        + with("contexts", "contextReference")
        + in_body
        + in_cards
}

/// The text blocks of a card; one that holds reasoned JSON is an answer and its reasons.
fn card_elements(attachment: &Value) -> u64 {
    let Some(content) = attachment["content"].as_str() else { return 0 };
    let card: Value = serde_json::from_str(content).expect("a card is JSON");
    let texts = card["body"].as_array().into_iter().flatten().filter_map(|block| block["text"].as_str());
    texts.map(|text| if text.contains("finalResponse") { 2 } else { 1 }).sum()
}

/// The markdown links of the text block that a card shows.
fn card_links(attachment: &Value) -> usize {
    let Some(content) = attachment["content"].as_str() else { return 0 };
    let card: Value = serde_json::from_str(content).expect("a card is JSON");
    card["body"][0]["text"].as_str().map_or(0, |shown| shown.matches("](http").count())
}

/// The rows of records.
pub(crate) fn rows(records: &[Value]) -> TableTotals {
    let mut totals = TableTotals::default();
    for record in records {
        totals.interactions += 1;
        totals.raw += 1;
        totals.card_elements += entries(record, "attachments").iter().map(card_elements).sum::<u64>();
        totals.links += link_rows(record) as u64;
        totals.attachments += entries(record, "attachments").len() as u64;
        totals.contexts += entries(record, "contexts").len() as u64;
        totals.mentions += entries(record, "mentions").len() as u64;
    }
    totals
}

/// What a record says, as far as the tenant expects it; its instant is not compared but its day is.
pub(crate) fn assert_is(record: &Value, expected: &ExpectedRecord) {
    let list = |name| u32::try_from(entries(record, name).len()).expect("a short list");
    let created = text(&record["createdDateTime"]);
    let seen = ExpectedRecord {
        session_id: record["sessionId"].as_str().map(str::to_owned),
        interaction_id: text(&record["id"]),
        etag: text(&record["etag"]),
        created_at_us: expected.created_at_us,
        day: created[..10].to_owned(),
        attachments: list("attachments"),
        links: u32::try_from(link_rows(record)).expect("few links"),
        contexts: list("contexts"),
        mentions: list("mentions"),
    };
    assert_eq!(seen, *expected);
    let fraction = created.trim_end_matches('Z').split_once('.').map_or("", |(_, fraction)| fraction);
    let us: i64 = format!("{fraction:0<6}")[..6].parse().expect("digits");
    assert_eq!(expected.created_at_us % 1_000_000, us, "{created}");
}
