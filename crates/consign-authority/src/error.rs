//! Why the authority did not do what it was asked; each text says what to do instead.

mod damage;
mod key_usage;

use std::path::PathBuf;

use consign_domain::code::CodeError;
use consign_domain::directory::EntryError;
use consign_domain::enrolment::EnrolmentError;
use consign_domain::statement::StatementError;
use consign_domain::text::{Line, TextError};
use consign_domain::{AgencyCode, ErrorCode, PartyCode, Timestamp};
use consign_keys::KeyringError;
use consign_pki::encryption::EncryptionError;
use consign_pki::issue::IssueError;
use consign_pki::statement::StatementKeyError;
use consign_runtime::entropy::EntropyError;
use consign_runtime::files::{FileError, LockError};
use consign_verify::directory::DirectoryError;
use uuid::Uuid;

use crate::files::RootError;
use crate::register::Kind;

pub use damage::DamageError;
pub use key_usage::KeyUsage;

/// Why the authority did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// An authority lives there already; its keys are never overwritten.
    #[error("{} already holds an authority; choose another directory", path.display())]
    AlreadyFounded {
        /// The directory.
        path: PathBuf,
    },
    /// Parties were enrolled, but the file that names the authority is gone.
    #[error(
        "{} holds an authority's keys and entries but no authority.json; restore that file from a backup",
        path.display()
    )]
    Headless {
        /// The directory.
        path: PathBuf,
    },
    /// No authority lives there.
    #[error("{} holds no authority; make one with: consign authority init", path.display())]
    NotFounded {
        /// The directory.
        path: PathBuf,
    },
    /// The network's name cannot be one.
    #[error("the network's name cannot be used; give 1 to 200 characters on one line")]
    NetworkName {
        /// What is wrong with it.
        #[source]
        source: TextError,
    },
    /// What certificates are to say besides whose they are cannot be said.
    #[error("certificates cannot name that; correct what the cause names")]
    Naming {
        /// Why.
        #[source]
        source: IssueError,
    },
    /// A file that is no record of a ceremony.
    #[error("{} is no record of a ceremony; give a file of ceremonies/", path.display())]
    NoRecord {
        /// The file.
        path: PathBuf,
    },
    /// A life of no days or more than the calendar has.
    #[error("{field} must be between 1 and {limit}; correct it")]
    Life {
        /// Which setting.
        field: &'static str,
        /// Its largest value.
        limit: u64,
    },
    /// A file of the authority is not what was written there.
    #[error("{} is damaged; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DamageError,
    },
    /// The request cannot be read.
    #[error("the request cannot be read; ask the applicant to make it again")]
    Request {
        /// Why.
        #[source]
        source: EnrolmentError,
    },
    /// A kind of request that this version does not know.
    #[error("this kind of request is not known; use the version of consign that made it")]
    RequestKind,
    /// No code of the older form.
    #[error("{old} is no code of the older form; write it as 000.05.13.H49")]
    OldCodeGrammar {
        /// What was given.
        old: String,
        /// What is wrong with it.
        #[source]
        source: CodeError,
    },
    /// The code does not follow the grammar for new agencies.
    #[error("{code} cannot be registered as an agency code; correct the code in the request")]
    CodeGrammar {
        /// The code.
        code: AgencyCode,
        /// Which rule it breaks.
        #[source]
        source: CodeError,
    },
    /// Another party has the code, or had it once.
    #[error("code {code} belongs to {holder}, now or in the past; choose another code")]
    CodeTaken {
        /// The code.
        code: PartyCode,
        /// Whose it is.
        holder: Uuid,
    },
    /// A hub's name that is an agency's code.
    #[error("{code} is not a hub's name; use a-z, 0-9 and -, such as hub-1")]
    HubCode {
        /// The name.
        code: PartyCode,
    },
    /// A hub keeps its name: codes have one holder for ever.
    #[error("the hub is registered as {code} and keeps that name; correct the request")]
    HubRenamed {
        /// The name it has.
        code: PartyCode,
    },
    /// The id is another kind of party's.
    #[error("id {id} belongs to {holder}; ask the applicant to start anew with an id of its own")]
    IdTaken {
        /// The id.
        id: Uuid,
        /// What has it.
        holder: Kind,
    },
    /// The same party twice in one request.
    #[error("{party} stands twice in the request; ask the applicant to make it again")]
    Repeated {
        /// The party's id or code.
        party: String,
    },
    /// Another party has or had the key, or it stands twice in the request.
    #[error("the {usage} of {party} is in use by {holder}; ask the applicant for a new key")]
    KeyTaken {
        /// Which key.
        usage: KeyUsage,
        /// Who asks for it.
        party: String,
        /// Who has it.
        holder: Uuid,
    },
    /// A certificate request that is malformed or does not prove its key.
    #[error(
        "the request for the {usage} of {party} is refused; ask the applicant to make it again"
    )]
    Proof {
        /// Which key.
        usage: KeyUsage,
        /// Whose.
        party: String,
        /// Why.
        #[source]
        source: IssueError,
    },
    /// A certificate request that is not base64 of a fitting length.
    #[error(
        "the request for the {usage} of {party} is not base64; ask the applicant to make it again"
    )]
    Base64 {
        /// Which key.
        usage: KeyUsage,
        /// Whose.
        party: String,
    },
    /// A statement key that is no Ed25519 key.
    #[error("the statement key of {party} cannot be used; ask the applicant for a new key")]
    StatementKey {
        /// Whose.
        party: String,
        /// Why.
        #[source]
        source: StatementKeyError,
    },
    /// An encryption key that is no age recipient.
    #[error("the encryption key of {party} cannot be used; ask the applicant for a new key")]
    EncryptionKey {
        /// Whose.
        party: String,
        /// Why.
        #[source]
        source: EncryptionError,
    },
    /// The code given as parent is no agency's.
    #[error(
        "{parent}, named as the agency above {code}, is not registered; issue its request first"
    )]
    ParentUnknown {
        /// The agency.
        code: AgencyCode,
        /// The code named as its parent.
        parent: AgencyCode,
    },
    /// The agency above one that is invited is nobody.
    #[error(
        "{parent}, named as the agency above {code}, is neither registered nor invited; correct \
         --parent, or invite {parent} first"
    )]
    ParentNotInvited {
        /// The agency.
        code: AgencyCode,
        /// The code named as its parent.
        parent: AgencyCode,
    },
    /// An agency that would be above itself.
    #[error("{code} would be above itself; correct the parent in the request")]
    ParentCycle {
        /// The agency.
        code: AgencyCode,
    },
    /// There is no hub to hold inboxes.
    #[error("no active hub is registered; issue the hub's request first")]
    NoHub,
    /// Several hubs, and none was named.
    #[error("there are several hubs ({hubs}); name one with --hub")]
    HubAmbiguous {
        /// Their names.
        hubs: String,
    },
    /// The hub named is not registered or not active.
    #[error("hub {code} is not registered or not active; `consign authority show` lists the hubs")]
    HubUnknown {
        /// The name.
        code: PartyCode,
    },
    /// The address has no host or port that can be used.
    #[error(
        "{address} is no address; give NAME:PORT, such as hub.example.vn:8443 or 127.0.0.1:8443"
    )]
    Address {
        /// The address.
        address: String,
    },
    /// The request contradicts what is registered.
    #[error(
        "{party} is registered with another {fields}; if the change is meant, repeat with --replace"
    )]
    Changed {
        /// The party.
        party: String,
        /// What differs.
        fields: String,
    },
    /// The party was closed.
    #[error("{party} is closed; activate it before issuing to it")]
    Closed {
        /// The party.
        party: String,
    },
    /// An agency is to be merged into itself.
    #[error("{code} is the agency itself; name the one that it is merged into")]
    MergedIntoItself {
        /// The code.
        code: AgencyCode,
    },
    /// No group of that short name.
    #[error("there is no group {code}; `consign authority group list` lists them")]
    GroupUnknown {
        /// The short name.
        code: PartyCode,
    },
    /// Another group is called so.
    #[error("group {holder} is called {name}, so nobody would know which is meant; choose others")]
    GroupNameTaken {
        /// The name.
        name: Line<200>,
        /// The other group.
        holder: PartyCode,
    },
    /// More members than an envelope may have recipients.
    #[error("a group has at most {limit} agencies; make several groups")]
    GroupFull {
        /// Most members.
        limit: usize,
    },
    /// No party of that code or id.
    #[error("{party} is not registered; `consign authority show` lists who is")]
    PartyUnknown {
        /// The code or id.
        party: String,
    },
    /// A certificate is asked for a key whose earlier one was revoked.
    #[error("a key of {party} was revoked and is certified no more; make new keys")]
    KeyRevoked {
        /// The party.
        party: String,
    },
    /// Nothing of the party counts any more.
    #[error("{party} has no key that still counts; `consign authority show` lists who has")]
    NothingToRevoke {
        /// The code.
        party: String,
    },
    /// Something of a new party was not said.
    #[error("{code} is not registered yet; say {what}")]
    InviteIncomplete {
        /// The code.
        code: PartyCode,
        /// What, and how to say it.
        what: &'static str,
    },
    /// A secret that is no invitation's.
    #[error("the authority knows no such invitation; ask it for one")]
    InvitationUnknown,
    /// An invitation that counted for the keys of another request.
    #[error("the invitation of {code} was used, with other keys; ask the authority for another")]
    InvitationUsed {
        /// The code of whoever was invited.
        code: PartyCode,
    },
    /// An invitation that ran out.
    #[error("the invitation of {code} ran out at {expired}; ask the authority for another")]
    InvitationExpired {
        /// The code of whoever was invited.
        code: PartyCode,
        /// When.
        expired: Timestamp,
    },
    /// A party of a request that no invitation covers as what it says to be.
    #[error(
        "no invitation that came with the request is for {party}, with this name and parent or address; ask the authority for one"
    )]
    NotInvited {
        /// The party.
        party: String,
    },
    /// Nothing waits under this reference.
    #[error("no request waits as {reference}; `consign authority pending` lists those that do")]
    PendingUnknown {
        /// The reference.
        reference: String,
    },
    /// Too many requests wait.
    #[error("{limit} requests wait already; approve or dismiss some: consign authority pending")]
    PendingFull {
        /// How many may wait.
        limit: usize,
    },
    /// Too many requests of one source wait.
    #[error("{limit} requests from {address} wait already; ask for invitations, or for a decision")]
    PendingOfSource {
        /// The source.
        address: std::net::IpAddr,
        /// How many of it may wait.
        limit: usize,
    },
    /// Keys were renewed too often.
    #[error("the keys of {party} were renewed {limit} times in {days} d; those in force go on")]
    RenewedOften {
        /// The party.
        party: String,
        /// How often they may be.
        limit: usize,
        /// Within how many days.
        days: u64,
    },
    /// So many keys were replaced that the rest of the entry is kept for what people decide.
    #[error(
        "the entry of {party} is half full of keys that were replaced, and renewed no more by \
         itself; ask the authority for an invitation, or for: authority issue --replace"
    )]
    RenewalsFull {
        /// The party.
        party: String,
    },
    /// A request that is too large to wait.
    #[error("a request without an invitation has at most {limit} bytes; ask for invitations")]
    PendingTooLarge {
        /// How many bytes it may have.
        limit: usize,
    },
    /// A root of others is not taken.
    #[error(transparent)]
    Root(#[from] RootError),
    /// New keys are not listed.
    #[error("the keys of {party} are not renewed: {rule}")]
    RenewalRefused {
        /// The party.
        party: String,
        /// Why.
        rule: &'static str,
    },
    /// The next version of the directory was not published.
    #[error("the directory is not published, so nothing new counts; the authority's log says why")]
    NotPublished,
    /// The service cannot be set up.
    #[error("the authority's service cannot be set up")]
    Service {
        /// Why.
        #[source]
        source: crate::service::ServiceError,
    },
    /// A revocation that begins in the future.
    #[error("a revocation counts from now ({now}) or earlier, not from a time to come")]
    RevokedLater {
        /// What the clock says.
        now: Timestamp,
    },
    /// A revocation list cannot be made.
    #[error("a revocation list cannot be made; correct what the cause names")]
    List {
        /// Why.
        #[source]
        source: IssueError,
    },
    /// The directory would have more entries than one may have.
    #[error(
        "a directory has at most {limit} entries; enrol further parties in a network of their own"
    )]
    Full {
        /// Most entries.
        limit: usize,
    },
    /// The entry would be one that no reader accepts.
    #[error("the entry of {party} would not be readable; have it say less")]
    Entry {
        /// The party.
        party: String,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// Certificates cannot be made.
    #[error("the certificate of {party} cannot be issued; correct what the cause names")]
    Issue {
        /// The party.
        party: String,
        /// Why.
        #[source]
        source: IssueError,
    },
    /// The authority's own certificates cannot be made.
    #[error("the authority's certificates cannot be made; correct what the cause names")]
    Found {
        /// Why.
        #[source]
        source: IssueError,
    },
    /// The issuing certificate has run out.
    #[error("the issuing certificate ended at {ended}; found a new authority or correct the clock")]
    IssuingExpired {
        /// When.
        ended: Timestamp,
    },
    /// The issuing certificate was revoked.
    #[error(
        "the issuing certificate is revoked from {since} on, and issues nothing more; found a new \
         authority in another directory and have everybody enrol with it: see docs/NETWORK.md"
    )]
    IssuingRevoked {
        /// From when on.
        since: Timestamp,
    },
    /// Only the root's key can say it.
    #[error("the root key is not at hand; bring keys/root.key back, or plug its token in")]
    RootAway,
    /// The clock is behind what was already published.
    #[error("the clock says {now}, but the newest head was issued at {issued}; set the clock")]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// When the newest head was issued.
        issued: Timestamp,
    },
    /// An entry names a party that has none.
    #[error("{party} names {missing}, which has no entry; issue the request of {party} again")]
    Dangling {
        /// The entry.
        party: Uuid,
        /// What it names.
        missing: Uuid,
    },
    /// The head would be one that no reader accepts.
    #[error("the directory's head cannot be made; correct what the cause names")]
    Head {
        /// Why.
        #[source]
        source: StatementError,
    },
    /// Readers would refuse the directory; it was not published.
    #[error(
        "readers would refuse the directory, so it was not published; correct what the cause names"
    )]
    Unpublishable {
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// A key is not opened.
    #[error("a key of the authority cannot be used; do what the cause says")]
    Keyring(#[from] KeyringError),
    /// The token file names a key, where two are made.
    #[error(
        "the authority has two keys in the token, named by itself; leave out key in the token file"
    )]
    TokenKeyNamed,
    /// A file could not be read or written.
    #[error("a file of the authority could not be used; check space and permissions")]
    File(#[from] FileError),
    /// Another process works on the authority.
    #[error("the authority is in use; wait until the other command has ended")]
    Lock(#[from] LockError),
    /// No randomness.
    #[error("no serial number or key can be made; check the operating system")]
    Entropy(#[from] EntropyError),
}

impl AuthorityError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFounded { .. } | Self::PartyUnknown { .. } | Self::GroupUnknown { .. } => {
                ErrorCode::NotFound
            }
            Self::Proof { .. } => ErrorCode::SignatureInvalid,
            Self::Full { .. } => ErrorCode::TooLarge,
            Self::Head { source } => source.code(),
            Self::Keyring(fault) => fault.code(),
            Self::File(_) => ErrorCode::StorageFailed,
            Self::InvitationUnknown => ErrorCode::InvitationUnknown,
            Self::InvitationUsed { .. } => ErrorCode::InvitationUsed,
            Self::InvitationExpired { .. } => ErrorCode::InvitationExpired,
            Self::NotInvited { .. } | Self::RenewalRefused { .. } | Self::IssuingRevoked { .. } => {
                ErrorCode::EnrolmentRefused
            }
            Self::NotPublished => ErrorCode::StorageFailed,
            Self::PendingUnknown { .. } => ErrorCode::NotFound,
            Self::PendingFull { .. } | Self::PendingOfSource { .. } => ErrorCode::QuotaExceeded,
            Self::RenewedOften { .. } => ErrorCode::QuotaExceeded,
            Self::RenewalsFull { .. } => ErrorCode::EnrolmentRefused,
            Self::PendingTooLarge { .. } => ErrorCode::TooLarge,
            Self::Service { source } => source.code(),
            Self::Lock(_) => ErrorCode::Busy,
            Self::Damaged { .. }
            | Self::Headless { .. }
            | Self::Dangling { .. }
            | Self::Unpublishable { .. }
            | Self::Entropy(_) => ErrorCode::Internal,
            _ => ErrorCode::Usage,
        }
    }
}
