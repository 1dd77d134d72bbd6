//! The age header with exactly one X25519 stanza (C2SP age, "File encryption").
//!
//! Such a header has one shape and one length:
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 <43 characters: ephemeral share>
//! <43 characters: wrapped file key>
//! --- <43 characters: MAC>
//! ```
//!
//! The MAC key is HKDF-SHA-256 of the file key with info `header` and no salt; the payload
//! key does not depend on the header, so replacing the header that the age crate writes by
//! ours with the same file key leaves the payload valid.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::EncryptionError;

const MAGIC: &str = "age-encryption.org/v1\n";
const STANZA: &str = "-> X25519 ";
const MAC: &str = "--- ";
/// Characters of 32 bytes in base64 without padding.
const ENCODED: usize = 43;

/// Bytes before the payload's nonce in every age file of ours.
pub const HEADER_LENGTH: usize =
    MAGIC.len() + (STANZA.len() + ENCODED + 1) + (ENCODED + 1) + (MAC.len() + ENCODED + 1);

/// Starts an encrypted stream whose header holds one stanza for `recipient`.
pub(super) fn start<W: Write>(
    recipient: &age::x25519::Recipient,
    writer: W,
) -> Result<age::stream::StreamWriter<HeaderReplacer<W>>, EncryptionError> {
    let capture = Capture {
        recipient,
        header: Mutex::new(None),
    };
    let recipients = std::iter::once(&capture as &dyn age::Recipient);
    let encryptor =
        age::Encryptor::with_recipients(recipients).map_err(|_| EncryptionError::Library)?;
    let header = capture
        .header
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .ok_or(EncryptionError::Library)?;
    let replacer = HeaderReplacer {
        writer,
        state: State::Discarding {
            line: Vec::new(),
            header,
        },
    };
    encryptor.wrap_output(replacer).map_err(EncryptionError::Io)
}

/// Reads a header and refuses every other shape, before the age crate sees a byte.
pub(super) fn read(reader: &mut impl Read) -> Result<[u8; HEADER_LENGTH], EncryptionError> {
    let mut header = [0_u8; HEADER_LENGTH];
    reader
        .read_exact(&mut header)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => EncryptionError::UnexpectedHeader,
            _ => EncryptionError::Io(error),
        })?;
    if has_one_stanza(&header) {
        Ok(header)
    } else {
        Err(EncryptionError::UnexpectedHeader)
    }
}

fn has_one_stanza(header: &[u8]) -> bool {
    let Some(rest) = std::str::from_utf8(header)
        .ok()
        .and_then(|text| text.strip_prefix(MAGIC))
    else {
        return false;
    };
    let mut lines = rest.split_terminator('\n');
    let shape = [STANZA, "", MAC];
    let fits = shape.iter().all(|prefix| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(prefix))
            .is_some_and(|body| body.len() == ENCODED && STANDARD_NO_PAD.decode(body).is_ok())
    });
    fits && lines.next().is_none()
}

/// Wraps the file key for the recipient and keeps the header that results.
struct Capture<'a> {
    recipient: &'a age::x25519::Recipient,
    header: Mutex<Option<Vec<u8>>>,
}

impl age::Recipient for Capture<'_> {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> Result<(Vec<Stanza>, std::collections::HashSet<String>), age::EncryptError> {
        let (stanzas, labels) = self.recipient.wrap_file_key(file_key)?;
        if let [stanza] = stanzas.as_slice() {
            *self.header.lock().unwrap_or_else(PoisonError::into_inner) = render(stanza, file_key);
        }
        Ok((stanzas, labels))
    }
}

fn render(stanza: &Stanza, file_key: &FileKey) -> Option<Vec<u8>> {
    let [share] = stanza.args.as_slice() else {
        return None;
    };
    let body = STANDARD_NO_PAD.encode(&stanza.body);
    let covered = format!("{MAGIC}{STANZA}{share}\n{body}\n---");
    let mac = STANDARD_NO_PAD.encode(header_mac(file_key, covered.as_bytes())?);
    let header = format!("{covered} {mac}\n").into_bytes();
    has_one_stanza(&header).then_some(header)
}

fn header_mac(file_key: &FileKey, covered: &[u8]) -> Option<hmac::Tag> {
    let extracted = hkdf::Salt::none(hkdf::HKDF_SHA256).extract(file_key.expose_secret());
    let output = extracted.expand(&[b"header"], hmac::HMAC_SHA256).ok()?;
    Some(hmac::sign(&hmac::Key::from(output), covered))
}

/// Drops the header the age crate writes, puts ours in its place and passes the rest on.
pub(super) struct HeaderReplacer<W> {
    writer: W,
    state: State,
}

enum State {
    /// Still inside the other header; `line` is the unfinished line.
    Discarding {
        line: Vec<u8>,
        header: Vec<u8>,
    },
    Passing,
}

impl<W: Write> Write for HeaderReplacer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Discarding { line, header } = &mut self.state else {
            return self.writer.write(bytes);
        };
        for (position, byte) in bytes.iter().enumerate() {
            line.push(*byte);
            if *byte != b'\n' {
                continue;
            }
            let last = line.starts_with(MAC.as_bytes());
            line.clear();
            if last {
                self.writer.write_all(header)?;
                self.state = State::Passing;
                return Ok(position.saturating_add(1));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
