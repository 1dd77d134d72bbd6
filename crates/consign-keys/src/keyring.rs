//! Key files, and what opens them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_domain::ErrorCode;
use consign_pki::protection::{self, Passphrase, ProtectionError};
use consign_pki::seal::{FileSealKey, KeyKind, SealError, SealSigner};
use consign_runtime::config::ConfigFaults;
use consign_runtime::files::{self, FileError, PRIVATE};
use zeroize::Zeroizing;

use crate::secret::{SecretError, SecretSource};
use crate::token::{Token, TokenError, TokenKey, TokenPlace};

/// Largest key file, in bytes.
const MAX_KEY_FILE: usize = protection::MAX_PROTECTED;

/// Why a key cannot be read, made or protected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not text.
    #[error("{} is not a key file; restore it from a backup", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A protected file is not opened, or a key is not protected.
    #[error("{} is not opened; give its passphrase, or restore it from a backup", path.display())]
    Protection {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProtectionError,
    },
    /// A key cannot be put under a passphrase.
    #[error("{} cannot be put under a passphrase", path.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProtectionError,
    },
    /// There is no passphrase to be had.
    #[error("the keys are under a passphrase, and it is not to be had")]
    Secret(#[source] SecretError),
    /// Some keys are under a passphrase and others would not be.
    #[error(
        "{} has no passphrase, and new keys beside it would have one; put all of them under it: \
         see protect --help",
        path.display()
    )]
    Mixed {
        /// The file.
        path: PathBuf,
    },
    /// What is in the file is not a signing key.
    #[error("{} cannot be used; restore it from a backup", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The file that says where in which token a key is has faults.
    #[error(transparent)]
    Place(#[from] ConfigFaults),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl KeyringError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File(fault) if fault.is_not_found() => ErrorCode::NotFound,
            Self::File(_) => ErrorCode::StorageFailed,
            Self::Token(fault) => fault.code(),
            _ => ErrorCode::Usage,
        }
    }

    /// Whether the file was simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File(fault) if fault.is_not_found())
    }
}

/// Reads and writes key files, and opens keys in tokens. The passphrase is asked for when the
/// first protected file is met, and the PIN when a token is first used; once each.
///
/// Whoever knows the passphrase writes under it: new keys come to lie as the old ones do.
/// Opening a file takes a tenth of a second and more, on purpose; so what was in it is kept for
/// as long as the file is the same.
#[derive(Default)]
pub struct Keyring {
    source: SecretSource,
    passphrase: Mutex<Option<Arc<Passphrase>>>,
    opened: Mutex<HashMap<PathBuf, Opened>>,
    tokens: Mutex<Vec<Arc<Token>>>,
    /// No person is asked any more.
    unattended: AtomicBool,
}

/// A protected file and what is in it.
struct Opened {
    file: Zeroizing<Vec<u8>>,
    text: Zeroizing<String>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut keyring = formatter.debug_struct("Keyring");
        keyring
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// A keyring that gets its passphrase from `source`, should one be needed.
    pub fn new(source: SecretSource) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// A keyring with a passphrase that is new, asked for now.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn protecting(source: SecretSource) -> Result<Self, KeyringError> {
        let passphrase = source.read_new("New passphrase for the keys");
        let passphrase = Arc::new(passphrase.map_err(KeyringError::Secret)?);
        Ok(Self {
            passphrase: Mutex::new(Some(passphrase)),
            ..Self::new(source)
        })
    }

    /// From now on no person is there: none is asked, and no token is waited for without end.
    pub fn leave_alone(&self) {
        self.unattended.store(true, Ordering::Relaxed);
        for token in &*lock(&self.tokens) {
            token.leave_alone();
        }
    }

    /// Has new keys lie as the one in `path` does, if there is one: it is opened, and its
    /// passphrase is the one of those to come.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`KeyringError::Mixed`] where it has no passphrase and those to
    /// come have one.
    pub fn join(&self, path: &Path) -> Result<(), KeyringError> {
        let bytes = match files::read_private(path, MAX_KEY_FILE) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(fault) if fault.is_not_found() => return Ok(()),
            Err(fault) => return Err(fault.into()),
        };
        if protection::is_protected(&bytes) {
            self.read(path).map(drop)
        } else if self.known().is_some() {
            let path = path.to_owned();
            Err(KeyringError::Mixed { path })
        } else {
            Ok(())
        }
    }

    /// The text of a key file.
    ///
    /// # Errors
    /// It is missing, open to others, damaged, or its passphrase is another.
    pub fn read(&self, path: &Path) -> Result<Zeroizing<String>, KeyringError> {
        let bytes = Zeroizing::new(files::read_private(path, MAX_KEY_FILE)?);
        if !protection::is_protected(&bytes) {
            return self.plain(path, &bytes);
        }
        if let Some(opened) = lock(&self.opened).get(path)
            && opened.file == bytes
        {
            return Ok(opened.text.clone());
        }
        let passphrase = self.ask(path)?;
        let text = protection::open(&bytes, &passphrase);
        let text = text.map_err(|source| KeyringError::Protection {
            path: path.to_owned(),
            source,
        })?;
        let opened = Opened {
            file: bytes,
            text: text.clone(),
        };
        lock(&self.opened).insert(path.to_owned(), opened);
        Ok(text)
    }

    /// Stores a new key; never over another.
    ///
    /// # Errors
    /// There is a file of that name, or it cannot be written.
    pub fn write_new(&self, path: &Path, text: &str) -> Result<(), KeyringError> {
        Ok(files::publish_new(path, &self.form(path, text)?, PRIVATE)?)
    }

    /// Stores a key in place of whatever is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, path: &Path, text: &str) -> Result<(), KeyringError> {
        Ok(files::publish(path, &self.form(path, text)?, PRIVATE)?)
    }

    /// The signing key whose file would be `path` (`seal.key`): that file, or the key in a token
    /// that the file beside it names (`seal.toml`).
    ///
    /// # Errors
    /// There is neither, or it cannot be used.
    pub fn signer(&self, path: &Path) -> Result<Arc<dyn SealSigner>, KeyringError> {
        let place = token_file(path);
        if place.exists() {
            let key = self.token_key(&TokenPlace::load(&place)?)?;
            return Ok(Arc::new(key));
        }
        let key = FileSealKey::from_pkcs8_pem(&self.read(path)?);
        let key = key.map_err(|source| key_fault(path, source))?;
        Ok(Arc::new(key))
    }

    /// [`signer`](Self::signer) of a key whose public half, DER `SubjectPublicKeyInfo`, is known
    /// from its certificate: a token need not be there before it signs.
    ///
    /// # Errors
    /// As there.
    pub fn known_signer(
        &self,
        path: &Path,
        public: &[u8],
    ) -> Result<Arc<dyn SealSigner>, KeyringError> {
        let place = token_file(path);
        if !place.exists() {
            return self.signer(path);
        }
        let place = TokenPlace::load(&place)?;
        let key = TokenKey::known(self.token(&place), &place, public)?;
        Ok(Arc::new(key))
    }

    /// A new signing key in a file.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn make(&self, path: &Path, kind: KeyKind) -> Result<Arc<dyn SealSigner>, KeyringError> {
        let key = FileSealKey::generate(kind).map_err(|source| key_fault(path, source))?;
        self.write_new(path, &key.to_pkcs8_pem())?;
        Ok(Arc::new(key))
    }

    /// The key in a token that `place` names, made if it is not there; then the file beside
    /// `path` that names it.
    ///
    /// # Errors
    /// The token or the file.
    pub fn make_in_token(
        &self,
        path: &Path,
        place: &TokenPlace,
        kind: KeyKind,
    ) -> Result<Arc<dyn SealSigner>, KeyringError> {
        let key = match self.token_key(place) {
            Err(KeyringError::Token(TokenError::KeyMissing { .. })) => {
                TokenKey::make(self.token(place), place, kind)?
            }
            found => found?,
        };
        let text = place.to_text();
        files::publish(&token_file(path), text.as_bytes(), PRIVATE)?;
        Ok(Arc::new(key))
    }

    /// Puts key files under another passphrase, or under none. Cut short, it is done by the
    /// same call again. Gives the number of files changed.
    ///
    /// # Errors
    /// A file is not opened by the old passphrase nor by the new one.
    pub fn protect(&self, paths: &[PathBuf], new: &Self) -> Result<usize, KeyringError> {
        let mut texts = Vec::new();
        for path in paths {
            let bytes = Zeroizing::new(files::read_private(path, MAX_KEY_FILE)?);
            let known = new.known();
            let done = match &known {
                Some(known) => protection::open(&bytes, known).is_ok(),
                None => !protection::is_protected(&bytes),
            };
            if !done {
                texts.push((path, self.read(path)?));
            }
        }
        for (path, text) in &texts {
            new.replace(path, text)?;
        }
        Ok(texts.len())
    }

    fn plain(&self, path: &Path, bytes: &[u8]) -> Result<Zeroizing<String>, KeyringError> {
        let text = std::str::from_utf8(bytes).map_err(|_| KeyringError::NotText {
            path: path.to_owned(),
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn form(&self, path: &Path, text: &str) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let Some(passphrase) = self.known() else {
            return Ok(Zeroizing::new(text.as_bytes().to_vec()));
        };
        let file = protection::protect(text, &passphrase);
        let file = file.map_err(|source| KeyringError::Unprotected {
            path: path.to_owned(),
            source,
        })?;
        Ok(Zeroizing::new(file))
    }

    fn known(&self) -> Option<Arc<Passphrase>> {
        lock(&self.passphrase).clone()
    }

    fn ask(&self, path: &Path) -> Result<Arc<Passphrase>, KeyringError> {
        let mut known = lock(&self.passphrase);
        if let Some(passphrase) = &*known {
            return Ok(Arc::clone(passphrase));
        }
        let what = format!("Passphrase for {}", path.display());
        let source = match self.source {
            SecretSource::Prompt if self.unattended.load(Ordering::Relaxed) => {
                return Err(KeyringError::Secret(SecretError::Unattended { what }));
            }
            ref source => source,
        };
        let passphrase = Arc::new(source.read(&what).map_err(KeyringError::Secret)?);
        *known = Some(Arc::clone(&passphrase));
        Ok(passphrase)
    }

    fn token_key(&self, place: &TokenPlace) -> Result<TokenKey, KeyringError> {
        Ok(TokenKey::open(self.token(place), place)?)
    }

    /// The token of a place: one for all keys in it, so that its PIN is asked for once.
    fn token(&self, place: &TokenPlace) -> Arc<Token> {
        let mut tokens = lock(&self.tokens);
        if let Some(known) = tokens.iter().find(|token| token.is_of(place)) {
            return Arc::clone(known);
        }
        let token = Arc::new(Token::new(place));
        if self.unattended.load(Ordering::Relaxed) {
            token.leave_alone();
        }
        tokens.push(Arc::clone(&token));
        token
    }
}

/// Whether there is a key file that is under a passphrase.
pub fn is_protected(path: &Path) -> bool {
    files::read_bounded(path, MAX_KEY_FILE).is_ok_and(|file| protection::is_protected(&file))
}

/// Where the place of a key in a token is written whose file would be `path`: `seal.toml` for
/// `seal.key`.
pub fn token_file(path: &Path) -> PathBuf {
    path.with_extension("toml")
}

fn key_fault(path: &Path, source: SealError) -> KeyringError {
    KeyringError::Key {
        path: path.to_owned(),
        source,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
