//! The client over a real network: a server on the loopback address that answers as Graph does.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use promptlake_extract::{
    ApiVersion, Extracted, GraphClient, GraphSettings, RunContext, UserPlan, UserRef, UserSelection,
};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Silent};
use promptlake_model::{
    Owner, Slice, SliceId, SliceOutcome, SliceScope, TenantId, Timestamp, UserStatus, Window,
};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";

/// What the server was asked, and where it is.
#[derive(Default)]
struct Graph {
    url: String,
    elsewhere: String,
    asked: Mutex<Vec<String>>,
}

async fn login(Form(form): Form<Vec<(String, String)>>) -> Response {
    let right = form.contains(&("client_secret".to_owned(), "se+cret&".to_owned()));
    if !right {
        return (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client","error_codes":[7000215]}"#)
            .into_response();
    }
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t0ken"}"#.into_response()
}

async fn graph(State(graph): State<Arc<Graph>>, request: Request) -> Response {
    let asked = request.uri().to_string();
    let authorized =
        request.headers().get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer t0ken");
    graph.asked.lock().expect("nobody panicked").push(asked.clone());
    if !authorized {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if asked.starts_with("/v1.0/users/") {
        return r#"{"id":"00000000-0000-0000-0000-000000000001","displayName":"Jo"}"#.into_response();
    }
    if asked.contains("000000000002/") {
        return (StatusCode::FOUND, [(header::LOCATION, graph.elsewhere.clone())]).into_response();
    }
    if asked.contains("skiptoken") {
        return r#"{"value":[{"id":"3"}]}"#.into_response();
    }
    let next = format!("{}/v1.0/next?$skiptoken=a%2Bb", graph.url);
    format!(r#"{{"@odata.nextLink":"{next}","value":[{{"id":"1"}},{{"id":"2"}}]}}"#).into_response()
}

/// Serves until the test ends; gives its address.
async fn serve(router: Router, listener: TcpListener) {
    axum::serve(listener, router).await.expect("a loopback server serves");
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("http://{address}"))
}

fn client(url: &str, secret: &str) -> GraphClient {
    let settings = GraphSettings {
        graph_url: Url::parse(url).expect("a URL"),
        login_url: Url::parse(url).expect("a URL"),
        tenant: TenantId::parse(TENANT).expect("a GUID"),
        client_id: "app".into(),
        client_secret: SecretString::from(secret),
        requests_per_second: 25.0,
        concurrency: 2,
        page_bytes_max: 1 << 20,
        api_version: ApiVersion::V1,
    };
    let context = RunContext {
        clock: Clock::system(),
        chance_seed: 1,
        observer: Arc::new(Silent),
        pool: ComputePool::new(1).expect("threads"),
        pages_budget: ByteBudget::new(16 << 20),
    };
    GraphClient::new(settings, context).expect("right settings")
}

fn plan(user: &str) -> UserPlan {
    let user = promptlake_model::UserId::parse(user).expect("a GUID");
    let owner = Owner { tenant: TenantId::parse(TENANT).expect("a GUID"), user };
    let at = |micros| Timestamp::from_micros(micros);
    let window = Window { from: at(0), to: at(86_400_000_000) };
    let scope = SliceScope::History { owner, window };
    let slice = Slice { id: SliceId(0), tenant: owner.tenant, scope };
    UserPlan { owner, profile: promptlake_model::UserProfile::default(), slices: vec![Arc::new(slice)] }
}

async fn extract(client: &GraphClient, plans: Vec<UserPlan>) -> (Vec<String>, Vec<UserStatus>, usize) {
    let (sender, mut receiver) = mpsc::channel(1);
    let collection = async {
        let (mut bodies, mut users, mut whole) = (vec![], vec![], 0);
        while let Some(item) = receiver.recv().await {
            match item {
                Extracted::Page(page) => bodies.push(String::from_utf8_lossy(&page.value.body).into_owned()),
                Extracted::SliceEnd(end) => whole += usize::from(end.outcome == SliceOutcome::Whole),
                Extracted::UserEnd(end) => users.push(end.status),
            }
        }
        (bodies, users, whole)
    };
    let (result, collected) =
        tokio::join!(client.extract(plans, sender, CancellationToken::new()), collection);
    result.expect("the tenant can be read");
    collected
}

#[tokio::test]
async fn pages_come_over_a_network_and_redirects_are_not_followed() {
    let (other_listener, elsewhere) = listen().await;
    let stolen = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&stolen);
    let other = Router::new().fallback(any(move || async move { *counter.lock().unwrap() += 1 }));
    let (listener, url) = listen().await;
    let graph_state = Arc::new(Graph { url: url.clone(), elsewhere, ..Graph::default() });
    let login_path = format!("/{TENANT}/oauth2/v2.0/token");
    let router = Router::new()
        .route(&login_path, post(login))
        .fallback(any(graph))
        .with_state(Arc::clone(&graph_state));
    let test = async {
        let client = client(&url, "se+cret&");
        let selection = UserSelection::Ids(vec![UserRef::parse("jo#EXT#@contoso.com")]);
        let found = client.discover(&selection).await.expect("Jo is there");
        assert_eq!(found.users[0].profile.display_name.as_deref(), Some("Jo"));
        assert!(found.server_time.is_some(), "servers send their Date");
        let one = plan("00000000-0000-0000-0000-000000000001");
        let two = plan("00000000-0000-0000-0000-000000000002");
        let (bodies, mut users, whole) = extract(&client, vec![one, two]).await;
        users.sort();
        assert_eq!((bodies.len(), whole), (2, 1));
        assert_eq!(bodies[1], r#"{"value":[{"id":"3"}]}"#);
        assert_eq!(users, [UserStatus::Extracted, UserStatus::Failed]);
        assert_eq!(*stolen.lock().unwrap(), 0, "the redirect was followed");
        let asked = graph_state.asked.lock().unwrap().clone();
        assert!(asked.contains(&"/v1.0/next?$skiptoken=a%2Bb".to_owned()), "{asked:?}");
        assert!(asked[0].starts_with("/v1.0/users/jo%23EXT%23@contoso.com?$select=id,"), "{asked:?}");
    };
    tokio::select! {
        () = test => {}
        () = serve(router, listener) => {}
        () = serve(other, other_listener) => {}
    }
}

#[tokio::test]
async fn a_wrong_secret_is_explained() {
    let (listener, url) = listen().await;
    let router = Router::new().route(&format!("/{TENANT}/oauth2/v2.0/token"), post(login));
    let test = async {
        let selection = UserSelection::Licensed;
        let error = client(&url, "wrong").discover(&selection).await.expect_err("the secret is wrong");
        assert_eq!(
            error.to_string(),
            "get a token: the login service answered AADSTS7000215 (invalid_client)"
        );
        assert!(error.hint().expect("a hint").contains("not the secret's id"));
    };
    tokio::select! {
        () = test => {}
        () = serve(router, listener) => {}
    }
}
