//! Which certificates a list is about: its issuing distribution point against the
//! certificate's distribution points (RFC 5280 §4.2.1.13, §5.2.5, §6.3.3 b).

use super::super::validator::same_name;
use super::list::Unusable;
use crate::asn1::{self, DerError, Element, Reader};
use crate::certificate::CertificateParts;

const DIRECTORY_NAME: u8 = 4;
const TRUE: u8 = 0xff;

/// What an `IssuingDistributionPoint` says.
#[derive(Debug, Default)]
struct Scope<'a> {
    point: Option<Element<'a>>,
    only_end_entities: bool,
    only_authorities: bool,
}

/// Whether a list with this scope has the certificate's entry, if there is one.
pub(super) fn covers(
    scope: Option<&[u8]>,
    certificate: &CertificateParts<'_>,
) -> Result<bool, Unusable> {
    let malformed = |_| Unusable("its scope is malformed");
    let Some(scope) = scope else {
        return Ok(true);
    };
    let scope = Scope::read(scope)?;
    let is_authority = certificate.is_authority().map_err(malformed)?;
    if scope.only_end_entities && is_authority || scope.only_authorities && !is_authority {
        return Ok(false);
    }
    let Some(point) = scope.point else {
        return Ok(true);
    };
    let own = certificate.distribution_points().map_err(malformed)?;
    let Some(own) = own else {
        return Ok(false);
    };
    let listed = names(point, certificate.issuer).map_err(malformed)?;
    let own = points(own, certificate.issuer).map_err(malformed)?;
    Ok(own.iter().any(|own| {
        let mut pairs = own
            .iter()
            .flat_map(|own| listed.iter().map(move |it| (own, it)));
        pairs.any(|(own, listed)| same(own, listed))
    }))
}

impl<'a> Scope<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Unusable> {
        let malformed = |_| Unusable("its scope is malformed");
        let mut fields = Element::only(value, asn1::SEQUENCE)
            .map_err(malformed)?
            .reader();
        let point = fields.optional(asn1::context(0)).map_err(malformed)?;
        let mut flag = |number| -> Result<bool, Unusable> {
            let flag = fields
                .optional(asn1::context_primitive(number))
                .map_err(malformed)?;
            match flag.map(|flag| flag.value) {
                None => Ok(false),
                Some([TRUE]) => Ok(true),
                Some(_) => Err(Unusable("its scope is malformed")),
            }
        };
        let (only_end_entities, only_authorities) = (flag(1)?, flag(2)?);
        let reasons = fields
            .optional(asn1::context_primitive(3))
            .map_err(malformed)?;
        if reasons.is_some() {
            return Err(Unusable("it is for some reasons only"));
        }
        let mut flag = |number| {
            fields
                .optional(asn1::context_primitive(number))
                .map_err(malformed)
        };
        // An indirect list has the own entries of its issuer too.
        flag(4)?;
        if flag(5)?.is_some() {
            return Err(Unusable("it is for attribute certificates"));
        }
        fields.finish().map_err(malformed)?;
        Ok(Self {
            point,
            only_end_entities,
            only_authorities,
        })
    }
}

/// The names of each distribution point of a certificate that is for all reasons and for the
/// issuer's own lists.
fn points(value: &[u8], issuer: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, DerError> {
    let mut points = Element::only(value, asn1::SEQUENCE)?.reader();
    let mut found = Vec::new();
    while !points.is_empty() {
        let mut point = points.expect(asn1::SEQUENCE)?.reader();
        let name = point.optional(asn1::context(0))?;
        let reasons = point.optional(asn1::context_primitive(1))?;
        let other_issuer = point.optional(asn1::context(2))?;
        point.finish()?;
        if let (Some(name), None, None) = (name, reasons, other_issuer) {
            found.push(names(name, issuer)?);
        }
    }
    Ok(found)
}

/// The `GeneralName`s of a `DistributionPointName`, whole; one relative to the issuer as the
/// directory name that it means.
fn names(point: Element<'_>, issuer: &[u8]) -> Result<Vec<Vec<u8>>, DerError> {
    let mut choice = point.reader();
    let name = choice.element()?;
    choice.finish()?;
    if name.tag == asn1::context(1) {
        let issuer = Element::only(issuer, asn1::SEQUENCE)?;
        let relative = asn1::encode(asn1::SET, &[name.value]);
        let full = asn1::sequence(&[issuer.value, &relative]);
        return Ok(vec![asn1::encode(asn1::context(DIRECTORY_NAME), &[&full])]);
    }
    if name.tag != asn1::context(0) {
        return Err(DerError::UnsupportedTag { tag: name.tag });
    }
    let (mut general, mut names) = (name.reader(), Vec::new());
    while !general.is_empty() {
        names.push(general.element()?.whole.to_vec());
    }
    Ok(names)
}

/// Whether a directory name is among `GeneralNames`.
pub(super) fn is_named(general: &[u8], name: &[u8]) -> Result<bool, DerError> {
    let mut names = Element::only(general, asn1::SEQUENCE)?.reader();
    let mut found = false;
    while !names.is_empty() {
        let one = names.element()?;
        found |= one.tag == asn1::context(DIRECTORY_NAME) && same_name(one.value, name);
    }
    Ok(found)
}

fn same(left: &[u8], right: &[u8]) -> bool {
    let directory = |name: &[u8]| {
        let tag = asn1::context(DIRECTORY_NAME);
        Reader::new(name)
            .expect(tag)
            .ok()
            .map(|name| name.value.to_vec())
    };
    left == right
        || match (directory(left), directory(right)) {
            (Some(left), Some(right)) => same_name(&left, &right),
            _ => false,
        }
}
