//! `promptlake check`: everything that a run needs is tried, one thing after the other, and what is missing comes with
//! what to do about it. Nothing is read into the lake, and nothing is left there.

mod graph;
mod report;

use std::path::{Path, PathBuf};

use promptlake_load::{LoadError, ProbeError, ProbeStep, Store, StoreLocation};

use crate::cli::{CheckArguments, RunArguments};
use crate::failure::{Failure, Outcome};
use crate::lake_source::LakeReader;
use crate::phrases::counted;
use crate::run::{self, Context};
use crate::settings::{FilesSource, LakeSource, Source};
use crate::source;

use report::Report;

/// Tries out a pipeline file.
pub(crate) async fn check(arguments: CheckArguments) -> Result<Outcome, Failure> {
    let CheckArguments { pipeline, json } = arguments;
    let mut report = Report::new(json);
    let named = pipeline.file.display().to_string();
    match Context::new(&RunArguments::silent(pipeline), "nothing is left behind") {
        Ok(context) => {
            report.passed("pipeline file", named);
            tokio::select! {
                () = context.stop.cancelled() => {}
                () = try_source(&context, &mut report) => {}
            }
            // Not given up once it has begun: it leaves nothing behind.
            if !context.stop.is_cancelled() {
                try_destination(&context, &mut report).await;
            }
            if context.stop.is_cancelled() {
                report.finish();
                return Ok(Outcome::Interrupted);
            }
        }
        Err(failure) => report.failed("pipeline file", &failure),
    }
    Ok(report.finish())
}

async fn try_source(context: &Context, report: &mut Report) {
    match &context.pipeline.source {
        Source::Graph(sources) => {
            for source in sources {
                graph::try_tenant(context, source, sources.len() > 1, report).await;
            }
        }
        Source::Files(files) => try_files(context, files, report).await,
        Source::Lake(lake) => try_lake(context, lake, report).await,
    }
}

async fn try_files(context: &Context, files: &FilesSource, report: &mut Report) {
    let found = async {
        let page_bytes_max = context.shares.page_bytes_max;
        let files = source::open_files(files, page_bytes_max, context.extract_context())?;
        Ok::<_, Failure>(files.list().await?.len())
    };
    match found.await {
        Ok(0) => report.failed("saved files", &no_files(files)),
        Ok(found) => report.passed("saved files", format!("{}, with owners", counted_files(found))),
        Err(failure) => report.failed("saved files", &failure),
    }
}

fn no_files(files: &FilesSource) -> Failure {
    let none = std::io::Error::other("no saved page is there");
    let hint = "name a folder of saved pages, or one file";
    Failure::setting(&none, &format!("read source.path: {}", files.path.display()), hint)
}

async fn try_lake(context: &Context, lake: &LakeSource, report: &mut Report) {
    let found = async {
        let store = Store::open(&lake.store)?;
        Ok::<_, Failure>(LakeReader::new(store, context.extract_context()).list().await?.len())
    };
    match found.await {
        Ok(found) => report.passed("other lake", format!("{} of its table raw", counted_files(found))),
        Err(failure) => report.failed("other lake", &failure),
    }
}

fn counted_files(count: usize) -> String {
    counted(count as u64, "file")
}

/// What each step of the probe is called.
const fn step_name(step: ProbeStep) -> &'static str {
    match step {
        ProbeStep::Write => "lake: write",
        ProbeStep::ConditionalPut => "lake: if-absent",
        ProbeStep::Place => "lake: copy",
        ProbeStep::Delete => "lake: delete",
        ProbeStep::List => "lake: list",
    }
}

async fn try_destination(context: &Context, report: &mut Report) {
    let destination = &context.pipeline.destination;
    let location = &destination.store.location;
    let names = ProbeStep::ALL.map(step_name);
    let _made = MadeFolders::of(location);
    let store = match run::open_store(destination) {
        Ok(store) => store,
        Err(failure) => {
            report.failed(names[0], &failure);
            return report.not_tried(&names[1..], "the destination can't be opened");
        }
    };
    let stale_after = context.pipeline.run.stale_after.as_duration();
    let failed = store.probe(&context.run.id, stale_after).await.err();
    let failed_at = failed.as_ref().map(ProbeError::step);
    for step in ProbeStep::ALL.into_iter().filter(|step| failed_at.is_none_or(|at| *step < at)) {
        report.passed(step_name(step), passed_text(step, location, destination.store.single_writer));
    }
    if let (Some(error), Some(at)) = (failed, failed_at) {
        report.failed(step_name(at), &LoadError::Probe(error).into());
        let after: Vec<_> = ProbeStep::ALL.into_iter().filter(|step| *step > at).map(step_name).collect();
        report.not_tried(&after, "what comes before it failed");
    }
    if !matches!(location, StoreLocation::Local(_)) {
        let advice = format!(
            "make sure that no lifecycle rule deletes or archives below {location}/_promptlake/, but for reports/"
        );
        report.not_tried(&["lake: lifecycle"], &advice);
    }
}

/// Folders that trying out a local lake makes: one that was not there is not there afterwards.
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    fn of(location: &StoreLocation) -> Self {
        let StoreLocation::Local(root) = location else { return Self(Vec::new()) };
        let inside = [root.join("_promptlake/probe"), root.join("_promptlake")];
        let outside = root.ancestors().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
        Self(inside.into_iter().chain(outside).take_while(|folder| !folder.exists()).collect())
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // What is not empty is of use to somebody by now.
            drop(std::fs::remove_dir(folder));
        }
    }
}

fn passed_text(step: ProbeStep, location: &StoreLocation, single_writer: bool) -> String {
    match step {
        ProbeStep::Write => location.to_string(),
        ProbeStep::ConditionalPut if single_writer => "not needed: destination.single_writer".to_owned(),
        ProbeStep::ConditionalPut => "honoured: several runs can share the lake".to_owned(),
        ProbeStep::Place => "within the destination".to_owned(),
        ProbeStep::Delete => "what was tried with is gone".to_owned(),
        ProbeStep::List => "all objects are seen".to_owned(),
    }
}
