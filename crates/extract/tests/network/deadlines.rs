//! Answers that don't come, over real sockets: the clock jumps, the sockets are real.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures::stream;
use promptlake_extract::{ExtraRoots, HttpTransport, Request, Transport, TransportError};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use crate::support::{client, extract, listen, plan, settings};

/// A server that hands out a token and then lets every answer about interactions come a byte a second, or not at all.
async fn slow_server(silent: bool) -> (String, mpsc::UnboundedReceiver<()>) {
    let (listener, url) = listen().await;
    let (begun, asked) = mpsc::unbounded_channel();
    let drip = move || {
        begun.send(()).expect("the test listens");
        async move {
            if silent {
                std::future::pending::<()>().await;
            }
            Body::from_stream(stream::unfold((), async |()| {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
            }))
        }
    };
    let token = r#"{"token_type":"Bearer","expires_in":359999,"access_token":"t0ken"}"#;
    let router = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", axum::routing::post(move || async move { token }))
        .fallback(get(drip));
    tokio::spawn(crate::support::serve(router, listener));
    (url, asked)
}

/// Eight attempts and, since whoever fails is asked once more, another eight, each given up; without the limits the test
/// would never end.
#[tokio::test]
async fn a_server_that_says_nothing_or_drips_is_given_up() {
    // An attempt has two minutes for the first byte, ten for a whole body, and there are sixteen with waits between them.
    // The jumping clock may cut the connecting of a later one short, so that only the first is sure to last.
    for (silent, least, most) in [(true, 120, 16 * 120 + 260), (false, 600, 16 * 600 + 300)] {
        let (url, mut asked) = slow_server(silent).await;
        let client = client(settings(&url, "secret"));
        let reading = tokio::spawn(async move {
            extract(&client, vec![plan("00000000-0000-0000-0000-000000000001")]).await
        });
        // From here on nothing but time passes: the connection is open and in use.
        asked.recv().await.expect("it asks");
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let (bodies, _, whole) = reading.await.expect("it ends");
        let seconds = begun.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!((bodies.len(), whole), (0, 0));
        assert!((least..most).contains(&seconds), "silent {silent}: {seconds} s");
    }
}

/// A host that takes no connection: its queue is full, and nobody accepts.
#[tokio::test]
async fn a_host_that_takes_no_connection_is_given_up() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener: TcpListener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    // One that waits for good says that the queue is full.
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    let transport = HttpTransport::new(&ExtraRoots::default()).expect("a client");
    let request = Request {
        method: http::Method::GET,
        url: Url::parse(&format!("http://{address}/")).expect("a URL"),
        headers: http::HeaderMap::new(),
        form: None,
    };
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let outcome = transport.send(request).await;
    assert!(matches!(outcome, Err(TransportError::Connect(_))), "{:?}", outcome.err());
    assert_eq!(begun.elapsed().as_secs(), 10);
}
