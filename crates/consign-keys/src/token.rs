//! Keys that never leave a token (PKCS#11 2.40 and later).
//!
//! P-256 and RSA of 2048 to 4096 bits. Messages are hashed here, so that the token needs
//! `CKM_ECDSA` or `CKM_RSA_PKCS` alone; every signature is verified before it is given away.
//!
//! A token has one session at a time, for all keys in it. When it goes away in the middle,
//! the session is opened once more; then the caller hears [`TokenError::Gone`] and may come
//! again at any time. A key whose public half is known need not be there until it signs.
//!
//! Where a person types the PIN, questions may be asked while a program starts, and nothing is
//! timed. Otherwise nobody is asked, and a token that has not answered after [`PATIENCE`] is not
//! waited for.

mod error;
mod key;
mod module;
mod place;
mod public_half;
mod session;
mod turn;

pub use error::{Refusal, TokenError, TriesLeft};
pub use key::TokenKey;
pub use place::{KeyName, TokenName, TokenPlace};
pub use session::{PATIENCE, Token};
