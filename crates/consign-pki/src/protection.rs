//! Key files under a passphrase, in forms that stock tools open.
//!
//! | what | form | opened by |
//! |---|---|---|
//! | private keys | PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958 §3), PBES2 (RFC 8018 §6.2) | `openssl pkey -passin` |
//! | age identities | age, one scrypt stanza | `age -d` |
//!
//! We write scrypt with N = 2^14, r = 8, p = 5 and AES-256-CBC: OpenSSL reads scrypt of up to
//! 32 MiB. What others wrote is read within a budget of memory and time, which is checked
//! before any of it is spent. Salts come from the generator inside aws-lc-rs.

use std::io::{Read as _, Write as _};

use age::secrecy::SecretString;
use der::Encode as _;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Salt, ScryptParams};
use zeroize::Zeroizing;

use crate::asn1;
use crate::pem::{self, PemError};

/// Longest passphrase or PIN, in bytes.
pub const MAX_PASSPHRASE: usize = 1024;
/// Largest protected file that is opened, in bytes.
pub const MAX_PROTECTED: usize = 256 * 1024;

/// Most rounds of PBKDF2 that are done: a few seconds.
const MAX_ITERATIONS: u32 = 10_000_000;
/// Most memory for scrypt, in bytes.
const MAX_SCRYPT_MEMORY: u64 = 128 << 20;
/// Most work for scrypt, N times r times p: a few seconds.
const MAX_SCRYPT_WORK: u64 = 1 << 23;
/// log2 of scrypt's N in age files that we write: 32 MiB.
const AGE_WORK: u8 = 15;
/// The same in those that we read: what `age -p` writes.
const MAX_AGE_WORK: u8 = 18;
const AGE: &[u8] = b"age-encryption.org/v1\n";
const PROTECTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Why a key file is not opened or not protected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectionError {
    /// A passphrase of no characters, or too many.
    #[error("a passphrase has 1 to {MAX_PASSPHRASE} bytes")]
    Length,
    /// It does not open the file.
    #[error("the passphrase is wrong, or the file is damaged")]
    Wrong,
    /// The file is not PEM.
    #[error("the protected key is not in PEM")]
    Pem(#[from] PemError),
    /// Not in the form of a protected key.
    #[error("not a private key under a passphrase")]
    Form,
    /// Encrypted in another way than with PBES2, scrypt or PBKDF2, and AES.
    #[error(
        "encrypted in a way that is not supported; write it anew with: openssl pkcs8 -topk8 -scrypt"
    )]
    Unsupported,
    /// Opening it would take more memory or time than is spent on a key.
    #[error("opening it would take too much memory or time")]
    Cost,
    /// Neither the text of a private key nor of age identities.
    #[error("not text of a key")]
    NotText,
    /// Encryption or its randomness failed.
    #[error("encryption failed")]
    Library,
}

/// A passphrase or PIN. It is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes 1 to [`MAX_PASSPHRASE`] bytes.
    pub fn new(text: Zeroizing<String>) -> Result<Self, ProtectionError> {
        if (1..=MAX_PASSPHRASE).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(ProtectionError::Length)
        }
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn for_age(&self) -> SecretString {
        SecretString::from(self.expose().to_owned())
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Passphrase(…)")
    }
}

/// Whether the bytes of a key file are under a passphrase.
pub fn is_protected(file: &[u8]) -> bool {
    let label = format!("-----BEGIN {PROTECTED_LABEL}-----");
    file.starts_with(AGE)
        || file
            .windows(label.len())
            .any(|part| part == label.as_bytes())
}

/// The text inside a protected file.
///
/// # Errors
/// [`ProtectionError`]; its cost was bounded before.
pub fn open(file: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<String>, ProtectionError> {
    if file.starts_with(AGE) {
        return open_age(file, passphrase);
    }
    let text = std::str::from_utf8(file).map_err(|_| ProtectionError::NotText)?;
    let der = pem::decode(PROTECTED_LABEL, text, pem::MAX_KEY_PEM)?;
    let info =
        EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| ProtectionError::Form)?;
    check_cost(&info.encryption_algorithm)?;
    let key = info
        .decrypt(passphrase.expose())
        .map_err(|fault| match fault {
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
                ..
            }) => ProtectionError::Unsupported,
            _ => ProtectionError::Wrong,
        })?;
    Ok(Zeroizing::new(pem::encode(
        pem::PRIVATE_KEY,
        key.as_bytes(),
    )))
}

/// The text of a private key in PEM, or of age identities, as a protected file.
///
/// # Errors
/// It is neither, or encryption failed.
pub fn protect(text: &str, passphrase: &Passphrase) -> Result<Vec<u8>, ProtectionError> {
    if text.contains("AGE-SECRET-KEY-1") {
        return protect_age(text, passphrase);
    }
    let key = Zeroizing::new(pem::decode(pem::PRIVATE_KEY, text, pem::MAX_KEY_PEM)?);
    let (salt, iv) = (random()?, random()?);
    let library = |_| ProtectionError::Library;
    let scrypt = ScryptParams {
        salt: Salt::new(salt).map_err(|_| ProtectionError::Library)?,
        cost_parameter: 1 << 14,
        block_size: 8,
        parallelization: 5,
        key_length: None,
    };
    let parameters = pbes2::Parameters {
        kdf: Kdf::Scrypt(scrypt),
        encryption: pbes2::EncryptionScheme::Aes256Cbc { iv },
    };
    let data = parameters
        .encrypt(passphrase.expose(), &key)
        .map_err(library)?;
    let scheme = EncryptionScheme::from(parameters).to_der();
    let der = asn1::sequence(&[
        &scheme.map_err(|_| ProtectionError::Library)?,
        &asn1::encode(asn1::OCTET_STRING, &[&data]),
    ]);
    Ok(pem::encode(PROTECTED_LABEL, &der).into_bytes())
}

fn random() -> Result<[u8; 16], ProtectionError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ProtectionError::Library)?;
    Ok(bytes)
}

fn check_cost(scheme: &EncryptionScheme) -> Result<(), ProtectionError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(ProtectionError::Unsupported);
    };
    let bounded = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => (1..=MAX_ITERATIONS).contains(&kdf.iteration_count),
        Kdf::Scrypt(kdf) => {
            let (n, r) = (kdf.cost_parameter, u64::from(kdf.block_size));
            let p = u64::from(kdf.parallelization);
            // RFC 7914 §5, §6: the mixing takes 128·N·r bytes, what is mixed 128·r·p.
            let units = n.saturating_mul(r);
            let work = units.saturating_mul(p);
            let memory = units.saturating_add(r.saturating_mul(p));
            n.is_power_of_two()
                && memory.saturating_mul(128) <= MAX_SCRYPT_MEMORY
                && (1..=MAX_SCRYPT_WORK).contains(&work)
        }
        _ => return Err(ProtectionError::Unsupported),
    };
    bounded.then_some(()).ok_or(ProtectionError::Cost)
}

fn protect_age(text: &str, passphrase: &Passphrase) -> Result<Vec<u8>, ProtectionError> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.for_age());
    recipient.set_work_factor(AGE_WORK);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor =
        age::Encryptor::with_recipients(recipients).map_err(|_| ProtectionError::Library)?;
    let mut file = Vec::new();
    let written = || -> std::io::Result<()> {
        let mut stream = encryptor.wrap_output(&mut file)?;
        stream.write_all(text.as_bytes())?;
        stream.finish().map(drop)
    };
    written().map_err(|_| ProtectionError::Library)?;
    Ok(file)
}

fn open_age(file: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<String>, ProtectionError> {
    if file.len() > MAX_PROTECTED {
        return Err(ProtectionError::Form);
    }
    let decryptor = age::Decryptor::new(file).map_err(|_| ProtectionError::Form)?;
    if !decryptor.is_scrypt() {
        return Err(ProtectionError::Unsupported);
    }
    let mut identity = age::scrypt::Identity::new(passphrase.for_age());
    identity.set_max_work_factor(MAX_AGE_WORK);
    let identities = std::iter::once(&identity as &dyn age::Identity);
    let mut stream = decryptor.decrypt(identities).map_err(|fault| match fault {
        age::DecryptError::ExcessiveWork { .. } => ProtectionError::Cost,
        _ => ProtectionError::Wrong,
    })?;
    let mut text = Zeroizing::new(String::with_capacity(file.len()));
    let read = stream.read_to_string(&mut text);
    read.map_err(|_| ProtectionError::Wrong)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
