//! `consign authority revoke`.

use std::path::Path;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use consign_authority::{AuthorityError, PublishOptions, RevokeOptions, RevokedParty};
use consign_domain::{NodeId, Timestamp};
use consign_pki::path::revocation::RevocationReason;
use serde::Serialize;

use super::{Place, party_code};
use crate::commands::{Outcome, now, quoted};
use crate::failure::exit;
use crate::output::{Output, Tone};

/// Revoke the keys and certificates of an agency, hub or node.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  consign authority revoke H49.13 --reason key-compromise --publish --dir AUTHORITY
  consign authority revoke H49.13 --reason key-compromise --invalid-from 2026-11-20T00:00:00Z --publish

Once it is published, nothing that the party signs counts any more, and what is proven to be older
stays good: the directory says so to this network, and the revocation lists in trust/crl to
everybody else. Keys that others may have had earlier, by --invalid-from, count for nothing from
then on, nor do keys that were replaced earlier. New keys are enrolled as ever: node init or hub
init, and authority issue --replace.

A node is named by its id, which `authority show` lists: its TLS certificates are revoked, and its
connections end. If its machine was stolen, revoke its agencies too, whose keys lay there.

If the issuing key itself was stolen, and with the root key at hand:
  consign authority revoke --issuing --reason key-compromise --dir AUTHORITY           what it means
  consign authority revoke --issuing --reason key-compromise --yes --dir AUTHORITY     decide
Nothing that it issued counts from then on, and it issues nothing more; there is no way back.")]
pub(crate) struct Revoke {
    /// An agency's code, a hub's name, or a node's id
    #[arg(value_name = "PARTY", required_unless_present = "issuing")]
    party: Option<String>,
    /// The issuing certificate of the authority, by the root key
    #[arg(long, conflicts_with = "party")]
    issuing: bool,
    /// Revoke the issuing certificate, and publish that
    #[arg(long, requires = "issuing")]
    yes: bool,
    #[command(flatten)]
    place: Place,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
    /// From when on it does not count; now, if it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Since when others may have had the keys
    #[arg(long, value_name = "TIME")]
    invalid_from: Option<Timestamp>,
    /// Publish as well: a revocation counts only then
    #[arg(long)]
    publish: bool,
}

/// Why keys are revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// Others may have the keys
    KeyCompromise,
    /// The agency has another name or belongs elsewhere
    AffiliationChanged,
    /// There are other keys
    Superseded,
    /// The agency is no more
    CessationOfOperation,
    /// The right to take part was withdrawn
    PrivilegeWithdrawn,
    /// None of these
    Unspecified,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            Reason::Unspecified => Self::Unspecified,
        }
    }
}

#[derive(Serialize)]
struct Revoked {
    code: String,
    #[serde(flatten)]
    revoked: Option<RevokedParty>,
    /// The directory that says so, if it was published.
    version: Option<u64>,
}

#[derive(Serialize)]
struct RevokedIssuing {
    /// Whether it was decided.
    revoked: bool,
    serial: Option<String>,
    since: Option<Timestamp>,
    /// The directory with which the list travels.
    version: Option<u64>,
}

/// Revokes.
pub(super) fn run(arguments: &Revoke, output: Output) -> Outcome {
    let dir = arguments.place.directory()?;
    let options = RevokeOptions {
        reason: arguments.reason.into(),
        at: arguments.at,
        invalid_from: arguments.invalid_from,
    };
    match &arguments.party {
        Some(party) => party_keys(arguments, (&dir, party), options, output),
        None if arguments.yes => issuing(arguments, &dir, options, output),
        None => Ok(announce(&dir, arguments, output)),
    }
}

/// What it would mean to revoke the issuing certificate.
fn announce(dir: &Path, arguments: &Revoke, output: Output) -> u8 {
    output.line("The issuing certificate would be revoked in the root's list, for good:");
    output.line("- no seal, time-stamp or TLS certificate is issued any more, nor renewed;");
    output.line("- nothing sealed from then on counts; what is proven to be older stays good;");
    output.line(
        "- after a theft the hub's own time-stamps, those of archives too, prove nothing more;",
    );
    output.line("- documents go on only in a network that is founded anew.");
    output.line("With --invalid-from TIME it counts from when others may have had the key.");
    let reason = arguments.reason.to_possible_value();
    let reason = reason
        .as_ref()
        .map_or("key-compromise", PossibleValue::get_name);
    let time = |name, time: Option<Timestamp>| {
        time.map_or(String::new(), |time| format!(" --{name} {time}"))
    };
    output.line(format_args!(
        "To decide, with the root key at hand: consign authority revoke --issuing \\\n    \
         --reason {reason}{}{} --yes --dir {}",
        time("at", arguments.at),
        time("invalid-from", arguments.invalid_from),
        quoted(dir)
    ));
    output.object(
        true,
        &RevokedIssuing {
            revoked: false,
            serial: None,
            since: None,
            version: None,
        },
    );
    exit::DONE
}

fn issuing(arguments: &Revoke, dir: &Path, options: RevokeOptions, output: Output) -> Outcome {
    let mut authority = arguments.place.open(dir)?;
    let revoked = authority.revoke_issuing(options, now())?;
    let word = output.paint(Tone::Bad, "revoked");
    output.line(format_args!(
        "{word}: the issuing certificate {}; what it issued counts for nothing from {} on",
        revoked.serial, revoked.since
    ));
    output.line(format_args!(
        "published: directory version {}, with the root's list in {}",
        revoked.published.version,
        quoted(&dir.join("trust/crl"))
    ));
    output.line(format_args!(
        "The record, to be printed and signed by those present, is the newest in {}",
        quoted(&dir.join("ceremonies"))
    ));
    output.line("Give trust/crl/root.crl to everybody who judges documents without this network.");
    output.line("Next, a new network: consign authority init NEW-AUTHORITY --name NAME");
    let answer = RevokedIssuing {
        revoked: true,
        serial: Some(revoked.serial),
        since: Some(revoked.since),
        version: Some(revoked.published.version.value()),
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn party_keys(
    arguments: &Revoke,
    (dir, code): (&Path, &str),
    options: RevokeOptions,
    output: Output,
) -> Outcome {
    let mut authority = arguments.place.open(dir)?;
    let revoked = match code.parse::<NodeId>() {
        Ok(node) => authority.revoke_node(node, options, now()),
        Err(_) => authority.revoke(&party_code(code)?, options, now()),
    };
    let revoked = match revoked {
        Ok(revoked) => Some(revoked),
        // What was revoked before and not published yet is published now.
        Err(AuthorityError::NothingToRevoke { .. }) if arguments.publish => None,
        Err(error) => return Err(error.into()),
    };
    match &revoked {
        Some(revoked) => output.line(format_args!(
            "{code}: {} and {} count for nothing from {} on",
            several(revoked.certificates, "certificate"),
            several(revoked.statement_keys, "statement key"),
            revoked.since
        )),
        None => output.line(format_args!("{code}: nothing more is to be revoked")),
    }
    let version = if arguments.publish {
        let published = authority.publish(PublishOptions::default(), now())?;
        output.line(format_args!(
            "published: directory version {}, and the revocation lists in {}",
            published.version,
            quoted(&dir.join("trust/crl"))
        ));
        Some(published.version.value())
    } else {
        output.line(format_args!(
            "It counts once it is published: consign authority publish --dir {}",
            quoted(dir)
        ));
        None
    };
    let answer = Revoked {
        code: code.to_owned(),
        revoked,
        version,
    };
    output.object(true, &answer);
    Ok(exit::DONE)
}

fn several(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
