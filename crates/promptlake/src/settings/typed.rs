//! What was typed: names and types are right, values are not looked at yet.
//!
//! One flat struct for each table, every setting optional: an enum tagged by `kind` would lose the place of
//! a mistake, and "this belongs to files" says more than "unknown field". The order of the fields is the
//! order in which a message lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use promptlake_extract::{ApiVersion, PaymentModel};
use promptlake_model::{Day, Table, TenantId, UserId};
use promptlake_transform::Content;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::error::Fault;
use super::value::{
    AppClass, ByteSize, ClientId, CloudName, CommandLine, Compression, CredentialKind, EnvName, GroupId,
    LakeLocation, LocalPath, PartitionColumn, ServerOrigin, Setting, SourceKind, Start, TimeSpan,
    UserIdPattern, UserRef,
};

/// The whole file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct PipelineFile {
    pub(super) source: Option<Sources>,
    pub(super) transform: Option<TransformTable>,
    pub(super) destination: Option<DestinationTable>,
    pub(super) run: Option<RunTable>,
}

/// `[source]`, or several `[[source]]`.
#[derive(Debug)]
pub(super) enum Sources {
    One(Box<SourceTable>),
    Several(Vec<SourceTable>),
}

impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SourcesVisitor;

        impl<'de> Visitor<'de> for SourcesVisitor {
            type Value = Sources;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sources, A::Error> {
                let table = SourceTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Sources::One(Box::new(table)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Sources, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(sequence)).map(Sources::Several)
            }
        }

        deserializer.deserialize_any(SourcesVisitor)
    }
}

/// `[source]`, of every kind and cloud.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct SourceTable {
    pub(super) kind: Option<Typed<SourceKind>>,
    pub(super) cloud: Option<Typed<CloudName>>,
    pub(super) tenant_id: Option<Typed<TenantId>>,
    pub(super) client_id: Option<Typed<ClientId>>,
    pub(super) credential: Option<CredentialTable>,
    pub(super) graph_url: Option<Typed<ServerOrigin>>,
    pub(super) login_url: Option<Typed<ServerOrigin>>,
    pub(super) ca_file: Option<Typed<LocalPath>>,
    pub(super) users: Option<UsersTable>,
    pub(super) start: Option<Typed<Start>>,
    pub(super) lookback: Option<Typed<TimeSpan>>,
    pub(super) settle_lag: Option<Typed<TimeSpan>>,
    pub(super) requests_per_second: Option<Number>,
    pub(super) concurrency: Option<Whole>,
    pub(super) app_class: Option<List<Typed<AppClass>>>,
    pub(super) model: Option<Typed<PaymentModel>>,
    pub(super) api_version: Option<Typed<ApiVersion>>,
    pub(super) pages_max: Option<Whole>,
    pub(super) emulator: Option<EmulatorTable>,
    pub(super) url: Option<Typed<LakeLocation>>,
    pub(super) options: Option<OptionsTable>,
    pub(super) path: Option<Typed<LocalPath>>,
    pub(super) user_id: Option<Typed<UserId>>,
    pub(super) user_id_from_path: Option<Typed<UserIdPattern>>,
}

/// `source.credential`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct CredentialTable {
    pub(super) kind: Option<Typed<CredentialKind>>,
    pub(super) env: Option<Typed<EnvName>>,
    pub(super) file: Option<Typed<LocalPath>>,
    pub(super) command: Option<Typed<CommandLine>>,
    pub(super) path: Option<Typed<LocalPath>>,
    pub(super) password_env: Option<Typed<EnvName>>,
    pub(super) client_id: Option<Typed<ClientId>>,
}

/// `source.users`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct UsersTable {
    pub(super) licensed: Option<bool>,
    pub(super) group: Option<Typed<GroupId>>,
    pub(super) ids: Option<List<Typed<UserRef>>>,
    pub(super) file: Option<Typed<LocalPath>>,
    pub(super) limit: Option<Whole>,
}

/// `source.emulator`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct EmulatorTable {
    pub(super) seed: Option<Whole>,
    pub(super) users: Option<Whole>,
    pub(super) interactions: Option<Whole>,
    pub(super) start: Option<Typed<Day>>,
    pub(super) end: Option<Typed<Day>>,
    pub(super) requests_per_second: Option<Number>,
}

/// `[transform]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct TransformTable {
    pub(super) tables: Option<List<Typed<Table>>>,
    pub(super) content: Option<Typed<Content>>,
}

/// `[destination]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct DestinationTable {
    pub(super) url: Option<Typed<LakeLocation>>,
    pub(super) options: Option<OptionsTable>,
    pub(super) single_writer: Option<bool>,
    pub(super) partition_by: Option<List<Typed<PartitionColumn>>>,
    pub(super) target_file_size: Option<Typed<ByteSize>>,
    pub(super) compression: Option<Typed<Compression>>,
}

/// `[destination.options]`: names that are another's, each with a text. A boolean is one as well, since nobody quotes
/// it on the command line.
#[derive(Default)]
pub(super) struct OptionsTable(pub(super) BTreeMap<String, String>);

impl fmt::Debug for OptionsTable {
    /// Without the values: someone may have typed a secret before it is refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for OptionsTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor;

        impl<'de> Visitor<'de> for TableVisitor {
            type Value = OptionsTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OptionsTable, A::Error> {
                let mut options = BTreeMap::new();
                while let Some((name, OptionText(text))) = map.next_entry()? {
                    options.insert(name, text);
                }
                Ok(OptionsTable(options))
            }
        }

        deserializer.deserialize_map(TableVisitor)
    }
}

/// The value of an option.
struct OptionText(String);

impl<'de> Deserialize<'de> for OptionText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = OptionText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OptionText, E> {
                Ok(OptionText(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<OptionText, E> {
                Ok(OptionText(value.to_string()))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// `[run]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RunTable {
    pub(super) memory_limit: Option<Typed<ByteSize>>,
    pub(super) commit_every: Option<Typed<TimeSpan>>,
    pub(super) publish_every: Option<Typed<TimeSpan>>,
    pub(super) heartbeat: Option<Typed<TimeSpan>>,
    pub(super) stale_after: Option<Typed<TimeSpan>>,
    pub(super) deadline: Option<Typed<TimeSpan>>,
    pub(super) metrics_file: Option<Typed<LocalPath>>,
}

/// A text where a `T` belongs; whether it is one is found out by [`Self::read`].
pub(super) struct Typed<T> {
    text: String,
    meant: PhantomData<fn() -> T>,
}

impl<T: Setting> Typed<T> {
    pub(super) fn read(&self) -> Result<T, Fault> {
        T::parse(&self.text)
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl<'de, T: Setting> Deserialize<'de> for Typed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<T>(PhantomData<fn() -> T>);

        impl<T: Setting> Visitor<'_> for TextVisitor<T> {
            type Value = Typed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::NOUN)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Typed<T>, E> {
                Ok(Typed { text: text.to_owned(), meant: PhantomData })
            }
        }

        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// A list, whose items know their index in messages.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<fn() -> T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }
        }

        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// A whole number, of any size that TOML has; its limits are looked at later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;

        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }
        }

        deserializer.deserialize_i64(WholeVisitor)
    }
}

/// A number, with or without a fraction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                // Beyond 32 bits it is beyond every limit as well, and is refused as what it is.
                match i32::try_from(number) {
                    Ok(number) => Ok(Number(number.into())),
                    Err(_) => Err(E::invalid_type(Unexpected::Signed(number), &"a number within reason")),
                }
            }
        }

        deserializer.deserialize_f64(NumberVisitor)
    }
}
