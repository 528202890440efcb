use std::time::Duration;

use crate::graph::scripted::{Bench, Reply, Seen, error, page, plan, reply, token};
use crate::{ErrorKind, ExtractError};

fn token_requests(bench: &Bench) -> Vec<Seen> {
    bench.seen().into_iter().filter(Seen::is_token).collect()
}

fn plans(users: u32) -> Vec<crate::UserPlan> {
    (1..=users).map(|number| plan(number, 1)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_asks_and_all_use_it() {
    let bench = Bench::graph(|_| page(1, None));
    bench.extract(plans(12)).await.result.unwrap();
    let tokens = token_requests(&bench);
    assert_eq!(tokens.len(), 1);
    let tenant = "00000000-0000-0000-0000-00000000000a";
    assert_eq!(tokens[0].url, format!("https://login.test/{tenant}/oauth2/v2.0/token"));
    let form = "grant_type=client_credentials&client_id=app&scope=https%3A%2F%2Fgraph.test%2F.default\
                &client_secret=the-secret";
    assert_eq!(tokens[0].form.as_deref(), Some(form));
    assert_eq!(tokens[0].authorization, None);
    assert!(bench.asked().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer t")));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_before_they_end() {
    for (lifetime, fresh_for) in [(3600, 3300), (600, 480), (1500, 1200)] {
        let mut given = 0;
        let bench = Bench::new(move |seen| {
            if !seen.is_token() {
                return page(0, None);
            }
            given += 1;
            token(&format!("t{given}"), lifetime)
        });
        for (until, tokens) in [(0, 1), (fresh_for - 1, 1), (fresh_for, 2)] {
            let wait = Duration::from_secs(until).saturating_sub(bench.clock.elapsed());
            tokio::time::advance(wait).await;
            bench.extract(plans(1)).await.result.unwrap();
            assert_eq!(token_requests(&bench).len(), tokens, "lifetime {lifetime}, at {until} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_still_lives_is_used_while_the_login_is_down() {
    let mut given = 0;
    let bench = Bench::new(move |seen| {
        if !seen.is_token() {
            return page(0, None);
        }
        given += 1;
        if given == 1 { token("t1", 3600) } else { reply(503, "") }
    });
    bench.extract(plans(1)).await.result.unwrap();
    tokio::time::advance(Duration::from_secs(3400)).await;
    bench.extract(plans(1)).await.result.unwrap();
    tokio::time::advance(Duration::from_mins(5)).await;
    let error = bench.extract(plans(1)).await.result.unwrap_err();
    assert!(matches!(error, ExtractError::TokenUnavailable { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_login_that_is_slow_while_the_token_lives() {
    let mut given = 0;
    let bench = Bench::new(move |seen| {
        if !seen.is_token() {
            return page(0, None);
        }
        given += 1;
        // The first renewal takes a minute, and is refused by whoever answers.
        match given {
            1 => token("t1", 3600),
            2 => reply(403, "<html>").after(Duration::from_mins(1)),
            _ => token("t3", 3600),
        }
    });
    bench.extract(plans(1)).await.result.unwrap();
    tokio::time::advance(Duration::from_secs(3_400)).await;
    let asked_at = bench.clock.elapsed();
    let tokens = &bench.client.shared.caller.tokens;
    let (one, others) = tokio::join!(tokens.bearer(), async {
        tokio::task::yield_now().await;
        for _ in 0..3 {
            tokens.bearer().await.unwrap();
        }
        bench.clock.elapsed()
    });
    one.unwrap();
    assert_eq!(others, asked_at, "they waited");
    assert_eq!(token_requests(&bench).len(), 2);
    tokio::time::advance(Duration::from_secs(500)).await;
    tokens.bearer().await.unwrap();
    assert_eq!(token_requests(&bench).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_renewed_once_by_one() {
    let mut given = 0;
    let bench = Bench::new(move |seen| {
        if seen.is_token() {
            given += 1;
            return token(&format!("t{given}"), 3600);
        }
        match seen.authorization.as_deref() {
            Some("Bearer t1") => error(401, "InvalidAuthenticationToken", ""),
            _ => page(1, None),
        }
    });
    let outcome = bench.extract(plans(4)).await;
    outcome.result.unwrap();
    assert_eq!(outcome.users.len(), 4);
    assert_eq!(token_requests(&bench).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_401_is_fatal_after_the_ends() {
    let bench = Bench::graph(|_| error(401, "InvalidAuthenticationToken", ""));
    let outcome = bench.extract(plans(10)).await;
    let error = outcome.result.unwrap_err();
    assert!(matches!(error, ExtractError::TokenRejected { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotAllowed);
    assert!(!outcome.users.is_empty() && outcome.users.len() <= 4, "only those begun");
    assert_eq!(outcome.users.len(), outcome.slices.len());
}

#[tokio::test(start_paused = true)]
async fn a_refused_app_is_told_what_to_do() {
    let aadsts = |code: u32| {
        reply(
            401,
            format!(
                r#"{{"error":"invalid_client","error_description":"AADSTS{code}: the-secret","error_codes":[{code}]}}"#
            ),
        )
    };
    let cases: [(Reply, &str, &str); 4] = [
        (aadsts(7_000_215), "AADSTS7000215 (invalid_client)", "not the secret's id"),
        (aadsts(7_000_222), "AADSTS7000222", "expired"),
        (aadsts(1), "AADSTS1 ", "client_id"),
        (reply(400, "<html>"), "status 400", "client_id"),
    ];
    for (answer, text, hint) in cases {
        let mut answer = Some(answer);
        let bench = Bench::new(move |_| answer.take().unwrap_or_else(Reply::lost));
        let error = bench.extract(plans(1)).await.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAllowed);
        assert!(error.to_string().contains(text) && !error.to_string().contains("the-secret"), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        assert_eq!(bench.seen().len(), 1, "no second attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_fails_is_asked_again_and_not_for_ever() {
    let mut given = 0;
    let bench = Bench::new(move |seen| {
        given += 1;
        match given {
            1 => reply(503, ""),
            2 => reply(429, "").header("retry-after", "20"),
            3 => reply(200, r#"{"access_token":"t"}"#),
            _ if seen.is_token() => reply(200, r#"{"access_token":"t","expires_in":"3599"}"#),
            _ => page(1, None),
        }
    });
    bench.extract(plans(2)).await.result.unwrap();
    let asked = token_requests(&bench);
    assert_eq!(asked.len(), 4);
    assert!(asked[2].at >= asked[1].at + Duration::from_secs(20));
    let down = Bench::new(|_| Reply::lost());
    let error = down.extract(plans(3)).await.result.unwrap_err();
    assert!(error.to_string().contains("8 attempts"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Source);
}

#[tokio::test(start_paused = true)]
async fn a_late_401_does_not_throw_the_next_token_away() {
    let bench = Bench::graph(|_| page(1, None));
    let tokens = &bench.client.shared.caller.tokens;
    let old = tokens.bearer().await.unwrap();
    for _ in 0..3 {
        tokens.reject(&old).await;
        tokens.bearer().await.unwrap();
    }
    assert_eq!(token_requests(&bench).len(), 2);
}
