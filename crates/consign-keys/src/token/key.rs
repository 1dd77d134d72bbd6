//! One signing key in a token.

use std::sync::Arc;

use consign_pki::algorithm::SignatureAlgorithm;
use consign_pki::seal::{KeeperFault, KeyKind, SealError, SealSigner, raw};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::error::Refusal;
use super::public_half::public_half;
use super::session::{MAKING, PATIENCE};
use super::{KeyName, Token, TokenError, TokenPlace};

/// A signing key in a token, with its public half.
#[derive(Debug)]
pub struct TokenKey {
    token: Arc<Token>,
    key: Arc<Key>,
}

/// What is known of a key.
#[derive(Debug)]
struct Key {
    name: KeyName,
    algorithm: SignatureAlgorithm,
    /// DER `SubjectPublicKeyInfo`.
    public: Vec<u8>,
}

impl TokenKey {
    /// Finds the key of a place. Blocks.
    ///
    /// # Errors
    /// The token is not there or refuses, or the key is not there or cannot be used.
    pub fn open(token: Arc<Token>, place: &TokenPlace) -> Result<Self, TokenError> {
        let key = find_key(&token, place.key())?;
        let key = Arc::new(key);
        Ok(Self { token, key })
    }

    /// The key of a place whose public half, DER `SubjectPublicKeyInfo`, is known from its
    /// certificate. The token need not be there before it signs.
    ///
    /// # Errors
    /// The public key is not of a kind that is used in tokens.
    pub fn known(token: Arc<Token>, place: &TokenPlace, public: &[u8]) -> Result<Self, TokenError> {
        let name = place.key();
        let algorithm = raw::algorithm(public).map_err(|source| TokenError::KeyKind {
            name: token.name().clone(),
            key: name.clone(),
            source,
        })?;
        let public = public.to_vec();
        let key = Arc::new(Key {
            name,
            algorithm,
            public,
        });
        Ok(Self { token, key })
    }

    /// Makes a new key in the token, which never leaves it. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open); or a kind that tokens do not have.
    pub fn make(token: Arc<Token>, place: &TokenPlace, kind: KeyKind) -> Result<Self, TokenError> {
        let (name, in_token) = (place.key(), Arc::clone(&token));
        token.in_session(MAKING, move |session| {
            let (mechanism, public, private) = new_pair(&name, kind)?;
            let made = session.generate_key_pair(&mechanism, &public, &private);
            made.map_err(in_token.fault())
        })?;
        Self::open(token, place)
    }
}

impl Key {
    /// The private half, which was there before.
    fn find(&self, token: &Token, session: &Session) -> Result<ObjectHandle, TokenError> {
        let key = find(token, session, ObjectClass::PRIVATE_KEY, &self.name);
        key.map_err(|fault| match fault {
            // Some modules show a token that was pulled out as an empty one.
            TokenError::KeyMissing { name, .. } => TokenError::Gone {
                name,
                source: Refusal::NoKey,
            },
            fault => fault,
        })
    }

    fn sign(
        &self,
        token: &Token,
        session: &Session,
        message: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let key = self.find(token, session)?;
        let signed = match self.algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 => {
                session.sign(&Mechanism::RsaPkcs, key, &raw::digest_info(message))
            }
            _ => session.sign(&Mechanism::Ecdsa, key, &raw::digest(message)),
        };
        let signature = signed.map_err(token.fault())?;
        let signature = match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => raw::ecdsa_signature(&signature),
            _ => Some(signature),
        };
        signature
            .filter(|made| raw::is_signature(&self.public, self.algorithm, message, made))
            .ok_or_else(|| TokenError::OtherKey {
                name: token.name().clone(),
                key: self.name.clone(),
            })
    }
}

impl SealSigner for TokenKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm
    }

    fn public_key_der(&self) -> &[u8] {
        &self.key.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        let (token, key, message) = (
            Arc::clone(&self.token),
            Arc::clone(&self.key),
            message.to_vec(),
        );
        let signed = self
            .token
            .in_session(PATIENCE, move |session| key.sign(&token, session, &message));
        signed.map_err(kept)
    }

    fn keeper(&self) -> Option<String> {
        Some(format!("token with {}", self.token.name()))
    }

    fn ready(&self) -> Result<(), SealError> {
        let (token, key) = (Arc::clone(&self.token), Arc::clone(&self.key));
        let found = self
            .token
            .in_session(PATIENCE, move |session| key.find(&token, session).map(drop));
        found.map_err(kept)
    }
}

fn kept(fault: TokenError) -> SealError {
    SealError::Keeper(KeeperFault::new(fault))
}

fn find_key(token: &Arc<Token>, name: KeyName) -> Result<Key, TokenError> {
    let in_token = Arc::clone(token);
    token.in_session(PATIENCE, move |session| {
        let private = find(&in_token, session, ObjectClass::PRIVATE_KEY, &name)?;
        let (algorithm, public) = public_half(&in_token, session, private, &name)?;
        Ok(Key {
            name: name.clone(),
            algorithm,
            public,
        })
    })
}

/// What an object of a name has.
pub(super) fn attribute(name: &KeyName) -> Attribute {
    match name {
        KeyName::Label(label) => Attribute::Label(label.as_bytes().to_vec()),
        KeyName::Id(id) => Attribute::Id(id.clone()),
    }
}

/// How a pair of keys is made, and what its halves are to be.
fn new_pair(
    name: &KeyName,
    kind: KeyKind,
) -> Result<(Mechanism<'static>, Vec<Attribute>, Vec<Attribute>), TokenError> {
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
    let named = || vec![Attribute::Token(true), attribute(name)];
    let (mut public, mut private) = (named(), named());
    public.extend([Attribute::Verify(true), Attribute::Private(false)]);
    public.extend(of_kind);
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]);
    Ok((mechanism, public, private))
}

fn rsa(bits: u64) -> Vec<Attribute> {
    let bits = Attribute::ModulusBits(bits.into());
    vec![bits, Attribute::PublicExponent(vec![1, 0, 1])]
}

/// The one object of a class with a name.
fn find(
    token: &Token,
    session: &Session,
    class: ObjectClass,
    key: &KeyName,
) -> Result<ObjectHandle, TokenError> {
    let template = [Attribute::Class(class), attribute(key)];
    let found = session.find_objects(&template).map_err(token.fault())?;
    let (name, key) = (token.name().clone(), key.clone());
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(TokenError::KeyMissing { name, key }),
        _ => Err(TokenError::TwoKeys { name, key }),
    }
}
