//! Asking a person for a secret: at the terminal, whatever standard input is, without echo.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use consign_pki::protection::MAX_PASSPHRASE;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// Ctrl-C. It ends the line instead of being a signal, which a service that stops in order
/// would not end the question by, and others would leave the terminal without echo by.
const CANCEL: u8 = 3;

/// Asks for `what` and gives the line that was typed, without its end.
pub(crate) fn ask(what: &str) -> io::Result<Zeroizing<String>> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let quiet = Quiet::new(&terminal)?;
    write!(&terminal, "{what}: ")?;
    let typed = line(&terminal);
    drop(quiet);
    writeln!(&terminal)?;
    let typed = typed?;
    let text = std::str::from_utf8(&typed).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Bytes up to the end of the line, each read alone so that no buffer keeps them.
fn line(mut terminal: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut typed = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE + 1));
    let mut byte = Zeroizing::new([0_u8]);
    while terminal.read(byte.as_mut())? == 1 && *byte != [b'\n'] {
        if *byte == [CANCEL] {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
        }
        if typed.len() > MAX_PASSPHRASE {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        typed.extend_from_slice(byte.as_ref());
    }
    Ok(typed)
}

/// A terminal without echo, until this is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VEOL] = CANCEL;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
