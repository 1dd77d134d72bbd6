//! The authority's directory on disk.
//!
//! ```text
//! authority.json          who the authority is; written last, so it marks a whole authority
//! keys/                   0700: root.key, issuing.key, directory.key, each 0600 and under a
//!                         passphrase if so wished; root.toml, issuing.toml: keys in a token
//! root.pem, issuing.pem   the authority's certificates
//! entries/<id>.json       one party each: what the next directory says, certificates issued
//! issued/<serial>.pem     every certificate ever issued
//! revoked.json            issuing certificates that the root has revoked
//! invitations/            one invitation each, known by the digest of its secret; 0600
//! ceremonies/             records of what was done with the root's key; only added to
//! pending/                requests without an invitation, for an operator to decide
//! trust/                  what is given away: trust.json, trust.pem, directory/<version>/,
//!                         crl/: the revocation lists of root and issuing authority
//! lock                    one process at a time
//! ```
//!
//! Every file appears whole and durable. After a crash at any point the same command, given
//! again, completes the work: certificates are stored before the entries that list them, and
//! entries before those that name them.

mod enrolment;
mod founding;
mod groups;
mod invitations;
mod issuing;
pub(crate) mod layout;
mod lists;
mod once;
pub(crate) mod pending;
mod publishing;
mod reform;
mod renewal;
mod service;
mod standing;
pub(crate) mod store;
mod trust;
mod versions;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use consign_domain::enrolment::{Bundle, BundleTag, DirectoryBundle, Request, SealBundle};
use consign_domain::{AgencyId, Timestamp};
use consign_keys::Keyring;
use consign_pki::certificate::CertificateDetails;
use consign_pki::issue::{CertificateAuthority, Validity};
use consign_pki::statement::StatementKey;
use consign_runtime::entropy;
use consign_runtime::files::{Action, DirectoryLock, FileError};
use consign_verify::directory::Directory;
use consign_verify::trust::TrustStore;

use crate::error::{AuthorityError, DamageError};
use crate::inspection::Inspection;
use crate::issuance::{Issuance, IssueOptions, Outcome, Purpose, Serials, Signing};
use crate::publication::Version;
use crate::register::{CertificateRecord, Record, Register};
use crate::settings::Settings;

use layout::Layout;

pub use enrolment::{Enrolment, Known};
pub use founding::{Founded, Founding, NewKeys, init, init_with};
pub use invitations::{Invitation, InvitationSummary, InviteOptions, Invited, Invitee};
pub use issuing::RevokedIssuing;
pub use lists::RootList;
pub use once::{issue, publish, revoke, set_state};
pub use pending::PendingRequest;
pub use publishing::{PublishOptions, Published};
pub use reform::Rename;
pub use renewal::RenewalProof;
pub use trust::{RootError, RootUse};

/// Mode of files that anyone may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Mode of directories that anyone may enter.
pub(crate) const PUBLIC_DIRECTORY: u32 = 0o755;

/// Puts the authority's keys under the passphrase that `new` knows, or under none, from that of
/// `old`; gives how many files have changed.
///
/// # Errors
/// A key is not opened, or a file cannot be written; the same again completes it.
pub fn protect(dir: &Path, old: &Keyring, new: &Keyring) -> Result<usize, AuthorityError> {
    let layout = Layout::new(dir);
    store::settings(&layout)?;
    let _lock = DirectoryLock::wait(dir)?;
    let mut paths = store::key_files(&layout)?;
    paths.sort();
    Ok(old.protect(&paths, new)?)
}

/// Reads what there is to say about an authority; takes no lock and reads no key. That the root's
/// list cannot be read is among it, since it can be signed anew.
///
/// # Errors
/// There is none, or another file is damaged.
pub fn inspect(dir: &Path, now: Timestamp) -> Result<Inspection, AuthorityError> {
    let layout = Layout::new(dir);
    let settings = store::settings(&layout)?;
    let trust = store::trust(&layout)?;
    let mut register = Register::default();
    store::load_records(&layout, &mut register)?;
    let newest = newest_directory(&layout, &trust)?;
    let (root, issuing) = (
        store::certificate(&layout.root_pem())?,
        store::certificate(&layout.issuing_pem())?,
    );
    let inspection = Inspection::new(
        &settings,
        (&root, &issuing),
        store::root_list_until(&layout),
        &register,
        newest.as_ref(),
        now,
    );
    Ok(Inspection {
        issuing_revoked: store::issuing_revoked(&layout)?.map(|revoked| revoked.since()),
        // One that cannot be read says nothing.
        root_list_complete: lists::root_says_all(&layout, &store::revoked_authorities(&layout)?)
            .unwrap_or_default(),
        ..inspection
    })
}

/// An authority at work: its directory locked, its register and keys in memory.
///
/// For more than a few requests in a row this spares reading everything each time.
pub struct Authority {
    layout: Layout,
    settings: Settings,
    issuing: CertificateAuthority,
    issuing_validity: Validity,
    directory_key: StatementKey,
    trust: TrustStore,
    register: Register,
    /// Issuing certificates that the root has revoked.
    revoked: Vec<CertificateRecord>,
    keyring: Arc<Keyring>,
    _lock: DirectoryLock,
}

impl Authority {
    /// Opens an authority and locks its directory, after whoever works on it now: nobody does
    /// for longer than an operation takes. Blocks.
    ///
    /// # Errors
    /// There is none, or a file is damaged.
    pub fn open(dir: &Path) -> Result<Self, AuthorityError> {
        Self::open_with(dir, &Arc::default())
    }

    /// [`open`](Self::open) with what opens its keys.
    ///
    /// # Errors
    /// As there; or a key is not opened.
    pub fn open_with(dir: &Path, keyring: &Arc<Keyring>) -> Result<Self, AuthorityError> {
        let layout = Layout::new(dir);
        let settings = store::settings(&layout)?;
        // Before the lock: whoever is asked for a passphrase may take long, and holds up nobody.
        let issuing = store::issuing_authority(&layout, &settings, keyring)?;
        let details = CertificateDetails::from_der(issuing.certificate_der())
            .map_err(|source| damaged(&layout.issuing_pem(), source))?;
        let directory_key = store::directory_key(&layout, keyring)?;
        let lock = DirectoryLock::wait(dir)?;
        let register = store::register(&layout, &settings, &directory_key)?;
        Ok(Self {
            revoked: store::revoked_authorities(&layout)?,
            trust: store::trust(&layout)?,
            issuing_validity: Validity {
                not_before: details.not_before,
                not_after: details.not_after,
            },
            layout,
            settings,
            issuing,
            directory_key,
            register,
            keyring: Arc::clone(keyring),
            _lock: lock,
        })
    }

    /// Who the authority is.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What verifiers take on faith.
    pub const fn trust(&self) -> &TrustStore {
        &self.trust
    }

    /// Answers a request with certificates and enters its parties for the next directory.
    ///
    /// The same request again gives the same certificates while they have more than a third
    /// of their life left, and renews them after that. Nothing counts before
    /// [`Authority::publish`].
    ///
    /// # Errors
    /// [`AuthorityError`]; a refused request changes nothing.
    pub fn issue(
        &mut self,
        request: &[u8],
        options: &IssueOptions,
        now: Timestamp,
    ) -> Result<Bundle, AuthorityError> {
        let request = parse(request)?;
        let outcome = self.prepare(&request, options, &BTreeMap::new(), Purpose::Enrol, now)?;
        self.carry_out(outcome)
    }

    /// What a request leads to; nothing is changed yet.
    fn prepare(
        &self,
        request: &Request,
        options: &IssueOptions,
        for_agencies: &BTreeMap<AgencyId, IssueOptions>,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Outcome, AuthorityError> {
        let mut serials = entropy::serial_number;
        let issuance = self.issuance((options, for_agencies), purpose, now, &mut serials);
        issuance.carry_out(request)
    }

    /// The answer to a request of which everything is registered and certified already; none,
    /// where anything would have to be signed or changed. All of the request is checked, and
    /// nothing is signed for it: anybody may ask.
    ///
    /// # Errors
    /// The request is refused, or a file cannot be read.
    fn standing(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Bundle>, AuthorityError> {
        let (options, none) = (IssueOptions::default(), BTreeMap::new());
        let mut serials = entropy::serial_number;
        // As in a renewal, seals stand as they are, however old.
        let issuance = Issuance {
            signing: Signing::Withheld,
            ..self.issuance((&options, &none), Purpose::Renew, now, &mut serials)
        };
        let outcome = issuance.carry_out(request)?;
        let is_settled = outcome.records.is_empty();
        is_settled.then(|| self.carry_out(outcome)).transpose()
    }

    fn issuance<'a>(
        &'a self,
        (options, for_agencies): (&'a IssueOptions, &'a BTreeMap<AgencyId, IssueOptions>),
        purpose: Purpose,
        now: Timestamp,
        serials: Serials<'a>,
    ) -> Issuance<'a> {
        Issuance {
            settings: &self.settings,
            register: &self.register,
            authority: &self.issuing,
            authority_validity: self.issuing_validity,
            authority_revoked: self.issuing_revoked().map(|revoked| revoked.since()),
            options,
            for_agencies,
            purpose,
            signing: Signing::Made,
            now,
            serials,
            issued: Vec::new(),
            keys: HashSet::new(),
        }
    }

    /// Keeps what a request leads to, and answers it.
    fn carry_out(&mut self, outcome: Outcome) -> Result<Bundle, AuthorityError> {
        for issued in &outcome.issued {
            store::keep_certificate(&self.layout, issued)?;
        }
        for record in outcome.records {
            self.enter(record)?;
        }
        let seals = outcome.seals.into_iter().map(|(agency, certificate)| {
            let certificates = self.chain(&certificate)?;
            Ok(SealBundle {
                agency,
                certificates,
            })
        });
        let time_stamp = outcome.time_stamp.as_ref();
        Ok(Bundle {
            tag: BundleTag::V1,
            for_id: outcome.for_id,
            trust: text(&self.layout.trust_json(), &self.trust.to_bytes())?,
            trust_pem: store::read_text(&self.layout.trust_pem())?,
            tls: self.chain(&outcome.tls)?,
            seals: seals.collect::<Result<_, AuthorityError>>()?,
            time_stamp: time_stamp.map(|issued| self.chain(issued)).transpose()?,
            directory: self.directory_bundle()?,
        })
    }

    /// Keeps a record, unless it is one that nobody could read again.
    fn enter(&mut self, record: Record) -> Result<(), AuthorityError> {
        record.check()?;
        store::keep_record(&self.layout, &record)?;
        self.register.put(record);
        Ok(())
    }

    /// A certificate and its issuer, in PEM.
    fn chain(&self, certificate: &CertificateRecord) -> Result<String, AuthorityError> {
        let path = self.layout.issued(&certificate.serial);
        let mut chain = store::read_text(&path)?;
        let details =
            CertificateDetails::from_pem(&chain).map_err(|source| damaged(&path, source))?;
        if details.fingerprint != *certificate.sha256.as_bytes() {
            return Err(damaged(&path, DamageError::Name));
        }
        chain.push_str(&self.issuing.certificate_pem());
        Ok(chain)
    }

    pub(crate) fn directory_bundle(&self) -> Result<Option<DirectoryBundle>, AuthorityError> {
        let dir = self.layout.directory();
        let Some(newest) = versions::newest(&dir)? else {
            return Ok(None);
        };
        let Version { head, entries } = versions::read(&dir, newest)?;
        Ok(Some(DirectoryBundle {
            head: text(&dir, &head.statement)?,
            signature: hex::encode(head.signature),
            entries: text(&dir, &entries)?,
        }))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The newest published version, verified.
fn newest_directory(
    layout: &Layout,
    trust: &TrustStore,
) -> Result<Option<Directory>, AuthorityError> {
    let dir = layout.directory();
    let Some(newest) = versions::newest(&dir)? else {
        return Ok(None);
    };
    let path = versions::place(&dir, newest);
    let Version { head, entries } = versions::read(&dir, newest)?;
    let directory =
        Directory::verify(head, entries, trust).map_err(|source| damaged(&path, source))?;
    if directory.version() != newest {
        return Err(damaged(&path, DamageError::Name));
    }
    Ok(Some(directory))
}

fn parse(request: &[u8]) -> Result<Request, AuthorityError> {
    Request::parse(request).map_err(|source| AuthorityError::Request { source })
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, AuthorityError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(source) => Err(damaged(path, source)),
    }
}

pub(crate) fn damaged(path: &Path, source: impl Into<DamageError>) -> AuthorityError {
    AuthorityError::Damaged {
        path: path.to_owned(),
        source: source.into(),
    }
}

pub(crate) fn io_fault(
    action: Action,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> FileError + '_ {
    move |source| FileError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
