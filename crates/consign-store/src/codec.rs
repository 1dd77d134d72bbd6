//! The store's own binary encoding: little-endian integers, length-prefixed bytes.
//! Decoding checks every bound before it takes anything and never panics.

use bytes::Bytes;
use consign_domain::{
    AgencyCode, AgencyId, Digest, EnvelopeId, EnvelopeKey, Sequence, SignedStatement, Timestamp,
};

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes that do not decode")]
pub(crate) struct Malformed;

/// Builds an encoding.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0.into()
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A count of at most 65,535; more is a fault of ours and is cut by the reader's check.
    pub(crate) fn count(&mut self, count: usize) {
        self.u16(u16::try_from(count).unwrap_or(u16::MAX));
    }

    /// Bytes with their length; the sequencer has bounded them far below 4 GiB.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.raw(bytes);
    }

    pub(crate) fn agency(&mut self, agency: AgencyId) {
        self.raw(&agency.to_bytes());
    }

    pub(crate) fn key(&mut self, key: EnvelopeKey) {
        self.agency(key.sender);
        self.raw(&key.id.to_bytes());
    }

    pub(crate) fn digest(&mut self, digest: Digest) {
        self.raw(digest.as_bytes());
    }

    pub(crate) fn code(&mut self, code: &AgencyCode) {
        self.blob(code.as_str().as_bytes());
    }

    pub(crate) fn statement(&mut self, statement: &SignedStatement) {
        self.raw(&statement.signature);
        self.blob(&statement.statement);
    }
}

/// Takes an encoding apart; what it gives shares the memory of the whole.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.0.len() {
            return Err(Malformed);
        }
        Ok(self.0.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, _) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        let array = *array;
        self.take(N)?;
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count; refused if not even `each` bytes per element are left.
    pub(crate) fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let count = usize::from(self.u16()?);
        if count.saturating_mul(each) > self.0.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    pub(crate) fn blob(&mut self) -> Result<Bytes, Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    pub(crate) fn agency(&mut self) -> Result<AgencyId, Malformed> {
        AgencyId::from_bytes(self.array()?).map_err(|_| Malformed)
    }

    pub(crate) fn envelope_id(&mut self) -> Result<EnvelopeId, Malformed> {
        EnvelopeId::from_bytes(self.array()?).map_err(|_| Malformed)
    }

    pub(crate) fn key(&mut self) -> Result<EnvelopeKey, Malformed> {
        Ok(EnvelopeKey {
            sender: self.agency()?,
            id: self.envelope_id()?,
        })
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, Malformed> {
        self.array().map(Digest::from_bytes)
    }

    pub(crate) fn sequence(&mut self) -> Result<Sequence, Malformed> {
        Sequence::new(self.u64()?).map_err(|_| Malformed)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Malformed> {
        Timestamp::from_unix(self.u64()?).map_err(|_| Malformed)
    }

    pub(crate) fn code(&mut self) -> Result<AgencyCode, Malformed> {
        let text = self.blob()?;
        let text = std::str::from_utf8(&text).map_err(|_| Malformed)?;
        AgencyCode::lenient(text).map_err(|_| Malformed)
    }

    pub(crate) fn statement(&mut self) -> Result<SignedStatement, Malformed> {
        let signature = self.array()?;
        let statement = self.blob()?;
        Ok(SignedStatement {
            statement,
            signature,
        })
    }
}
