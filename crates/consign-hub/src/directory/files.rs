//! The directory on disk: `DIR/000000000012/{head.json, head.sig, entries.jsonl}`.
//!
//! A version's place appears whole, by rename; what is not twelve digits is not looked at.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use consign_domain::limits::{MAX_DIRECTORY, MAX_HEAD, MAX_VERSIONS_BETWEEN};
use consign_domain::{Digest, DirectoryVersion, SignedStatement};
use consign_enrol::{ISSUING_LIST, ListSigners, ROOT_LIST};
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_runtime::entropy;
use consign_runtime::files::{self, FileError, PRIVATE_DIRECTORY};
use consign_verify::directory::SuccessionError;
use consign_verify::{Directory, TrustStore};
use tracing::warn;

use super::DirectoryFault;

const HEAD: &str = "head.json";
const SIGNATURE: &str = "head.sig";
const ENTRIES: &str = "entries.jsonl";
/// Where the revocation lists are, beside the directory.
const LISTS: &str = "crl";
const LIST_FILES: [&str; 2] = [ISSUING_LIST, ROOT_LIST];
/// The files of one version.
pub(crate) const FILES: [&str; 3] = [HEAD, SIGNATURE, ENTRIES];
/// The directory is public: everyone may read it.
const PUBLIC: u32 = 0o644;

/// The directory of the highest version in `place`, verified; `None` if there is none,
/// or if it is `current` to the byte.
pub(crate) fn read_newest(
    place: &Path,
    trust: &TrustStore,
    current: Option<&Directory>,
) -> Result<Option<Directory>, DirectoryFault> {
    let Some(version) = highest(place)? else {
        return Ok(None);
    };
    let directory = place.join(name_of(version));
    let head = read_head(&directory)?;
    if current.is_some_and(|current| *current.signed_head() == head) {
        return Ok(None);
    }
    let entries = files::read_bounded(&directory.join(ENTRIES), MAX_DIRECTORY)?;
    let directory = Directory::verify(head, entries, trust)
        .map_err(|source| DirectoryFault::Refused { version, source })?;
    if directory.version().value() != version {
        return Err(DirectoryFault::Misplaced {
            place: version,
            head: directory.version(),
        });
    }
    Ok(Some(directory))
}

/// The heads of all versions between two, ascending; none unless all of them are here and they
/// are not more than may travel.
pub(crate) fn heads_between(
    place: &Path,
    old: DirectoryVersion,
    new: DirectoryVersion,
) -> Vec<SignedStatement> {
    let versions = old.value().saturating_add(1)..new.value();
    if versions.end.saturating_sub(versions.start) > MAX_VERSIONS_BETWEEN {
        return Vec::new();
    }
    let heads = versions.map(|version| read_head(&place.join(name_of(version))).ok());
    heads.collect::<Option<_>>().unwrap_or_default()
}

/// The revocation lists that the authority made with its newest version: in `crl/`, beside the
/// directory. Where the directory was brought without them there are none.
pub(crate) fn revocation_lists(place: &Path) -> Vec<Bytes> {
    let lists = place.with_file_name(LISTS);
    let read = LIST_FILES.iter().filter_map(|name| {
        let list = files::read_bounded(&lists.join(name), MAX_REVOCATION_LIST);
        list.ok().map(Bytes::from)
    });
    read.collect()
}

/// The entries of a version as they lie there, if its head is the one with this digest.
pub(crate) fn entries_of(place: &Path, version: DirectoryVersion, head: Digest) -> Option<Vec<u8>> {
    let directory = place.join(name_of(version.value()));
    let found = read_head(&directory).ok()?;
    (found.digest() == head).then_some(())?;
    files::read_bounded(&directory.join(ENTRIES), MAX_DIRECTORY).ok()
}

/// The name and the place of the highest version; `None` if there is none.
pub(crate) fn newest_place(
    place: &Path,
) -> Result<Option<(String, std::path::PathBuf)>, DirectoryFault> {
    let name = highest(place)?.map(name_of);
    Ok(name.map(|name| (name.clone(), place.join(name))))
}

/// Puts a directory into `place`, durably. One that is there already stays.
pub(crate) fn publish(place: &Path, directory: &Directory) -> Result<(), DirectoryFault> {
    files::create_dir_durable(place, PRIVATE_DIRECTORY)?;
    let target = place.join(name_of(directory.version().value()));
    if target.is_dir() {
        return if read_head(&target)? == *directory.signed_head() {
            Ok(())
        } else {
            let version = directory.version();
            let known = version;
            Err(SuccessionError::Fork { version, known }.into())
        };
    }
    let fault = |source| DirectoryFault::Place {
        path: place.to_owned(),
        source,
    };
    let random = entropy::bytes::<8>().map_err(FileError::from)?;
    let temporary = place.join(format!(".publishing-{}", hex::encode(random)));
    fs::create_dir(&temporary).map_err(fault)?;
    let head = directory.signed_head();
    files::publish(&temporary.join(HEAD), &head.statement, PUBLIC)?;
    files::publish(&temporary.join(SIGNATURE), &head.signature, PUBLIC)?;
    files::publish(&temporary.join(ENTRIES), directory.entries(), PUBLIC)?;
    fs::rename(&temporary, &target).map_err(fault)?;
    Ok(files::sync_dir(place)?)
}

/// Keeps the revocation lists of the issuing authority and of the root where
/// [`revocation_lists`] finds them, each by who has signed it.
pub(crate) fn keep_lists(
    place: &Path,
    lists: &[Bytes],
    signers: &ListSigners,
) -> Result<(), DirectoryFault> {
    let beside = place.with_file_name(LISTS);
    files::create_dir_durable(&beside, PRIVATE_DIRECTORY)?;
    for list in lists {
        match signers.name_of(list) {
            Some((name, _)) => files::publish(&beside.join(name), list, PUBLIC)?,
            None => warn!("a revocation list that no authority of ours has signed is ignored"),
        }
    }
    Ok(())
}

fn name_of(version: u64) -> String {
    format!("{version:012}")
}

fn highest(place: &Path) -> Result<Option<u64>, DirectoryFault> {
    let fault = |source| DirectoryFault::Place {
        path: place.to_owned(),
        source,
    };
    let listing = match fs::read_dir(place) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let mut highest = None;
    for entry in listing {
        let name = entry.map_err(fault)?.file_name();
        let version = name
            .to_str()
            .filter(|name| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|name| name.parse().ok());
        highest = highest.max(version);
    }
    Ok(highest)
}

fn read_head(directory: &Path) -> Result<SignedStatement, DirectoryFault> {
    let statement = files::read_bounded(&directory.join(HEAD), MAX_HEAD)?;
    let path = directory.join(SIGNATURE);
    let signature = files::read_bounded(&path, 64)?
        .try_into()
        .map_err(|_| DirectoryFault::Signature { path })?;
    Ok(SignedStatement {
        statement: Bytes::from(statement),
        signature,
    })
}
