//! Every answer as the pipeline that its file becomes, and the dialogue without a terminal.

use std::path::{Path, PathBuf};

use promptlake_load::StoreLocation;
use promptlake_model::Timestamp;

use super::answers::{Answers, EmulatorAnswers, Given, SignIn, SourceAnswers, TenantAnswers};
use super::dialogue::Dialogue;
use super::next::steps;
use super::text::{DESTINATION_DEFAULTS, RUN_DEFAULTS, SOURCE_DEFAULTS, TRANSFORM_DEFAULTS, pipeline_file};
use crate::cli::InitArguments;
use crate::settings::answers::{self, WhoseHistory};
use crate::settings::{Credential, GraphTenant, Pipeline, SecretPlace, Source, Users};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const GROUP: &str = "8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a";

const CREDENTIALS: [&str; 7] = [
    "client_secret",
    "certificate",
    "workload_identity",
    "workload_identity with an id",
    "managed_identity",
    "managed_identity with an id",
    "token",
];
const USERS: [&str; 3] = ["licensed", GROUP, "pilot/\"our\" users.csv"];
const STARTS: [&str; 2] = ["2025-01-01", "1w"];
const DESTINATIONS: [&str; 8] = [
    "./lake",
    r#"/srv/a "quoted" \ lake"#,
    "file:///srv/my%20lake",
    "s3://bucket/lake",
    "gs://bucket",
    "az://container/lake",
    "abfss://lake@contoso.dfs.core.windows.net/x",
    "abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake",
];

fn text_of(answers: &Answers) -> String {
    pipeline_file(Path::new("lake.toml"), answers)
}

fn now() -> Timestamp {
    Timestamp::parse("2026-01-15T12:00:00Z").unwrap()
}

fn read(text: &str) -> Pipeline {
    Pipeline::from_toml(text, "lake.toml", &[], now()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn sign_in(credential: &str) -> SignIn {
    let kind = credential.split(' ').next().unwrap();
    let kind = answers::credential_kind(kind).unwrap();
    let has_id = super::answers::needs_client_id(kind) || credential.ends_with("id");
    SignIn::of(kind, has_id.then(|| answers::client_id(CLIENT).unwrap())).unwrap()
}

fn answered(credential: &str, users: &str, start: &str, destination: &str) -> Answers {
    let source = SourceAnswers::Tenant(TenantAnswers {
        tenant_id: answers::tenant_id(TENANT).unwrap(),
        sign_in: sign_in(credential),
        users: answers::users(users).unwrap(),
        start: answers::start(start, now()).unwrap(),
    });
    Answers { source, destination: answers::destination(destination).unwrap() }
}

fn every_answer() -> Vec<Answers> {
    let mut all = Vec::new();
    for credential in CREDENTIALS {
        for users in USERS {
            for start in STARTS {
                all.extend(DESTINATIONS.map(|destination| answered(credential, users, start, destination)));
            }
        }
    }
    all
}

/// What a credential of the file must be.
fn credential(sign_in: SignIn) -> Credential {
    match sign_in {
        SignIn::ClientSecret(client_id) => {
            let place = SecretPlace::Env("PROMPTLAKE_CLIENT_SECRET".to_owned());
            Credential::ClientSecret { client_id, place }
        }
        SignIn::Certificate(client_id) => {
            Credential::Certificate { client_id, path: "app.pem".into(), password_env: None }
        }
        SignIn::WorkloadIdentity(client_id) => Credential::WorkloadIdentity { client_id },
        SignIn::ManagedIdentity(client_id) => Credential::ManagedIdentity { client_id },
        SignIn::Token => {
            let command = "command = \"az account get-access-token --resource https://graph.microsoft.com\"";
            let text = format!(
                "[source]\ntenant_id = \"{TENANT}\"\ncredential = {{ kind = \"token\", {command} }}\n\
                 [destination]\nurl = \"./lake\"\n"
            );
            tenant_of(&read(&text)).credential.clone()
        }
    }
}

fn graph_of(pipeline: &Pipeline) -> &crate::settings::GraphSource {
    match &pipeline.source {
        Source::Graph(sources) if sources.len() == 1 => &sources[0],
        other => panic!("no tenant alone: {other:?}"),
    }
}

fn tenant_of(pipeline: &Pipeline) -> &crate::settings::RealTenant {
    match &graph_of(pipeline).tenant {
        GraphTenant::Real(tenant) => tenant,
        GraphTenant::Emulated(_) => panic!("a tenant that is made up"),
    }
}

/// The shortest file with the same answers: all else of it is the default.
fn expected(answers: &Answers) -> Pipeline {
    let shortest = format!(
        "[source]\ntenant_id = \"{TENANT}\"\ncredential = {{ kind = \"workload_identity\" }}\n\
         [destination]\nurl = \"./lake\"\n"
    );
    let mut pipeline = read(&shortest);
    let SourceAnswers::Tenant(asked) = &answers.source else { panic!("a tenant") };
    let Source::Graph(sources) = &mut pipeline.source else { panic!("Graph") };
    let GraphTenant::Real(tenant) = &mut sources[0].tenant else { panic!("a real tenant") };
    tenant.credential = credential(asked.sign_in);
    sources[0].start = asked.start;
    sources[0].users = match &asked.users {
        WhoseHistory::Licensed => Users::Licensed,
        WhoseHistory::Group(group) => Users::Group(*group),
        WhoseHistory::File(path) => Users::File(path.clone()),
    };
    pipeline.destination.store.location = answers.destination.clone();
    pipeline
}

#[test]
fn every_answer_becomes_the_pipeline_that_was_asked_for() {
    let all = every_answer();
    assert_eq!(all.len(), 7 * 3 * 2 * 8);
    for answers in all {
        let text = text_of(&answers);
        assert_eq!(read(&text), expected(&answers), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
    }
}

#[test]
fn what_stands_there_as_a_default_is_the_default() {
    let answers = answered("client_secret", "licensed", "30d", "./copilot-lake");
    let mut text = text_of(&answers);
    for (_, line) in [SOURCE_DEFAULTS, TRANSFORM_DEFAULTS, DESTINATION_DEFAULTS, RUN_DEFAULTS].concat() {
        let as_comment = format!("\n# {line}\n");
        assert_eq!(text.matches(&as_comment).count(), 1, "{line}");
        text = text.replace(&as_comment, &format!("\n{line}\n"));
    }
    assert_eq!(read(&text), expected(&answers));
}

#[test]
fn options_that_stand_there_as_a_comment_are_taken() {
    for destination in DESTINATIONS {
        let text = text_of(&answered("token", "licensed", "30d", destination));
        let Some((before, options)) = text.split_once("# [destination.options]\n") else {
            let location = answers::destination(destination).unwrap();
            assert!(matches!(location, StoreLocation::Local(_)), "{destination} has no options");
            continue;
        };
        let is_setting = |line: &&str| line.starts_with("# ") && line.contains(" = \"");
        let options: Vec<&str> = options
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(is_setting)
            .map(|line| &line[2..])
            .collect();
        let text = format!("{before}[destination.options]\n{}\n", options.join("\n"));
        assert_eq!(read(&text).destination.store.options.len(), options.len(), "{text}");
    }
}

#[test]
fn the_file_for_the_emulator_names_what_it_serves() {
    let answers = Answers {
        source: SourceAnswers::Emulator(super::emulator().unwrap()),
        destination: answers::destination("./lake").unwrap(),
    };
    let pipeline = read(&text_of(&answers));
    let tenant = tenant_of(&pipeline);
    assert_eq!(tenant.cloud.graph_url.as_str(), "http://127.0.0.1:8365/");
    assert_eq!(tenant.cloud.login_url, tenant.cloud.graph_url);
    let SourceAnswers::Emulator(EmulatorAnswers { tenant_id, .. }) = &answers.source else { panic!() };
    assert_eq!(tenant.tenant_id.to_string(), *tenant_id);
    assert_eq!(graph_of(&pipeline).start.to_string(), "2025-01-01");
}

fn given(flags: [&str; 6]) -> Result<Given, String> {
    let [tenant_id, client_id, credential, users, start, destination] =
        flags.map(|flag| (!flag.is_empty()).then(|| flag.to_owned()));
    let arguments = InitArguments {
        file: PathBuf::from("my lake.toml"),
        tenant_id,
        client_id,
        credential,
        users,
        start,
        destination,
        emulator: false,
        force: false,
    };
    Given::of(&arguments, now()).map_err(|failure| failure.to_string())
}

#[test]
fn arguments_alone_are_enough_or_the_message_says_which_are_missing() {
    let complete = |flags| {
        given(flags).and_then(|given| {
            given.complete(Path::new("my lake.toml"), now()).map_err(|failure| failure.to_string())
        })
    };
    assert_eq!(
        complete([TENANT, CLIENT, "", "", "", ""]),
        Ok(answered("client_secret", "licensed", "30d", "./copilot-lake"))
    );
    assert_eq!(
        complete([TENANT, "", "token", GROUP, "1w", "s3://bucket/lake"]),
        Ok(answered("token", GROUP, "1w", "s3://bucket/lake"))
    );
    for (flags, expected) in [
        (
            ["", "", "", "", "", ""],
            "error: failed to write my lake.toml\n  \
             caused by: --tenant-id and --client-id are missing, and there is no terminal to ask on\n\n\
             hint: write promptlake init 'my lake.toml' --tenant-id aaaabbbb-0000-cccc-1111-dddd2222eeee \
             --client-id 04b07795-8ddb-461a-bbee-02f9e1bf7b46 --credential client_secret --users licensed --start 30d \
             --destination ./copilot-lake; --emulator needs no tenant",
        ),
        (
            ["", "", "managed_identity", GROUP, "2025-01-01", "gs://bucket"],
            "error: failed to write my lake.toml\n  \
             caused by: --tenant-id is missing, and there is no terminal to ask on\n\n\
             hint: write promptlake init 'my lake.toml' --tenant-id aaaabbbb-0000-cccc-1111-dddd2222eeee \
             --credential managed_identity --users 8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a --start 2025-01-01 \
             --destination gs://bucket; --emulator needs no tenant",
        ),
        (
            ["contoso.com", "", "", "", "", ""],
            "error: failed to read --tenant-id\n  caused by: is \"contoso.com\", not a GUID\n\n\
             hint: write aaaabbbb-0000-cccc-1111-dddd2222eeee",
        ),
        (
            [TENANT, CLIENT, "token", "", "", ""],
            "error: failed to read --client-id\n  caused by: means nothing with --credential token\n\n\
             hint: leave --client-id out: the token says whose it is",
        ),
    ] {
        assert_eq!(complete(flags), Err(expected.to_owned()), "{flags:?}");
    }
}

fn talk(flags: [&str; 6], typed: &str) -> (Result<Answers, String>, String) {
    let mut screen = Vec::new();
    let outcome = Dialogue::new(typed.as_bytes(), &mut screen).complete(given(flags).unwrap(), now());
    (outcome.map_err(|error| error.to_string()), String::from_utf8(screen).unwrap())
}

#[test]
fn what_is_not_given_is_asked_for() {
    let typed = format!("{TENANT}\n\n{CLIENT}\n\n\n\n");
    assert_eq!(talk([""; 6], &typed).0, Ok(answered("client_secret", "licensed", "30d", "./copilot-lake")));

    let typed = format!("managed_identity\n{CLIENT}\n{GROUP}\n1w\ngs://bucket\n");
    let (outcome, screen) = talk([TENANT, "", "", "", "", ""], &typed);
    assert_eq!(outcome, Ok(answered("managed_identity with an id", GROUP, "1w", "gs://bucket")));
    assert!(!screen.contains("tenant_id"), "what was given is not asked for:\n{screen}");

    let (outcome, screen) = talk([TENANT, CLIENT, "client_secret", "licensed", "30d", "./copilot-lake"], "");
    assert_eq!(outcome, Ok(answered("client_secret", "licensed", "30d", "./copilot-lake")));
    assert_eq!(screen.lines().count(), 2, "{screen}");

    let (outcome, screen) = talk([TENANT, "", "workload_identity", "", "", ""], "\n\n\n\n");
    assert_eq!(outcome, Ok(answered("workload_identity", "licensed", "30d", "./copilot-lake")));
    assert!(screen.contains("client_id [none]: "), "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
}

#[test]
fn a_wrong_answer_is_asked_for_again() {
    let typed = format!(
        "contoso\n{TENANT}\npassword\ncertificate\n\n{CLIENT}\neveryone\npilot.csv\n2030-01-01\n30d\nftp://x\n./copilot-lake\n"
    );
    let (outcome, screen) = talk([""; 6], &typed);
    assert_eq!(outcome, Ok(answered("certificate", "pilot.csv", "30d", "./copilot-lake")));
    for said in [
        "tenant_id:   tenant_id is \"contoso\", not a GUID\n  hint: write aaaabbbb-0000-cccc-1111-dddd2222eeee\ntenant_id: ",
        "credential is \"password\", not a kind of credential\n  hint: this version takes \"client_secret\"",
        "client_id is \"\", not a GUID\n  hint: write 04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "users is \"everyone\", neither licensed, nor",
        "start is 2030-01-01, which is not in the past\n  hint: write 2025-01-01",
        "destination has the unknown scheme \"ftp://\"\n  hint: ",
    ] {
        assert!(screen.contains(said), "{said}\n{screen}");
    }
}

#[test]
fn an_input_that_ends_leaves_nothing_behind() {
    let (outcome, _) = talk([""; 6], &format!("{TENANT}\n\n"));
    assert_eq!(outcome, Err("the input ended before the last answer".to_owned()));
}

#[test]
fn what_comes_next_can_be_pasted() {
    let said = |credential| {
        let answers = answered(credential, "licensed", "30d", "./copilot-lake");
        steps(Path::new("my lake.toml"), &answers)
    };
    for credential in CREDENTIALS {
        let said = said(credential);
        for verb in ["check", "plan", "run"] {
            assert!(said.contains(&format!("\n  promptlake {verb} 'my lake.toml'")), "{said}");
        }
    }
    assert!(said("client_secret").contains("read -rs PROMPTLAKE_CLIENT_SECRET && export"));
    assert!(said("certificate").contains("app.pem"));
    assert!(said("token").contains("az login"));
}
