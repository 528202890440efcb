//! Where metrics are pushed to, as the environment variables say that OpenTelemetry has for every program. An empty
//! variable is one that is not set; a variable for metrics alone comes before the one for everything.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// What the specification says where nothing is set.
const TIMEOUT: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_mins(1);

/// More often is a slip: each push says everything.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// The one encoding there is here.
const PROTOCOL: &str = "http/protobuf";

/// What is appended to an endpoint for everything.
const METRICS_PATH: &str = "v1/metrics";

/// Who is told, how, and how often.
#[derive(Debug, Clone)]
pub(in crate::metrics) struct PushSettings {
    /// With the path of metrics.
    pub(super) endpoint: Url,
    /// What the collector lets us in by; never shown.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) every: Duration,
    /// What the resource is: the program, and this run of it.
    pub(super) attributes: Vec<(String, String)>,
}

/// A variable that means nothing. Its value is not shown: it may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("understand the variable {variable}: {wrong}")]
pub(in crate::metrics) struct PushSettingsError {
    variable: String,
    wrong: &'static str,
}

impl PushSettings {
    /// Reads the variables; `None` where nobody asks for a push. `run_id` tells this run from others of the program.
    pub(in crate::metrics) fn from_environment(
        read: impl Fn(&str) -> Option<String>,
        run_id: &str,
    ) -> Result<Option<Self>, PushSettingsError> {
        let environment = Environment { read: &read };
        if environment.is("OTEL_SDK_DISABLED", "true") || !environment.exports_otlp() {
            return Ok(None);
        }
        let Some(endpoint) = environment.endpoint()? else { return Ok(None) };
        environment.check_protocol()?;
        Ok(Some(Self {
            endpoint,
            headers: environment.headers()?,
            timeout: environment.either("TIMEOUT").map_or(Ok(TIMEOUT), |typed| typed.duration())?,
            every: environment
                .typed("OTEL_METRIC_EXPORT_INTERVAL")
                .map_or(Ok(EVERY), |typed| typed.duration())?
                .max(EVERY_MIN),
            attributes: environment.attributes(run_id)?,
        }))
    }
}

/// The variables.
struct Environment<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable that is set.
struct Typed {
    variable: String,
    text: String,
}

impl Environment<'_> {
    fn typed(&self, variable: &str) -> Option<Typed> {
        let text = (self.read)(variable)?.trim().to_owned();
        (!text.is_empty()).then(|| Typed { variable: variable.to_owned(), text })
    }

    /// A variable for metrics, or the one for everything.
    fn either(&self, name: &str) -> Option<Typed> {
        self.typed(&format!("OTEL_EXPORTER_OTLP_METRICS_{name}"))
            .or_else(|| self.typed(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    fn is(&self, variable: &str, value: &str) -> bool {
        self.typed(variable).is_some_and(|typed| typed.text.eq_ignore_ascii_case(value))
    }

    /// Whether metrics are to go this way, if they are to go any.
    fn exports_otlp(&self) -> bool {
        let Some(exporters) = self.typed("OTEL_METRICS_EXPORTER") else { return true };
        exporters.text.split(',').any(|exporter| exporter.trim().eq_ignore_ascii_case("otlp"))
    }

    /// That for metrics is taken as it is; to that for everything their path is appended.
    fn endpoint(&self) -> Result<Option<Url>, PushSettingsError> {
        if let Some(typed) = self.typed("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") {
            return typed.url().map(Some);
        }
        let Some(typed) = self.typed("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
        let mut url = typed.url()?;
        let path = format!("{}/{METRICS_PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Some(url))
    }

    fn check_protocol(&self) -> Result<(), PushSettingsError> {
        match self.either("PROTOCOL") {
            Some(typed) if typed.text != PROTOCOL => {
                Err(typed.error("this version pushes http/protobuf alone, to port 4318 of most collectors"))
            }
            _ => Ok(()),
        }
    }

    fn headers(&self) -> Result<HeaderMap, PushSettingsError> {
        let Some(typed) = self.either("HEADERS") else { return Ok(HeaderMap::new()) };
        let mut headers = HeaderMap::new();
        for (name, value) in typed.pairs()? {
            let name = HeaderName::try_from(name).map_err(|_| typed.error("it names no header"))?;
            let mut value =
                HeaderValue::try_from(value).map_err(|_| typed.error("no header has such a value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// What the environment says of the resource comes before what is known here.
    fn attributes(&self, run_id: &str) -> Result<Vec<(String, String)>, PushSettingsError> {
        let given = self.typed("OTEL_RESOURCE_ATTRIBUTES").map_or(Ok(Vec::new()), |typed| typed.pairs())?;
        let name = self.typed("OTEL_SERVICE_NAME").map(|typed| ("service.name".to_owned(), typed.text));
        let known = [
            ("service.name", "promptlake"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", run_id),
        ];
        let known = known.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut attributes: Vec<(String, String)> = Vec::new();
        for (key, value) in name.into_iter().chain(given).chain(known) {
            if !attributes.iter().any(|(there, _)| *there == key) {
                attributes.push((key, value));
            }
        }
        Ok(attributes)
    }
}

impl Typed {
    fn error(&self, wrong: &'static str) -> PushSettingsError {
        PushSettingsError { variable: self.variable.clone(), wrong }
    }

    fn url(&self) -> Result<Url, PushSettingsError> {
        let url = Url::parse(&self.text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url =
            url.ok_or_else(|| self.error("it is no URL of a collector, such as http://127.0.0.1:4318"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                self.error("it has a user or a password: let yourself in by OTEL_EXPORTER_OTLP_HEADERS")
            );
        }
        Ok(url)
    }

    /// Milliseconds, at least one.
    fn duration(&self) -> Result<Duration, PushSettingsError> {
        let millis = self.text.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis);
        millis.ok_or_else(|| self.error("it is no number of milliseconds, such as 10000"))
    }

    /// `key=value` with commas between, values percent-encoded where they must be.
    fn pairs(&self) -> Result<Vec<(String, String)>, PushSettingsError> {
        let entries = self.text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let pair = |entry: &str| {
            let (key, value) = entry.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!key.trim().is_empty()).then(|| (key.trim().to_owned(), value.into_owned()))
        };
        let pairs: Option<Vec<_>> = entries.map(pair).collect();
        pairs.ok_or_else(|| {
            self.error("write name=value, with commas between several and %2C for a comma in one")
        })
    }
}
