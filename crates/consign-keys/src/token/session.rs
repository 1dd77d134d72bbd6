//! A token: found by its name, opened with its PIN, opened again when it comes back.

use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consign_pki::protection::Passphrase;
use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use tracing::{info, warn};

use super::module::{self, Module};
use super::turn::Turn;
use super::{Refusal, TokenError, TokenName, TokenPlace, TriesLeft};
use crate::secret::SecretSource;

/// How long a token may take for an answer where no person is there.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The same where it makes a key: smart cards are slow at RSA.
pub(super) const MAKING: Duration = Duration::from_secs(300);

/// A token, and the one session with it that all its keys share.
#[derive(Debug)]
pub struct Token {
    module: PathBuf,
    name: TokenName,
    source: SecretSource,
    /// Nobody is asked, and nothing is waited for without end.
    unattended: AtomicBool,
    turn: Arc<Turn>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    /// The life of the module that the session is of.
    life: u64,
    /// Kept so that a token that comes back is opened without a person.
    pin: Option<Passphrase>,
    /// What the token said to a PIN that it did not take, which is not given again.
    refused: Option<RvError>,
}

impl Token {
    /// The token of a place; nothing is opened yet.
    pub fn new(place: &TokenPlace) -> Self {
        Self {
            module: place.module.clone(),
            name: place.token.clone(),
            source: place.pin.clone(),
            unattended: AtomicBool::new(place.pin.is_unattended()),
            turn: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// From now on no person is there: see [the module](super).
    pub fn leave_alone(&self) {
        self.unattended.store(true, Ordering::Relaxed);
    }

    /// Whether this is the token of a place.
    pub fn is_of(&self, place: &TokenPlace) -> bool {
        self.module == place.module && self.name == place.token
    }

    pub(super) const fn name(&self) -> &TokenName {
        &self.name
    }

    /// Does `work` in a session with the user logged in. Where the session turns out to be lost
    /// it is opened once more, and no further.
    pub(super) fn in_session<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl Fn(&Session) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, TokenError> {
        if !self.unattended.load(Ordering::Relaxed) {
            return self.attempts(&work);
        }
        let token = Arc::clone(self);
        let done = self.turn.take(limit, move || token.attempts(&work));
        done.unwrap_or_else(|| {
            Err(TokenError::Slow {
                name: self.name.clone(),
                seconds: limit.as_secs(),
            })
        })
    }

    fn attempts<T>(
        &self,
        work: &impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let module = module::load(&self.module)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let was_open = state.session.is_some();
        let mut done = self.attempt(&module, &mut state, work);
        if was_open && let Err(fault @ TokenError::Gone { .. }) = &done {
            warn!(token = %self.name, %fault, "token lost, opening it again");
            done = self.attempt(&module, &mut state, work);
        }
        if matches!(done, Err(TokenError::NoToken { .. })) && module.start_anew()? {
            done = self.attempt(&module, &mut state, work);
        }
        if done.is_ok() && !was_open {
            module.is_well();
        }
        done
    }

    fn attempt<T>(
        &self,
        module: &Module,
        state: &mut State,
        work: &impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let life = module.use_it()?;
        let before = state.session.take();
        let session = match before {
            Some(session) if state.life == life.number => session,
            before => {
                // To close it would close whatever has its number now.
                mem::forget(before);
                self.open(module.library(), state)?
            }
        };
        state.life = life.number;
        let done = work(&session);
        if !matches!(done, Err(TokenError::Gone { .. })) {
            state.session = Some(session);
        }
        done
    }

    fn open(&self, module: &Pkcs11, state: &mut State) -> Result<Session, TokenError> {
        let (slot, about) = self.find(module)?;
        if about.user_pin_locked() {
            return Err(TokenError::PinLocked {
                name: self.name.clone(),
            });
        }
        let session = module.open_rw_session(slot).map_err(self.fault())?;
        if about.login_required() {
            self.log_in(module, state, &session, &about)?;
        }
        info!(token = %self.name, "token opened");
        Ok(session)
    }

    fn find(&self, module: &Pkcs11) -> Result<(Slot, TokenInfo), TokenError> {
        let (mut found, mut here) = (None, Vec::new());
        for slot in module.get_slots_with_token().map_err(self.fault())? {
            // A token that is being pulled out is not there.
            let Ok(about) = module.get_token_info(slot) else {
                continue;
            };
            if !about.token_initialized() {
                continue;
            }
            here.push(format!("{:?} ({})", about.label(), about.serial_number()));
            let is_it = match &self.name {
                TokenName::Label(label) => about.label() == label,
                TokenName::Serial(serial) => about.serial_number() == serial,
            };
            if is_it && found.replace((slot, about)).is_some() {
                let name = self.name.clone();
                return Err(TokenError::TwoTokens { name });
            }
        }
        found.ok_or_else(|| TokenError::NoToken {
            name: self.name.clone(),
            here,
        })
    }

    /// Gives the PIN, once. A PIN from a file is not tried where a wrong one was before: a
    /// service that is started again and again would lock the token.
    fn log_in(
        &self,
        module: &Pkcs11,
        state: &mut State,
        session: &Session,
        about: &TokenInfo,
    ) -> Result<(), TokenError> {
        let (name, left) = (self.name.clone(), tries_left(about));
        if let Some(value) = state.refused {
            return Err(self.not_taken(value, left));
        }
        if left != TriesLeft::Unknown && self.source.is_unattended() {
            return Err(TokenError::PinDoubtful { name, left });
        }
        let pin = match state.pin.clone() {
            Some(pin) => pin,
            None => self.ask(left)?,
        };
        let given = AuthPin::from(pin.expose().to_owned());
        let error = match session.login(UserType::User, Some(&given)) {
            Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                state.pin = Some(pin);
                return Ok(());
            }
            Err(error) => error,
        };
        // Whatever a token that is here says, it may have counted a wrong PIN.
        let found = self.find(module);
        match error {
            Pkcs11Error::Pkcs11(value, Function::Login)
                if !proves_absence(value) && !matches!(found, Err(TokenError::NoToken { .. })) =>
            {
                (state.refused, state.pin) = (Some(value), None);
                let about = found.ok().map(|(_, about)| about);
                Err(self.refused(value, about.as_ref()))
            }
            error => Err(TokenError::of(&self.name, error)),
        }
    }

    fn ask(&self, left: TriesLeft) -> Result<Passphrase, TokenError> {
        if !self.source.is_unattended() && self.unattended.load(Ordering::Relaxed) {
            let name = self.name.clone();
            return Err(TokenError::Unattended { name });
        }
        let what = match left {
            TriesLeft::Unknown => format!("PIN of the token with {}", self.name),
            left => format!("PIN of the token with {} ({left})", self.name),
        };
        self.source
            .read(&what)
            .map_err(|source| TokenError::Secret {
                name: self.name.clone(),
                source,
            })
    }

    /// The token did not take the PIN: `about` is what it says of itself now.
    fn refused(&self, value: RvError, about: Option<&TokenInfo>) -> TokenError {
        let says_so = matches!(value, RvError::PinLocked);
        if says_so || about.is_some_and(TokenInfo::user_pin_locked) {
            let name = self.name.clone();
            return TokenError::PinLocked { name };
        }
        self.not_taken(value, about.map_or(TriesLeft::Unknown, tries_left))
    }

    /// Why a PIN is not given again to which the token said `value`.
    fn not_taken(&self, value: RvError, left: TriesLeft) -> TokenError {
        let name = self.name.clone();
        match value {
            RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinLocked => TokenError::PinWrong { name, left },
            RvError::PinExpired => TokenError::PinExpired { name },
            value => TokenError::PinFailed {
                name,
                left,
                source: Refusal::Value {
                    function: Function::Login,
                    value,
                },
            },
        }
    }

    pub(super) fn fault(&self) -> impl Fn(Pkcs11Error) -> TokenError + '_ {
        |error| TokenError::of(&self.name, error)
    }
}

/// Whether a token that says so when it is given a PIN was not there to take it.
const fn proves_absence(value: RvError) -> bool {
    matches!(
        value,
        RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::SlotIdInvalid
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::CryptokiNotInitialized
    )
}

fn tries_left(about: &TokenInfo) -> TriesLeft {
    if about.user_pin_final_try() {
        TriesLeft::One
    } else if about.user_pin_count_low() {
        TriesLeft::Few
    } else {
        TriesLeft::Unknown
    }
}
