//! The public half of a key in a token.

use std::collections::BTreeSet;

use consign_pki::algorithm::SignatureAlgorithm;
use consign_pki::certificate::CertificateDetails;
use consign_pki::seal::{SealError, raw};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::key::attribute;
use super::{KeyName, Token, TokenError};

/// The algorithm and the public half of a private key, DER `SubjectPublicKeyInfo`: from the key
/// itself, from the object of its public half, or from a certificate, which is all that many smart
/// cards have.
pub(super) fn public_half(
    token: &Token,
    session: &Session,
    private: ObjectHandle,
    name: &KeyName,
) -> Result<(SignatureAlgorithm, Vec<u8>), TokenError> {
    let unusable = |source| TokenError::KeyKind {
        name: token.name().clone(),
        key: name.clone(),
        source,
    };
    let about = read(token, session, private, &[AttributeType::KeyType])?;
    let raw = match about.first() {
        // The private half has both, so that no public object is needed.
        Some(Attribute::KeyType(KeyType::RSA)) => rsa_key(token, session, private)?,
        Some(Attribute::KeyType(KeyType::EC)) => {
            let halves = namesakes(token, session, ObjectClass::PUBLIC_KEY, private, name)?;
            match halves.as_slice() {
                [] => None,
                [only] => ec_key(token, session, *only)?,
                _ => {
                    let (name, key) = (token.name().clone(), name.clone());
                    return Err(TokenError::TwoKeys { name, key });
                }
            }
        }
        _ => Some(Err(SealError::UnsupportedKey {
            oid: "of another kind".to_owned(),
        })),
    };
    let public = match raw {
        Some(public) => public.map_err(unusable)?,
        None => certified_key(token, session, private, name)?,
    };
    let algorithm = raw::algorithm(&public).map_err(unusable)?;
    Ok((algorithm, public))
}

/// What is read of a key in its raw form; none, where the object does not have it.
type Raw = Option<Result<Vec<u8>, SealError>>;

fn rsa_key(token: &Token, session: &Session, object: ObjectHandle) -> Result<Raw, TokenError> {
    let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
    let (mut modulus, mut exponent) = (Vec::new(), Vec::new());
    for attribute in read(token, session, object, &wanted)? {
        match attribute {
            Attribute::Modulus(bytes) => modulus = bytes,
            Attribute::PublicExponent(bytes) => exponent = bytes,
            _ => {}
        }
    }
    let is_whole = !modulus.is_empty() && !exponent.is_empty();
    Ok(is_whole.then(|| raw::rsa_public_key(&modulus, &exponent)))
}

fn ec_key(token: &Token, session: &Session, object: ObjectHandle) -> Result<Raw, TokenError> {
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let (mut parameters, mut point) = (Vec::new(), Vec::new());
    for attribute in read(token, session, object, &wanted)? {
        match attribute {
            Attribute::EcParams(bytes) => parameters = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    Ok((!point.is_empty()).then(|| raw::ec_public_key(&parameters, &point)))
}

/// The key of the certificates of a private key, which are of one key.
fn certified_key(
    token: &Token,
    session: &Session,
    private: ObjectHandle,
    name: &KeyName,
) -> Result<Vec<u8>, TokenError> {
    let mut keys = BTreeSet::new();
    for object in namesakes(token, session, ObjectClass::CERTIFICATE, private, name)? {
        for attribute in read(token, session, object, &[AttributeType::Value])? {
            if let Attribute::Value(der) = attribute
                && let Ok(details) = CertificateDetails::from_der(&der)
            {
                keys.insert(details.public_key_der);
            }
        }
    }
    match (keys.pop_first(), keys.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(TokenError::PublicMissing {
            name: token.name().clone(),
            key: name.clone(),
        }),
    }
}

/// The objects of a class that belong to a private key: by its id, as PKCS#11 has it, or else by
/// the name that it is known by.
fn namesakes(
    token: &Token,
    session: &Session,
    class: ObjectClass,
    private: ObjectHandle,
    name: &KeyName,
) -> Result<Vec<ObjectHandle>, TokenError> {
    let id = read(token, session, private, &[AttributeType::Id])?;
    let id = id
        .into_iter()
        .find(|id| matches!(id, Attribute::Id(id) if !id.is_empty()));
    for same in id.into_iter().chain([attribute(name)]) {
        let template = [Attribute::Class(class), same];
        let found = session.find_objects(&template).map_err(token.fault())?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn read(
    token: &Token,
    session: &Session,
    object: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>, TokenError> {
    let found = session.get_attributes(object, wanted);
    found.map_err(token.fault())
}
