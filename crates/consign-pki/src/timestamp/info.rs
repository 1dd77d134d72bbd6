//! `TSTInfo` (RFC 3161 §2.4.2).

use const_oid::ObjectIdentifier;

use super::{Imprint, TimeStampError};
use crate::asn1::{self, Element, Reader};
use crate::certificate::extensions;

/// What a token says.
#[derive(Debug)]
pub(super) struct Info<'a> {
    pub(super) policy: ObjectIdentifier,
    pub(super) imprint: Imprint<'a>,
    /// Value of the INTEGER.
    pub(super) serial: &'a [u8],
    pub(super) time: u64,
    pub(super) accuracy_ms: u64,
    /// Value of the INTEGER.
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> Info<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, TimeStampError> {
        let mut fields = Element::only(der, asn1::SEQUENCE)?.reader();
        let version = fields.small_integer()?;
        if version != 1 {
            return Err(TimeStampError::Version { version });
        }
        let policy = fields.object_identifier()?;
        let imprint = Imprint::read(&mut fields)?;
        let serial = fields.expect(asn1::INTEGER)?.value;
        let time = general_time(fields.expect(asn1::GENERALIZED_TIME)?.value)?;
        let accuracy_ms = match fields.optional(asn1::SEQUENCE)? {
            Some(accuracy) => accuracy_ms(&mut accuracy.reader())?,
            None => 0,
        };
        fields.optional(asn1::BOOLEAN)?;
        let nonce = fields.optional(asn1::INTEGER)?.map(|nonce| nonce.value);
        fields.optional(asn1::context(0))?;
        if let Some(extended) = fields.optional(asn1::context(1))? {
            // Implicit: the tag stands in the place of the SEQUENCE's.
            let all = asn1::encode(asn1::SEQUENCE, &[extended.value]);
            if extensions(&all)?.iter().any(|extension| extension.critical) {
                return Err(TimeStampError::Extension);
            }
        }
        fields.finish()?;
        Ok(Self {
            policy,
            imprint,
            serial,
            time,
            accuracy_ms,
            nonce,
        })
    }
}

/// `Accuracy`, rounded up.
fn accuracy_ms(fields: &mut Reader<'_>) -> Result<u64, TimeStampError> {
    let seconds = fields.optional(asn1::INTEGER)?;
    let millis = fields.optional(asn1::context_primitive(0))?;
    let micros = fields.optional(asn1::context_primitive(1))?;
    fields.finish()?;
    let number = |element: Option<Element<'_>>| -> Result<u64, TimeStampError> {
        let bytes = element.map_or(&[][..], |element| element.value);
        if bytes.len() > 5 || bytes.first().is_some_and(|first| *first >= 0x80) {
            return Err(TimeStampError::Time);
        }
        Ok(bytes
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    };
    let (seconds, millis, micros) = (number(seconds)?, number(millis)?, number(micros)?);
    Ok(seconds * 1_000 + millis + micros.div_ceil(1_000))
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161 §2.4.2), without its fraction.
fn general_time(text: &[u8]) -> Result<u64, TimeStampError> {
    use der::Decode;
    const WHOLE: usize = 14;
    let (whole, rest) = text.split_at_checked(WHOLE).ok_or(TimeStampError::Time)?;
    let is_fraction = |digits: &[u8]| {
        // No trailing zero, and so not nothing.
        digits.iter().all(u8::is_ascii_digit) && digits.last().is_some_and(|last| *last != b'0')
    };
    match rest {
        b"Z" => {}
        [b'.', digits @ .., b'Z'] if digits.len() <= 9 && is_fraction(digits) => {}
        _ => return Err(TimeStampError::Time),
    }
    let whole = asn1::encode(asn1::GENERALIZED_TIME, &[whole, b"Z"]);
    let time = der::asn1::GeneralizedTime::from_der(&whole).map_err(|_| TimeStampError::Time)?;
    Ok(time.to_unix_duration().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_a_fraction_in_its_one_form() {
        let at = 1_764_086_400;
        assert_eq!(general_time(b"20251125160000Z"), Ok(at));
        assert_eq!(general_time(b"20251125160000.5Z"), Ok(at));
        for wrong in [
            &b"20251125160000"[..],
            b"20251125160000.Z",
            b"20251125160000.50Z",
            b"20251125160000.5",
            b"20251125160000+0700",
            b"20251325160000Z",
            b"",
        ] {
            assert_eq!(general_time(wrong), Err(TimeStampError::Time));
        }
    }
}
