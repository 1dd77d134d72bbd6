//! `consign authority trust`.

use std::path::{Path, PathBuf};

use clap::Args;
use consign_authority::RootUse;
use consign_pki::certificate::{CertificateDetails, read_bundle};
use consign_runtime::files;
use consign_verify::trust::MAX_TRUST;
use serde::Serialize;

use super::Home;
use crate::commands::{Outcome, now, quoted};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Show whom the trust file believes, or add roots of others to it.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority trust AUTHORITY --document-roots government-g1.pem --document-roots government-g2.pem

Roots of others stand beside the network's own. Signatures inside PDF files may lead to those added
with --document-roots, time-stamps to those added with --time-stamp-roots, and nothing else. Nodes
that are enrolled later have them; for one that is enrolled, issue its request.json again and
install the bundle, or copy trust.json to its trust/ directory. Each change leaves a record under
ceremonies/. Without options nothing changes.")]
pub(crate) struct Trust {
    #[command(flatten)]
    home: Home,
    /// Certificates, PEM, of authorities whose certificates sign documents
    #[arg(long, value_name = "FILE")]
    document_roots: Vec<PathBuf>,
    /// Certificates, PEM, of authorities of time-stamp authorities
    #[arg(long, value_name = "FILE")]
    time_stamp_roots: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    trust: PathBuf,
    added: usize,
    roots: Vec<Root>,
}

#[derive(Serialize)]
struct Root {
    /// What it vouches for: `seals`, `documents` or `time-stamps`.
    vouches_for: &'static str,
    subject: String,
    expires: String,
    sha256: String,
}

/// Adds and shows.
pub(super) fn run(arguments: &Trust, output: Output) -> Outcome {
    let directory = arguments.home.directory()?;
    let mut authority = arguments.home.place.open(&directory)?;
    let mut added = 0;
    for (usage, paths) in [
        (RootUse::Documents, &arguments.document_roots),
        (RootUse::TimeStamps, &arguments.time_stamp_roots),
    ] {
        let mut roots = Vec::new();
        for path in paths {
            roots.extend(read(path)?);
        }
        added += authority.trust_roots(usage, roots, now())?;
    }
    let trust = authority.trust();
    let roots = [
        ("seals", trust.roots()),
        ("documents", trust.document_roots()),
        ("time-stamps", trust.time_stamp_roots()),
    ];
    let roots: Vec<Root> = roots
        .into_iter()
        .flat_map(|(vouches_for, roots)| roots.iter().filter_map(move |der| root(vouches_for, der)))
        .collect();
    let path = directory.join("trust/trust.json");
    output.line(format_args!("{}: {added} added", quoted(&path)));
    for root in &roots {
        let Root {
            vouches_for,
            subject,
            expires,
            ..
        } = root;
        output.line(format_args!("  {vouches_for}: {subject}, until {expires}"));
    }
    let answer = Answer {
        trust: path,
        added,
        roots,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let fix = "name certificates in PEM";
    let bytes = files::read_bounded(path, MAX_TRUST)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::usage(format!("{} is not PEM", path.display()), fix))?;
    let roots = read_bundle(text).map_err(|error| {
        let cause = crate::failure::with_causes(&error);
        Failure::usage(format!("{}: {cause}", path.display()), fix)
    })?;
    if roots.is_empty() {
        let message = format!("{} has no certificate", path.display());
        return Err(Failure::usage(message, fix));
    }
    Ok(roots)
}

fn root(vouches_for: &'static str, der: &[u8]) -> Option<Root> {
    let details = CertificateDetails::from_der(der).ok()?;
    Some(Root {
        vouches_for,
        expires: consign_domain::Timestamp::from_unix_saturating(details.not_after).to_string(),
        sha256: hex::encode(details.fingerprint),
        subject: details.subject,
    })
}
