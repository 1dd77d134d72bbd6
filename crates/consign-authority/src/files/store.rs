//! Reading and writing the authority's files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consign_domain::limits::MAX_ENTRY;
use consign_domain::text::Line;
use consign_domain::{Digest, DirectoryVersion, NetworkId, PartyCode, PartyId, Timestamp};
use consign_keys::Keyring;
use consign_keys::keyring::token_file;
use consign_pki::certificate::{self, CertificateDetails};
use consign_pki::issue::{AuthorityName, CertificateAuthority, Validity};
use consign_pki::path::MAX_REVOCATION_LIST;
use consign_pki::path::revocation::list_period;
use consign_pki::seal::{KeyKind, SealSigner};
use consign_pki::statement::StatementKey;
use consign_runtime::clock::Clock;
use consign_runtime::entropy::{self, EntropyError};
use consign_runtime::files::{self, Action, DirectoryLock, PRIVATE_DIRECTORY};
use consign_verify::trust::{MAX_TRUST, TrustStore};
use serde::Serialize;

use super::layout::Layout;
use super::{Founded, Founding, NewKeys, PUBLIC, PUBLIC_DIRECTORY, damaged, io_fault, text};
use crate::applicant::key_digest;
use crate::ceremony::{self, Minutes};
use crate::error::{AuthorityError, DamageError};
use crate::issuance::Issued;
use crate::register::{CertificateRecord, Record, Register};
use crate::revocation::RevocationRecord;
use crate::settings::{AUTHORITY_CODE, DAY, Settings, SettingsTag};

/// Largest settings, key or certificate file, in bytes.
const MAX_SMALL: usize = 64 * 1024;
/// Largest record, in bytes: an entry and the certificates issued for it.
const MAX_RECORD: usize = 16 * MAX_ENTRY;
/// How far before its founding the authority's certificates begin, in seconds.
const FOUNDING_BACKDATE: u64 = 3_600;

/// Makes the authority's keys, certificates, trust file and the record of that; the settings come
/// last.
pub(super) fn found(
    layout: &Layout,
    name: Line<200>,
    founding: &Founding,
    clock: &Clock,
) -> Result<Founded, AuthorityError> {
    let (lives, keys) = (founding.lives, &founding.keys);
    let mut minutes = Minutes::begin(clock);
    let now = minutes.begun();
    files::create_dir_durable(layout.dir(), PUBLIC_DIRECTORY)?;
    let _lock = DirectoryLock::acquire(layout.dir())?;
    check_vacant(layout)?;
    minutes.note("the directory held no authority");
    let settings = Settings {
        tag: SettingsTag::V1,
        network: id(NetworkId::from_bytes)?,
        name,
        authority: id(PartyId::from_bytes)?,
        code: authority_code(),
        lives,
        hub: None,
        certificates: founding.certificates.clone(),
    };
    files::create_dir_durable(&layout.keys(), PRIVATE_DIRECTORY)?;
    for path in [
        layout.root_key(),
        layout.issuing_key(),
        layout.directory_key(),
    ] {
        // Of a founding that was cut short; nothing was ever signed with them. Keys in a token stay there.
        files::remove(&path)?;
        files::remove(&token_file(&path))?;
    }
    let root_key = new_signer(&layout.root_key(), keys)?;
    minutes.note("the root key was made");
    let issuing_key = new_signer(&layout.issuing_key(), keys)?;
    minutes.note("the issuing key was made");
    let (root, issuing) = certificate_authorities(&settings, [root_key, issuing_key], now)?;
    minutes.note("the root certificate was signed by its own key");
    minutes.note("the issuing certificate was signed by the root key");
    let directory_key = StatementKey::from_seed(entropy::bytes()?);
    let trust = TrustStore::new(
        settings.network,
        settings.name.clone(),
        settings.authority,
        settings.code.clone(),
        vec![directory_key.public()],
        vec![root.certificate_der().to_vec()],
        DirectoryVersion::FIRST,
    );
    for place in [layout.entries(), layout.certificates(), layout.directory()] {
        files::create_dir_durable(&place, PUBLIC_DIRECTORY)?;
    }
    let key_pem = directory_key.to_pkcs8_pem();
    keys.keyring.write_new(&layout.directory_key(), &key_pem)?;
    minutes.note("the directory key was made");
    let root_pem = root.certificate_pem();
    publish(&layout.root_pem(), root_pem.as_bytes())?;
    publish(&layout.issuing_pem(), issuing.certificate_pem().as_bytes())?;
    publish(&layout.trust_pem(), root_pem.as_bytes())?;
    publish(&layout.trust_json(), &trust.to_bytes())?;
    minutes.note("the trust file was written");
    ceremony::forget_foundings(layout)?;
    let record = ceremony::founding(layout, &settings, minutes)?;
    publish(&layout.settings(), &json(&settings))?;
    Ok(Founded { settings, record })
}

pub(crate) fn settings(layout: &Layout) -> Result<Settings, AuthorityError> {
    let path = layout.settings();
    let bytes = files::read_bounded(&path, MAX_SMALL).map_err(|fault| {
        if fault.is_not_found() {
            AuthorityError::NotFounded {
                path: layout.dir().to_owned(),
            }
        } else {
            fault.into()
        }
    })?;
    let settings: Settings =
        serde_json::from_slice(&bytes).map_err(|source| damaged(&path, source))?;
    settings.lives.check()?;
    settings.certificates.check()?;
    Ok(settings)
}

pub(crate) fn trust(layout: &Layout) -> Result<TrustStore, AuthorityError> {
    let path = layout.trust_json();
    let bytes = files::read_bounded(&path, MAX_TRUST)?;
    TrustStore::parse(&bytes).map_err(|source| damaged(&path, source))
}

pub(super) fn issuing_authority(
    layout: &Layout,
    settings: &Settings,
    keyring: &Keyring,
) -> Result<CertificateAuthority, AuthorityError> {
    let path = layout.issuing_key();
    CertificateAuthority::load(&read_text(&layout.issuing_pem())?, keyring.signer(&path)?)
        .map(|authority| authority.with_profile(settings.certificates.profile()))
        .map_err(|source| damaged(&path, source))
}

/// The root, if its key is here and not kept elsewhere.
pub(super) fn root_authority(
    layout: &Layout,
    keyring: &Keyring,
) -> Result<Option<CertificateAuthority>, AuthorityError> {
    let path = layout.root_key();
    if !path.exists() && !token_file(&path).exists() {
        return Ok(None);
    }
    let root = CertificateAuthority::load(&read_text(&layout.root_pem())?, keyring.signer(&path)?);
    root.map(Some).map_err(|source| damaged(&path, source))
}

/// The issuing certificates that the root has revoked.
pub(crate) fn revoked_authorities(
    layout: &Layout,
) -> Result<Vec<CertificateRecord>, AuthorityError> {
    let path = layout.revoked_authorities();
    match files::read_bounded(&path, MAX_SMALL) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| damaged(&path, source)),
        Err(fault) if fault.is_not_found() => Ok(Vec::new()),
        Err(fault) => Err(fault.into()),
    }
}

/// How the issuing certificate was revoked, if it was.
pub(super) fn issuing_revoked(layout: &Layout) -> Result<Option<RevocationRecord>, AuthorityError> {
    let own = certificate(&layout.issuing_pem())?.fingerprint;
    let revoked = revoked_authorities(layout)?;
    let mut revoked = revoked.iter();
    let own = revoked.find(|one| *one.sha256.as_bytes() == own);
    Ok(own.and_then(|one| one.revoked))
}

/// Until when the root's revocation list answers, if there is one.
pub(super) fn root_list_until(layout: &Layout) -> Result<Option<Timestamp>, AuthorityError> {
    let path = layout.root_list();
    match files::read_bounded(&path, MAX_REVOCATION_LIST) {
        Ok(list) => {
            let period = list_period(&list);
            let (_, until) = period.map_err(|source| damaged(&path, DamageError::List(source)))?;
            Ok(Some(Timestamp::from_unix_saturating(until)))
        }
        Err(fault) if fault.is_not_found() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

pub(super) fn keep_list(path: &Path, list: &[u8]) -> Result<(), AuthorityError> {
    if let Some(dir) = path.parent() {
        files::create_dir_durable(dir, PUBLIC_DIRECTORY)?;
    }
    publish(path, list)
}

pub(super) fn directory_key(
    layout: &Layout,
    keyring: &Keyring,
) -> Result<StatementKey, AuthorityError> {
    let path = layout.directory_key();
    StatementKey::from_pkcs8_pem(&keyring.read(&path)?).map_err(|source| damaged(&path, source))
}

/// The key files that are here.
pub(super) fn key_files(layout: &Layout) -> Result<Vec<PathBuf>, AuthorityError> {
    let dir = layout.keys();
    let mut paths = Vec::new();
    for item in fs::read_dir(&dir).map_err(io_fault(Action::Read, &dir))? {
        let path = item.map_err(io_fault(Action::Read, &dir))?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// What a certificate of the authority says.
pub(crate) fn certificate(path: &Path) -> Result<CertificateDetails, AuthorityError> {
    CertificateDetails::from_pem(&read_text(path)?).map_err(|source| damaged(path, source))
}

/// The same, DER.
pub(crate) fn certificate_der(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    certificate::from_pem(&read_text(path)?).map_err(|source| damaged(path, source))
}

/// Everyone enrolled, and what is the authority's own and therefore nobody else's.
pub(super) fn register(
    layout: &Layout,
    settings: &Settings,
    directory_key: &StatementKey,
) -> Result<Register, AuthorityError> {
    let own = settings.authority.to_bytes();
    let mut register = Register::default();
    register.reserve_id(own);
    register.reserve_id(settings.network.to_bytes());
    register.reserve_code(settings.code.clone(), own);
    register.reserve_key(Digest::from_bytes(directory_key.public().to_bytes()), own);
    for path in [layout.root_pem(), layout.issuing_pem()] {
        register.reserve_key(key_digest(&certificate(&path)?.public_key_der), own);
    }
    load_records(layout, &mut register)?;
    Ok(register)
}

pub(super) fn load_records(layout: &Layout, register: &mut Register) -> Result<(), AuthorityError> {
    for path in json_files(&layout.entries())? {
        let bytes = files::read_bounded(&path, MAX_RECORD)?;
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|source| damaged(&path, source))?;
        consign_domain::directory::Entry::parse(&record.entry.to_bytes())
            .map_err(|source| damaged(&path, source))?;
        if layout.entry(record.entry.id()) != path {
            return Err(damaged(&path, DamageError::Name));
        }
        register.put(record);
    }
    Ok(())
}

/// The files of a directory whose names end in `.json`; none, where there is no directory.
pub(super) fn json_files(dir: &Path) -> Result<Vec<PathBuf>, AuthorityError> {
    let items = match fs::read_dir(dir) {
        Ok(items) => items,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(io_fault(Action::Read, dir)(fault).into()),
    };
    let mut paths = Vec::new();
    for item in items {
        let path = item.map_err(io_fault(Action::Read, dir))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    Ok(paths)
}

pub(super) fn keep_record(layout: &Layout, record: &Record) -> Result<(), AuthorityError> {
    publish(&layout.entry(record.entry.id()), &json(record))
}

pub(super) fn keep_certificate(layout: &Layout, issued: &Issued) -> Result<(), AuthorityError> {
    let pem = certificate::to_pem(&issued.der);
    let path = layout.issued(&issued.serial);
    Ok(files::publish_new(&path, pem.as_bytes(), PUBLIC)?)
}

pub(crate) fn read_text(path: &Path) -> Result<String, AuthorityError> {
    text(path, &files::read_bounded(path, MAX_SMALL)?)
}

/// Refuses to found where anything could be lost. Keys alone are what a crash while
/// founding leaves: nothing was ever signed with them, and they are made anew.
fn check_vacant(layout: &Layout) -> Result<(), AuthorityError> {
    let path = layout.dir().to_owned();
    if layout.settings().exists() {
        return Err(AuthorityError::AlreadyFounded { path });
    }
    for dir in [layout.entries(), layout.certificates(), layout.directory()] {
        if fs::read_dir(&dir).is_ok_and(|mut items| items.next().is_some()) {
            return Err(AuthorityError::Headless { path });
        }
    }
    Ok(())
}

fn certificate_authorities(
    settings: &Settings,
    [root_key, issuing_key]: [Arc<dyn SealSigner>; 2],
    now: Timestamp,
) -> Result<(CertificateAuthority, CertificateAuthority), AuthorityError> {
    let found = |source| AuthorityError::Found { source };
    let name = |common_name: &str| AuthorityName {
        organization: settings.name.to_string(),
        common_name: common_name.to_owned(),
    };
    let validity = |days: u64| Validity {
        not_before: now.minus_seconds(FOUNDING_BACKDATE).as_unix(),
        not_after: now.plus_seconds(days.saturating_mul(DAY)).as_unix(),
    };
    let lives = settings.lives;
    let valid = validity(lives.root_days);
    let root = CertificateAuthority::create_root(root_key, &name("Consign root"), valid);
    let root = root
        .map_err(found)?
        .with_profile(settings.certificates.profile());
    let issuing = name("Consign issuing authority");
    let valid = validity(lives.issuing_days);
    let issuing = CertificateAuthority::create_issuing(&root, issuing_key, &issuing, valid);
    let issuing = issuing.map_err(found)?;
    Ok((root, issuing))
}

/// A new key for certificates: a file, or in the token.
fn new_signer(path: &Path, keys: &NewKeys) -> Result<Arc<dyn SealSigner>, AuthorityError> {
    let kind = KeyKind::EcdsaP256;
    let Some(token) = &keys.token else {
        return Ok(keys.keyring.make(path, kind)?);
    };
    let what = path.file_stem().unwrap_or_default().to_string_lossy();
    let place = token.clone().or_key(format!("consign {what}"));
    Ok(keys.keyring.make_in_token(path, &place, kind)?)
}

pub(crate) fn publish(path: &Path, bytes: &[u8]) -> Result<(), AuthorityError> {
    Ok(files::publish(path, bytes, PUBLIC)?)
}

#[expect(clippy::expect_used, reason = "a random UUID is never nil")]
pub(super) fn id<T>(
    from_bytes: fn([u8; 16]) -> Result<T, consign_domain::id::IdError>,
) -> Result<T, EntropyError> {
    Ok(from_bytes(entropy::uuid_v4()?).expect("version 4 is not nil"))
}

#[expect(clippy::expect_used, reason = "a constant that a test parses")]
fn authority_code() -> PartyCode {
    PartyCode::service(AUTHORITY_CODE).expect("the constant is a service's name")
}

#[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("the authority's files serialise");
    bytes.push(b'\n');
    bytes
}
