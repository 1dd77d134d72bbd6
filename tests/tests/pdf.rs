//! Signatures inside PDF files, made by pyHanko: our verdict on each, and pyHanko's own.
//!
//! Where the two differ, the table says so and why.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer with null where there is nothing"
)]

use std::fs;

use anyhow::{Context as _, Result, ensure};
use consign_tests::network::README;
use consign_tests::scratch::in_scratch;
use consign_tests::{Network, Scratch, outside};
use serde_json::Value;

const TRUST: &str = "--trust pdf/root.pem --crl pdf/root.crl --crl pdf/issuing.crl \
                     --at 2040-01-01T00:00:00Z";
/// For files whose name ends in `-given`: what signers do not embed.
const GIVEN: &str = "--certificates pdf/given.pem";

/// How pyHanko's opinion relates to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// It finds a signature good where we find it TOTAL-PASSED, and nowhere else.
    Agrees,
    /// It finds all good: we ask for more. Or for less, where it finds one that is not.
    Differs,
}
use Other::{Agrees, Differs};

/// A file, the verdict on it with its sub-indication, what it is, and the verdict on each of
/// its signatures that is no time-stamp (P, F, I).
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
    Other,
);

const PASSED: &str = "TOTAL-PASSED";
const FAILED: &str = "TOTAL-FAILED";
const UNDECIDED: &str = "INDETERMINATE";
const CONSTRAINTS: Option<&str> = Some("SIG_CONSTRAINTS_FAILURE");
const WEAK: Option<&str> = Some("CRYPTO_CONSTRAINTS_FAILURE");
const NO_CHAIN: Option<&str> = Some("NO_CERTIFICATE_CHAIN_FOUND");
const NO_PROOF: Option<&str> = Some("OUT_OF_BOUNDS_NO_POE");
const USAGE: Option<&str> = Some("CHAIN_CONSTRAINTS_FAILURE");

const ROWS: &[Row] = &[
    ("plain", UNDECIDED, CONSTRAINTS, "none", "", Agrees),
    ("original", PASSED, None, "original", "PP", Agrees),
    ("copy", PASSED, None, "scanned-copy", "P", Agrees),
    ("pkcs7", PASSED, None, "scanned-copy", "P", Agrees),
    // What names the certificate is not signed: another of the same key can take its place, and
    // did in the second one. The signature holds, and counts for nobody.
    ("unnamed", UNDECIDED, CONSTRAINTS, "none", "P", Agrees),
    ("swapped", UNDECIDED, CONSTRAINTS, "none", "P", Agrees),
    // A person certifies it for forms and signatures, and the agency signs.
    ("certified", PASSED, None, "original", "PP", Agrees),
    ("certified-final", PASSED, None, "scanned-copy", "P", Agrees),
    (
        "certified-added",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "IP",
        Agrees,
    ),
    ("sha384", PASSED, None, "scanned-copy", "P", Agrees),
    ("sha512", PASSED, None, "scanned-copy", "P", Agrees),
    ("p256", PASSED, None, "scanned-copy", "P", Agrees),
    ("p384", PASSED, None, "scanned-copy", "P", Agrees),
    ("ed25519", PASSED, None, "scanned-copy", "P", Agrees),
    ("old-stamp", PASSED, None, "scanned-copy", "P", Agrees),
    // A time-stamp that does not count makes nothing worse; with it, it does.
    ("server-stamp", PASSED, None, "scanned-copy", "P", Differs),
    // It compares what was added; with us a time-stamp, which anybody gets, closes nothing.
    (
        "document-stamp",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "II",
        Differs,
    ),
    // What a person adds after the agency's signature is not the agency's word.
    ("agency-first", UNDECIDED, CONSTRAINTS, "none", "PP", Agrees),
    // Nobody known to be an agency signed it; the signature itself is good.
    ("person", UNDECIDED, CONSTRAINTS, "none", "P", Agrees),
    ("somebody", UNDECIDED, CONSTRAINTS, "none", "P", Agrees),
    // It takes CAdES signatures that do not name their certificate.
    (
        "unnamed-pades",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "I",
        Differs,
    ),
    ("early", FAILED, Some("EXPIRED"), "none", "FF", Agrees),
    // Asked simply, it takes no notice of what a time-stamp proves.
    ("stamped", PASSED, None, "original", "PP", Differs),
    (
        "early-document-stamp",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "II",
        Agrees,
    ),
    // Stamped after the certificates had ended: nothing tells whether it was signed before.
    (
        "late-document-stamp",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "II",
        Agrees,
    ),
    ("late-stamp", UNDECIDED, NO_PROOF, "none", "I", Agrees),
    ("revoked", FAILED, Some("REVOKED"), "none", "F", Agrees),
    ("weak", FAILED, WEAK, "none", "F", Agrees),
    ("sha1", FAILED, WEAK, "none", "F", Agrees),
    // It was told to ask for no usage.
    ("server", FAILED, USAGE, "none", "F", Differs),
    ("stranger", UNDECIDED, NO_CHAIN, "none", "I", Agrees),
    // A root of that name is trusted, and did not issue the certificate: whether another of its
    // generations did, nothing here tells.
    ("forged", UNDECIDED, NO_CHAIN, "none", "I", Agrees),
    // The certificate between signer and root is in the signature, or it is given, which makes
    // no root of it.
    ("below", UNDECIDED, NO_CHAIN, "none", "I", Agrees),
    ("below-given", PASSED, None, "scanned-copy", "P", Agrees),
    ("below-embedded", PASSED, None, "scanned-copy", "P", Agrees),
    (
        "below-embedded-given",
        PASSED,
        None,
        "scanned-copy",
        "P",
        Agrees,
    ),
    ("stranger-given", UNDECIDED, NO_CHAIN, "none", "I", Agrees),
    // So too for a time-stamp, which it takes no notice of.
    ("below-stamp", FAILED, Some("EXPIRED"), "none", "F", Agrees),
    (
        "below-stamp-given",
        PASSED,
        None,
        "scanned-copy",
        "P",
        Differs,
    ),
    // Whoever closed it is not known, so the person's signature is in doubt too.
    (
        "stranger-last",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "II",
        Differs,
    ),
    (
        "changed",
        FAILED,
        Some("HASH_FAILURE"),
        "none",
        "FF",
        Agrees,
    ),
    ("added", UNDECIDED, CONSTRAINTS, "none", "II", Agrees),
    (
        "added-and-stamped",
        UNDECIDED,
        CONSTRAINTS,
        "none",
        "II",
        Agrees,
    ),
    // It compares pages; with us the agency vouches for what it added.
    ("added-between", PASSED, None, "original", "PP", Differs),
];

#[test]
fn verdicts_are_as_promised_and_pyhanko_agrees() -> Result<()> {
    in_scratch("pdf", |scratch| {
        let opinions = outside::signed_pdfs(&scratch.join("pdf"))?;
        let mut faults = Vec::new();
        for row in ROWS {
            let given = if row.0.ends_with("-given") { GIVEN } else { "" };
            let line = format!("verify pdf/{}.pdf {TRUST} {given} --json", row.0);
            let answer = scratch.consign(&line)?;
            let verdict = answer.json()?;
            let judged = is_as_promised(row, &verdict)
                .and_then(|()| is_agreed(row, &verdict, &opinions[row.0]))
                .and_then(|()| exit_code_fits(row.1, answer.code));
            faults.extend(judged.err().map(|fault| format!("{}: {fault:#}", row.0)));
        }
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        is_cut(scratch)?;
        too_many_are_given(scratch)?;
        findings_are_told(scratch)
    })
}

fn is_as_promised(row: &Row, verdict: &Value) -> Result<()> {
    let (_, indication, sub_indication, standing, letters, _) = row;
    let checks = list(&verdict["report"]["checks"])?;
    let decisive = checks
        .iter()
        .find(|check| check["outcome"] == "failed")
        .or_else(|| {
            checks
                .iter()
                .find(|check| check["outcome"] == "indeterminate")
        });
    let found = decisive.and_then(|check| check["sub_indication"].as_str());
    ensure!(verdict["kind"] == "pdf", "{verdict}");
    ensure!(verdict["verdict"] == *indication, "{verdict}");
    ensure!(found == *sub_indication, "{found:?}: {verdict}");
    ensure!(verdict["standing"] == *standing, "{verdict}");
    let found: String = signers(verdict)?.iter().map(|one| letter(one)).collect();
    ensure!(found == *letters, "{found}: {verdict}");
    Ok(())
}

fn is_agreed(row: &Row, verdict: &Value, opinion: &Value) -> Result<()> {
    let (ours, theirs) = (signers(verdict)?, list(opinion)?);
    ensure!(ours.len() == theirs.len(), "{opinion}");
    let mut all_agree = true;
    for (one, other) in ours.iter().zip(theirs) {
        all_agree &= (letter(one) == 'P') == (other["good"] == true);
        // Whether the bytes are those that were signed is no matter of opinion. Algorithms
        // that prove nothing are not tried here.
        let checks = list(&one["report"]["checks"])?;
        let holds = checks
            .iter()
            .any(|check| check["name"] == "pdf-signature" && check["outcome"] == "passed");
        let is_weak = matches!(row.0, "weak" | "sha1");
        ensure!(
            is_weak || holds == (other["holds"] == true),
            "{one} {other}"
        );
        let is_whole = one["later_bytes"] == 0;
        let theirs = other["coverage"] == "ENTIRE_FILE";
        ensure!(is_whole == theirs, "coverage: {one} {other}");
    }
    ensure!(all_agree == (row.5 == Agrees), "{opinion} {verdict}");
    Ok(())
}

fn exit_code_fits(verdict: &str, code: Option<i32>) -> Result<()> {
    let expected = match verdict {
        PASSED => 0,
        FAILED => 10,
        _ => 11,
    };
    ensure!(code == Some(expected), "exit code {code:?}");
    Ok(())
}

/// A file that ends within a revision is malformed, which is not forged.
fn is_cut(scratch: &Scratch) -> Result<()> {
    let answer = scratch.consign(&format!("verify pdf/cut.pdf {TRUST} --json"))?;
    ensure!(answer.code == Some(12), "{answer}");
    ensure!(answer.json()?["malformed"] == true, "{answer}");
    Ok(())
}

/// As many certificates as are looked at may be given, and no more.
fn too_many_are_given(scratch: &Scratch) -> Result<()> {
    let given = fs::read_to_string(scratch.join("pdf/given.pem"))?;
    for (times, code) in [(8, 0), (9, 2)] {
        scratch.write("pdf/many.pem", given.repeat(times))?;
        let line = format!("verify pdf/below.pdf {TRUST} --certificates pdf/many.pem");
        let answer = scratch.consign(&line)?;
        ensure!(answer.code == Some(code), "{answer}");
    }
    Ok(())
}

/// What people should know, in the text that they read.
fn findings_are_told(scratch: &Scratch) -> Result<()> {
    for (file, options, told) in [
        (
            "original",
            TRUST,
            "signed by Nguyễn Văn A, UBND tỉnh, and last and over all by",
        ),
        (
            "original",
            TRUST,
            "Nguyễn Văn A, UBND tỉnh (person): VALID – WITH REMARKS (TOTAL-PASSED)",
        ),
        (
            "original",
            TRUST,
            "Con dấu điện tử, UBND tỉnh (agency): VALID (TOTAL-PASSED)",
        ),
        ("original", TRUST, "signature 2 covers what came next"),
        ("copy", TRUST, "enough for a scanned copy"),
        (
            "unnamed",
            TRUST,
            "(agency; the signature does not cover this certificate)",
        ),
        (
            "unnamed",
            TRUST,
            "UNDECIDED (INDETERMINATE): it cannot be decided: Signatures that the document \
             needs: the signature does not say which certificate it is by",
        ),
        (
            "swapped",
            TRUST,
            "(person; the signature does not cover this certificate)",
        ),
        (
            "certified-added",
            TRUST,
            "the file was changed by more than its signer allowed",
        ),
        ("stamped", TRUST, "trusted time       2026-01-01T00:00:00Z"),
        ("original", TRUST, "trusted time       not known"),
        (
            "added",
            TRUST,
            "bytes were added that no signature covers; they may change what is seen",
        ),
        (
            "early-document-stamp",
            "--details --trust pdf/root.pem",
            "existed at 2026-01-01T00:00:00Z: time-stamp",
        ),
        ("late-document-stamp", TRUST, "OUT_OF_BOUNDS_NO_POE"),
        ("sha1", TRUST, "CRYPTO_CONSTRAINTS_FAILURE"),
        ("server-stamp", TRUST, "the time-stamp is not counted"),
        (
            "server-document-stamp",
            TRUST,
            "the time-stamp is not counted",
        ),
        (
            "old-stamp",
            "--details --trust pdf/root.pem",
            "which it names by SHA-1 alone",
        ),
        // Nothing says whether they are revoked.
        (
            "original",
            "--trust pdf/root.pem",
            "nothing says whether it was revoked",
        ),
        (
            "original",
            "--lang vi --trust pdf/root.pem --crl pdf/root.crl --at 2040-01-01T00:00:00Z",
            "HỢP LỆ – CÓ LƯU Ý (TOTAL-PASSED): Nguyễn Văn A, UBND tỉnh đã ký",
        ),
    ] {
        let answer = scratch.consign(&format!("verify pdf/{file}.pdf {options}"))?;
        ensure!(answer.text().contains(told), "{told:?} is not in\n{answer}");
    }
    Ok(())
}

/// The container's verdict and exit code are the container's alone.
#[test]
fn a_container_and_the_pdf_files_in_it_have_verdicts_of_their_own() -> Result<()> {
    in_scratch("pdf in a container", |scratch| {
        outside::signed_pdfs(&scratch.join("pdf"))?;
        for name in ["original", "changed", "plain"] {
            let to = scratch.join(format!("{name}.pdf"));
            fs::copy(scratch.join(format!("pdf/{name}.pdf")), to)?;
        }
        let network = Network::found(scratch, README)?;
        let sent = network.ask(
            "send --node node-a --from H49 --to H49.20 --subject 'Ký số' --type QĐ --number 45 \
             --wait handover original.pdf changed.pdf plain.pdf",
        )?;
        let id = sent["id"].as_str().context("an id")?;
        network.ask(&format!(
            "export --node node-a --agency H49 {id} -o sent.asice"
        ))?;
        let verdict = network.ask("verify sent.asice --trust node-b/trust/trust.json")?;
        ensure!(verdict["verdict"] == PASSED, "{verdict}");
        ensure!(
            !verdict["report"]["not_checked"].to_string().contains("pdf"),
            "{verdict}"
        );
        let judged = |name: &str| -> Result<Value> {
            let pdfs = list(&verdict["pdfs"])?;
            let found = pdfs.iter().find(|pdf| pdf["name"] == name);
            Ok(found.context("the file is named")?["judgement"].clone())
        };
        // The network's roots know nothing of those who signed.
        let original = judged("original.pdf")?;
        ensure!(original["report"]["indication"] == UNDECIDED, "{original}");
        ensure!(
            original.to_string().contains("NO_CERTIFICATE_CHAIN_FOUND"),
            "{original}"
        );
        // Others that the trust file names stand beside them, for documents alone.
        network
            .consign("authority trust authority --document-roots pdf/root.pem")?
            .good()?;
        let line = "verify sent.asice --trust authority/trust/trust.json --json \
                    --crl pdf/root.crl --at 2040-01-01T00:00:00Z";
        let known = network.consign(line)?.json()?;
        let known = list(&known["pdfs"])?
            .iter()
            .find(|pdf| pdf["name"] == "original.pdf");
        let known = &known.context("the file is named")?["judgement"];
        ensure!(known["report"]["indication"] == PASSED, "{known}");
        let changed = judged("changed.pdf")?;
        ensure!(changed["report"]["indication"] == FAILED, "{changed}");
        ensure!(judged("plain.pdf")?.is_null(), "{verdict}");
        let text = network.consign("verify sent.asice --trust node-b/trust/trust.json")?;
        ensure!(
            text.text()
                .contains("changed.pdf: NOT VALID (TOTAL-FAILED)"),
            "{text}"
        );
        ensure!(text.text().contains("plain.pdf: no signatures"), "{text}");
        Ok(())
    })
}

/// The signatures that are no time-stamps.
fn signers(verdict: &Value) -> Result<Vec<&Value>> {
    let all = list(&verdict["signatures"])?;
    Ok(all
        .iter()
        .filter(|one| one["role"] != "time-stamp")
        .collect())
}

fn letter(signature: &Value) -> char {
    match signature["report"]["indication"].as_str() {
        Some(PASSED) => 'P',
        Some(FAILED) => 'F',
        _ => 'I',
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("no list: {value}"))
}
