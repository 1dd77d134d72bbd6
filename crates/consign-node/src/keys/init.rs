//! `consign node init`: makes what is missing, and the request for the authority.
//!
//! Running it again, also after a crash in the middle, never replaces a key: what exists
//! is read, what is missing is made. Agencies can be added later in the same way, and keys
//! are replaced by putting the old ones aside.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::enrolment::{AgencyRequest, MAX_REQUEST, NodeRequest, Request};
use consign_domain::statement::AgeRecipient;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, Digest, NodeId};
use consign_keys::keyring::token_file;
use consign_keys::{Keyring, KeyringError, TokenPlace};
use consign_pki::encryption::{EncryptionError, EncryptionIdentity};
use consign_pki::issue::{create_request, verify_request};
use consign_pki::seal::KeyKind;
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_runtime::files;

use super::{
    ENCRYPTION_KEY, ENCRYPTION_KEY_BEFORE, KeyFault, KeysError, RESTORE, SEAL_KEY, STATEMENT_KEY,
    read_identities, read_secret, read_signer, read_statement_key, unusable,
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

/// How new keys are made.
#[derive(Debug, Clone, Default)]
pub struct NewKeys {
    /// The kind of seal keys.
    pub seal: KeyKind,
    /// The token that seal keys are found or made in; files, where there is none.
    pub token: Option<TokenPlace>,
    /// What opens the keys that are there, and writes the new ones.
    pub keyring: Arc<Keyring>,
}

/// [`init_with`] keys in files without a passphrase.
///
/// # Errors
/// As there.
pub fn init(
    directory: &NodeDirectory,
    name: &Line<200>,
    agencies: &[NewAgency],
    seal: KeyKind,
) -> Result<Request, KeysError> {
    let keys = NewKeys {
        seal,
        ..NewKeys::default()
    };
    init_with(directory, name, agencies, &keys)
}

/// Makes what is missing of the keys of a node and its agencies, `node.toml` and
/// `request.json`; gives the request. An agency that is here keeps its id and keys, and its
/// code and name unless the authority says others.
/// Tokens with seal keys have to be there, since they sign the request.
///
/// # Errors
/// [`KeysError`]; what was made until then stays and is used by the next attempt.
pub fn init_with(
    directory: &NodeDirectory,
    name: &Line<200>,
    agencies: &[NewAgency],
    keys: &NewKeys,
) -> Result<Request, KeysError> {
    let has_one_key = keys.token.as_ref().is_some_and(|token| token.key.is_some());
    if has_one_key && agencies.len() > 1 {
        return Err(KeysError::OneKey);
    }
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
    keys.keyring.join(&directory.tls_key_file())?;
    for agency in agencies {
        make_agency(directory, agency, keys)?;
    }
    let before = match before {
        Some(before) => before,
        None => first_request(directory, name, &keys.keyring)?,
    };
    let request = Request::Node(extend(directory, before, agencies, &keys.keyring)?);
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

fn first_request(
    directory: &NodeDirectory,
    name: &Line<200>,
    keyring: &Keyring,
) -> Result<NodeRequest, KeysError> {
    let id = NodeId::from_bytes(entropy::uuid_v4()?)
        .map_err(|_| NodeError::form(directory.request_file(), "no id could be made"))?;
    let path = directory.tls_key_file();
    if let Some(parent) = path.parent() {
        durable::directory(parent)?;
    }
    let key = if path.exists() {
        read_signer(&path, keyring)?
    } else {
        keyring.make(&path, KeyKind::EcdsaP256)?
    };
    Ok(NodeRequest {
        id,
        name: name.clone(),
        tls: STANDARD.encode(create_request(&*key, &id.to_string())?),
        agencies: Vec::new(),
    })
}

/// Adds the agencies that are here and not yet in the request, and asks anew for those whose
/// keys were put aside and made again, or that the authority calls otherwise by now.
fn extend(
    directory: &NodeDirectory,
    before: NodeRequest,
    agencies: &[NewAgency],
    keyring: &Keyring,
) -> Result<NodeRequest, KeysError> {
    let mut request = before;
    let is_called_anew = |home: &AgencyHome| {
        let mut agencies = agencies.iter();
        agencies.any(|agency| agency.id == Some(home.id()))
    };
    for home in directory.agencies()? {
        let seal = seal_request(&home, keyring)?;
        let now = agency_request(&home, seal, keyring)?;
        let mut known = request.agencies.iter_mut();
        match known.find(|agency| agency.id == home.id()) {
            Some(before)
                if public_keys(before) == public_keys(&now)
                    && (called(before) == called(&now) || !is_called_anew(&home)) => {}
            Some(before) => *before = now,
            None => request.agencies.push(now),
        }
    }
    Ok(request)
}

/// By which code and name an agency asks, and below which other.
const fn called(request: &AgencyRequest) -> (&AgencyCode, &Line<200>, Option<&AgencyCode>) {
    (&request.code, &request.name, request.parent.as_ref())
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
    new: &NewKeys,
) -> Result<(), KeysError> {
    let path = directory.agencies_dir().join(agency.code.as_str());
    let home = if let Some(home) = home_of(directory, agency)? {
        home
    } else if path.join("agency.json").exists() {
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
    make_seal(&keys.join(SEAL_KEY), home.code(), new)?;
    let statement = keys.join(STATEMENT_KEY);
    if !statement.exists() {
        let key = StatementKey::from_seed(entropy::bytes()?);
        new.keyring.write_new(&statement, &key.to_pkcs8_pem())?;
    }
    let encryption = keys.join(ENCRYPTION_KEY);
    if !encryption.exists() {
        let mut text = EncryptionIdentity::generate().to_text();
        text.push('\n');
        let before = keys.join(ENCRYPTION_KEY_BEFORE);
        if before.exists() {
            read_identities(&before, &new.keyring)?;
            text.push_str(&read_secret(&before, &new.keyring)?);
        }
        new.keyring.write_new(&encryption, &text)?;
    }
    Ok(())
}

/// Where an agency is here that is registered already, perhaps under a code that it had before;
/// it is called from now on as the authority calls it.
fn home_of(directory: &NodeDirectory, agency: &NewAgency) -> Result<Option<AgencyHome>, KeysError> {
    let homes = match directory.agencies() {
        Err(NodeError::Missing { .. }) => Vec::new(),
        homes => homes?,
    };
    let home = homes.into_iter().find(|home| Some(home.id()) == agency.id);
    let Some(home) = home else {
        return Ok(None);
    };
    let file = AgencyFile {
        id: home.id(),
        code: agency.code.clone(),
        name: agency.name.clone(),
        parent: agency.parent.clone(),
    };
    if *home.file() == file {
        return Ok(Some(home));
    }
    Ok(Some(AgencyHome::create(home.path().to_owned(), file)?))
}

/// The seal key of an agency, if it is not there.
fn make_seal(path: &Path, agency: &AgencyCode, new: &NewKeys) -> Result<(), KeysError> {
    check_seal(path, agency, new.token.as_ref())?;
    let place = new.token.clone();
    let place = place.map(|token| token.or_key(format!("consign seal {agency}")));
    if path.exists() || token_file(path).exists() {
        return Ok(());
    }
    match place {
        None => new.keyring.make(path, new.seal)?,
        Some(place) => new.keyring.make_in_token(path, &place, new.seal)?,
    };
    Ok(())
}

/// Refuses a token for an agency whose seal key is elsewhere: it would not be used.
fn check_seal(
    path: &Path,
    agency: &AgencyCode,
    wanted: Option<&TokenPlace>,
) -> Result<(), KeysError> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let named = token_file(path);
    let elsewhere = if named.exists() {
        let here = TokenPlace::load(&named).map_err(KeyringError::from)?;
        // Without a name it is the key that is there, whatever the agency was called then.
        let is_it = here.token == wanted.token && (wanted.key.is_none() || here.key == wanted.key);
        (!is_it).then_some(named)
    } else {
        path.exists().then(|| path.to_owned())
    };
    elsewhere.map_or(Ok(()), |path| {
        let agency = agency.clone();
        Err(KeysError::SealElsewhere { agency, path })
    })
}

/// The request for an agency's seal certificate, signed by its key.
pub(super) fn seal_request(home: &AgencyHome, keyring: &Keyring) -> Result<String, KeysError> {
    let seal = read_signer(&home.keys_dir().join(SEAL_KEY), keyring)?;
    Ok(STANDARD.encode(create_request(&*seal, home.code().as_str())?))
}

/// The request's part for an agency, with what asks for its seal's certificate.
pub(super) fn agency_request(
    home: &AgencyHome,
    seal: String,
    keyring: &Keyring,
) -> Result<AgencyRequest, KeysError> {
    let keys = home.keys_dir();
    let statement = read_statement_key(&keys.join(STATEMENT_KEY), keyring)?;
    let path = keys.join(ENCRYPTION_KEY);
    let identities = read_identities(&path, keyring)?;
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
        seal,
        statement: Digest::from_bytes(statement.public().to_bytes()),
        encryption,
    })
}
