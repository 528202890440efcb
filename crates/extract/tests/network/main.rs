//! The client over a real network: a server on the loopback address that answers as Graph does.

mod authority;
mod deadlines;
mod downgrade;
mod long_pages;
mod support;
mod tls;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use promptlake_extract::{GraphClient, UserRef, UserSelection};
use promptlake_model::UserStatus;

use support::{TENANT, extract, listen, plan, serve, settings};

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
    if asked.contains("000000000003/") {
        let next = format!("{}/v1.0/next?$skiptoken=abroad", graph.elsewhere);
        return format!(r#"{{"@odata.nextLink":"{next}","value":[{{"id":"4"}}]}}"#).into_response();
    }
    if asked.contains("skiptoken") {
        return r#"{"value":[{"id":"3"}]}"#.into_response();
    }
    let next = format!("{}/v1.0/next?$skiptoken=a%2Bb", graph.url);
    format!(r#"{{"@odata.nextLink":"{next}","value":[{{"id":"1"}},{{"id":"2"}}]}}"#).into_response()
}

fn client(url: &str, secret: &str) -> GraphClient {
    support::client(settings(url, secret))
}

#[tokio::test]
async fn pages_come_over_a_network_and_nobody_else_is_asked() {
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
        let three = plan("00000000-0000-0000-0000-000000000003");
        let (bodies, mut users, whole) = extract(&client, vec![one, two, three]).await;
        users.sort();
        // The page before the foreign link came twice, since whoever fails is asked once more.
        assert_eq!((bodies.len(), whole), (4, 1));
        assert!(bodies.iter().any(|body| body == r#"{"value":[{"id":"3"}]}"#), "{bodies:?}");
        assert_eq!(users, [UserStatus::Extracted, UserStatus::Failed, UserStatus::Failed]);
        assert_eq!(*stolen.lock().unwrap(), 0, "a redirect or a foreign link was followed");
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
