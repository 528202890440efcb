//! Long pages that share a connection: those that wait for memory keep none of the others from coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::{any, post};
use promptlake_extract::{ExtraRoots, FIRST_RESERVATION_BYTES, GraphSettings, PAGE_MEMORY_FACTOR};
use promptlake_model::UserStatus;

use crate::authority::Authority;
use crate::support::{TENANT, client_within, extract, listen, plan, settings};

const USERS: usize = 24;

/// A few of them at once are more than a connection of HTTP/2 takes unread, where nobody says otherwise.
const PAGE_BYTES: usize = 12 << 20;

#[tokio::test]
async fn bodies_that_wait_for_memory_do_not_stop_a_connection() {
    let authority = Authority::new();
    let (listener, url) = listen().await;
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let page = format!(r#"{{"value":["{}"]}}"#, "x".repeat(PAGE_BYTES - 64));
    let graph = any(move || async move {
        counter.fetch_add(1, Ordering::Relaxed);
        page
    });
    let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
    let login = post(move || async move { token });
    let router = Router::new().route(&format!("/{TENANT}/oauth2/v2.0/token"), login).fallback(graph);

    let settings = GraphSettings {
        extra_roots: ExtraRoots::from_pem(authority.pem.as_bytes()).expect("an authority"),
        requests_per_second: 1_000.0,
        concurrency: USERS,
        page_bytes_max: PAGE_BYTES,
        ..settings(&url, "secret")
    };
    // Memory for one of them to grow.
    let memory = USERS * FIRST_RESERVATION_BYTES + PAGE_BYTES * PAGE_MEMORY_FACTOR;
    let client = client_within(settings, memory);
    let plans = (1..=USERS).map(|user| plan(&format!("00000000-0000-0000-0000-{user:012}"))).collect();
    tokio::select! {
        (bodies, users, whole) = extract(&client, plans) => {
            assert_eq!((bodies.len(), whole), (USERS, USERS));
            assert_eq!(users, [UserStatus::Extracted; USERS]);
        }
        () = authority.serve(router, listener) => {}
    }
    assert_eq!(asked.load(Ordering::Relaxed), USERS, "a page was given up and asked for again");
}
