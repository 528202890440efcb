//! Whom to ask: by licence, by group, by name, by a file; against the emulator's directory.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeSet;

use graph_emulator::{Emulator, TenantSpec};
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, unlimited};

fn spec() -> TenantSpec {
    TenantSpec::default().with_seed(21).with_users(30).with_interactions(300)
}

async fn run_with_users(emulator: &Emulator, lake: &Lake, users: &str) -> Ended {
    let mut command = run_command(&pipeline(emulator, lake, ""), emulator.client_secret());
    command.args(["--set", &format!("source.users={users}")]);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// The ids of `users`, each of which has one row.
fn asked(lake: &Lake) -> BTreeSet<String> {
    let rows = query(&format!("SELECT user_id FROM {}", files_of(&lake.path(), "users")));
    let ids: BTreeSet<String> = rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "a user has one row");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_asked_with_the_members_of_its_groups() {
    let emulator = unlimited(spec()).await;
    let tenant = emulator.tenant();
    for group in tenant.groups() {
        let members: BTreeSet<String> = tenant.transitive_users(group).map(|user| user.id).collect();
        if members.is_empty() {
            continue;
        }
        let lake = Lake::new();
        let users = format!("{{ group = \"{}\" }}", group.id);
        let ended = run_with_users(&emulator, &lake, &users).await;
        ended.assert_code(0);
        assert_eq!(asked(&lake), members, "group {}", group.id);
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_by_id_by_principal_name_and_in_a_file_and_who_is_not_there_is_named() {
    let emulator = unlimited(spec()).await;
    let users: Vec<_> = emulator.tenant().users().take(3).collect();
    let expected: BTreeSet<String> = users.iter().map(|user| user.id.clone()).collect();
    let names = [&users[0].id, &users[1].user_principal_name, &users[2].id];

    let lake = Lake::new();
    let ids = format!("{{ ids = {names:?} }}");
    run_with_users(&emulator, &lake, &ids).await.assert_code(0);
    assert_eq!(asked(&lake), expected);

    let lake = Lake::new();
    let csv = format!(
        "userPrincipalName,team\n{},a\n{},b\n{},c\nnobody@nowhere.test,d\n",
        users[0].user_principal_name, users[1].user_principal_name, users[2].user_principal_name
    );
    let file = lake.write_beside("users.csv", csv.as_bytes());
    let ended = run_with_users(&emulator, &lake, &format!("{{ file = \"{}\" }}", file.display())).await;
    ended.assert_code(3).assert_said("nobody@nowhere.test");
    assert_eq!(asked(&lake), expected);
    emulator.shutdown().await;
}
