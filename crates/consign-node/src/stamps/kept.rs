//! How a sent document stands with its time-stamp, by the files of its folder.
//!
//! `time-stamp.awaited` says that it was sealed without one, and why; it lies there before the
//! container does. `time-stamp.tst` is the token that came afterwards, a `TimeStampToken`
//! (RFC 3161) over the value of the seal. Both stay with the folder wherever it goes.

use std::io::BufReader;

use consign_domain::Timestamp;
use consign_pki::asic::{Budget, Container};
use consign_pki::cms::{self, CadesSignature};
use consign_pki::timestamp::{self, MAX_MESSAGE};

use crate::durable;
use crate::error::NodeError;
use crate::folder::{CONTAINER, Folder, TIME_STAMP, TIME_STAMP_AWAITED};

/// Longest text that says why there was none.
const MAX_WHY: usize = 4 * 1024;

/// How a sent document stands with its time-stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stamped {
    /// The seal has none, and none was asked for; or it is not sealed yet.
    No,
    /// The seal has one.
    Sealed(Timestamp),
    /// It was sealed without, for this reason; one is asked for.
    Awaited(String),
    /// It was sealed without; one was had afterwards and lies beside the container.
    Afterwards(Timestamp),
}

impl Stamped {
    /// The word of `node.proto`.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::No => "",
            Self::Sealed(_) => "sealed",
            Self::Awaited(_) => "awaited",
            Self::Afterwards(_) => "afterwards",
        }
    }
}

impl Folder {
    /// Whether a time-stamp is still to be had for what was sealed here.
    pub(crate) fn awaits_stamp(&self) -> bool {
        self.has(TIME_STAMP_AWAITED) && self.has(CONTAINER) && !self.has(TIME_STAMP)
    }

    /// How the document stands with its time-stamp.
    pub(crate) fn stamped(&self) -> Result<Stamped, NodeError> {
        if self.awaits_stamp() {
            let why = self
                .optional(TIME_STAMP_AWAITED, MAX_WHY)?
                .unwrap_or_default();
            let why = String::from_utf8_lossy(&why).trim_end().to_owned();
            return Ok(Stamped::Awaited(why));
        }
        let Some(seal) = self.own_seal()? else {
            return Ok(Stamped::No);
        };
        let time = |token: &[u8]| {
            let stamp = timestamp::verify(token, &seal.signature_value).ok()?;
            Some(Timestamp::from_unix_saturating(stamp.time))
        };
        let inside = seal.time_stamp_tokens.first();
        if let Some(time) = inside.and_then(|token| time(token)) {
            return Ok(Stamped::Sealed(time));
        }
        let beside = self.optional(TIME_STAMP, MAX_MESSAGE)?;
        Ok(match beside.and_then(|token| time(&token)) {
            Some(time) => Stamped::Afterwards(time),
            None => Stamped::No,
        })
    }

    /// The seal of the container that we made; `None` before it is there. Its files are not read.
    pub(crate) fn own_seal(&self) -> Result<Option<CadesSignature>, NodeError> {
        let path = self.file(CONTAINER);
        if durable::size(&path)?.is_none() {
            return Ok(None);
        }
        let file = BufReader::new(durable::open(&path)?);
        let fault = |rule| NodeError::form(&path, rule);
        let container = Container::open_canonical(file, &Budget::default())
            .map_err(|_| fault("not the container that was made"))?;
        let layer = container.signatures().first();
        let layer = layer.ok_or_else(|| fault("a container that was sealed has a seal"))?;
        let seal = cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes);
        seal.map(Some)
            .map_err(|_| fault("the seal is the one that was made"))
    }
}
