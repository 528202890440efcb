//! From answers to the text of a pipeline file. Pure: the same answers are the same text.
//!
//! What was not asked for stands in it as a comment, with its default, so that whoever wants another value finds the
//! key where it belongs.

use std::path::Path;

use promptlake_load::{Provider, RemoteUrl, StoreLocation};

use super::answers::{Answers, EmulatorAnswers, SignIn, SourceAnswers, TenantAnswers};
use crate::settings::answers::WhoseHistory;
use crate::shell;

/// What editors complete and check the file by.
const SCHEMA_LINE: &str =
    "#:schema https://raw.githubusercontent.com/promptlake/promptlake/main/schemas/pipeline.schema.json";

/// The environment variable that a client secret is read from.
pub(super) const SECRET_VARIABLE: &str = "PROMPTLAKE_CLIENT_SECRET";

/// The file that a certificate is read from.
pub(super) const CERTIFICATE_FILE: &str = "app.pem";

/// The command that a token is printed by.
const TOKEN_COMMAND: &str = "az account get-access-token --resource https://graph.microsoft.com";

const PERMISSIONS: &str = "\
#
# Who signs in needs these application permissions, with an administrator's consent: AiEnterpriseInteraction.Read.All,
# User.Read.All and Organization.Read.All; GroupMember.Read.All where users are a group.
";

/// A setting that was not asked for: what it is, and its default as a line of the file.
pub(super) type Default = (&'static str, &'static str);

pub(super) const SOURCE_DEFAULTS: &[Default] = &[
    ("How much of what is already there is asked for again, for what came late.", r#"lookback = "2d""#),
    (
        "How long before now a run stops reading, so that nothing still being written is missed.",
        r#"settle_lag = "30m""#,
    ),
    (
        "Graph allows one app 30 requests a second in one tenant, and sustains about 25.",
        "requests_per_second = 25",
    ),
];

pub(super) const TRANSFORM_DEFAULTS: &[Default] = &[
    (
        "Beside interactions, coverage and rejects, which are always written.",
        r#"tables = ["attachments", "card_elements", "links", "contexts", "mentions", "raw", "users"]"#,
    ),
    (
        "none leaves out every word that anybody wrote, and the tables raw and card_elements.",
        r#"content = "full""#,
    ),
];

pub(super) const DESTINATION_DEFAULTS: &[Default] = &[
    ("The size of a published file.", r#"target_file_size = "256MiB""#),
    ("zstd(1) to zstd(22), or uncompressed.", r#"compression = "zstd(3)""#),
];

pub(super) const RUN_DEFAULTS: &[Default] = &[
    ("For everything that the run holds at once.", r#"memory_limit = "512MiB""#),
    ("How much work a crash can cost.", r#"commit_every = "5m""#),
    ("How long readers wait for new files during a long run.", r#"publish_every = "6h""#),
];

/// The text of a whole file, which names itself in it.
pub(super) fn pipeline_file(file: &Path, answers: &Answers) -> String {
    let file = shell::word(&file.display().to_string());
    let mut text = format!(
        "{SCHEMA_LINE}\n# The Copilot interactions of a tenant into a lake. Try this file, see what it would take, and run \
         it:\n#\n#     promptlake check {file}\n#     promptlake plan {file}\n#     promptlake run {file}\n#\n# A run asks \
         only for what is new: run it every day. What stands behind a # with a value is the default.\n"
    );
    match &answers.source {
        SourceAnswers::Tenant(tenant) => {
            text.push_str(PERMISSIONS);
            section(&mut text, "source");
            tenant_lines(&mut text, tenant);
        }
        SourceAnswers::Emulator(emulator) => {
            section(&mut text, "source");
            emulator_lines(&mut text, emulator);
        }
    }
    defaults(&mut text, SOURCE_DEFAULTS);
    section(&mut text, "transform");
    defaults(&mut text, TRANSFORM_DEFAULTS);
    section(&mut text, "destination");
    comment(&mut text, about_destination(&answers.destination));
    setting(&mut text, "url", &quoted(&answers.destination.to_string()));
    defaults(&mut text, DESTINATION_DEFAULTS);
    text.push_str(options(&answers.destination));
    section(&mut text, "run");
    defaults(&mut text, RUN_DEFAULTS);
    text
}

fn tenant_lines(text: &mut String, tenant: &TenantAnswers) {
    comment(text, "us-gov-l4 or us-gov-dod for a tenant of the clouds of the US government.");
    setting(text, "cloud", "\"global\"");
    comment(text, "The directory (tenant) id of the app registration.");
    setting(text, "tenant_id", &quoted(&tenant.tenant_id.to_string()));
    sign_in_lines(text, tenant.sign_in);
    users_lines(text, &tenant.users);
    comment(text, "Where the history of a new user begins: a date, or a duration back from now.");
    setting(text, "start", &quoted(&tenant.start.to_string()));
}

fn sign_in_lines(text: &mut String, sign_in: SignIn) {
    let of_source = match sign_in {
        SignIn::ClientSecret(id) | SignIn::Certificate(id) | SignIn::WorkloadIdentity(Some(id)) => Some(id),
        SignIn::WorkloadIdentity(None) | SignIn::ManagedIdentity(_) | SignIn::Token => None,
    };
    if let Some(client_id) = of_source {
        comment(text, "The application (client) id of the app registration.");
        setting(text, "client_id", &quoted(&client_id.to_string()));
    }
    let (about, credential) = match sign_in {
        SignIn::ClientSecret(_) => (
            "The secret is read from this environment variable; file = \"path\" in its place reads it from a file, and\n\
             command = \"…\" runs what prints it. It never stands here.",
            format!("{{ kind = \"client_secret\", env = {} }}", quoted(SECRET_VARIABLE)),
        ),
        SignIn::Certificate(_) => (
            "Key and certificate in one PEM file; or a PFX, with password_env = \"NAME\" for the variable that holds its\n\
             password.",
            format!("{{ kind = \"certificate\", path = {} }}", quoted(CERTIFICATE_FILE)),
        ),
        SignIn::WorkloadIdentity(_) => (
            "A federated credential of the app. Kubernetes sets AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID, which\n\
             client_id here would come before.",
            "{ kind = \"workload_identity\" }".to_owned(),
        ),
        SignIn::ManagedIdentity(None) => (
            "The identity of the machine; client_id = \"…\" in here names one of several.",
            "{ kind = \"managed_identity\" }".to_owned(),
        ),
        SignIn::ManagedIdentity(Some(id)) => (
            "The identity of the machine with this client id.",
            format!("{{ kind = \"managed_identity\", client_id = {} }}", quoted(&id.to_string())),
        ),
        SignIn::Token => (
            "A command that prints a token, or JSON as the Azure CLI does; it is run again when the token nears its end.",
            format!("{{ kind = \"token\", command = {} }}", quoted(TOKEN_COMMAND)),
        ),
    };
    comment(text, about);
    setting(text, "credential", &credential);
}

fn users_lines(text: &mut String, users: &WhoseHistory) {
    let (about, value) = match users {
        WhoseHistory::Licensed => (
            "Everyone with a licence for Copilot. Or { group = \"its object id\" }, or { file = \"users.csv\" }. For a pilot:\n\
             { licensed = true, limit = 20 }.",
            "{ licensed = true }".to_owned(),
        ),
        WhoseHistory::Group(group) => (
            "The members of a group, direct or not. Or { licensed = true } for everyone with a licence for Copilot.",
            format!("{{ group = {} }}", quoted(&group.to_string())),
        ),
        WhoseHistory::File(path) => (
            "A CSV file with a column id or userPrincipalName, from the folder that the run is started in. Or\n\
             { licensed = true } for everyone with a licence for Copilot.",
            format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
        ),
    };
    comment(text, about);
    setting(text, "users", &value);
}

fn emulator_lines(text: &mut String, emulator: &EmulatorAnswers) {
    let EmulatorAnswers { origin, tenant_id, client_id, client_secret } = emulator;
    comment(
        text,
        "What `promptlake emulate` serves, in a second terminal: a made-up tenant that behaves like Graph.",
    );
    setting(text, "cloud", "\"custom\"");
    setting(text, "graph_url", &quoted(origin));
    setting(text, "login_url", &quoted(origin));
    setting(text, "tenant_id", &quoted(tenant_id));
    setting(text, "client_id", &quoted(client_id));
    comment(text, &format!("Its secret guards nothing: export {SECRET_VARIABLE}={client_secret}"));
    setting(
        text,
        "credential",
        &format!("{{ kind = \"client_secret\", env = {} }}", quoted(SECRET_VARIABLE)),
    );
    comment(text, "Everyone with a licence for Copilot.");
    setting(text, "users", "{ licensed = true }");
    comment(text, "Its history begins here.");
    setting(text, "start", "\"2025-01-01\"");
}

/// What kind of place it is, and what it needs.
fn about_destination(location: &StoreLocation) -> &'static str {
    match location {
        StoreLocation::Local(_) => {
            "A folder, from the one that the run is started in; it is made where it is missing."
        }
        StoreLocation::Remote(url) => match url.provider() {
            Provider::S3 => {
                "The bucket must exist; the prefix need not. Credentials never stand here: they are read from\n\
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity (IRSA), ECS, EKS, or the instance. This puts\n\
                 those of a profile into the environment: eval \"$(aws configure export-credentials --format env)\""
            }
            Provider::Azure if url.is_onelake() => {
                "The workspace and its lakehouse must exist; the folder below Files need not. Credentials never stand here:\n\
                 they are read from AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID; else a workload or managed\n\
                 identity is used. It needs the role Contributor in the workspace."
            }
            Provider::Azure => {
                "The container must exist; the prefix need not. Credentials never stand here: they are read from\n\
                 AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID with AZURE_CLIENT_SECRET and\n\
                 AZURE_TENANT_ID; else a workload or managed identity is used. It needs the role Storage Blob Data Contributor."
            }
            Provider::Gcs => {
                "The bucket must exist; the prefix need not. Credentials never stand here: they are read from the file that\n\
                 GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS names; else the instance's are used. They need the\n\
                 role Storage Object User."
            }
        },
    }
}

/// Options that a store is likely to want, as comments: what is not named in them is read from the environment.
fn options(location: &StoreLocation) -> &'static str {
    let names_account = RemoteUrl::names_account;
    match location {
        StoreLocation::Local(_) => "",
        StoreLocation::Remote(url) => match url.provider() {
            Provider::S3 => {
                "
# [destination.options]
# The region of the bucket, where AWS_REGION does not say it.
# aws_region = \"eu-central-1\"
# Another store than Amazon's; plain http is for this machine alone.
# aws_endpoint = \"https://minio.example.com:9000\"
"
            }
            Provider::Azure if !names_account(url) => {
                "
# The account of the container, where AZURE_STORAGE_ACCOUNT_NAME does not say it.
# [destination.options]
# azure_storage_account_name = \"myaccount\"
"
            }
            Provider::Azure => {
                "
# The login of the Azure CLI, for trying it out.
# [destination.options]
# azure_use_azure_cli = \"true\"
"
            }
            Provider::Gcs => {
                "
# A path may stand here: the key itself is in that file.
# [destination.options]
# google_service_account = \"/run/secrets/google.json\"
"
            }
        },
    }
}

fn section(text: &mut String, name: &str) {
    text.extend(["\n[", name, "]\n"]);
}

fn setting(text: &mut String, key: &str, value: &str) {
    text.extend([key, " = ", value, "\n"]);
}

fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        text.extend(["# ", line, "\n"]);
    }
}

fn defaults(text: &mut String, defaults: &[Default]) {
    for (about, line) in defaults {
        comment(text, about);
        comment(text, line);
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
