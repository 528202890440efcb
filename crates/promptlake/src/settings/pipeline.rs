//! What is true: a pipeline whose every part has been checked, so that nobody behind it asks again.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use promptlake_extract::{ApiVersion, PaymentModel};
use promptlake_load::StoreSettings;
use promptlake_model::{AppClasses, Table, TenantId, Timestamp, UserId};
use promptlake_transform::Content;
use url::Url;

use super::value::{
    ByteSize, ClientId, CommandLine, Compression, GroupId, RequestRate, Start, TimeSpan, UserIdPattern,
    UserRef,
};

/// A whole pipeline: from its sources to one lake.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) source: Source,
    pub(crate) transform: Transform,
    pub(crate) destination: Destination,
    pub(crate) run: RunLimits,
}

/// Where the records come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Tenants of Microsoft Graph, or of what behaves like it; at least one, none twice.
    Graph(Vec<GraphSource>),
    /// Pages or records that were saved.
    Files(FilesSource),
    /// The records of another lake, as they were received.
    Lake(LakeSource),
}

/// Whose history Graph is asked for, since when, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GraphSource {
    pub(crate) tenant: GraphTenant,
    pub(crate) users: Users,
    /// The most users that are asked of, for a pilot.
    pub(crate) users_limit: Option<NonZeroUsize>,
    /// Where the history of a new user begins.
    pub(crate) start: Start,
    /// How much of what is covered is asked for again, for what came late.
    pub(crate) lookback: TimeSpan,
    /// How long before now a window ends, so that what is still being written is not missed.
    pub(crate) settle_lag: TimeSpan,
    /// Over the whole tenant.
    pub(crate) requests_per_second: RequestRate,
    /// Requests under way at once at most, up to 256; as many of them as keep Graph busy and memory has room for.
    pub(crate) concurrency: NonZeroUsize,
    /// Which apps' records are asked for.
    pub(crate) app_classes: AppClasses,
    /// How the use of Graph's interface is paid for, where that is said.
    pub(crate) model: Option<PaymentModel>,
    /// The version of Graph that interactions are asked of.
    pub(crate) api_version: ApiVersion,
    /// The most pages of one list, at least 1.
    pub(crate) pages_max: u32,
}

/// Which tenant is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GraphTenant {
    /// One of a cloud, with a credential.
    Real(Box<RealTenant>),
    /// One that is made up and served by this process.
    Emulated(EmulatedTenant),
}

impl GraphTenant {
    /// Whether both are the same tenant, however it is asked.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Real(one), Self::Real(other)) => one.tenant_id == other.tenant_id,
            (Self::Emulated(one), Self::Emulated(other)) => one.seed == other.seed,
            _ => false,
        }
    }

    /// The setting that tells it from another.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Real(_) => "tenant_id",
            Self::Emulated(_) => "emulator",
        }
    }
}

/// A tenant of a cloud, and the app that may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RealTenant {
    pub(crate) cloud: Cloud,
    pub(crate) tenant_id: TenantId,
    pub(crate) credential: Credential,
    /// Certificate authorities that are trusted beside those of the system, in PEM.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where Graph and its login are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cloud {
    /// The only origin that the bearer token goes to. Its path is `/`.
    pub(crate) graph_url: Url,
    /// The only origin that the secret goes to. Its path is `/`.
    pub(crate) login_url: Url,
    /// Whether somebody typed them: then they are meant, whatever the platform says.
    pub(crate) is_custom: bool,
}

/// How the app proves who it is: a description, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// By a secret.
    ClientSecret { client_id: ClientId, place: SecretPlace },
    /// By a certificate with its key, in PEM or PFX; the password of a PFX is in an environment variable of this name.
    Certificate { client_id: ClientId, path: PathBuf, password_env: Option<String> },
    /// By a token of a platform that the app trusts. What is not said here is in the environment.
    WorkloadIdentity { client_id: Option<ClientId> },
    /// By being where it is; of several identities there, this one.
    ManagedIdentity { client_id: Option<ClientId> },
    /// By a ready token, which a command prints.
    Token { command: CommandLine },
}

/// Where a client secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// In an environment variable of this name.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// A command prints it.
    Command(CommandLine),
}

/// A tenant from which nobody needs a permission.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EmulatedTenant {
    /// Where all its chance comes from.
    pub(crate) seed: u64,
    /// Users in its directory, licensed or not; 1 to 1,000,000.
    pub(crate) users: u32,
    /// Interactions over all users, at most 1,000,000,000.
    pub(crate) interactions: u64,
    /// The first instant of its history, not before 1970.
    pub(crate) start: Timestamp,
    /// The first instant after its history.
    pub(crate) end: Timestamp,
    /// Where it begins to answer 429; `None` is never.
    pub(crate) requests_per_second: Option<RequestRate>,
}

/// Whose history is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Users {
    /// Everyone whose licence contains Copilot.
    Licensed,
    /// The members of a group, direct or not.
    Group(GroupId),
    /// These; at least one, nobody twice.
    Listed(Vec<UserRef>),
    /// Those of a CSV file with a column `id` or `userPrincipalName`.
    File(PathBuf),
}

/// Saved pages or records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesSource {
    /// A file, or a folder whose files are read at every depth; relative to the working directory.
    pub(crate) path: PathBuf,
    pub(crate) tenant_id: TenantId,
    /// The owner of what says nothing else of its owner.
    pub(crate) user_id: Option<UserId>,
    pub(crate) user_id_from_path: Option<UserIdPattern>,
}

/// A lake with the table `raw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LakeSource {
    /// Where it is; not where the new one shall be.
    pub(crate) store: StoreSettings,
}

/// What becomes of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transform {
    /// The tables to write, those that are always written among them.
    pub(crate) tables: BTreeSet<Table>,
    /// Without it neither `raw` nor `card_elements` is among the tables.
    pub(crate) content: Content,
}

/// Where the lake is and what its files are like. Partitions are by date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The lake, with options of its store that it takes; a local directory need not exist.
    pub(crate) store: StoreSettings,
    /// 1 MiB to below 4 GiB.
    pub(crate) target_file_size: ByteSize,
    pub(crate) compression: Compression,
}

/// What a run may use, how often it makes its work durable and visible, and where it says how it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunLimits {
    /// For pages, rows, known keys, segments, encoders and uploads together; at least 128 MiB.
    pub(crate) memory_limit: ByteSize,
    pub(crate) commit_every: TimeSpan,
    /// At least `commit_every`.
    pub(crate) publish_every: TimeSpan,
    pub(crate) heartbeat: TimeSpan,
    /// When another's heartbeat counts as dead; at least four times `heartbeat`.
    pub(crate) stale_after: TimeSpan,
    /// How long after its start a run stops as on a signal; `None` is never.
    pub(crate) deadline: Option<TimeSpan>,
    /// A text file of metrics that is written again and again; its name ends in `.prom`.
    pub(crate) metrics_file: Option<PathBuf>,
}
