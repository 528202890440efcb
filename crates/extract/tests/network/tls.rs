//! TLS by an authority of one's own: the extra certificates are trusted, and without them nobody is.

use std::sync::Arc;

use axum::Router;
use promptlake_extract::{ExtraRoots, UnusableRoots};
use tokio::net::TcpListener;

use crate::authority::Authority;
use crate::support::settings;

async fn listen() -> (TcpListener, String) {
    let (listener, url) = crate::support::listen().await;
    (listener, url.replace("http://127.0.0.1", "https://localhost"))
}

/// The token request is the first; what comes of it says whether the server is trusted.
async fn outcome(url: &str, roots: ExtraRoots) -> String {
    let client = crate::support::client(promptlake_extract::GraphSettings {
        extra_roots: roots,
        ..settings(url, "secret")
    });
    let error = client.discover(&promptlake_extract::UserSelection::Licensed).await;
    error.expect_err("this server has no directory").to_string()
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (listener, url) = listen().await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let versions = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: axum::extract::Request| async move {
        versions.lock().expect("nobody panicked").push(request.version());
        (axum::http::StatusCode::UNAUTHORIZED, r#"{"error":"seen","error_codes":[1]}"#)
    });
    let both = format!("a comment\n{}\n{}", other.pem, authority.pem);
    let test = async {
        let trusted = outcome(&url, ExtraRoots::from_pem(both.as_bytes()).expect("two certificates")).await;
        assert_eq!(trusted, "get a token: the login service answered AADSTS1 (seen)");
        assert_eq!(*seen.lock().expect("nobody panicked"), [axum::http::Version::HTTP_2]);
        tokio::time::pause();
        let strange = outcome(&url, ExtraRoots::from_pem(other.pem.as_bytes()).expect("one")).await;
        assert!(strange.starts_with("get a token from https://localhost:"), "{strange}");
        assert!(strange.contains("certificate"), "{strange}");
        assert_eq!(seen.lock().expect("nobody panicked").len(), 1, "a request went to who is not trusted");
    };
    tokio::select! {
        () = test => {}
        () = authority.serve(router, listener) => {}
    }
}

#[test]
fn files_of_authorities() {
    let pem = Authority::new().pem;
    let broken = pem.replacen("MII", "AAA", 1);
    let cut = &pem[..pem.len() - 30];
    for (text, problem) in [
        (pem.clone(), None),
        (format!("{pem}\n# another\n{pem}"), None),
        (String::new(), Some(UnusableRoots::NoCertificate)),
        ("secret".to_owned(), Some(UnusableRoots::NoCertificate)),
        (format!("{pem}{broken}"), Some(UnusableRoots::NotX509 { place: 2 })),
        (format!("{pem}{cut}"), Some(UnusableRoots::BrokenPem { place: 2 })),
    ] {
        assert_eq!(ExtraRoots::from_pem(text.as_bytes()).err(), problem, "{text}");
    }
}
