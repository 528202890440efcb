//! Through the proxy of the environment, and not through it where none belongs.
//!
//! A proxy is read from the environment of the process: so this program starts itself as a client behind one.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::{Output, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use promptlake_extract::{
    ApiVersion, Credential, ExtraRoots, GraphClient, GraphSettings, ManagedEndpoint, ManagedIdentity,
    RunContext, UserSelection,
};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Silent};
use promptlake_model::{SliceIds, TenantId};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

/// What the client asks: the login of a secret at this URL, or a managed identity there.
const LOGIN: &str = "PROMPTLAKE_TEST_LOGIN";
const IDENTITY: &str = "PROMPTLAKE_TEST_IDENTITY";

/// What somebody was asked: method and target.
#[derive(Clone)]
struct Asked(watch::Sender<Vec<String>>);

impl Asked {
    fn nothing() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    fn take(&self) -> Vec<String> {
        self.0.send_replace(Vec::new())
    }

    /// Waits until he was asked so often.
    async fn times(&self, least: usize) {
        self.0.subscribe().wait_for(|asked| asked.len() >= least).await.unwrap();
    }

    /// Starts somebody who refuses everything; gives his address.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = self.clone();
        let router = Router::new().fallback(move |request: Request| async move {
            asked.0.send_modify(|all| all.push(format!("{} {}", request.method(), request.uri())));
            (StatusCode::FORBIDDEN, r#"{"error":"refused"}"#)
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }
}

#[tokio::main]
async fn main() {
    let (login, identity) = (std::env::var(LOGIN).ok(), std::env::var(IDENTITY).ok());
    match login.or(identity.clone()) {
        Some(url) => be_the_client(&url, identity.is_some()).await,
        None => be_the_test().await,
    }
}

async fn be_the_client(url: &str, identity: bool) {
    let url = Url::parse(url).unwrap();
    let credential = if identity {
        let endpoint = ManagedEndpoint::Imds { origin: url.clone() };
        Credential::ManagedIdentity(ManagedIdentity { endpoint, client_id: None })
    } else {
        Credential::ClientSecret { client_id: "app".into(), secret: SecretString::from("secret") }
    };
    let settings = GraphSettings {
        graph_url: url.clone(),
        login_url: url,
        tenant: TenantId::parse("00000000-0000-0000-0000-0000000000aa").unwrap(),
        credential,
        extra_roots: ExtraRoots::default(),
        requests_per_second: 25.0,
        concurrency: 1,
        page_bytes_max: 1 << 20,
        api_version: ApiVersion::V1,
        model: None,
        pages_max: 1_000,
    };
    let context = RunContext {
        clock: Clock::system(),
        chance_seed: 1,
        slice_ids: SliceIds::starting_at(1),
        observer: Arc::new(Silent),
        pool: ComputePool::new(1).unwrap(),
        pages_budget: ByteBudget::new(16 << 20),
    };
    let client = GraphClient::new(settings, context).unwrap();
    match client.discover(&UserSelection::Licensed).await {
        Ok(_) => panic!("nobody here gives a token"),
        Err(error) => println!("{error}"),
    }
}

async fn be_the_test() {
    let (proxy, direct) = (Asked::nothing(), Asked::nothing());
    let (proxy_address, address) = (proxy.listen().await, direct.listen().await);
    let by_proxy = format!("http://{proxy_address}");
    let url = format!("http://{address}");
    let token_path = "/00000000-0000-0000-0000-0000000000aa/oauth2/v2.0/token";
    let login = |base: &str| vec![format!("POST {base}{token_path}")];
    let identity = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=http";

    run(&[("HTTP_PROXY", &by_proxy), (LOGIN, &url)]).await;
    assert_eq!((proxy.take(), direct.take()), (login(&url), vec![]), "a proxy is honoured");

    run(&[("HTTP_PROXY", &by_proxy), ("NO_PROXY", "127.0.0.1"), (LOGIN, &url)]).await;
    assert_eq!((proxy.take(), direct.take()), (vec![], login("")), "an exception is honoured");

    run(&[("HTTPS_PROXY", &by_proxy), (LOGIN, &url)]).await;
    assert_eq!((proxy.take(), direct.take()), (vec![], login("")), "a proxy for https is for https alone");

    let secure = url.replace("http://", "https://");
    // A tunnel that is refused is tried again: what a client does after it is the second attempt.
    let mut client = client(&[("HTTPS_PROXY", &by_proxy), (LOGIN, &secure)]).spawn().unwrap();
    tokio::select! {
        () = proxy.times(2) => client.kill().await.unwrap(),
        ended = client.wait() => panic!("it tried once: {ended:?}"),
    }
    let tunnels = proxy.take();
    assert!(tunnels.len() >= 2, "{tunnels:?}");
    assert!(tunnels.iter().all(|asked| *asked == format!("CONNECT {address}")), "{tunnels:?}");
    assert_eq!(direct.take(), Vec::<String>::new(), "nothing goes past the proxy");

    run(&[("HTTP_PROXY", &by_proxy), ("HTTPS_PROXY", &by_proxy), (IDENTITY, &url)]).await;
    let (through, past) = (proxy.take(), direct.take());
    assert_eq!(through, Vec::<String>::new(), "a managed identity is asked past every proxy");
    assert!(past.len() == 1 && past[0].starts_with(&format!("GET {identity}")), "{past:?}");
    println!("the proxy of the environment is honoured, and not for a managed identity");
}

/// The client in an environment of these variables and none else.
fn client(environment: &[(&str, &str)]) -> tokio::process::Command {
    let mut client = tokio::process::Command::new(std::env::current_exe().unwrap());
    client.env_clear().envs(environment.iter().copied());
    client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    client
}

/// Runs the client to its end.
async fn run(environment: &[(&str, &str)]) {
    let Output { status, stderr, .. } = client(environment).output().await.unwrap();
    assert!(status.success(), "{environment:?}: {}", String::from_utf8_lossy(&stderr));
}
