//! What tests send, and how they damage it.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

/// The smallest file that is told for a PDF, with a text that makes it unlike others.
pub fn pdf(text: &str) -> Vec<u8> {
    format!(
        "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n\
         << /Type /Pages /Kids [] /Count 0 >>\nendobj\n% {text}\n\
         trailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )
    .into_bytes()
}

/// A file of so many bytes that nothing can make smaller, the same for the same seed.
///
/// # Errors
/// The system refused.
pub fn noise(path: &Path, size: u64, seed: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    // xorshift64: neither secret nor good, only without pattern.
    let mut state = seed | 1;
    let mut left = size;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        file.write_all(bytes.get(..length).unwrap_or_default())?;
        left -= length as u64;
    }
    file.flush()?;
    Ok(())
}

/// A new envelope id, so that a command can be repeated: a UUID of version 7 (RFC 9562 §5.7).
///
/// # Errors
/// The system has no randomness or no time.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of the program and have no clock of its"
)]
pub fn envelope_id() -> Result<String> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let mut random = [0; 10];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let tail: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let time = format!("{millis:012x}");
    let part =
        |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let id = format!(
        "{}-{}-7{}-8{}-{}",
        part(&time, 0, 8),
        part(&time, 8, 12),
        part(&tail, 0, 3),
        part(&tail, 3, 6),
        part(&tail, 6, 18),
    );
    ensure!(id.len() == 36, "{id} is no id");
    Ok(id)
}

/// Writes a copy of `from` in which one byte is another.
///
/// # Errors
/// The file cannot be read or written, or has no such byte.
pub fn changed(from: &Path, to: &Path, offset: usize, mask: u8) -> Result<()> {
    let mut bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    ensure!(mask != 0, "that changes nothing");
    *bytes.get_mut(offset).context("the file is shorter")? ^= mask;
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}

/// Every file below a directory.
///
/// # Errors
/// The system refused; what goes away meanwhile is left out.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    Ok(found)
}

/// Copies a directory with all that is in it.
///
/// # Errors
/// The system refused.
pub fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
