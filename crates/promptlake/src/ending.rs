//! The end of a run, however it came: what there is to say of it, its last metrics, and its report.

use std::path::Path;
use std::time::Duration;

use promptlake_load::keep_report;
use promptlake_model::Timestamp;

use crate::failure::{Failure, Outcome};
use crate::lake;
use crate::metrics::{Meter, Telling, write_beside};
use crate::report::{Report, RunFacts};
use crate::resident::Resident;
use crate::run::{self, Context, Ran};
use crate::summary::Summary;

/// How long a run that has ended tries to leave its report: a store that hangs must not keep it.
const REPORT_WITHIN: Duration = Duration::from_secs(5);

/// A run that has ended: the numbers that are known of it, and how it ended.
pub(crate) struct Concluded {
    summary: Summary,
    outcome: Result<Outcome, Failure>,
}

impl Concluded {
    fn exit_code(&self) -> u8 {
        self.outcome.as_ref().map_or_else(Failure::code, |outcome| outcome.code())
    }

    /// Whether all that could be done is.
    fn is_success(&self) -> bool {
        matches!(self.outcome, Ok(Outcome::Done | Outcome::DoneWithFailures))
    }
}

impl Context {
    /// Says what came of the stages of a run, where they came to an end. Nothing ran where a stop came before.
    pub(crate) fn conclude(
        &self,
        ran: Result<Option<Ran>, Failure>,
        tell: impl FnOnce(&Summary),
    ) -> Concluded {
        let early = |outcome| Concluded { summary: self.summary(None, Vec::new()), outcome };
        let Ran { ended, unresolved } = match ran {
            Ok(Some(ran)) => ran,
            Ok(None) => return early(Ok(Outcome::Interrupted)),
            Err(failure) => return early(Err(failure)),
        };
        let summary = self.summary(ended.load.as_ref().ok().copied(), unresolved);
        tell(&summary);
        let outcome = ended.conclude(&summary);
        Concluded { summary, outcome }
    }

    /// Tells metrics of a run while it goes on, and at its end leaves a report of it, whatever came of it. What can't be
    /// told or left is a warning, and changes nothing about the run.
    pub(crate) async fn kept_account_of(
        &self,
        running: impl Future<Output = Concluded>,
    ) -> Result<Outcome, Failure> {
        let telling = Telling::start(self.meter(), self.pipeline.run.metrics_file.clone());
        let concluded = running.await;
        let telling = telling.finish(self.end_of(&concluded), concluded.exit_code(), concluded.is_success());
        tokio::join!(telling, self.leave_report(&concluded));
        concluded.outcome
    }

    /// Leaves a report of a run that no metrics are told of: what is alerted on is the run of every night.
    pub(crate) async fn reported(&self, concluded: Concluded) -> Result<Outcome, Failure> {
        self.leave_report(&concluded).await;
        concluded.outcome
    }

    fn end_of(&self, concluded: &Concluded) -> Timestamp {
        let took_micros = i64::try_from(concluded.summary.took.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.run.started_at.micros().saturating_add(took_micros))
    }

    async fn leave_report(&self, concluded: &Concluded) {
        let report = self.report(concluded, self.end_of(concluded)).to_json();
        let beside = self.leave_beside(self.report_file.as_deref(), report.clone());
        tokio::join!(self.leave_in_lake(report), beside);
    }

    fn meter(&self) -> Meter {
        Meter {
            tally: self.tally.clone(),
            waits: self.waits.clone(),
            memory_limit_bytes: self.pipeline.run.memory_limit.bytes(),
            pipeline: self.pipeline_name.clone(),
            run_id: self.run.id.clone(),
            started_at: self.run.started_at,
            clock: self.clock,
        }
    }

    fn report<'a>(&'a self, concluded: &'a Concluded, ended_at: Timestamp) -> Report<'a> {
        let facts = RunFacts {
            run: &self.run,
            lake: self.pipeline.destination.store.location.to_string(),
            ended_at,
            exit_code: concluded.exit_code(),
            outcome: concluded.outcome.as_ref().copied(),
            waits: self.waits.totals(),
            memory_limit_bytes: self.pipeline.run.memory_limit.bytes(),
            resident: Resident::now(),
        };
        Report::new(facts, &concluded.summary)
    }

    /// A local lake that is not there is not made for it: the run never got so far.
    async fn leave_in_lake(&self, report: Vec<u8>) {
        if lake::check_place(&self.pipeline).is_err() {
            return;
        }
        let kept = tokio::time::timeout(REPORT_WITHIN, async {
            let store = run::open_store(&self.pipeline.destination)?;
            keep_report(&store, &self.run.id, report)
                .await
                .map_err(|error| Failure::internal(&error, "keep the report of this run in the lake"))
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!("{}", failure.in_a_line()),
            Err(_) => tracing::warn!("the lake has no report of this run: its store did not answer in time"),
        }
    }

    async fn leave_beside(&self, file: Option<&Path>, report: Vec<u8>) {
        let Some(path) = file else { return };
        let file = path.display();
        match tokio::time::timeout(REPORT_WITHIN, write_beside(path, &self.run.id, report)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%file, %error, "can't write the report of this run"),
            Err(_) => {
                tracing::warn!(%file, "the report of this run is not there: its file system did not answer in time");
            }
        }
    }
}
