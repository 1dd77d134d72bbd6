//! One signing key in a token.

use std::sync::Arc;

use consign_pki::algorithm::SignatureAlgorithm;
use consign_pki::seal::{KeeperFault, KeyKind, SealError, SealSigner, raw};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::error::Refusal;
use super::{Token, TokenError, TokenPlace};

/// A signing key in a token; its public half is remembered from when it was opened.
#[derive(Debug)]
pub struct TokenKey {
    token: Arc<Token>,
    label: String,
    algorithm: SignatureAlgorithm,
    public: Vec<u8>,
}

impl TokenKey {
    /// Finds the key of a place. Blocks.
    ///
    /// # Errors
    /// The token is not there or refuses, or the key is not there or cannot be used.
    pub fn open(token: Arc<Token>, place: &TokenPlace) -> Result<Self, TokenError> {
        let label = place.label().to_owned();
        let (algorithm, public) = token.in_session(|session| {
            let private = find(&token, session, ObjectClass::PRIVATE_KEY, &label)?;
            public_key(&token, session, private, &label)
        })?;
        Ok(Self {
            token,
            label,
            algorithm,
            public,
        })
    }

    /// Makes a new key in the token, which never leaves it. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open); or a kind that tokens do not have.
    pub fn make(token: Arc<Token>, place: &TokenPlace, kind: KeyKind) -> Result<Self, TokenError> {
        let (mechanism, of_kind) = match kind {
            KeyKind::EcdsaP256 => (
                Mechanism::EccKeyPairGen,
                vec![Attribute::EcParams(raw::p256_parameters())],
            ),
            KeyKind::Rsa2048 => (Mechanism::RsaPkcsKeyPairGen, rsa(2048)),
            KeyKind::Rsa3072 => (Mechanism::RsaPkcsKeyPairGen, rsa(3072)),
            KeyKind::Rsa4096 => (Mechanism::RsaPkcsKeyPairGen, rsa(4096)),
            _ => return Err(TokenError::Kind),
        };
        let label = place.label().as_bytes().to_vec();
        let named = || vec![Attribute::Token(true), Attribute::Label(label.clone())];
        let mut public = named();
        public.extend([Attribute::Verify(true), Attribute::Private(false)]);
        public.extend(of_kind);
        let mut private = named();
        private.extend([
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        token.in_session(|session| {
            let made = session.generate_key_pair(&mechanism, &public, &private);
            made.map_err(token.fault())
        })?;
        Self::open(token, place)
    }

    fn sign_in(&self, session: &Session, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let key = find(&self.token, session, ObjectClass::PRIVATE_KEY, &self.label);
        let key = key.map_err(|fault| match fault {
            // It was there: some modules show a token that was pulled out as an empty one.
            TokenError::KeyMissing { name, .. } => TokenError::Gone {
                name,
                source: Refusal::NoKey,
            },
            fault => fault,
        })?;
        let signed = match self.algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 => {
                session.sign(&Mechanism::RsaPkcs, key, &raw::digest_info(message))
            }
            _ => session.sign(&Mechanism::Ecdsa, key, &raw::digest(message)),
        };
        let signature = signed.map_err(self.token.fault())?;
        let signature = match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => raw::ecdsa_signature(&signature),
            _ => Some(signature),
        };
        signature
            .filter(|made| raw::is_signature(&self.public, self.algorithm, message, made))
            .ok_or_else(|| TokenError::OtherKey {
                name: self.token.name().clone(),
                key: self.label.clone(),
            })
    }
}

impl SealSigner for TokenKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key_der(&self) -> &[u8] {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        let signed = self
            .token
            .in_session(|session| self.sign_in(session, message));
        signed.map_err(|fault| SealError::Keeper(KeeperFault::new(fault)))
    }
}

fn rsa(bits: u64) -> Vec<Attribute> {
    let bits = Attribute::ModulusBits(bits.into());
    vec![bits, Attribute::PublicExponent(vec![1, 0, 1])]
}

/// The one object of a class with a label.
fn find(
    token: &Token,
    session: &Session,
    class: ObjectClass,
    label: &str,
) -> Result<ObjectHandle, TokenError> {
    let template = [
        Attribute::Class(class),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let found = session.find_objects(&template).map_err(token.fault())?;
    let (name, key) = (token.name().clone(), label.to_owned());
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(TokenError::KeyMissing { name, key }),
        _ => Err(TokenError::TwoKeys { name, key }),
    }
}

fn public_key(
    token: &Token,
    session: &Session,
    private: ObjectHandle,
    label: &str,
) -> Result<(SignatureAlgorithm, Vec<u8>), TokenError> {
    let unusable = |source| TokenError::KeyKind {
        name: token.name().clone(),
        key: label.to_owned(),
        source,
    };
    let kind = session.get_attributes(private, &[AttributeType::KeyType]);
    match kind.map_err(token.fault())?.first() {
        Some(Attribute::KeyType(KeyType::RSA)) => {
            // The private half has both, so that no public object is needed.
            let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
            let found = session.get_attributes(private, &wanted);
            let (mut modulus, mut exponent) = (Vec::new(), Vec::new());
            for attribute in found.map_err(token.fault())? {
                match attribute {
                    Attribute::Modulus(bytes) => modulus = bytes,
                    Attribute::PublicExponent(bytes) => exponent = bytes,
                    _ => {}
                }
            }
            let public = raw::rsa_public_key(&modulus, &exponent).map_err(unusable)?;
            Ok((SignatureAlgorithm::RsaPkcs1Sha256, public))
        }
        Some(Attribute::KeyType(KeyType::EC)) => {
            let public = find(token, session, ObjectClass::PUBLIC_KEY, label)?;
            let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
            let found = session.get_attributes(public, &wanted);
            let (mut parameters, mut point) = (Vec::new(), Vec::new());
            for attribute in found.map_err(token.fault())? {
                match attribute {
                    Attribute::EcParams(bytes) => parameters = bytes,
                    Attribute::EcPoint(bytes) => point = bytes,
                    _ => {}
                }
            }
            let public = raw::ec_public_key(&parameters, &point).map_err(unusable)?;
            Ok((SignatureAlgorithm::EcdsaP256Sha256, public))
        }
        _ => Err(unusable(SealError::UnsupportedKey {
            oid: "of another kind".to_owned(),
        })),
    }
}
