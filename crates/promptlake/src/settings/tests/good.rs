//! Settings that are right, and the whole pipelines they become.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use promptlake_extract::{ApiVersion, PaymentModel};
use promptlake_load::{RemoteUrl, StoreLocation, StoreSettings};
use promptlake_model::{AppClasses, Day, Table, TenantId, Timestamp, UserId};
use promptlake_transform::Content;
use url::Url;

use super::super::pipeline::{
    Cloud, Credential, Destination, EmulatedTenant, FilesSource, GraphSource, GraphTenant, LakeSource,
    Pipeline, RealTenant, RunLimits, SecretPlace, Source, Transform, Users,
};
use super::super::validate::BELONGS;
use super::super::value::Setting;
use super::super::value::{
    ByteSize, ClientId, CommandLine, Compression, GroupId, RequestRate, Start, TimeSpan, UserIdPattern,
    UserRef,
};
use super::{LAKE, read, said};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const USER: &str = "4db02e4b-d144-400e-b194-53253a34c5be";

fn meant<T: Setting>(text: &str) -> T {
    T::parse(text).unwrap_or_else(|fault| panic!("{text} {fault}"))
}

fn day(text: &str) -> Timestamp {
    meant::<Day>(text).start()
}

fn local_lake(path: &str) -> StoreSettings {
    StoreSettings {
        location: StoreLocation::Local(path.into()),
        options: BTreeMap::new(),
        single_writer: false,
    }
}

/// What the shortest file means: the table of defaults.
fn defaults() -> Pipeline {
    let tenant = EmulatedTenant {
        seed: 1,
        users: 100,
        interactions: 10_000,
        start: day("2025-01-01"),
        end: day("2025-04-01"),
        requests_per_second: Some(RequestRate::GRAPH_LIMIT),
    };
    let source = GraphSource {
        tenant: GraphTenant::Emulated(tenant),
        users: Users::Licensed,
        users_limit: None,
        start: Start::At(day("2025-01-01")),
        lookback: meant("2d"),
        settle_lag: meant("30m"),
        requests_per_second: RequestRate::SUSTAINED,
        app_classes: AppClasses::default(),
        model: None,
        api_version: ApiVersion::V1,
        pages_max: 100_000,
        concurrency: NonZeroUsize::new(64).unwrap(),
    };
    Pipeline {
        source: Source::Graph(vec![source]),
        transform: Transform { tables: Table::ALL.into_iter().collect(), content: Content::Full },
        destination: Destination {
            store: local_lake("./lake"),
            target_file_size: meant("256MiB"),
            compression: Compression::Zstd { level: 3 },
        },
        run: RunLimits {
            memory_limit: meant("512MiB"),
            commit_every: meant("5m"),
            publish_every: meant("6h"),
            heartbeat: meant("30s"),
            stale_after: meant("10m"),
            deadline: None,
            metrics_file: None,
        },
    }
}

fn graph(pipeline: Pipeline) -> GraphSource {
    match pipeline.source {
        Source::Graph(mut sources) if sources.len() == 1 => sources.remove(0),
        Source::Graph(sources) => panic!("{} tenants", sources.len()),
        Source::Files(_) | Source::Lake(_) => panic!("a source that is not Graph"),
    }
}

/// The source of the shortest file with one more setting of it.
fn graph_with(set: &str) -> GraphSource {
    graph(read(LAKE, &[set]).unwrap_or_else(|error| panic!("{set}: {error}")))
}

#[test]
fn the_shortest_file_means_the_defaults() {
    assert_eq!(read(LAKE, &[]), Ok(defaults()));
}

const EVERY_SETTING: &str = r#"
[source]
kind = "graph"
cloud = "custom"
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
credential = { kind = "client_secret", file = "/run/secrets/graph" }
graph_url = "https://graph.example.com/"
login_url = "http://127.0.0.1:8080"
users = { ids = ["4db02e4b-d144-400e-b194-53253a34c5be", "Jo@Contoso.com"], limit = 20 }
ca_file = "/etc/ssl/company-ca.pem"
start = "90d"
lookback = "0s"
settle_lag = "1h"
requests_per_second = 12.5
app_class = ["IPM.B", "IPM.A", "IPM.A"]
model = "B"
api_version = "beta"
pages_max = 7
concurrency = 256

[transform]
tables = ["raw", "interactions", "raw"]
content = "full"

[destination]
url = "file:///srv/lake"
single_writer = true
partition_by = ["date"]
target_file_size = "1MiB"
compression = "uncompressed"

[run]
memory_limit = "128MiB"
commit_every = "1m"
publish_every = "1m"
heartbeat = "15s"
stale_after = "60s"
deadline = "90m"
metrics_file = "file:///srv/metrics/promptlake.prom"
"#;

#[test]
fn a_real_tenant_with_every_setting() {
    let source = GraphSource {
        tenant: GraphTenant::Real(Box::new(RealTenant {
            cloud: Cloud {
                graph_url: Url::parse("https://graph.example.com").unwrap(),
                login_url: Url::parse("http://127.0.0.1:8080").unwrap(),
                is_custom: true,
            },
            tenant_id: meant::<TenantId>(TENANT),
            credential: Credential::ClientSecret {
                client_id: meant::<ClientId>(CLIENT),
                place: SecretPlace::File("/run/secrets/graph".into()),
            },
            ca_file: Some("/etc/ssl/company-ca.pem".into()),
        })),
        users: Users::Listed(vec![
            meant::<UserRef>(USER),
            UserRef::PrincipalName("jo@contoso.com".to_owned()),
        ]),
        users_limit: NonZeroUsize::new(20),
        start: Start::Back(TimeSpan::from_days(90)),
        lookback: TimeSpan::from_secs(0),
        settle_lag: TimeSpan::from_hours(1),
        requests_per_second: RequestRate::new(12.5).unwrap(),
        app_classes: AppClasses::of(["IPM.A", "IPM.B"]),
        model: Some(PaymentModel::B),
        api_version: ApiVersion::Beta,
        pages_max: 7,
        concurrency: NonZeroUsize::new(256).unwrap(),
    };
    let expected = Pipeline {
        source: Source::Graph(vec![source]),
        transform: Transform {
            content: Content::Full,
            tables: BTreeSet::from([Table::Interactions, Table::Raw, Table::Coverage, Table::Rejects]),
        },
        destination: Destination {
            store: StoreSettings { single_writer: true, ..local_lake("/srv/lake") },
            target_file_size: ByteSize::from_mebibytes(1),
            compression: Compression::Uncompressed,
        },
        run: RunLimits {
            memory_limit: ByteSize::from_mebibytes(128),
            commit_every: meant("1m"),
            publish_every: meant("1m"),
            heartbeat: meant("15s"),
            stale_after: meant("1m"),
            deadline: Some(meant("90m")),
            metrics_file: Some("/srv/metrics/promptlake.prom".into()),
        },
    };
    assert_eq!(read(EVERY_SETTING, &[]), Ok(expected));
}

#[test]
fn a_lake_in_a_bucket() {
    for (url, options) in [
        ("s3://bucket/some/lake", &[("aws_region", "eu-central-1"), ("aws_allow_http", "true")][..]),
        ("s3://bucket", &[("aws_server_side_encryption", "aws:kms"), ("aws_sse_kms_key_id", "arn:x")]),
        ("gs://bucket/lake", &[("google_service_account", "/run/key.json")]),
        ("az://container/lake", &[("azure_storage_account_name", "contoso")]),
        ("abfss://lake@contoso.dfs.core.windows.net/x", &[("azure_use_azure_cli", "true")]),
    ] {
        let sets: Vec<String> =
            options.iter().map(|(name, value)| format!("destination.options.{name}={value}")).collect();
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let text = LAKE.replace("./lake", url);
        let pipeline = read(&text, &sets).unwrap_or_else(|error| panic!("{url}: {error}"));
        let expected = StoreSettings {
            location: StoreLocation::Remote(RemoteUrl::parse(url).unwrap()),
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            single_writer: false,
        };
        assert_eq!(pipeline.destination.store, expected);
    }
}

#[test]
fn saved_files() {
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"./saved\"\ntenant_id = \"{TENANT}\"\nuser_id = \"{USER}\"\n\
         user_id_from_path = \"{{user_id}}/*.json\"\n[destination]\nurl = \"./lake\"\n"
    );
    let source = Source::Files(FilesSource {
        path: "./saved".into(),
        tenant_id: meant::<TenantId>(TENANT),
        user_id: Some(meant::<UserId>(USER)),
        user_id_from_path: Some(meant::<UserIdPattern>("{user_id}/*.json")),
    });
    assert_eq!(read(&text, &[]), Ok(Pipeline { source, ..defaults() }));
}

#[test]
fn another_lake() {
    let text = "[source]\nkind = \"lake\"\nurl = \"s3://bucket/older\"\n\
        options = { aws_region = \"eu-central-1\" }\n[destination]\nurl = \"./lake\"\n";
    let store = StoreSettings {
        location: StoreLocation::Remote(RemoteUrl::parse("s3://bucket/older").unwrap()),
        options: [("aws_region".to_owned(), "eu-central-1".to_owned())].into(),
        single_writer: false,
    };
    assert_eq!(read(text, &[]), Ok(Pipeline { source: Source::Lake(LakeSource { store }), ..defaults() }));
}

#[test]
fn every_cloud_has_its_servers() {
    for (name, graph_url, login_url) in [
        ("global", "https://graph.microsoft.com/", "https://login.microsoftonline.com/"),
        ("us-gov-l4", "https://graph.microsoft.us/", "https://login.microsoftonline.us/"),
        ("us-gov-dod", "https://dod-graph.microsoft.us/", "https://login.microsoftonline.us/"),
    ] {
        let text = format!(
            "[source]\ncloud = \"{name}\"\ntenant_id = \"{TENANT}\"\nclient_id = \"{CLIENT}\"\n\
             credential = {{ kind = \"client_secret\", env = \"SECRET\" }}\n[destination]\nurl = \"./lake\"\n"
        );
        let GraphSource { tenant: GraphTenant::Real(tenant), start, .. } = graph(read(&text, &[]).unwrap())
        else {
            panic!("{name} is a real cloud");
        };
        assert_eq!(
            [tenant.cloud.graph_url.as_str(), tenant.cloud.login_url.as_str()],
            [graph_url, login_url]
        );
        let place = SecretPlace::Env("SECRET".to_owned());
        assert_eq!(tenant.credential, Credential::ClientSecret { client_id: meant(CLIENT), place });
        assert_eq!((tenant.ca_file, start), (None, Start::Back(TimeSpan::from_days(30))));
    }
}

#[test]
fn every_kind_of_credential() {
    let app = || meant::<ClientId>(CLIENT);
    let command = || meant::<CommandLine>("pass show graph");
    let client_id = format!("client_id = \"{CLIENT}\"\n");
    for (app_line, fields, expected) in [
        (
            client_id.as_str(),
            r#"kind = "client_secret", command = "pass show graph""#,
            Credential::ClientSecret { client_id: app(), place: SecretPlace::Command(command()) },
        ),
        (
            client_id.as_str(),
            r#"kind = "certificate", path = "app.pem""#,
            Credential::Certificate { client_id: app(), path: "app.pem".into(), password_env: None },
        ),
        (
            client_id.as_str(),
            r#"kind = "certificate", path = "app.pfx", password_env = "PFX""#,
            Credential::Certificate {
                client_id: app(),
                path: "app.pfx".into(),
                password_env: Some("PFX".to_owned()),
            },
        ),
        (
            client_id.as_str(),
            r#"kind = "workload_identity""#,
            Credential::WorkloadIdentity { client_id: Some(app()) },
        ),
        ("", r#"kind = "workload_identity""#, Credential::WorkloadIdentity { client_id: None }),
        ("", r#"kind = "managed_identity""#, Credential::ManagedIdentity { client_id: None }),
        (
            "",
            r#"kind = "managed_identity", client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46""#,
            Credential::ManagedIdentity { client_id: Some(app()) },
        ),
        ("", r#"kind = "token", command = "pass show graph""#, Credential::Token { command: command() }),
    ] {
        let text = format!(
            "[source]\ntenant_id = \"{TENANT}\"\n{app_line}credential = {{ {fields} }}\n\
             [destination]\nurl = \"./lake\"\n"
        );
        let source = graph(read(&text, &[]).unwrap_or_else(|error| panic!("{fields}: {error}")));
        let GraphTenant::Real(tenant) = source.tenant else { panic!("a real tenant") };
        assert_eq!(tenant.credential, expected, "{fields}");
        assert!(!format!("{:?}", tenant.credential).contains("pass show"), "a command is not shown");
    }
}

#[test]
fn users_are_chosen_in_one_of_four_ways() {
    for (set, expected) in [
        ("source.users={ licensed = true }".to_owned(), Users::Licensed),
        (format!("source.users.group={USER}"), Users::Group(meant::<GroupId>(USER))),
        (format!("source.users.ids=[\"{USER}\"]"), Users::Listed(vec![meant(USER)])),
        ("source.users.file=users.csv".to_owned(), Users::File("users.csv".into())),
    ] {
        assert_eq!(graph_with(&set).users, expected, "{set}");
    }
}

#[test]
fn dates_need_no_quotes_and_numbers_no_fraction() {
    for set in ["source.start=2025-03-01", "source.start=\"2025-03-01\""] {
        assert_eq!(graph_with(set).start, Start::At(day("2025-03-01")));
    }
    for set in ["source.requests_per_second=2", "source.requests_per_second=2.0"] {
        assert_eq!(graph_with(set).requests_per_second, RequestRate::new(2.0).unwrap());
    }
}

#[test]
fn the_start_of_an_emulated_tenant_is_that_of_its_history() {
    let source = graph_with("source.emulator={ start = \"2025-02-01\", requests_per_second = 0 }");
    assert_eq!(source.start, Start::At(day("2025-02-01")));
    let GraphTenant::Emulated(tenant) = source.tenant else { panic!("an emulated tenant") };
    assert_eq!(tenant.requests_per_second, None);
}

#[test]
fn the_last_override_wins() {
    let sets =
        ["destination.url=./a", "destination.url=./b=c", "run.memory_limit=1GiB", "source.emulator.seed=7"];
    let pipeline = read(LAKE, &sets).unwrap();
    assert_eq!(pipeline.destination.store, local_lake("./b=c"));
    assert_eq!(pipeline.run.memory_limit, meant("1GiB"));
    let GraphTenant::Emulated(tenant) = graph(pipeline).tenant else { panic!("an emulated tenant") };
    assert_eq!(tenant.seed, 7);
}

#[test]
fn overrides_alone_make_a_file() {
    let sets = ["source.cloud=emulator", "destination.url=./lake"];
    assert_eq!(read("", &sets), Ok(defaults()));
}

#[test]
fn every_setting_of_a_source_belongs_somewhere() {
    let message = said("[source]\nxyzzy = 1\n", &[]);
    let (_, known) = message.split_once("known here: ").expect("a list of all settings");
    let belonging: Vec<&str> = BELONGS.iter().map(|(key, _)| *key).collect();
    assert_eq!(known.split(", ").collect::<Vec<_>>(), belonging);
}

#[test]
fn every_pipeline_file_that_we_ship_is_right() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let outcome = read(&text, &[]);
        assert!(outcome.is_ok(), "{}: {}", path.display(), outcome.unwrap_err());
        let for_editors = "#:schema ../schemas/pipeline.schema.json\n# ";
        assert!(text.starts_with(for_editors), "{} has no schema, or no comment below it", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "azure.toml",
            "demo.toml",
            "files.toml",
            "gcs.toml",
            "local.toml",
            "msp.toml",
            "onelake.toml",
            "rebuild.toml",
            "s3.toml"
        ]
    );
}

#[test]
fn several_tenants_are_a_list() {
    let text = "[[source]]\ncloud = \"emulator\"\n[[source]]\ncloud = \"emulator\"\nemulator = { seed = 2 }\n\
                [destination]\nurl = \"./lake\"\n";
    let first = graph(defaults());
    let mut second = first.clone();
    let GraphTenant::Emulated(tenant) = &mut second.tenant else { panic!("an emulated tenant") };
    tenant.seed = 2;
    assert_eq!(read(text, &[]), Ok(Pipeline { source: Source::Graph(vec![first, second]), ..defaults() }));
}

#[test]
fn the_demo_is_ten_thousand_interactions_of_forty_users() {
    let text = include_str!("../../../../../pipelines/demo.toml");
    let expected = defaults();
    let mut source = graph(expected.clone());
    let GraphTenant::Emulated(tenant) = &mut source.tenant else { panic!("an emulated tenant") };
    tenant.users = 40;
    assert_eq!(read(text, &[]), Ok(Pipeline { source: Source::Graph(vec![source]), ..expected }));
}
