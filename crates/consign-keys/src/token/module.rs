//! Loaded PKCS#11 modules: each once in a process.
//!
//! Some modules do not see a token that comes back until they are started anew, by
//! `C_Finalize` and `C_Initialize`. That ends the sessions of all their tokens; so a session
//! counts for one life of its module alone, and is forgotten, not closed, after it, since its
//! number may be another's by then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use tracing::warn;

use super::TokenError;

/// How long a module is left alone that was started anew, at first and at most: a token may be
/// away for weeks.
const REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));

static LOADED: LazyLock<Mutex<HashMap<PathBuf, Arc<Module>>>> = LazyLock::new(Mutex::default);

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    path: PathBuf,
    library: Pkcs11,
    life: RwLock<Life>,
}

/// One life of a module, from its start to its end.
#[derive(Debug)]
pub(super) struct Life {
    /// Which.
    pub(super) number: u64,
    /// Whether it has begun: the module would not start, and is asked again before its next use.
    is_begun: bool,
    /// When it was started anew last, unless all was well since.
    started: Option<Instant>,
    rest: Duration,
}

/// The module at a path, loaded and started.
pub(super) fn load(path: &Path) -> Result<Arc<Module>, TokenError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(path) {
        return Ok(Arc::clone(module));
    }
    let fault = |source| unloaded(path, source);
    let library = Pkcs11::new(path).map_err(fault)?;
    start(&library).map_err(fault)?;
    let module = Arc::new(Module {
        path: path.to_owned(),
        library,
        life: RwLock::new(Life {
            number: 0,
            is_begun: true,
            started: None,
            rest: REST.0,
        }),
    });
    loaded.insert(path.to_owned(), Arc::clone(&module));
    Ok(module)
}

impl Module {
    /// What is called, while [`use_it`](Self::use_it) holds.
    pub(super) const fn library(&self) -> &Pkcs11 {
        &self.library
    }

    /// Keeps the module's life from ending while it is called. One that would not start before is
    /// started.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn use_it(&self) -> Result<RwLockReadGuard<'_, Life>, TokenError> {
        let life = self.life.read().unwrap_or_else(PoisonError::into_inner);
        if life.is_begun {
            return Ok(life);
        }
        drop(life);
        let mut life = self.life.write().unwrap_or_else(PoisonError::into_inner);
        self.begin(&mut life)?;
        drop(life);
        Ok(self.life.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, life: &mut Life) -> Result<(), TokenError> {
        if !life.is_begun {
            start(&self.library).map_err(|source| unloaded(&self.path, source))?;
            life.is_begun = true;
        }
        Ok(())
    }

    /// Starts the module anew, unless it is being called or was started lately. Says whether.
    pub(super) fn start_anew(&self) -> Result<bool, TokenError> {
        let mut life = match self.life.try_write() {
            Ok(life) => life,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        if life.started.is_some_and(|at| at.elapsed() < life.rest) {
            return Ok(false);
        }
        life.rest = if life.started.is_some() {
            (life.rest * 2).min(REST.1)
        } else {
            REST.0
        };
        life.started = Some(Instant::now());
        life.number += 1;
        life.is_begun = false;
        if let Err(fault) = self.library.clone().finalize() {
            // It may be at its end all the same, and one that is not does not start.
            warn!(module = %self.path.display(), %fault, "the PKCS#11 module did not end in order");
        }
        self.begin(&mut life)?;
        Ok(true)
    }

    /// A token that was missed is here.
    pub(super) fn is_well(&self) {
        if let Ok(mut life) = self.life.try_write() {
            life.rest = REST.0;
            life.started = None;
        }
    }
}

fn start(library: &Pkcs11) -> Result<(), Error> {
    let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match library.initialize(threads) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

fn unloaded(path: &Path, source: Error) -> TokenError {
    TokenError::Module {
        path: path.to_owned(),
        source,
    }
}
