//! Links that lead astray, and the host that they lead to.

use graph_emulator::{Rule, ScriptedAnswer, ServerOptions, Target};

use crate::client::{Served, interactions, text, unlimited};
use crate::small;

async fn serve(script: Vec<Rule>) -> (Served, String) {
    let options = ServerOptions { script, ragged_pages: false, ..unlimited() };
    let served = Served::start(small().with_users(1), options).await;
    let path = interactions(&served.emulator.tenant().user(0).unwrap().id, "?$top=100");
    (served, path)
}

fn link(target: Target) -> ScriptedAnswer {
    ScriptedAnswer::NextLink(target)
}

#[tokio::test]
async fn a_link_can_lead_back_to_its_page_or_to_the_start() {
    let script = vec![
        Rule::always(link(Target::Itself), u32::MAX).at_page(2),
        Rule::always(link(Target::Start), u32::MAX).at_page(5),
    ];
    let (served, path) = serve(script).await;
    let follow = async |from: String, pages: usize| {
        let mut links = vec![from];
        for _ in 0..pages {
            let (status, page) = served.answer(links.last().unwrap()).await;
            assert_eq!(status, 200);
            links.push(text(&page["@odata.nextLink"]));
        }
        links
    };
    let links = follow(path.clone(), 4).await;
    assert!(links[2] == links[3] && links[3] == links[4] && links[1] != links[2]);
    served.emulator.replace_script(vec![Rule::always(link(Target::Start), u32::MAX).at_page(1)]);
    let links = follow(path, 6).await;
    assert_eq!((&links[1], &links[2]), (&links[3], &links[4]));
    assert_ne!(links[1], links[2]);
}

#[tokio::test]
async fn foreign_links_lead_to_a_host_that_remembers_who_came() {
    let targets = [Target::OtherPort, Target::OtherName, Target::OriginAsUser];
    let script = targets.iter().map(|target| Rule::always(link(target.clone()), 1)).collect();
    let (served, path) = serve(script).await;
    assert_eq!(served.emulator.second_host().request_count(), 0);
    for _ in &targets {
        let (_, page) = served.answer(&path).await;
        let (status, foreign) = served.answer(&text(&page["@odata.nextLink"])).await;
        assert_eq!((status, &foreign["value"]), (200, &serde_json::json!([])));
    }
    let seen = served.emulator.second_host().requests();
    assert_eq!((seen.len(), served.emulator.second_host().request_count()), (3, 3));
    for request in &seen {
        // The client of these tests is as careless as a client must not be.
        let bearer = ("authorization".to_owned(), format!("Bearer {}", served.token));
        assert!(request.headers.contains(&bearer), "{request:?}");
        assert!(request.path_and_query.contains("getAllEnterpriseInteractions?$top=100"), "{request:?}");
    }
    assert_eq!(served.emulator.report().interactions_requests, 3);
    served.emulator.shutdown().await;
}

#[tokio::test]
async fn redirects_lead_to_the_second_host() {
    let redirect = ScriptedAnswer::Redirect { status: 302, to: Target::OtherPort };
    let (served, path) = serve(vec![Rule::always(redirect, 1)]).await;
    let follows_none = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().no_proxy().redirect(follows_none).build().unwrap();
    let request = client.get(format!("{}{path}", served.emulator.graph_url())).bearer_auth(&served.token);
    let answer = request.send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap();
    assert_eq!(answer.status().as_u16(), 302);
    assert!(location.starts_with(&format!("{}/v1.0/copilot/", served.emulator.second_host().url())));
    assert_eq!(served.emulator.second_host().request_count(), 0);
}
