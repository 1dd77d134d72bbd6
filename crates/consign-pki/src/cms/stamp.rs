//! From level B-B to B-T: a time-stamp token beside the signature value (ETSI EN 319 122-1
//! §5.3). No byte that was signed changes; the lengths around it do.

use super::attributes::encode as attribute;
use super::{CmsError, ID_SIGNED_DATA, SCAN_LIMITS, SIGNATURE_TIME_STAMP};
use crate::asn1::{self, Element};

/// The signature with a signature-time-stamp, which is not judged here.
///
/// # Errors
/// It is no signature of one signer, or has unsigned attributes already.
pub fn with_time_stamp(p7s: &[u8], token: &[u8]) -> Result<Vec<u8>, CmsError> {
    asn1::scan(p7s, SCAN_LIMITS)?;
    asn1::scan(token, SCAN_LIMITS)?;
    let mut content_info = Element::only(p7s, asn1::SEQUENCE)?.reader();
    if content_info.object_identifier()? != ID_SIGNED_DATA {
        return Err(CmsError::NotSignedData);
    }
    let explicit = content_info.expect(asn1::context(0))?;
    content_info.finish()?;
    let mut fields = Element::only(explicit.value, asn1::SEQUENCE)?.reader();
    let mut before = Vec::new();
    // The set of signers is the last field, and the only set after the digest algorithms.
    let signers = loop {
        let field = fields.element()?;
        if fields.is_empty() {
            break field;
        }
        before.extend_from_slice(field.whole);
    };
    let signers = Element::only(signers.whole, asn1::SET)?;
    let signer = Element::only(signers.value, asn1::SEQUENCE)?;
    let mut parts = signer.reader();
    while !parts.is_empty() {
        // Signed attributes have the tag 0.
        if parts.element()?.tag == asn1::context(1) {
            return Err(CmsError::HasUnsignedAttributes);
        }
    }
    let unsigned = attribute(SIGNATURE_TIME_STAMP, token);
    let signer = asn1::sequence(&[signer.value, &asn1::encode(asn1::context(1), &[&unsigned])]);
    let signers = asn1::encode(asn1::SET, &[&signer]);
    let signed_data = asn1::sequence(&[&before, &signers]);
    let stamped = asn1::sequence(&[
        &asn1::object_identifier(&ID_SIGNED_DATA),
        &asn1::encode(asn1::context(0), &[&signed_data]),
    ]);
    // What is written can be read.
    asn1::scan(&stamped, SCAN_LIMITS)?;
    Ok(stamped)
}
