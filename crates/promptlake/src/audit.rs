//! `promptlake audit`: a sample of what is covered is asked for again, and compared with the lake.
//!
//! Page tokens are offsets, so a list that loses records while it is paged through makes its reader skip others, and
//! nothing in its pages tells of it. Only asking again does.

use std::collections::BTreeMap;
use std::fmt;

use indicatif::HumanCount;
use promptlake_load::{Audited, Auditor, Books, Draw, SampleSize};
use promptlake_model::{Owner, Window};

use crate::cli::{AuditArguments, RunArguments};
use crate::failure::{Failure, Outcome};
use crate::lake;
use crate::log_lines;
use crate::phrases::counted;
use crate::run::{self, Context, Ran, Reading};
use crate::settings::{GraphSource, Source};
use crate::stdout;
use crate::summary::Summary;
use crate::tenants::{Plans, Populated};
use crate::topology::{self, Ended};

/// What is asked for again.
struct Sample {
    plans: Plans,
    windows: BTreeMap<Owner, Vec<Window>>,
    text: SampleText,
}

/// What was drawn, in numbers.
struct SampleText {
    size: SampleSize,
    seed: u64,
    drawn: u64,
    offered: u64,
    users: usize,
    /// Users among them who are not asked for, since a run holds rows of theirs that are not published.
    left_out: usize,
}

/// Audits a lake, and repairs it where that is asked for. What it lacks goes to standard output.
pub(crate) async fn audit(arguments: AuditArguments) -> Result<Outcome, Failure> {
    let AuditArguments { pipeline, sample, seed, repair, progress } = arguments;
    let run = RunArguments { progress, ..RunArguments::silent(pipeline) };
    let what_follows_stop = if repair { run::WHAT_FOLLOWS_STOP } else { "what was read by now is compared" };
    let context = Context::new(&run, what_follows_stop)?;
    let sources = graph_sources(&context)?;
    lake::check_place(&context.pipeline)?;
    let auditor = open_to_look(&context).await?;
    if auditor.books().records() == 0 {
        return Err(lake::no_lake(&context.pipeline));
    }
    let draw = (sample, seed.unwrap_or(context.chance_seed));
    if repair {
        // It reads the books itself, once it has finished what ended runs left.
        drop(auditor);
        let repaired = context.with_progress(Box::pin(put_right(&context, sources, draw))).await;
        let concluded = match repaired {
            Ok(Some((ran, text))) => context.conclude(Ok(Some(ran)), |summary| tell_repaired(&text, summary)),
            Ok(None) => context.conclude(Ok(None), |_| {}),
            Err(failure) => context.conclude(Err(failure), |_| {}),
        };
        context.reported(concluded).await
    } else {
        context.with_progress(Box::pin(look(&context, sources, auditor, draw))).await
    }
}

fn graph_sources(context: &Context) -> Result<&[GraphSource], Failure> {
    match &context.pipeline.source {
        Source::Graph(sources) => Ok(sources),
        other @ (Source::Files(_) | Source::Lake(_)) => {
            let what = if matches!(other, Source::Lake(_)) { "another lake" } else { "a folder of files" };
            let error = std::io::Error::other(format!("its source is {what}, which skips nothing"));
            let hint =
                "name a pipeline file whose source is Microsoft Graph; `promptlake verify` checks any lake";
            Err(Failure::setting(&error, "audit what this pipeline file reads", hint))
        }
    }
}

async fn open_to_look(context: &Context) -> Result<Auditor, Failure> {
    // Nothing is gathered here: that share is free for what is lacking.
    let (known_bytes, lacking_bytes) = (context.shares.known_bytes, context.shares.gather_bytes);
    Ok(Auditor::open(context.means()?, context.run.id.clone(), known_bytes, lacking_bytes).await?)
}

/// Compares, and changes nothing.
async fn look(
    context: &Context,
    sources: &[GraphSource],
    auditor: Auditor,
    draw: (SampleSize, u64),
) -> Result<Outcome, Failure> {
    let Some(mut tenants) = run::find_users(context, sources).await? else { return Ok(Outcome::Interrupted) };
    let now = run::honest_now(context.clock, tenants.server_time());
    let books = auditor.books();
    let held_back = |owner: &Owner| books.run_with_unpublished(owner, &context.run.id).is_some();
    let Sample { plans, windows, text } = Sample::draw(context, &mut tenants, books, draw, held_back);
    context.tell_users_found(&plans);
    let unresolved = run::name_unresolved(&tenants);
    let extract = |pages| tenants.extract(plans, pages, context.stop.clone());
    let load = |rows| auditor.run(rows, &windows, stdout::print_by_day);
    let ended =
        topology::flow(extract, context.transformer(now), load, context.pool.clone(), &context.waits).await;
    let summary = context.summary(None, unresolved);
    if let Ok(audited) = &ended.load {
        let came_through = ended.extract.is_ok() && ended.transform.is_ok() && !context.stop.is_cancelled();
        let is_whole = came_through && !summary.has_failures() && audited.users_undecided == 0;
        log_lines::tell_summary(
            Report { sample: &text, audited, is_whole, summary: &summary },
            &summary.counts,
        );
    }
    conclude(ended, context.stop.is_cancelled(), &summary)
}

/// Reads the sample as a run reads what is new: what is known is dropped, the rest added. Nothing where a stop came before
/// anything was begun.
async fn put_right(
    context: &Context,
    sources: &[GraphSource],
    draw: (SampleSize, u64),
) -> Result<Option<(Ran, SampleText)>, Failure> {
    let Some(mut tenants) = run::find_users(context, sources).await? else { return Ok(None) };
    let now = run::honest_now(context.clock, tenants.server_time());
    let loader = context.open_lake().await?.check_coverage(now).await?;
    // Users of whom another run holds rows that are not published end this one, as they end any run.
    let Sample { plans, text, .. } = Sample::draw(context, &mut tenants, loader.books(), draw, |_| false);
    let reading = Reading { tenants, plans, loader, now };
    let ran = run::read_into(context, reading, stdout::print_by_day).await?;
    Ok(Some((ran, text)))
}

fn tell_repaired(text: &SampleText, summary: &Summary) {
    let added = summary.loaded.map(|_| {
        let (records, rejects) = (summary.counts.new_records, summary.counts.rejects);
        format!("added     {}\n", lacking_text(records, rejects))
    });
    log_lines::tell_summary(
        format_args!("\n{text}\n{}{summary}", added.unwrap_or_default()),
        &summary.counts,
    );
}

impl Sample {
    fn draw(
        context: &Context,
        tenants: &mut Populated<'_>,
        books: &Books,
        (size, seed): (SampleSize, u64),
        held_back: impl Fn(&Owner) -> bool,
    ) -> Self {
        let draw = tenants.draw(books, Draw::new(size, seed));
        let (drawn, offered) = (draw.drawn(), draw.offered());
        let mut windows = draw.into_windows();
        // Only now: that somebody is held back for a while must not change what a seed draws of the others.
        let all = windows.len();
        windows.retain(|owner, _| !held_back(owner));
        let left_out = all - windows.len();
        let plans = tenants.plan_windows(books, windows.clone(), &context.slice_ids);
        let users = plans.users();
        Self { plans, windows, text: SampleText { size, seed, drawn, offered, users, left_out } }
    }
}

/// The first thing that matters: what failed, then that not all was asked, then what was found.
fn conclude(ended: Ended<Audited>, stopped: bool, summary: &Summary) -> Result<Outcome, Failure> {
    let audited = ended.load?;
    ended.transform.map_err(|error| Failure::internal(&error, "turn a page into rows"))?;
    ended.extract?;
    let is_whole = !summary.has_failures() && audited.users_undecided == 0;
    Ok(match (stopped, audited.lacking > 0, is_whole) {
        (true, ..) => Outcome::Interrupted,
        (false, true, _) => Outcome::Found,
        (false, false, false) => Outcome::DoneWithFailures,
        (false, false, true) => Outcome::Done,
    })
}

fn lacking_text(records: u64, rejects: u64) -> String {
    match rejects {
        0 => counted(records, "record"),
        _ => format!("{}, and {} that can't be read", counted(records, "record"), HumanCount(rejects)),
    }
}

impl fmt::Display for SampleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (drawn, users) = (HumanCount(self.drawn), counted(self.users as u64, "user"));
        match self.size {
            _ if self.offered == 0 => write!(
                f,
                "audit     nothing: no window is covered that the next run does not look at anyway, for these users and \
                 this choice of apps"
            )?,
            SampleSize::UserWeeks(_) => {
                let offered = counted(self.offered, "user-week");
                write!(f, "audit     {drawn} of {offered}, of {users}, drawn by --seed {}", self.seed)?;
            }
            SampleSize::All => write!(f, "audit     all that is covered of {users}")?,
        }
        if self.left_out > 0 {
            let users = counted(self.left_out as u64, "user");
            write!(f, "\nleft out  {users}: a run holds rows of theirs that are not published yet; ")?;
            write!(f, "see `promptlake status`")?;
        }
        Ok(())
    }
}

/// What an audit says in the end.
struct Report<'a> {
    sample: &'a SampleText,
    audited: &'a Audited,
    /// Whether all of the sample was asked for.
    is_whole: bool,
    summary: &'a Summary,
}

impl Report<'_> {
    /// What to type to repair what was found: the same sample.
    fn repair_command(&self) -> String {
        let SampleText { size, seed, .. } = self.sample;
        let command = &self.summary.command;
        let needs_seed = *size != SampleSize::All && !command.contains("--seed");
        let seed = if needs_seed { format!(" --seed {seed}") } else { String::new() };
        format!("{command}{seed} --repair")
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audited { compared, lacking, users_lacking, users_undecided } = self.audited;
        let so_far = if self.is_whole { "" } else { ", as far as it came" };
        writeln!(f, "\n{}", self.sample)?;
        writeln!(f, "compared  {} with the lake", counted(*compared, "record"))?;
        if *users_undecided > 0 {
            let users = counted(*users_undecided, "user");
            writeln!(
                f,
                "undecided {users}: what seemed to be missing may be what a run has not published yet"
            )?;
        }
        if *lacking > 0 {
            let (records, users) = (counted(*lacking, "record"), counted(*users_lacking, "user"));
            writeln!(f, "missing   {records} of {users}{so_far}; to put them in: {}", self.repair_command())?;
        } else {
            writeln!(f, "missing   nothing{so_far}")?;
        }
        self.summary.write_users(f)?;
        self.summary.write_requests(f)?;
        self.summary.write_moved(f)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn a_sample_is_said_in_a_line() {
        let weeks = SampleSize::UserWeeks(NonZeroUsize::new(1_000).unwrap());
        for (size, drawn, offered, left_out, said) in [
            (weeks, 1_000, 5_200, 0, "audit     1,000 of 5,200 user-weeks, of 3 users, drawn by --seed 7"),
            (SampleSize::All, 9, 9, 0, "audit     all that is covered of 3 users"),
            (
                SampleSize::All,
                9,
                9,
                1,
                "audit     all that is covered of 3 users\nleft out  1 user: a run holds rows of theirs that are not \
                 published yet; see `promptlake status`",
            ),
            (
                weeks,
                0,
                0,
                0,
                "audit     nothing: no window is covered that the next run does not look at anyway, for these users \
                 and this choice of apps",
            ),
        ] {
            let text = SampleText { size, seed: 7, drawn, offered, users: 3, left_out };
            assert_eq!(text.to_string(), said);
        }
    }
}
