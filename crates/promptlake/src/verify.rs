//! `promptlake verify`: what of the lake is not as its ledger says.

use std::fmt;

use indicatif::{HumanBytes, HumanCount};
use promptlake_load::{Finding, Verification, VerifySettings};
use serde_json::{Value, json};

use crate::cli::VerifyArguments;
use crate::failure::{Failure, Outcome};
use crate::lake::Lake;
use crate::phrases::counted;
use crate::stdout;

/// What was found, in the end.
struct Report {
    verification: Verification,
    /// Findings that are there no more.
    repaired: usize,
}

/// Verifies a lake, and repairs it where that is asked for and of use. Findings go to standard output.
pub(crate) async fn verify(arguments: VerifyArguments) -> Result<Outcome, Failure> {
    let lake = Lake::find(&arguments.pipeline)?;
    let settings = VerifySettings {
        stale_after: lake.pipeline.run.stale_after.as_duration(),
        keys_bytes: lake.shares.gather_bytes,
    };
    let verification = promptlake_load::verify(&lake.means, settings).await?;
    // Files without any ledger are a finding each; nothing at all is no lake.
    if verification.records == 0 && verification.findings.is_empty() {
        return Err(lake.is_none());
    }
    let mut report = Report { verification, repaired: 0 };
    let repairable_in = |verification: &Verification| {
        verification.findings.iter().filter(|finding| finding.is_repairable()).count()
    };
    let repairable = repairable_in(&report.verification);
    // What a run committed before it died is no finding: the next run would publish it, and so does a repair.
    if arguments.repair && (repairable > 0 || report.verification.unpublished_rows > 0) {
        if let Err(failure) = lake.recover().await {
            report.print(arguments.json);
            return Err(failure);
        }
        report.verification = promptlake_load::verify(&lake.means, settings).await?;
        report.repaired = repairable.saturating_sub(repairable_in(&report.verification));
    }
    report.print(arguments.json);
    Ok(if report.verification.findings.is_empty() { Outcome::Done } else { Outcome::Found })
}

impl Report {
    fn print(&self, as_json: bool) {
        if as_json {
            stdout::print(format_args!("{:#}\n", self.json()));
        } else {
            stdout::print(self);
        }
    }

    /// The fields of the verification; each finding also in words, with what to do.
    fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let mut value = json!(finding);
            value["text"] = finding.to_string().into();
            value["advice"] = finding.advice().into();
            value["repairable"] = finding.is_repairable().into();
            value
        };
        let mut value = json!(self.verification);
        value["findings"] = self.verification.findings.iter().map(finding).collect();
        value["repaired"] = self.repaired.into();
        value
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verification { records, files, rows, bytes, unpublished_rows, .. } = &self.verification;
        writeln!(f, "ledger    {}", counted(*records, "record"))?;
        let (files, rows) = (HumanCount(*files), HumanCount(*rows));
        writeln!(f, "files     {files} published, {rows} rows, {}", HumanBytes(*bytes))?;
        if *unpublished_rows > 0 {
            writeln!(f, "waiting   {} rows, for the next publish", HumanCount(*unpublished_rows))?;
        }
        for run in &self.verification.runs_that_may_live {
            writeln!(f, "alive     {run}, perhaps: it was left alone")?;
        }
        if self.repaired > 0 {
            writeln!(f, "repaired  {}", counted(self.repaired as u64, "finding"))?;
        }
        let findings = &self.verification.findings;
        if findings.is_empty() {
            return writeln!(f, "\nEverything is as the ledger says.");
        }
        let all = findings.len() as u64 + self.verification.more_findings;
        writeln!(f, "\n{}:", counted(all, "finding"))?;
        for finding in findings {
            writeln!(f, "\n  {finding}\n  -> {}", finding.advice())?;
        }
        if self.verification.more_findings > 0 {
            writeln!(f, "\n  and {} more", HumanCount(self.verification.more_findings))?;
        }
        Ok(())
    }
}
