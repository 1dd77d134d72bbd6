//! Checkers and signers that are not ours.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::program::{Answer, Invocation, binary, words};

/// A container read by Python's `zipfile` and `xml.etree`.
const CONTAINER: &str = include_str!("../python/container.py");
/// A long-term archive read by the same.
const ARCHIVE: &str = include_str!("../python/archive.py");
/// A directory read by Python alone.
const DIRECTORY: &str = include_str!("../python/directory.py");
/// What pyHanko says of a detached seal.
const SEAL: &str = include_str!("../python/seal.py");
/// PDF files signed by pyHanko, and what it says of them.
const PDF: &str = include_str!("../python/pdf.py");

/// Runs `openssl`.
///
/// # Errors
/// It is not there.
pub fn openssl<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<Answer> {
    Invocation::of("openssl").args(words).run()
}

/// Whether `openssl` accepts a detached signature over a manifest.
///
/// # Errors
/// It is not there.
pub fn manifest_signature(signature: &Path, manifest: &Path, roots: &Path) -> Result<Answer> {
    cms_verify(signature, manifest, roots).run()
}

fn cms_verify(signature: &Path, manifest: &Path, trust: &Path) -> Invocation {
    Invocation::of("openssl")
        .args(["cms", "-verify", "-binary", "-inform", "DER", "-in"])
        .arg(signature)
        .arg("-content")
        .arg(manifest)
        .arg("-CAfile")
        .arg(trust)
        .args(["-purpose", "any", "-out", "/dev/null"])
}

/// The same with the revocation lists in a directory, which must cover the whole path.
///
/// # Errors
/// It is not there, or the lists cannot be read.
pub fn manifest_signature_with_lists(
    signature: &Path,
    manifest: &Path,
    roots: &Path,
    lists: &Path,
    work: &Path,
) -> Result<Answer> {
    // It takes lists from the file of the roots.
    let mut all = fs::read_to_string(roots)?;
    for name in ["issuing.crl", "root.crl"] {
        let pem = Invocation::of("openssl")
            .args(["crl", "-inform", "DER", "-in"])
            .arg(lists.join(name))
            .run()?;
        all.push_str(&String::from_utf8_lossy(&pem.good()?.stdout));
    }
    let trust = work.join("roots-and-lists.pem");
    fs::write(&trust, all)?;
    cms_verify(signature, manifest, &trust)
        .args(["-crl_check_all"])
        .run()
}

/// The time in UTC, as statements write it, by `date`.
///
/// # Errors
/// It is not there.
pub fn now() -> Result<String> {
    let answer = Invocation::of("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .run()?;
    let answer = answer.good()?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// Whether `openssl` accepts the signature of a statement.
///
/// # Errors
/// It is not there.
pub fn statement_signature(statement: &Path, signature: &Path, key: &Path) -> Result<Answer> {
    Invocation::of("openssl")
        .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"])
        .arg(key)
        .arg("-in")
        .arg(statement)
        .arg("-sigfile")
        .arg(signature)
        .run()
}

/// Makes a key file of 32 bytes written in hexadecimal digits (RFC 8410 §4).
///
/// # Errors
/// They are no key.
pub fn ed25519_key(digits: &str, directory: &Path) -> Result<PathBuf> {
    const INTRODUCTION: &str = "302a300506032b6570032100";
    let digits = format!("{INTRODUCTION}{digits}");
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or_default(), 16);
    let bytes = (0..digits.len()).step_by(2).map(byte);
    let bytes = bytes
        .collect::<Result<Vec<u8>, _>>()
        .context("no hexadecimal digits")?;
    let (der, pem) = (directory.join("key.der"), directory.join("key.pem"));
    fs::write(&der, bytes)?;
    let words = ["pkey", "-pubin", "-inform", "DER", "-in"];
    let convert = Invocation::of("openssl")
        .args(words)
        .arg(der)
        .arg("-out")
        .arg(&pem);
    convert.run()?.good()?;
    Ok(pem)
}

/// Opens an age file by hand.
///
/// # Errors
/// `age` is not there or refuses.
pub fn age(identity: &Path, from: &Path, to: &Path) -> Result<()> {
    Invocation::of("age")
        .args(["--decrypt", "--identity"])
        .arg(identity)
        .arg("--output")
        .arg(to)
        .arg(from)
        .run()?
        .good()?;
    Ok(())
}

/// What Python finds in a container; its META-INF is written into `to`.
///
/// # Errors
/// Python is not there, or finds something wrong.
pub fn container(container: &Path, to: &Path) -> Result<Value> {
    python(CONTAINER, [container, to])
}

/// What Python finds in a long-term archive, whose files are written into `to`: its manifests and
/// tokens, oldest first, and that each manifest covers all before it.
///
/// # Errors
/// Python is not there, or finds something wrong.
pub fn archive(archive: &Path, to: &Path) -> Result<Value> {
    python(ARCHIVE, [archive, to])
}

/// Whether `openssl` accepts a time-stamp token over a file.
///
/// # Errors
/// It is not there.
pub fn time_stamp(data: &Path, token: &Path, roots: &Path) -> Result<Answer> {
    Invocation::of("openssl")
        .args(["ts", "-verify", "-data"])
        .arg(data)
        .arg("-in")
        .arg(token)
        .args(["-token_in", "-CAfile"])
        .arg(roots)
        .run()
}

/// What Python finds in a published directory, with the root it computes itself.
///
/// # Errors
/// Python is not there, or finds something wrong.
pub fn directory(version: &Path) -> Result<Value> {
    python(DIRECTORY, [version])
}

/// Writes PDF files of many kinds, signed by pyHanko, into a directory, with the root of their
/// signers (`root.pem`) and its revocation list (`root.crl`). Gives what pyHanko's own
/// validation says of each file's signatures, by the files' names without `.pdf`.
///
/// # Errors
/// pyHanko is not there.
pub fn signed_pdfs(to: &Path) -> Result<Value> {
    fs::create_dir_all(to)?;
    run_python(Invocation::of(pyhanko()?), PDF, [to])
}

/// What pyHanko says of a detached seal over a manifest and of the time-stamp in it, as of a
/// moment, by roots and the revocation lists in a directory, which must cover both paths.
///
/// # Errors
/// pyHanko is not there, or cannot read them.
pub fn pyhanko_on_seal(
    signature: &Path,
    manifest: &Path,
    roots: &Path,
    lists: &Path,
    moment: &str,
) -> Result<Value> {
    let files = [signature, manifest, roots, lists, Path::new(moment)];
    run_python(Invocation::of(pyhanko()?), SEAL, files)
}

/// The Python that has pyHanko: `tests/programs` makes it below Cargo's target directory, in
/// which this executable lies.
fn pyhanko() -> Result<PathBuf> {
    let here = std::env::current_exe().context("cannot tell where this executable lies")?;
    here.ancestors()
        .map(|directory| directory.join("tools/pyhanko/bin/python"))
        .find(|path| path.is_file())
        .context("pyHanko is missing: run tests/programs, which installs it")
}

/// Runs `consign` at a terminal of its own, where a person types these answers as they are asked
/// for: its exit code, and what stood on the terminal.
///
/// # Errors
/// It could not be run, or asked for more.
pub fn at_terminal(answers: &[&str], directory: &Path, line: &str) -> Result<(i64, String)> {
    let script = include_str!("../python/terminal.py");
    let python = Invocation::of("python3").args(["-I", "-c", script]);
    let python = python.args(answers).arg("--").arg(binary()?);
    let answer = python.args(words(line)).stand_in(directory).run()?.good()?;
    let seen: Value = serde_json::from_slice(&answer.stdout).context("Python prints JSON")?;
    let code = seen["code"].as_i64().context("an exit code")?;
    let text = seen["text"].as_str().context("what stood there")?;
    Ok((code, text.to_owned()))
}

fn python<const N: usize>(script: &str, paths: [&Path; N]) -> Result<Value> {
    run_python(Invocation::of("python3"), script, paths)
}

fn run_python<const N: usize>(
    python: Invocation,
    script: &str,
    paths: [&Path; N],
) -> Result<Value> {
    let answer = python.args(["-I", "-c", script]).args(paths).run()?;
    let answer = answer.good()?;
    serde_json::from_slice(&answer.stdout).context("Python prints JSON")
}
