//! `consign node init`: makes what is missing, and the request for the authority.
//!
//! Running it again, also after a crash in the middle, never replaces a key: what exists
//! is read, what is missing is made. Agencies can be added later in the same way, and keys
//! are replaced by putting the old ones aside.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::enrolment::{AgencyRequest, MAX_REQUEST, NodeRequest, Request};
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, Digest, NodeId};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity};
use consign_pki::issue::{create_request, verify_request};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_runtime::files;

use super::{
    ENCRYPTION_KEY, ENCRYPTION_KEY_BEFORE, KeyFault, KeysError, RESTORE, SEAL_KEY, STATEMENT_KEY,
    read_identities, read_seal_key, read_secret, read_statement_key, unusable,
};
use crate::durable;
use crate::error::NodeError;
use crate::layout::{AgencyFile, AgencyHome, NodeDirectory};

/// `node.toml` with every setting at its default.
const DEFAULT_CONFIG: &str = include_str!("../../../../deploy/node.example.toml");

/// An agency to make keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgency {
    /// Its code.
    pub code: AgencyCode,
    /// Its name.
    pub name: Line<200>,
    /// The code of the agency above it.
    pub parent: Option<AgencyCode>,
    /// Its id, where it is registered already; else one is made.
    pub id: Option<AgencyId>,
}

/// Makes what is missing of the keys of a node and its agencies, `node.toml` and
/// `request.json`; gives the request. An agency that is here keeps its id, name and keys.
///
/// # Errors
/// [`KeysError`]; what was made until then stays and is used by the next attempt.
pub fn init(
    directory: &NodeDirectory,
    name: &Line<200>,
    agencies: &[NewAgency],
    kind: KeyKind,
) -> Result<Request, KeysError> {
    if let Some(wrong) = agencies.iter().find(|agency| !registrable(&agency.code)) {
        let code = wrong.code.clone();
        return Err(KeysError::Code { code });
    }
    durable::directory(directory.root())?;
    let _lock = directory.lock()?;
    let before = read_request(directory)?;
    if before.is_none() && agencies.is_empty() {
        return Err(KeysError::NoAgency);
    }
    if !directory.config_file().exists() {
        durable::publish(&directory.config_file(), DEFAULT_CONFIG.as_bytes())?;
    }
    for agency in agencies {
        make_agency(directory, agency, kind)?;
    }
    let request = match before {
        Some(before) => extend(directory, before)?,
        None => first_request(directory, name)?,
    };
    let request = Request::Node(request);
    let bytes = request.to_bytes();
    if files::read_bounded(&directory.request_file(), MAX_REQUEST).ok() != Some(bytes.clone()) {
        durable::publish(&directory.request_file(), &bytes)?;
    }
    Ok(request)
}

fn registrable(code: &AgencyCode) -> bool {
    AgencyCode::strict(code.as_str()).is_ok()
}

/// The request made before, if there is one.
pub(crate) fn read_request(directory: &NodeDirectory) -> Result<Option<NodeRequest>, KeysError> {
    let path = directory.request_file();
    let bytes = match files::read_bounded(&path, MAX_REQUEST) {
        Ok(bytes) => bytes,
        Err(fault) if fault.is_not_found() => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    match Request::parse(&bytes) {
        Ok(Request::Node(request)) => Ok(Some(request)),
        Ok(_) => Err(NodeError::form(&path, "a hub's request, not a node's").into()),
        Err(source) => Err(NodeError::damaged(&path, source).into()),
    }
}

fn first_request(directory: &NodeDirectory, name: &Line<200>) -> Result<NodeRequest, KeysError> {
    let id = NodeId::from_bytes(entropy::uuid_v4()?)
        .map_err(|_| NodeError::form(directory.request_file(), "no id could be made"))?;
    let path = directory.tls_key_file();
    if let Some(parent) = path.parent() {
        durable::directory(parent)?;
    }
    let key = seal_key(&path, KeyKind::EcdsaP256)?;
    extend(
        directory,
        NodeRequest {
            id,
            name: name.clone(),
            tls: STANDARD.encode(create_request(&key, &id.to_string())?),
            agencies: Vec::new(),
        },
    )
}

/// Adds the agencies that are here and not yet in the request, and asks anew for those whose
/// keys were put aside and made again.
fn extend(directory: &NodeDirectory, before: NodeRequest) -> Result<NodeRequest, KeysError> {
    let mut request = before;
    for home in directory.agencies()? {
        let now = agency_request(&home)?;
        let mut known = request.agencies.iter_mut();
        match known.find(|agency| agency.id == home.id()) {
            Some(before) if public_keys(before) == public_keys(&now) => {}
            Some(before) => *before = now,
            None => request.agencies.push(now),
        }
    }
    Ok(request)
}

/// What an agency asks to have listed: seal, statement and encryption key. A request for a
/// certificate that cannot be read asks for nothing.
fn public_keys(request: &AgencyRequest) -> (Option<Vec<u8>>, Digest, &AgeRecipient) {
    let seal = STANDARD.decode(&request.seal).ok();
    let seal = seal.and_then(|request| verify_request(&request).ok());
    (seal, request.statement, &request.encryption)
}

fn make_agency(
    directory: &NodeDirectory,
    agency: &NewAgency,
    kind: KeyKind,
) -> Result<(), KeysError> {
    let path = directory.agencies_dir().join(agency.code.as_str());
    let home = if path.join("agency.json").exists() {
        AgencyHome::open(path)?
    } else {
        let id = match agency.id {
            Some(id) => id,
            None => AgencyId::from_bytes(entropy::uuid_v4()?)
                .map_err(|_| NodeError::form(&path, "no id could be made"))?,
        };
        let file = AgencyFile {
            id,
            code: agency.code.clone(),
            name: agency.name.clone(),
            parent: agency.parent.clone(),
        };
        AgencyHome::create(path, file)?
    };
    let keys = home.keys_dir();
    durable::directory(&keys)?;
    durable::remove_leftovers(&keys)?;
    seal_key(&keys.join(SEAL_KEY), kind)?;
    let statement = keys.join(STATEMENT_KEY);
    if !statement.exists() {
        let key = StatementKey::from_seed(entropy::bytes()?);
        files::publish_new(&statement, key.to_pkcs8_pem().as_bytes(), files::PRIVATE)?;
    }
    let encryption = keys.join(ENCRYPTION_KEY);
    if !encryption.exists() {
        let mut text = EncryptionIdentity::generate().to_text();
        text.push('\n');
        let before = keys.join(ENCRYPTION_KEY_BEFORE);
        if before.exists() {
            read_identities(&before)?;
            text.push_str(&read_secret(&before, RESTORE)?);
        }
        files::publish_new(&encryption, text.as_bytes(), files::PRIVATE)?;
    }
    Ok(())
}

/// The key of a file, which is made if it is missing.
fn seal_key(path: &Path, kind: KeyKind) -> Result<FileSealKey, KeysError> {
    if path.exists() {
        return read_seal_key(path);
    }
    let key = FileSealKey::generate(kind).map_err(unusable(path, RESTORE))?;
    files::publish_new(path, key.to_pkcs8_pem().as_bytes(), files::PRIVATE)?;
    Ok(key)
}

pub(super) fn agency_request(home: &AgencyHome) -> Result<AgencyRequest, KeysError> {
    let keys = home.keys_dir();
    let seal = read_seal_key(&keys.join(SEAL_KEY))?;
    let statement = read_statement_key(&keys.join(STATEMENT_KEY))?;
    let path = keys.join(ENCRYPTION_KEY);
    let identities = read_identities(&path)?;
    let newest = identities.first().map(EncryptionIdentity::recipient);
    let encryption = newest
        .and_then(|recipient| AgeRecipient::new(&recipient.to_text()))
        .ok_or_else(|| {
            unusable(&path, RESTORE)(KeyFault::Encryption(EncryptionError::InvalidRecipient))
        })?;
    let file = home.file();
    Ok(AgencyRequest {
        id: file.id,
        code: file.code.clone(),
        name: file.name.clone(),
        parent: file.parent.clone(),
        seal: STANDARD.encode(create_request(&seal, file.code.as_str())?),
        statement: Digest::from_bytes(statement.public().to_bytes()),
        encryption,
    })
}
