//! Sealing: a composed document becomes a container, ciphertext, wraps and a signed
//! envelope (ETSI EN 319 162-1, age).
//!
//! `envelope.sig` comes last: where it is, everything is, and nothing is ever made anew.
//! What an attempt left without it is discarded, since the ciphertext, the wraps and the
//! salt only fit together.

use std::io::{self, BufReader, Read, Write};

use consign_domain::document::Urgency;
use consign_domain::statement::{
    AgeRecipient, Envelope, EnvelopeFields, PayloadInfo, Recipients, Statement as _, StatementError,
};
use consign_domain::{AgencyCode, Digest, ErrorCode, KeyId, Salt, SignedStatement};
use consign_log::Tree;
use consign_pki::asic::{AsicError, ContainerWriter, DOCUMENT_NAME};
use consign_pki::certificate::{CertificateDetails, CertificateError};
use consign_pki::cms::{self, CmsError};
use consign_pki::encryption::{
    EncryptionError, EncryptionIdentity, EncryptionRecipient, encrypt_to, seal_small,
};
use consign_pki::wrap::{WrapError, WrapPlaintext};
use consign_runtime::entropy::{self, EntropyError};
use consign_runtime::files::FileError;
use sha2::{Digest as _, Sha256};

use crate::compose::{ComposeFile, staged_name};
use crate::context::{Context, KeyRevoked};
use crate::durable::{self, Stream};
use crate::error::{NodeError, io_code};
use crate::folder::{
    CONTAINER, ENVELOPE, Folder, PAYLOAD, SALT, TIME_STAMP_AWAITED, WRAP_TEXT, WRAPS,
};
use crate::outbox::Sealed;

/// The time-stamp of a seal that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stamp {
    /// None is wanted.
    NotAsked,
    /// A `TimeStampToken` (RFC 3161) over the seal's value, DER; judged already.
    Token(Vec<u8>),
    /// There is none now, for this reason: the seal is made without.
    Awaited(String),
}

/// Asks for the time-stamp of a seal's value; `None` if the node stops before it is known.
pub type AskStamp<'a> = &'a dyn Fn(&[u8], Urgency) -> Option<Stamp>;

/// Why a composed document could not be sealed. It stays composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Files.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Recipients whom nothing can be sent to now.
    #[error("no longer in the directory, or without a key: {}", list(codes))]
    Recipients {
        /// All of them.
        codes: Vec<AgencyCode>,
    },
    /// The directory has expired; nothing new is sealed with it.
    #[error("the directory has expired; connect to the hub for the next one, or ask the authority")]
    DirectoryExpired,
    /// The statement key is not one that the directory lists as valid now.
    #[error("the directory does not list this agency's statement key as valid; ask the authority")]
    KeyNotValid,
    /// The statement key or the seal was revoked.
    #[error(transparent)]
    KeyRevoked(#[from] KeyRevoked),
    /// The seal's certificate has expired, or is not valid yet.
    #[error("the seal's certificate is not valid now; ask the authority for a new one")]
    Certificate,
    /// The seal's certificate cannot be read.
    #[error("the seal's certificate cannot be read")]
    CertificateForm(#[from] CertificateError),
    /// The container could not be written.
    #[error("the container could not be written")]
    Container(#[from] AsicError),
    /// The token that keeps the seal key does not sign now.
    #[error("{}", crate::tokens::cause(source).text)]
    Token {
        /// Why.
        source: consign_pki::seal::SealError,
    },
    /// The seal key did not sign.
    #[error("the seal key did not sign")]
    Cms(#[source] CmsError),
    /// The container could not be sealed.
    #[error("the container could not be sealed")]
    Unsealed,
    /// The node stops: it is sealed at the next start.
    #[error("the node is stopping")]
    Stopping,
    /// Encryption failed.
    #[error("encryption failed")]
    Encryption(#[from] EncryptionError),
    /// A wrap could not be written.
    #[error("a wrap could not be written")]
    Wrap(#[from] WrapError),
    /// The envelope breaks a rule.
    #[error("the envelope breaks a rule")]
    Envelope(#[from] StatementError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl SealError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Node(fault) => fault.code(),
            Self::Recipients { .. } => ErrorCode::RecipientUnknown,
            Self::DirectoryExpired => ErrorCode::DirectoryExpired,
            Self::KeyNotValid => ErrorCode::KeyNotValid,
            Self::KeyRevoked(_) => ErrorCode::KeyRevoked,
            Self::Token { .. } => ErrorCode::TokenUnavailable,
            Self::Certificate | Self::CertificateForm(_) => ErrorCode::SealCertificateNotValid,
            Self::Container(AsicError::Io { source })
            | Self::Encryption(EncryptionError::Io(source)) => io_code(source),
            Self::Container(AsicError::ContainerTooLarge { .. }) => ErrorCode::TooLarge,
            Self::Envelope(fault) => fault.code(),
            Self::Stopping => ErrorCode::Draining,
            _ => ErrorCode::Internal,
        }
    }
}

impl From<FileError> for SealError {
    fn from(fault: FileError) -> Self {
        Self::Node(fault.into())
    }
}

impl From<CmsError> for SealError {
    fn from(fault: CmsError) -> Self {
        match fault {
            CmsError::Seal(source) if source.is_keepers() => Self::Token { source },
            fault => Self::Cms(fault),
        }
    }
}

fn list(codes: &[AgencyCode]) -> String {
    let codes: Vec<&str> = codes.iter().map(AgencyCode::as_str).collect();
    codes.join(", ")
}

/// Seals what was composed in a folder, or says how it was sealed before.
pub(crate) fn seal(
    folder: &Folder,
    context: &Context<'_>,
    stamp: AskStamp<'_>,
) -> Result<Sealed, SealError> {
    if let Some(sealed) = sealed(folder)? {
        return Ok(sealed);
    }
    let compose = folder.compose()?.ok_or(NodeError::UnknownEnvelope)?;
    check_context(context)?;
    if !folder.has(CONTAINER) {
        // Before gigabytes are written for a signature that does not come.
        let ready = context.keys.seal.ready();
        ready.map_err(|source| SealError::Token { source })?;
    }
    durable::remove_leftovers(folder.path())?;
    for part in [
        PAYLOAD,
        WRAPS,
        WRAP_TEXT,
        SALT,
        "envelope.json",
        "envelope.sig",
    ] {
        durable::remove(&folder.file(part))?;
    }
    let recipients = recipients(&compose, context)?;
    if !folder.has(CONTAINER) {
        write_container(folder, &compose, context, stamp)?;
    }
    durable::remove_directory(&folder.file("files"))?;
    let identity = EncryptionIdentity::generate();
    let (container, payload) = encrypt(folder, &identity)?;
    let salt = Salt::from_bytes(entropy::bytes()?);
    let wraps = make_wraps(&compose, &recipients, &salt, &identity, context)?;
    let fields = EnvelopeFields {
        network: context.directory.head().network,
        signer: context.keys.signer(context.directory, context.now),
        time: context.now,
        id: compose.id,
        to: Recipients::new(recipients.into_iter().map(|(code, ..)| code).collect())?,
        expires: context
            .now
            .plus_seconds(u64::from(compose.expire_days) * 86_400),
        urgency: compose.document.urgency,
        forwarded: false,
        payload,
        wraps: Digest::from_bytes(Tree::from_leaves(&wraps).root()),
        content: Digest::commit(&salt, &container),
    };
    let statement = Envelope::new(fields)?.to_bytes();
    let signature = context.keys.statement.sign(&statement);
    let signed = SignedStatement {
        statement,
        signature,
    };
    let own = own_wrap(&compose, &salt, identity, context).render()?;
    let (framed, salt) = (frame(&wraps), format!("{salt}\n"));
    let beside: [(&str, &[u8]); 3] = [
        (WRAPS, &framed),
        (WRAP_TEXT, own.as_bytes()),
        (SALT, salt.as_bytes()),
    ];
    folder.publish_statement(ENVELOPE, &signed, &beside)?;
    sealed(folder)?.ok_or_else(|| NodeError::UnknownEnvelope.into())
}

/// The sizes, if the folder is sealed.
pub(crate) fn sealed(folder: &Folder) -> Result<Option<Sealed>, NodeError> {
    let Some((_, envelope)) = folder.statement::<Envelope>(ENVELOPE)? else {
        return Ok(None);
    };
    Ok(Some(Sealed {
        container_size: durable::size(&folder.file(CONTAINER))?.unwrap_or(0),
        payload_size: envelope.payload.size,
    }))
}

/// Nothing is sealed that its recipients would have to refuse.
fn check_context(context: &Context<'_>) -> Result<(), SealError> {
    let (keys, now) = (context.keys, context.now);
    if !context.directory.is_fresh(now) {
        return Err(SealError::DirectoryExpired);
    }
    context.check_revocation()?;
    let id = KeyId::from_bytes(keys.statement.public().key_id());
    let known = context.directory.key(keys.id.into(), id);
    if !known.is_some_and(|key| key.counts_at(now)) {
        return Err(SealError::KeyNotValid);
    }
    let details = CertificateDetails::from_der(&keys.certificate)?;
    if (details.not_before..=details.not_after).contains(&now.as_unix()) {
        Ok(())
    } else {
        Err(SealError::Certificate)
    }
}

/// A recipient, its id in text, and the key that wraps for it are made to.
type Keyed = (AgencyCode, String, EncryptionRecipient);

fn recipients(compose: &ComposeFile, context: &Context<'_>) -> Result<Vec<Keyed>, SealError> {
    let key_of = |code: &AgencyCode| {
        // It may have been renamed since the document was composed.
        let agency = context.directory.addressee(code)?;
        let key = agency.encryption_key_at(context.now)?;
        let key = EncryptionRecipient::from_text(key.public.as_str()).ok()?;
        Some((code.clone(), agency.id.to_string(), key))
    };
    let (mut keyed, mut codes) = (Vec::new(), Vec::new());
    for recipient in &compose.recipients {
        match key_of(&recipient.code) {
            Some(found) => keyed.push(found),
            None => codes.push(recipient.code.clone()),
        }
    }
    if codes.is_empty() {
        Ok(keyed)
    } else {
        Err(SealError::Recipients { codes })
    }
}

fn write_container(
    folder: &Folder,
    compose: &ComposeFile,
    context: &Context<'_>,
    stamp: AskStamp<'_>,
) -> Result<(), SealError> {
    durable::remove(&folder.file(TIME_STAMP_AWAITED))?;
    let stream = Stream::create(folder.path(), CONTAINER)?;
    let mut writer = ContainerWriter::new(stream)?;
    let document = compose.document.to_bytes();
    writer.add_file(DOCUMENT_NAME, "application/json", document.as_slice())?;
    for (place, file) in compose.files.iter().enumerate() {
        let path = folder.file("files").join(staged_name(place));
        let added = writer.add_file(&file.name, &file.media_type, durable::open(&path)?)?;
        if Digest::from_bytes(added.sha256) != file.sha256 {
            return Err(NodeError::form(path, "not the bytes that were composed").into());
        }
    }
    let mut awaited = None;
    let sign = |manifest: &[u8]| {
        let (p7s, why) = sign(manifest, compose.document.urgency, context, stamp)?;
        awaited = why;
        Ok(p7s)
    };
    let stream = writer.finish_signed(sign).map_err(|fault| match fault {
        consign_pki::asic::SealError::Container(fault) => SealError::Container(fault),
        consign_pki::asic::SealError::Sign(fault) => fault,
        _ => SealError::Unsealed,
    })?;
    if let Some(why) = awaited {
        // Before the container: where that lies, it is known how it was sealed.
        durable::publish(
            &folder.file(TIME_STAMP_AWAITED),
            format!("{why}\n").as_bytes(),
        )?;
    }
    stream.publish()?;
    Ok(())
}

/// The agency's seal on a manifest, at level B-T if there is a time-stamp, else at B-B with the
/// reason why there is none.
fn sign(
    manifest: &[u8],
    urgency: Urgency,
    context: &Context<'_>,
    stamp: AskStamp<'_>,
) -> Result<(Vec<u8>, Option<String>), SealError> {
    let (keys, time) = (context.keys, context.now.as_unix());
    let p7s = cms::sign_detached(&*keys.seal, &keys.certificate, &keys.chain, manifest, time)?;
    let value = cms::parse_and_verify(&p7s, manifest)?.signature_value;
    match stamp(&value, urgency).ok_or(SealError::Stopping)? {
        Stamp::NotAsked => Ok((p7s, None)),
        Stamp::Token(token) => Ok((cms::with_time_stamp(&p7s, &token)?, None)),
        Stamp::Awaited(why) => Ok((p7s, Some(why))),
    }
}

/// Encrypts the container; gives its digest, and what the envelope says of the ciphertext.
fn encrypt(
    folder: &Folder,
    identity: &EncryptionIdentity,
) -> Result<(Digest, PayloadInfo), SealError> {
    let recipient = identity.recipient();
    let text = AgeRecipient::new(&recipient.to_text()).ok_or(EncryptionError::InvalidRecipient)?;
    let mut container = Hashing::new(BufReader::new(durable::open(&folder.file(CONTAINER))?));
    let mut stream = Hashing::new(Stream::create(folder.path(), PAYLOAD)?);
    encrypt_to(&recipient, &mut container, &mut stream)?;
    let (stream, sha256) = stream.finish();
    let size = stream.publish()?;
    let (_, container) = container.finish();
    let payload = PayloadInfo {
        sha256,
        size,
        recipient: text,
    };
    Ok((container, payload))
}

fn make_wraps(
    compose: &ComposeFile,
    recipients: &[Keyed],
    salt: &Salt,
    identity: &EncryptionIdentity,
    context: &Context<'_>,
) -> Result<Vec<Vec<u8>>, SealError> {
    let mut wrap = own_wrap(
        compose,
        salt,
        EncryptionIdentity::from_text(&identity.to_text())?,
        context,
    );
    let mut wraps = Vec::with_capacity(recipients.len());
    for (code, id, key) in recipients {
        wrap.recipient_id.clone_from(id);
        wrap.recipient_code = code.to_string();
        wraps.push(seal_small(key, wrap.render()?.as_bytes())?);
    }
    Ok(wraps)
}

/// The wrap that the sender keeps for itself.
fn own_wrap(
    compose: &ComposeFile,
    salt: &Salt,
    identity: EncryptionIdentity,
    context: &Context<'_>,
) -> WrapPlaintext {
    let id = context.keys.id.to_string();
    let code = context
        .keys
        .code(context.directory, context.now)
        .to_string();
    WrapPlaintext {
        sender_id: id.clone(),
        sender_code: code.clone(),
        envelope_id: compose.id.to_string(),
        recipient_id: id,
        recipient_code: code,
        salt: salt.to_bytes(),
        identity,
    }
}

/// `wraps.bin`: each wrap after its length, four bytes, big-endian.
fn frame(wraps: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for wrap in wraps {
        let length = u32::try_from(wrap.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(wrap);
    }
    bytes
}

/// The wraps of `wraps.bin`; `None` if it is not whole.
pub(crate) fn unframe(bytes: &bytes::Bytes) -> Option<Vec<bytes::Bytes>> {
    let (mut rest, mut wraps) = (bytes.clone(), Vec::new());
    while !rest.is_empty() {
        let length = rest.get(..4)?.try_into().ok().map(u32::from_be_bytes)?;
        let end = usize::try_from(length).ok()?.checked_add(4)?;
        if end > rest.len() {
            return None;
        }
        let mut wrap = rest.split_to(end);
        wraps.push(wrap.split_off(4));
    }
    Some(wraps)
}

/// A reader or writer that hashes what passes.
#[derive(Debug)]
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    pub(crate) fn finish(self) -> (T, Digest) {
        (self.inner, Digest::from_bytes(self.hash.finalize().into()))
    }

    fn note(&mut self, bytes: Option<&[u8]>) {
        self.hash.update(bytes.unwrap_or_default());
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.note(buffer.get(..count));
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.note(bytes.get(..count));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
