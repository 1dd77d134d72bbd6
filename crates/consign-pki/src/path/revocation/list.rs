//! A revocation list as slices (RFC 5280 §5.1), and its entries.

use const_oid::ObjectIdentifier;

use super::{RevocationReason, Revoked, scope};
use crate::asn1::{self, DerError, Element, Reader, ScanLimits};
use crate::certificate::{Extension, extensions, time};

/// Largest list, in bytes.
pub(crate) const MAX_LIST: usize = 4 * 1024 * 1024;

/// What a list may cost to read: 100,000 entries fit.
const SCAN_LIMITS: ScanLimits = ScanLimits {
    max_bytes: MAX_LIST,
    max_depth: 24,
    max_elements: 2_000_000,
};

const ENUMERATED: u8 = 0x0a;

const ISSUER_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const HOLD_INSTRUCTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.23");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const DELTA_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const FRESHEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
const KEEPS_EXPIRED: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");
const INFORMATION_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");

/// Why a list answers for no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) &'static str);

/// Slices of one list.
#[derive(Debug)]
pub(super) struct List<'a> {
    /// The whole `TBSCertList`.
    pub(super) signed: &'a [u8],
    /// The whole `AlgorithmIdentifier`.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    /// The whole `Name`.
    pub(super) issuer: &'a [u8],
    pub(super) this_update: u64,
    next_update: Option<u64>,
    /// The value of `IssuingDistributionPoint`.
    pub(super) scope: Option<&'a [u8]>,
    /// Entries of certificates that expired from then on are kept.
    keeps_expired_from: Option<u64>,
    entries: Reader<'a>,
    usable: Result<(), Unusable>,
}

impl<'a> List<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, DerError> {
        asn1::scan(der, SCAN_LIMITS)?;
        let mut list = Element::only(der, asn1::SEQUENCE)?.reader();
        let signed = list.expect(asn1::SEQUENCE)?;
        let algorithm = list.expect(asn1::SEQUENCE)?.whole;
        let signature = list.bit_string_bytes()?;
        list.finish()?;
        let mut fields = signed.reader();
        if fields.peek_tag() == Some(asn1::INTEGER) && fields.small_integer()? != 1 {
            return Err(DerError::Value { tag: asn1::INTEGER });
        }
        if fields.expect(asn1::SEQUENCE)?.whole != algorithm {
            return Err(DerError::Value {
                tag: asn1::SEQUENCE,
            });
        }
        let issuer = fields.expect(asn1::SEQUENCE)?.whole;
        let this_update = time(&mut fields)?;
        let next_update = match fields.peek_tag() {
            Some(asn1::UTC_TIME | asn1::GENERALIZED_TIME) => Some(time(&mut fields)?),
            _ => None,
        };
        let entries = fields.optional(asn1::SEQUENCE)?;
        let extended = fields.optional(asn1::context(0))?;
        fields.finish()?;
        let mut parsed = Self {
            signed: signed.whole,
            algorithm,
            signature,
            issuer,
            this_update,
            next_update,
            scope: None,
            keeps_expired_from: None,
            entries: entries.map_or_else(|| Reader::new(&[]), |entries| entries.reader()),
            usable: Ok(()),
        };
        let extended = extended.map(|element| extensions(element.value));
        for extension in extended.transpose()?.unwrap_or_default() {
            parsed.heed(&extension)?;
        }
        Ok(parsed)
    }

    fn heed(&mut self, extension: &Extension<'a>) -> Result<(), DerError> {
        match extension.oid {
            ISSUING_POINT => self.scope = Some(extension.value),
            KEEPS_EXPIRED => {
                self.keeps_expired_from = Some(time(&mut Reader::new(extension.value))?)
            }
            DELTA_INDICATOR => self.usable = Err(Unusable("it is a delta list")),
            AUTHORITY_KEY
            | ISSUER_ALTERNATIVE_NAME
            | CRL_NUMBER
            | FRESHEST
            | INFORMATION_ACCESS => {}
            _ if extension.critical => {
                self.usable = Err(Unusable("a critical extension is not understood"));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) const fn usable(&self) -> Result<(), Unusable> {
        self.usable
    }

    /// The last second for which it answers: without a next update nothing says that there is
    /// no newer one.
    pub(super) fn until(&self) -> u64 {
        self.next_update.unwrap_or(self.this_update)
    }

    /// Whether it still has the entry of a certificate that expired then.
    pub(super) fn keeps_expired_at(&self, expired: u64) -> bool {
        self.keeps_expired_from.is_some_and(|from| from <= expired)
    }

    /// The entry of a serial number. All entries are looked at: one that is not understood
    /// makes the list unusable for every certificate (RFC 5280 §5.3).
    pub(super) fn entry(&self, serial: &[u8]) -> Result<Option<Revoked>, Unusable> {
        let mut found = None;
        self.each(|number, revoked| {
            // Of several, the one that counts from earlier.
            let before = found.filter(|before: &Revoked| before.since <= revoked.since);
            if number == serial {
                found = before.or(Some(revoked));
            }
        })?;
        Ok(found)
    }

    /// Serial numbers of certificates of the list's own issuer, and what the list says of them.
    pub(super) fn each(&self, mut of: impl FnMut(&'a [u8], Revoked)) -> Result<(), Unusable> {
        let malformed = |_| Unusable("an entry is malformed");
        let mut entries = self.entries.clone();
        // In an indirect list an entry names the issuer of its certificate and of those that
        // follow; before the first such name they are the list's own (RFC 5280 §5.3.3).
        let mut own = true;
        while !entries.is_empty() {
            let mut entry = entries.expect(asn1::SEQUENCE).map_err(malformed)?.reader();
            let number = entry.integer().map_err(malformed)?;
            let date = time(&mut entry).map_err(malformed)?;
            let extended = entry.optional(asn1::SEQUENCE).map_err(malformed)?;
            entry.finish().map_err(malformed)?;
            let said = said(date, extended)?;
            if let Some(issuers) = said.issuers {
                own = scope::is_named(issuers, self.issuer).map_err(malformed)?;
            }
            if own {
                of(number, said.revoked);
            }
        }
        Ok(())
    }
}

/// What an entry says.
struct Said<'a> {
    revoked: Revoked,
    /// The names of the certificate's issuer, if it says them.
    issuers: Option<&'a [u8]>,
}

fn said(date: u64, extended: Option<Element<'_>>) -> Result<Said<'_>, Unusable> {
    const REMOVED: u8 = 8;
    let malformed = |_| Unusable("an entry's extension is malformed");
    let mut reason = RevocationReason::Unspecified;
    let (mut invalid_from, mut issuers) = (None, None);
    let extended = extended.map(|element| extensions(element.whole));
    let extended = extended.transpose().map_err(malformed)?;
    for extension in extended.unwrap_or_default() {
        match extension.oid {
            REASON_CODE => {
                let code = Element::only(extension.value, ENUMERATED).map_err(malformed)?;
                match code.value {
                    [REMOVED] => return Err(Unusable("it takes an entry back, as delta lists do")),
                    [code] => reason = RevocationReason::from_code(*code).unwrap_or(reason),
                    _ => return Err(Unusable("an entry's reason is malformed")),
                }
            }
            INVALIDITY_DATE => {
                invalid_from = Some(only_time(extension.value).map_err(malformed)?);
            }
            CERTIFICATE_ISSUER => issuers = Some(extension.value),
            HOLD_INSTRUCTION => {}
            _ if extension.critical => {
                return Err(Unusable("an entry's critical extension is not understood"));
            }
            _ => {}
        }
    }
    let since = invalid_from.map_or(date, |from: u64| from.min(date));
    let revoked = Revoked { since, reason };
    Ok(Said { revoked, issuers })
}

/// A GeneralizedTime and nothing else.
fn only_time(value: &[u8]) -> Result<u64, DerError> {
    let element = Element::only(value, asn1::GENERALIZED_TIME)?;
    time(&mut Reader::new(element.whole))
}
