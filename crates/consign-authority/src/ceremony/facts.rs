//! What a record states of an authority, made from its public files alone.

use std::path::Path;

use consign_domain::{Digest, Timestamp};
use consign_keys::TokenPlace;
use consign_keys::keyring::token_file;
use consign_pki::certificate::CertificateDetails;
use consign_pki::path::revocation::{self, list_period};
use consign_pki::protection::is_protected;
use consign_runtime::files;
use consign_verify::TrustStore;

use super::page::{field, groups};
use crate::applicant::ED25519_PREFIX;
use crate::error::{AuthorityError, DamageError};
use crate::files::layout::Layout;
use crate::files::{damaged, store};
use crate::settings::Settings;

/// Largest file whose digest is stated, in bytes.
const MAX_STATED: usize = 256 * 1024;

/// The facts, line by line: of the trust file given, and of a list of the root, if the record is
/// of its signing.
pub(super) fn lines(
    layout: &Layout,
    settings: &Settings,
    trust: &[u8],
    list: Option<&[u8]>,
) -> Result<Vec<String>, AuthorityError> {
    let root = store::certificate(&layout.root_pem())?;
    let issuing = store::certificate(&layout.issuing_pem())?;
    let mut facts = Facts::default();
    facts.say("network", settings.name.as_str());
    facts.say("  id", &settings.network.to_string());
    facts.say("authority", settings.code.as_str());
    facts.say("  id", &settings.authority.to_string());
    let purpose = "certifies issuing authorities, signs root.crl";
    facts.key("root key", &root, purpose);
    let purpose = "certifies seals, TLS and time-stamps, signs issuing.crl";
    facts.key("issuing key", &issuing, purpose);
    let believed = TrustStore::parse(trust);
    let believed = believed.map_err(|source| damaged(&layout.trust_json(), source))?;
    for key in believed.directory_keys() {
        let spki = [&ED25519_PREFIX[..], &key.to_bytes()].concat();
        facts.say("directory key", "Ed25519; signs the directory's heads");
        facts.digest("  SHA-256", Digest::of(&spki));
    }
    facts.certificate("root.pem", &root);
    facts.certificate("issuing.pem", &issuing);
    for (purpose, roots) in [
        ("believed for documents", believed.document_roots()),
        ("believed for time-stamps", believed.time_stamp_roots()),
    ] {
        for root in roots {
            let root = CertificateDetails::from_der(root);
            let root = root.map_err(|source| damaged(&layout.trust_json(), source))?;
            facts.say("root of others", purpose);
            facts.certificate("  name", &root);
        }
    }
    facts.0.extend(trust_file(Digest::of(trust)));
    let pem = files::read_bounded(&layout.trust_pem(), MAX_STATED)?;
    facts.given("trust/trust.pem", Digest::of(&pem));
    if let Some(list) = list {
        facts.list(layout, list)?;
    }
    Ok(facts.0)
}

/// The lines about the trust file with such a digest.
pub(super) fn trust_file(digest: Digest) -> Vec<String> {
    let mut facts = Facts::default();
    facts.given("trust/trust.json", digest);
    facts.0
}

/// Where each key is kept at this moment.
pub(super) fn places(layout: &Layout) -> Result<Vec<(&'static str, String)>, AuthorityError> {
    let keys = [
        ("root key", layout.root_key()),
        ("issuing key", layout.issuing_key()),
        ("directory key", layout.directory_key()),
    ];
    let mut places = Vec::new();
    for (name, path) in keys {
        let token = token_file(&path);
        let place = if token.exists() {
            let place = TokenPlace::load(&token).map_err(|source| damaged(&token, source))?;
            let key = place.key.map(|key| format!(", key {key}"));
            format!("{}{}", place.token, key.unwrap_or_default())
        } else {
            let bytes = files::read_private(&path, MAX_STATED)?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let how = if is_protected(&bytes) {
                "under a passphrase"
            } else {
                "without a passphrase"
            };
            format!("file keys/{file}, {how}")
        };
        places.push((name, place));
    }
    Ok(places)
}

/// How the facts are found with `openssl` and `sha256sum`, in the authority's directory.
pub(super) fn commands(list: Option<&Path>) -> Vec<String> {
    let mut commands = vec![
        "groups() { cut -c1-64 | sed 's/..../& /g' | fold -w 40; }".to_owned(),
        "key() { openssl pkey \"$@\" -pubout -outform DER | sha256sum | groups; }".to_owned(),
    ];
    for name in ["root", "issuing"] {
        commands.push(format!(
            "openssl x509 -in {name}.pem -noout -pubkey | key -pubin"
        ));
    }
    commands.push("key -in keys/directory.key".to_owned());
    for name in ["root", "issuing"] {
        commands.push(format!(
            "openssl x509 -in {name}.pem -noout -subject -serial -dates -nameopt utf8"
        ));
        commands.push(format!(
            "openssl x509 -in {name}.pem -outform DER | sha256sum | groups"
        ));
    }
    commands.push("openssl verify -CAfile root.pem issuing.pem".to_owned());
    for name in ["trust.json", "trust.pem"] {
        commands.push(format!("sha256sum trust/{name} | groups"));
    }
    if let Some(list) = list {
        let list = list.display();
        commands.push(format!("sha256sum ceremonies/{list} | groups"));
        commands.push(format!("openssl crl -in ceremonies/{list} -inform DER \\"));
        commands.push("    -CAfile root.pem -noout -text".to_owned());
    }
    commands
        .into_iter()
        .map(|line| format!("    {line}"))
        .collect()
}

#[derive(Debug, Default)]
struct Facts(Vec<String>);

impl Facts {
    fn say(&mut self, label: &str, value: &str) {
        self.0.extend(field(label, value));
    }

    fn digest(&mut self, label: &str, digest: Digest) {
        self.say(label, &groups(digest.as_bytes()));
    }

    fn given(&mut self, name: &str, digest: Digest) {
        self.say(name, "what verifiers are given");
        self.digest("  SHA-256", digest);
    }

    fn key(&mut self, name: &str, certificate: &CertificateDetails, purpose: &str) {
        self.say(name, &format!("{}; {purpose}", certificate.key));
        self.digest("  SHA-256", Digest::of(&certificate.public_key_der));
    }

    fn certificate(&mut self, name: &str, certificate: &CertificateDetails) {
        let at = |seconds| Timestamp::from_unix_saturating(seconds).to_string();
        self.say(name, &certificate.subject);
        self.say("  serial", &certificate.serial_hex);
        self.say("  from", &at(certificate.not_before));
        self.say("  until", &at(certificate.not_after));
        self.digest("  SHA-256", Digest::from_bytes(certificate.fingerprint));
    }

    fn list(&mut self, layout: &Layout, list: &[u8]) -> Result<(), AuthorityError> {
        let broken = |source| damaged(&layout.root_list(), DamageError::List(source));
        let (from, until) = list_period(list).map_err(broken)?;
        let root = store::certificate_der(&layout.root_pem())?;
        let is_ours = revocation::made_by(list, &root).is_some();
        let at = |seconds| Timestamp::from_unix_saturating(seconds).to_string();
        self.say("trust/crl/root.crl", "what the root has revoked");
        let signer = if is_ours {
            "the root key"
        } else {
            "another key"
        };
        self.say("  signed by", signer);
        match revocation::listed(list) {
            Some(revoked) if revoked.is_empty() => self.say("  revokes", "nothing"),
            Some(revoked) => {
                for (serial, revoked) in revoked {
                    let since = at(revoked.since);
                    self.say(
                        "  revokes",
                        &format!("{} since {since}", hex::encode(serial)),
                    );
                }
            }
            None => self.say("  revokes", "what cannot be read"),
        }
        self.say("  from", &at(from));
        self.say("  until", &at(until));
        self.digest("  SHA-256", Digest::of(list));
        Ok(())
    }
}
