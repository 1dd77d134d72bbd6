//! `consign verify`: judges a file with what is on this disk, and nothing else.
//!
//! It never touches the network. A container is judged first by the canonical profile;
//! a statement is a `.json` file with its `.sig` beside it. Signatures inside PDF files are
//! verdicts of their own, also where the file lies in a container.

mod answer;
pub(crate) mod language;
mod statement;
mod trust;
pub(crate) mod wording;

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use consign_domain::{Date, ErrorCode, Timestamp};
use consign_pki::asic::Budget;
use consign_pki::asic::outer::{self, OuterContainer};
use consign_runtime::files;
use consign_verify::archive;
use consign_verify::container::{self, JudgedAt, SealTrust};
use consign_verify::pdf::{self, MAX_PDF, PDF_BEGIN};
use consign_verify::policy::{Policy, Profile};

use super::{Outcome, absolute, now};
use crate::failure::Failure;
use crate::output::Output;
use answer::Answer;
use language::Language;
pub(crate) use trust::Trust;
use wording::Style;

/// Bytes that are read of an archive at a time.
const BUFFER: usize = 256 * 1024;

/// Judge a container or its long-term archive, a signed PDF file or a signed statement, offline.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign verify letter.asice --trust trust/trust.json
  consign verify letter.asice --trust trust.pem          roots alone: INDETERMINATE at best
  consign verify letter.asice --trust trust.pem --crl issuing.crl --crl root.crl
  consign verify letter.archive.asice --trust trust.pem  a long-term archive has its own lists
  consign verify letter.pdf --trust roots.pem --crl issuing.crl --crl root.crl
  consign verify letter.pdf --trust roots.pem --certificates issuing.pem --crl issuing.crl
  consign verify evidence/000000000002-ContentHandover-H49.json --trust trust/trust.json
  consign verify letter.asice --trust trust/trust.json --at 2026-11-23T02:30:00Z --json
  consign verify letter.pdf --trust roots.pem --crl issuing.crl --lang vi --details

Signatures inside PDF files are verdicts of their own: of each signature, and of the file, which is
TOTAL-PASSED as an original (a person signed it, and last an agency) or a scanned copy (an agency).
PDF files in a container are judged too, by its trust; the exit code is the container's alone.

Exit codes: 0 TOTAL-PASSED, 10 TOTAL-FAILED, 11 INDETERMINATE, 12 malformed (which is not forged).")]
pub(crate) struct Verify {
    /// A container or its archive (.asice), a PDF file, or a statement (.json, with its signature in .sig beside it)
    file: PathBuf,
    /// trust.json, with the signed directory in directory/ beside it; or roots in PEM
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// A revocation list, DER or PEM. Without a directory, and for PDF files, all that the path
    /// needs; those in crl/ beside trust.json are taken by themselves
    #[arg(long = "crl", value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// Root certificates, PEM, of time-stamp authorities other than the network's own
    #[arg(long = "time-stamp-roots", value_name = "FILE")]
    time_stamp_roots: Vec<PathBuf>,
    /// Root certificates, PEM, of those who sign PDF files, besides those of --trust
    #[arg(long = "document-roots", value_name = "FILE")]
    document_roots: Vec<PathBuf>,
    /// Certificates, PEM, of authorities between a signer and its root, for signatures that carry
    /// only the signer's. They are not trusted; 16 at most
    #[arg(long, value_name = "FILE")]
    certificates: Vec<PathBuf>,
    /// The file is known to have existed then: a UTC time, or a day (its end in Vietnam)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Stay off the network; it always does
    #[arg(long)]
    offline: bool,
    /// Take a container from elsewhere, whose zip need not have our one form
    #[arg(long)]
    lenient: bool,
    /// The file is a statement, and this is its signature (64 bytes)
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The language of the verdict; that of LC_ALL, LC_MESSAGES or LANG otherwise
    #[arg(long, value_name = "LANGUAGE", value_enum)]
    lang: Option<Language>,
    /// Open every check: what was looked at, and the clause that it implements
    #[arg(long)]
    details: bool,
}

impl Verify {
    fn language(&self) -> Language {
        let of_environment = || Language::of_environment(|name| std::env::var(name).ok());
        self.lang.unwrap_or_else(of_environment)
    }
}

/// Judges the file and prints the verdict.
pub(crate) fn run(verify: &Verify, output: Output) -> Outcome {
    let trust = Trust::load(&verify.trust)?
        .with_lists(&verify.lists)?
        .with_time_stamp_roots(&verify.time_stamp_roots)?
        .with_document_roots(&verify.document_roots)?
        .with_certificates(&verify.certificates)?;
    if trust.lists_left_out() > 0 {
        output.note(format_args!(
            "{} revocation lists beside the trust file are not looked at: name with --crl those \
             that matter",
            trust.lists_left_out()
        ));
    }
    let at = verify
        .at
        .map_or_else(|| JudgedAt::Now(now()), JudgedAt::Proven);
    let answer = match statement_signature(verify) {
        Some(signature) => {
            let language = verify.language();
            statement::judge(&verify.file, &signature, &trust, at, language)?
        }
        None if begins_as_pdf(&verify.file)? => judge_pdf(verify, &trust, at)?,
        None if begins_as_archive(&verify.file)? => judge_archive(verify, &trust, at)?,
        None => judge_container(verify, &trust, at)?,
    };
    let style = Style {
        language: verify.language(),
        is_detailed: verify.details,
        output,
    };
    if !output.is_json() {
        answer.page(style).iter().for_each(|line| output.line(line));
    }
    let code = answer.exit_code();
    output.object(code == crate::failure::exit::DONE, &answer);
    Ok(code)
}

/// The signature's file, if the file is a statement.
fn statement_signature(verify: &Verify) -> Option<PathBuf> {
    let json = verify
        .file
        .extension()
        .is_some_and(|extension| extension == "json");
    let beside = || json.then(|| verify.file.with_extension("sig"));
    verify.signature.clone().or_else(beside)
}

fn policy(verify: &Verify) -> Policy {
    let profile = if verify.lenient {
        Profile::Lenient
    } else {
        Profile::Canonical
    };
    Policy {
        profile,
        ..Policy::default()
    }
}

fn seal_trust(trust: &Trust) -> SealTrust<'_> {
    SealTrust {
        roots: trust.roots(),
        directory: trust.directory(),
        lists: trust.lists(),
        time_stamp_roots: trust.time_stamp_roots(),
        document_roots: trust.document_roots(),
        certificates: trust.certificates(),
    }
}

fn judge_container(verify: &Verify, trust: &Trust, at: JudgedAt) -> Result<Answer, Failure> {
    let file = open(&verify.file)?;
    let (policy, seal_trust) = (policy(verify), seal_trust(trust));
    let judgement = container::judge(BufReader::new(file), &seal_trust, &policy, at);
    let path = absolute(&verify.file);
    let (is_malformed, language) = (judgement.report.malformed, verify.language());
    let answer = Answer::of_container(path, judgement, trust, language);
    if is_malformed {
        return Ok(answer);
    }
    let file = BufReader::new(open(&verify.file)?);
    let contained = pdf::judge_contained(file, &seal_trust, &policy, at);
    Ok(answer.with_pdfs(contained))
}

/// The document in a long-term archive, as of the oldest time that its time-stamps prove.
fn judge_archive(verify: &Verify, trust: &Trust, at: JudgedAt) -> Result<Answer, Failure> {
    let file = || open(&verify.file).map(|file| BufReader::with_capacity(BUFFER, file));
    let (policy, seal_trust) = (policy(verify), seal_trust(trust));
    let mut judgement = archive::judge(file()?, &seal_trust, trust.store(), &policy, at);
    let (path, as_of) = (absolute(&verify.file), judgement.as_of);
    let lists = std::mem::take(&mut judgement.lists);
    let answer = Answer::of_archive(path, judgement, trust, verify.language());
    let Some(as_of) = as_of.filter(|_| !answer.is_malformed()) else {
        return Ok(answer);
    };
    let pdf_trust = SealTrust {
        lists: &lists,
        ..seal_trust
    };
    let contained = OuterContainer::open(file()?, &Budget::outer()).and_then(|mut archive| {
        let inside = BufReader::new(archive.inner()?);
        pdf::judge_contained(inside, &pdf_trust, &policy, JudgedAt::By(as_of))
    });
    Ok(answer.with_pdfs(contained))
}

fn begins_as_archive(path: &Path) -> Result<bool, Failure> {
    outer::begins_as_outer(&mut open(path)?)
        .map_err(|error| Failure::of(ErrorCode::StorageFailed, &error))
}

fn judge_pdf(verify: &Verify, trust: &Trust, at: JudgedAt) -> Result<Answer, Failure> {
    let file = files::read_bounded(&verify.file, MAX_PDF)?;
    let judgement = pdf::judge(&file, &seal_trust(trust), &Policy::default(), at);
    let path = absolute(&verify.file);
    Ok(Answer::of_pdf(path, judgement, trust, verify.language()))
}

fn begins_as_pdf(path: &Path) -> Result<bool, Failure> {
    let mut begin = Vec::new();
    let read = open(path)?
        .take(PDF_BEGIN.len() as u64)
        .read_to_end(&mut begin);
    read.map_err(|error| Failure::io("read", path, &error))?;
    Ok(begin == PDF_BEGIN)
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
    let plain = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if plain {
        Ok(file)
    } else {
        let message = format!("{} is not a file", path.display());
        Err(Failure::usage(message, "name the container itself"))
    }
}

/// A UTC time, or a day: its last second in Vietnam.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day: Date = text
        .parse()
        .map_err(|_| "write 2026-11-23T02:30:00Z, or a day as 2026-11-23".to_owned())?;
    format!("{day}T16:59:59Z")
        .parse()
        .map_err(|_| "no such day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_to_its_end_in_vietnam() {
        let end = moment("2026-11-23").unwrap();
        assert_eq!(end.to_string(), "2026-11-23T16:59:59Z");
        assert_eq!(end.date_in_vietnam().to_string(), "2026-11-23");
        assert_eq!(
            end.plus_seconds(1).date_in_vietnam().to_string(),
            "2026-11-24"
        );
        assert_eq!(
            moment("2026-11-23T02:30:00Z").unwrap().to_string(),
            "2026-11-23T02:30:00Z"
        );
        assert!(moment("yesterday").is_err());
    }
}
