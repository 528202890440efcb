//! From settings to a source that can be asked: files that they name are read, and the emulator is started where it
//! is the tenant.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use graph_emulator::{Emulator, ServerOptions, TenantSpec};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use promptlake_extract::{
    AppLimit, Credential, ExtraRoots, FilesSettings, FilesSource, GraphClient, GraphSettings, GroupId,
    RunContext, UserRef, UserSelection, read_users_csv,
};
use promptlake_model::{TenantId, Timestamp};
use secrecy::SecretString;
use url::Url;

use crate::credential::{self, NotReady, read_file};
use crate::failure::Failure;
use crate::settings;
use crate::settings::{EmulatedTenant, GraphSource, GraphTenant, RealTenant, Users};

/// A tenant that can be asked. The emulator, where there is one, lives as long as this.
pub(crate) struct Tenant {
    pub(crate) client: GraphClient,
    pub(crate) id: TenantId,
    emulator: Option<Emulator>,
}

/// The limits of the apps that tenants are read as, by their ids; those that say none are taken for one.
pub(crate) type Apps = BTreeMap<String, AppLimit>;

/// What a run may ask of a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest page, in bytes after decompression.
    pub(crate) page_bytes_max: usize,
    /// Requests under way at once, at most.
    pub(crate) at_once_max: usize,
    /// Runs that share the tenant's rate.
    pub(crate) rate_shares: u32,
}

impl Tenant {
    /// Connects to the tenant of the settings. Nothing is asked of it yet.
    pub(crate) async fn connect(
        source: &GraphSource,
        limits: Limits,
        context: RunContext,
        apps: &mut Apps,
    ) -> Result<Self, NotReady> {
        let (endpoint, emulator) = match &source.tenant {
            GraphTenant::Real(real) => {
                let now = Timestamp::from_micros(context.clock.now_micros());
                (Endpoint::of_real(real, now).await?, None)
            }
            GraphTenant::Emulated(emulated) => {
                let emulator = start_emulator(emulated).await?;
                (Endpoint::of_emulator(&emulator)?, Some(emulator))
            }
        };
        let id = endpoint.tenant;
        let settings = GraphSettings {
            graph_url: endpoint.graph_url,
            login_url: endpoint.login_url,
            tenant: id,
            credential: endpoint.credential,
            extra_roots: endpoint.extra_roots,
            requests_per_second: source.requests_per_second.per_second() / f64::from(limits.rate_shares),
            concurrency: limits.at_once_max.min(source.concurrency.get()),
            page_bytes_max: limits.page_bytes_max,
            api_version: source.api_version,
            model: source.model,
            pages_max: source.pages_max,
        };
        let client_id = settings.credential.client_id().unwrap_or_default().to_owned();
        let app = apps.entry(client_id).or_insert_with(|| AppLimit::new(context.clock)).clone();
        let client = GraphClient::new_within(app, settings, context).map_err(Failure::from)?;
        Ok(Self { client, id, emulator })
    }

    pub(crate) async fn disconnect(self) {
        if let Some(emulator) = self.emulator {
            emulator.shutdown().await;
        }
    }
}

/// Where a tenant is and how one gets in.
struct Endpoint {
    graph_url: Url,
    login_url: Url,
    tenant: TenantId,
    credential: Credential,
    extra_roots: ExtraRoots,
}

impl Endpoint {
    async fn of_real(real: &RealTenant, now: Timestamp) -> Result<Self, NotReady> {
        let ready = credential::ready(real, &|name| std::env::var(name), now).await?;
        Ok(Self {
            graph_url: real.cloud.graph_url.clone(),
            login_url: ready.login_url,
            tenant: real.tenant_id,
            credential: ready.credential,
            extra_roots: real.ca_file.as_deref().map(extra_roots).transpose()?.unwrap_or_default(),
        })
    }

    fn of_emulator(emulator: &Emulator) -> Result<Self, Failure> {
        let odd = |error: &dyn std::error::Error| Failure::internal(error, "reach the emulator");
        Ok(Self {
            graph_url: Url::parse(&emulator.graph_url()).map_err(|error| odd(&error))?,
            login_url: Url::parse(&emulator.login_url()).map_err(|error| odd(&error))?,
            tenant: TenantId::parse(emulator.tenant_id()).map_err(|error| odd(&error))?,
            credential: Credential::ClientSecret {
                client_id: emulator.client_id().to_owned(),
                secret: SecretString::from(emulator.client_secret()),
            },
            extra_roots: ExtraRoots::default(),
        })
    }
}

fn extra_roots(path: &Path) -> Result<ExtraRoots, Failure> {
    let hint = "name a PEM file with the certificates of the authorities, one after the other";
    ExtraRoots::from_pem(&read_file(path, "source.ca_file", hint)?)
        .map_err(|error| Failure::setting(&error, &format!("use source.ca_file: {}", path.display()), hint))
}

async fn start_emulator(emulated: &EmulatedTenant) -> Result<Emulator, Failure> {
    let millis = |at: promptlake_model::Timestamp| at.micros() / 1_000;
    let spec = TenantSpec::default()
        .with_seed(emulated.seed)
        .with_users(emulated.users)
        .with_interactions(emulated.interactions)
        .with_window(millis(emulated.start), millis(emulated.end));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is from 1 to 1,500 here"
    )]
    let requests_per_second =
        emulated.requests_per_second.map(|rate| rate.per_second().ceil().max(1.0) as u32);
    let options = ServerOptions { requests_per_second, ..ServerOptions::default() };
    let hint = "see source.emulator in pipelines/demo.toml for what can be set";
    Emulator::start(spec, options).await.map_err(|error| Failure::setting(&error, "start the emulator", hint))
}

/// Whose history is read, as one text: runs of the same text read the same users.
pub(crate) fn scope(source: &settings::Source) -> String {
    match source {
        settings::Source::Graph(sources) => {
            let mut scopes: Vec<String> = sources.iter().map(tenant_scope).collect();
            scopes.sort_unstable();
            scopes.join(", ")
        }
        settings::Source::Files(files) => format!("{} files {}", files.tenant_id, files.path.display()),
        settings::Source::Lake(lake) => format!("lake {}", lake.store.location.in_duckdb()),
    }
}

fn tenant_scope(source: &GraphSource) -> String {
    let tenant = match &source.tenant {
        GraphTenant::Real(real) => real.tenant_id.to_string(),
        GraphTenant::Emulated(emulated) => format!("emulator {}", emulated.seed),
    };
    let users = match &source.users {
        Users::Licensed => "licensed".to_owned(),
        Users::Group(group) => format!("group {group}"),
        Users::Listed(users) => {
            let users: Vec<String> = users.iter().map(ToString::to_string).collect();
            format!("users {}", users.join(" "))
        }
        Users::File(path) => format!("file {}", path.display()),
    };
    format!("{tenant} {users}")
}

/// Whom to ask, as the settings say it; a CSV file is read here.
pub(crate) fn selection(users: &Users) -> Result<UserSelection, Failure> {
    Ok(match users {
        Users::Licensed => UserSelection::Licensed,
        Users::Group(group) => {
            let id = GroupId::parse(&group.to_string());
            UserSelection::Group(id.map_err(|error| Failure::internal(&error, "read source.users.group"))?)
        }
        Users::Listed(users) => UserSelection::Ids(users.iter().map(user_ref).collect()),
        Users::File(path) => {
            let hint = "name a CSV file with a column id or userPrincipalName";
            UserSelection::Ids(read_users_csv(&read_file(path, "source.users.file", hint)?)?)
        }
    })
}

fn user_ref(user: &settings::UserRef) -> UserRef {
    match user {
        settings::UserRef::Id(id) => UserRef::Id(*id),
        settings::UserRef::PrincipalName(name) => UserRef::PrincipalName(name.clone()),
    }
}

/// Opens a folder of saved pages, or one file of them.
pub(crate) fn open_files(
    source: &settings::FilesSource,
    page_bytes_max: usize,
    context: RunContext,
) -> Result<FilesSource, Failure> {
    let hint = "name a folder of saved pages, or one file";
    let missing = |error: &dyn std::error::Error| {
        Failure::setting(error, &format!("read source.path: {}", source.path.display()), hint)
    };
    let found = source.path.canonicalize().map_err(|error| missing(&error))?;
    let (folder, root) = match (found.is_file(), found.parent(), found.file_name()) {
        (true, Some(folder), Some(name)) => (folder, ObjectPath::from(name.to_string_lossy().as_ref())),
        _ => (found.as_path(), ObjectPath::default()),
    };
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| missing(&error))?;
    let pattern = source.user_id_from_path.clone();
    let settings = FilesSettings {
        store: Arc::new(store),
        root,
        tenant: source.tenant_id,
        user_id_from_path: pattern.map(|pattern| -> promptlake_extract::UserIdFromPath {
            Arc::new(move |path| pattern.capture(path).map(str::to_owned))
        }),
        user_id: source.user_id,
        page_bytes_max,
    };
    Ok(FilesSource::new(settings, context)?)
}
