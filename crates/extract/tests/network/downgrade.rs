//! From https to http at the same host and port: a place as foreign as any other, to which nobody follows with a token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptlake_extract::{ExtraRoots, Extracted, GraphSettings, UserPlan};
use promptlake_flow::channel;
use promptlake_model::UserStatus;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::support::{client, listen, plan, settings};

/// Who is led away by a link, who by a redirect, and who is not.
const LINKED: &str = "00000000-0000-0000-0000-000000000001";
const REDIRECTED: &str = "00000000-0000-0000-0000-000000000002";
const READ: &str = "00000000-0000-0000-0000-000000000003";

async fn login() -> &'static str {
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t0ken"}"#
}

/// One page for everybody, and for the two the way to the twin.
async fn graph(State(twin): State<Arc<String>>, request: Request) -> Response {
    let path = request.uri().path();
    let next = format!("{twin}/v1.0/next?$skiptoken=a");
    if path.contains(REDIRECTED) {
        return (StatusCode::FOUND, [(header::LOCATION, next)]).into_response();
    }
    if path.contains(LINKED) {
        return format!(r#"{{"@odata.nextLink":"{next}","value":[{{"id":"1"}}]}}"#).into_response();
    }
    r#"{"value":[{"id":"2"}]}"#.into_response()
}

/// How each user ended, and why.
async fn ends(settings: GraphSettings, plans: Vec<UserPlan>) -> Vec<(String, UserStatus, Option<String>)> {
    let client = client(settings);
    let (sender, mut receiver) = channel(1);
    let collection = async {
        let mut ends = Vec::new();
        while let Some(item) = receiver.recv().await {
            if let Extracted::UserEnd(end) = item {
                ends.push((end.owner.user.to_string(), end.status, end.reason));
            }
        }
        ends.sort();
        ends
    };
    let (result, ends) = tokio::join!(client.extract(plans, sender, CancellationToken::new()), collection);
    result.expect("the tenant can be read");
    ends
}

#[tokio::test]
async fn nobody_follows_to_the_http_twin_of_graph() {
    let authority = Authority::new();
    let (listener, twin) = listen().await;
    let (address, twin) =
        (listener.local_addr().expect("an address"), twin.replace("127.0.0.1", "localhost"));
    let url = twin.replace("http:", "https:");
    let router = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(login))
        .fallback(graph)
        .with_state(Arc::new(twin.clone()));
    let test = async {
        let extra_roots = ExtraRoots::from_pem(authority.pem.as_bytes()).expect("an authority");
        let settings = GraphSettings { extra_roots, ..settings(&url, "secret") };
        let ends = ends(settings, [LINKED, REDIRECTED, READ].map(plan).into()).await;
        let linked = format!("the next page is at {twin}, which is not Graph: no token goes there");
        let redirected = format!("the answer is 302, a redirect to {twin}, which is not followed");
        let right = [
            (LINKED.to_owned(), UserStatus::Failed, Some(linked)),
            (REDIRECTED.to_owned(), UserStatus::Failed, Some(redirected)),
            (READ.to_owned(), UserStatus::Extracted, None),
        ];
        assert_eq!(ends, right);
        assert_eq!(authority.in_the_clear(), 0, "somebody asked the twin");

        // Had anybody asked it, it would have been seen: the one who does is let go, which ends the reading.
        let mut stream = TcpStream::connect(address).await.expect("the twin is there");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it takes a request");
        let mut nothing = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut nothing).await;
        assert_eq!(authority.in_the_clear(), 1);
    };
    tokio::select! {
        () = test => {}
        () = authority.serve(router, listener) => {}
    }
}
