//! What the tests of this folder share: a place to listen, settings for it, and what comes of a user.

use std::sync::Arc;

use axum::Router;
use promptlake_extract::{
    ApiVersion, Credential, ExtraRoots, Extracted, GraphClient, GraphSettings, RunContext, UserPlan,
};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Silent, channel};
use promptlake_model::{
    AppClasses, Owner, Slice, SliceId, SliceIds, SliceOutcome, SliceScope, TenantId, Timestamp, UserStatus,
    Window,
};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";

/// Serves until the test ends.
pub(crate) async fn serve(router: Router, listener: TcpListener) {
    axum::serve(listener, router).await.expect("a loopback server serves");
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("http://{address}"))
}

/// An app with a secret, and Graph and login at one place.
pub(crate) fn settings(url: &str, secret: &str) -> GraphSettings {
    GraphSettings {
        graph_url: Url::parse(url).expect("a URL"),
        login_url: Url::parse(url).expect("a URL"),
        tenant: TenantId::parse(TENANT).expect("a GUID"),
        credential: Credential::ClientSecret { client_id: "app".into(), secret: SecretString::from(secret) },
        extra_roots: ExtraRoots::default(),
        requests_per_second: 25.0,
        concurrency: 2,
        page_bytes_max: 1 << 20,
        api_version: ApiVersion::V1,
        model: None,
        pages_max: 1_000,
    }
}

pub(crate) fn client(settings: GraphSettings) -> GraphClient {
    client_within(settings, 16 << 20)
}

pub(crate) fn client_within(settings: GraphSettings, memory_bytes: usize) -> GraphClient {
    let context = RunContext {
        slice_ids: SliceIds::starting_at(1),
        clock: Clock::system(),
        chance_seed: 1,
        observer: Arc::new(Silent),
        pool: ComputePool::new(1).expect("threads"),
        pages_budget: ByteBudget::new(memory_bytes),
    };
    GraphClient::new(settings, context).expect("right settings")
}

pub(crate) fn plan(user: &str) -> UserPlan {
    let user = promptlake_model::UserId::parse(user).expect("a GUID");
    let owner = Owner { tenant: TenantId::parse(TENANT).expect("a GUID"), user };
    let at = |micros| Timestamp::from_micros(micros);
    let window = Window { from: at(0), to: at(86_400_000_000) };
    let scope = SliceScope::History { owner, window, classes: AppClasses::default() };
    let slice = Slice { id: SliceId(0), tenant: owner.tenant, scope };
    let profile = promptlake_model::UserProfile::default();
    UserPlan { owner, profile, slices: vec![Arc::new(slice)], was_read: false }
}

/// Bodies of pages, how each user ended, and how many slices are whole.
pub(crate) async fn extract(
    client: &GraphClient,
    plans: Vec<UserPlan>,
) -> (Vec<String>, Vec<UserStatus>, usize) {
    let (sender, mut receiver) = channel(1);
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
