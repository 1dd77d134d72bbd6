//! Who may say what, under which key, at what time; and directories to believe.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod world;

use consign_domain::directory::{Entry, KeyState, KeyText, Role};
use consign_domain::statement::{DirectoryHead, Envelope, Event, Evidence, Placement, Statement};
use consign_domain::text::Line;
use consign_domain::{Digest, DirectoryVersion, ErrorCode, Sequence, SignedStatement};
use consign_pki::statement::StatementKey;
use consign_verify::container::JudgedAt;
use consign_verify::directory::{EntryProof, MAX_PROOF};
use consign_verify::report::Reason;
use consign_verify::{
    Directory, DirectoryError, Indication, Policy, Submitted, TrustStore, statement,
    verify_statement, verify_submitted,
};
use world::{DAY, World, head, lines, now, sign};

fn envelope_of(world: &World) -> Envelope {
    world.envelope(&world.container(&world.document())).0
}

fn refusal(world: &World, signed: &SignedStatement) -> ErrorCode {
    verify_statement::<Envelope>(signed, &[Role::Agency], &world.directory)
        .unwrap_err()
        .code()
}

fn acceptance(world: &World) -> Evidence {
    let envelope = envelope_of(world);
    let reference = envelope
        .reference(Digest::of(&envelope.to_bytes()))
        .unwrap();
    let hub = world::id(0x30).parse().unwrap();
    let event = Event::SubmissionAcceptance;
    let mut accepted = Evidence::new(
        world.trust.network(),
        world.hub_signer(),
        now(),
        event,
        hub,
        reference,
    );
    accepted.placements = vec![Placement {
        id: world.recipient.id,
        code: world.recipient.code.parse().unwrap(),
        sequence: Sequence::FIRST,
    }];
    accepted
}

#[test]
fn a_good_envelope_and_acceptance_verify() {
    let world = World::new();
    let signed = sign(&envelope_of(&world), &world.sender.statement);
    let verified =
        verify_statement::<Envelope>(&signed, &[Role::Agency], &world.directory).unwrap();
    assert_eq!(verified.to.as_slice()[0].as_str(), "H49.13");
    let signed = sign(&acceptance(&world), &world.hub);
    verify_statement::<Evidence>(&signed, &[Role::Hub], &world.directory).unwrap();
}

#[test]
fn one_byte_changed_anywhere_is_refused() {
    let world = World::new();
    let signed = sign(&envelope_of(&world), &world.sender.statement);
    for offset in 0..signed.statement.len() {
        let mut bytes = signed.statement.to_vec();
        bytes[offset] ^= 1;
        let changed = SignedStatement {
            statement: bytes.into(),
            signature: signed.signature,
        };
        refusal(&world, &changed);
    }
    for offset in 0..64 {
        let mut changed = signed.clone();
        changed.signature[offset] ^= 1;
        assert_eq!(refusal(&world, &changed), ErrorCode::SignatureInvalid);
    }
}

#[test]
fn another_kind_or_role_is_refused() {
    let world = World::new();
    let signed = sign(&acceptance(&world), &world.hub);
    assert_eq!(refusal(&world, &signed), ErrorCode::StatementKind);
    let as_agency = verify_statement::<Evidence>(&signed, &[Role::Agency], &world.directory);
    assert_eq!(as_agency.unwrap_err().code(), ErrorCode::RoleNotPermitted);
    let head = world.directory.signed_head().clone();
    let as_head = verify_statement::<DirectoryHead>(&head, &[Role::Authority], &world.directory);
    assert_eq!(as_head.unwrap_err().code(), ErrorCode::KeyUnknown);
}

#[test]
fn an_unknown_key_and_another_agencys_key_are_refused() {
    let world = World::new();
    let mut envelope = envelope_of(&world);
    let stranger = StatementKey::from_seed([0x77; 32]);
    assert_eq!(
        refusal(&world, &sign(&envelope, &stranger)),
        ErrorCode::SignatureInvalid
    );
    envelope.signer.key = consign_domain::KeyId::from_bytes(stranger.public().key_id());
    assert_eq!(
        refusal(&world, &sign(&envelope, &stranger)),
        ErrorCode::KeyUnknown
    );
    // The recipient's key under the sender's id.
    let other = &world.recipient.statement;
    envelope.signer.key = consign_domain::KeyId::from_bytes(other.public().key_id());
    assert_eq!(
        refusal(&world, &sign(&envelope, other)),
        ErrorCode::KeyUnknown
    );
    // An unknown key that a newer directory may know is a reason to wait.
    envelope.signer.directory = envelope.signer.directory.next();
    assert_eq!(
        refusal(&world, &sign(&envelope, other)),
        ErrorCode::DirectoryBehind
    );
}

#[test]
fn a_code_that_is_not_the_signers_is_refused() {
    let world = World::new();
    let mut envelope = envelope_of(&world);
    envelope.signer.code = "H49.13".parse().unwrap();
    let signed = sign(&envelope, &world.sender.statement);
    assert_eq!(refusal(&world, &signed), ErrorCode::RoleNotPermitted);
}

/// What a newer directory may know is a reason to wait, not to refuse.
#[test]
fn a_code_that_a_newer_directory_may_know_waits() {
    let world = World::new();
    let mut envelope = envelope_of(&world);
    envelope.signer.code = "H49.99".parse().unwrap();
    envelope.signer.directory = envelope.signer.directory.next();
    let signed = sign(&envelope, &world.sender.statement);
    assert_eq!(refusal(&world, &signed), ErrorCode::DirectoryBehind);
}

#[test]
fn another_network_is_refused() {
    let world = World::new();
    let mut envelope = envelope_of(&world);
    envelope.network = world::id(0x51).parse().unwrap();
    let signed = sign(&envelope, &world.sender.statement);
    assert_eq!(refusal(&world, &signed), ErrorCode::NetworkMismatch);
}

#[test]
fn keys_count_between_their_dates() {
    let mut world = World::new();
    let signed = sign(&envelope_of(&world), &world.sender.statement);
    let mut with = |from: i64, until: Option<i64>, state| {
        let shift = |days: i64| {
            let seconds = days.unsigned_abs() * DAY;
            if days < 0 {
                now().minus_seconds(seconds)
            } else {
                now().plus_seconds(seconds)
            }
        };
        world.republish(|entries| {
            if let Entry::Agency(agency) = &mut entries[0] {
                agency.statement_keys[0].validity.from = shift(from);
                agency.statement_keys[0].validity.until = until.map(shift);
                agency.statement_keys[0].state = state;
            }
        });
        verify_statement::<Envelope>(&signed, &[Role::Agency], &world.directory)
            .map(|_| ())
            .map_err(|refusal| refusal.code())
    };
    let not_valid = Err(ErrorCode::KeyNotValid);
    assert_eq!(with(-10, Some(10), KeyState::Active), Ok(()));
    assert_eq!(with(1, Some(10), KeyState::Active), not_valid);
    assert_eq!(with(-10, Some(-1), KeyState::Active), not_valid);
    assert_eq!(with(-10, Some(1), KeyState::Retired), Ok(()));
    assert_eq!(with(-10, Some(1), KeyState::Revoked), Ok(()));
    let revoked = Err(ErrorCode::KeyRevoked);
    assert_eq!(with(-10, Some(-1), KeyState::Revoked), revoked);
    assert_eq!(with(1, Some(2), KeyState::Revoked), not_valid);
}

/// Whatever time it claims, and only if nothing else is wrong.
#[test]
fn what_a_revoked_key_submits_is_told_from_all_else() {
    let mut world = World::new();
    let submit = |world: &World, signed: &SignedStatement| {
        let submitted = verify_submitted::<Envelope>(signed, &[Role::Agency], &world.directory);
        let revoked = submitted.map(|found| matches!(found, Submitted::Revoked(_)));
        revoked.map_err(|refusal| refusal.code())
    };
    let signed = sign(&envelope_of(&world), &world.sender.statement);
    let mut renamed = envelope_of(&world);
    renamed.signer.code = "H49.13".parse().unwrap();
    let renamed = sign(&renamed, &world.sender.statement);
    let mut forged = signed.clone();
    forged.signature[0] ^= 1;
    assert_eq!(submit(&world, &signed), Ok(false));
    let end = |world: &mut World, state, until| {
        world.republish(|entries| {
            if let Entry::Agency(agency) = &mut entries[0] {
                agency.statement_keys[0].validity.until = Some(until);
                agency.statement_keys[0].state = state;
            }
        });
    };
    for until in [now().minus_seconds(DAY), now().plus_seconds(DAY)] {
        end(&mut world, KeyState::Revoked, until);
        assert_eq!(submit(&world, &signed), Ok(true));
        let wrong = ErrorCode::RoleNotPermitted;
        assert_eq!(submit(&world, &renamed), Err(wrong));
        let wrong = ErrorCode::SignatureInvalid;
        assert_eq!(submit(&world, &forged), Err(wrong));
    }
    end(&mut world, KeyState::Retired, now().minus_seconds(DAY));
    let retired = Err(ErrorCode::KeyNotValid);
    assert_eq!(submit(&world, &signed), retired);
    end(&mut world, KeyState::Retired, now().plus_seconds(DAY));
    assert_eq!(submit(&world, &signed), Ok(false));
}

fn verify_with(
    world: &World,
    head: SignedStatement,
    entries: Vec<u8>,
) -> Result<Directory, DirectoryError> {
    Directory::verify(head, entries, &world.trust)
}

#[test]
fn a_directory_is_believed_only_whole() {
    let world = World::new();
    let entries = world.entries();
    let good = || head(&world.trust, &world.directory_key, 1, None, &entries);
    verify_with(&world, good(), lines(&entries)).unwrap();
    let text = lines(&entries);
    for offset in (0..text.len()).step_by(11) {
        let mut changed = text.clone();
        changed[offset] ^= 1;
        verify_with(&world, good(), changed).unwrap_err();
    }
    let cut = text[..text.len() - 1].to_vec();
    verify_with(&world, good(), cut).unwrap();
    let shorter = lines(&entries[1..]);
    assert!(matches!(
        verify_with(&world, good(), shorter),
        Err(DirectoryError::Count {
            found: 3,
            expected: 4
        })
    ));
    let stranger = StatementKey::from_seed([0x78; 32]);
    let forged = head(&world.trust, &stranger, 1, None, &entries);
    assert!(matches!(
        verify_with(&world, forged, lines(&entries)),
        Err(DirectoryError::UnknownKey { .. })
    ));
    let mut resigned = good();
    resigned.signature[3] ^= 1;
    assert!(matches!(
        verify_with(&world, resigned, lines(&entries)),
        Err(DirectoryError::Signature)
    ));
}

#[test]
fn an_entry_proves_itself_with_a_path() {
    let world = World::new();
    for entry in world.entries() {
        let proof = EntryProof::of(&world.directory, entry.id()).unwrap();
        let read = EntryProof::parse(&proof.to_bytes()).unwrap();
        assert_eq!(read, proof);
        let proven = read.verify(&world.trust).unwrap();
        assert_eq!(proven.entry, entry);
        assert_eq!(proven.head, *world.directory.head());
    }
    assert!(EntryProof::of(&world.directory, [0x77; 16]).is_none());
}

/// Every field of a proof, changed alone, and what is said of it.
#[test]
fn a_proof_that_was_changed_proves_nothing() {
    let world = World::new();
    let proof = EntryProof::of(&world.directory, world.recipient.id.to_bytes()).unwrap();
    let good: serde_json::Value = serde_json::from_slice(&proof.to_bytes()).unwrap();
    let refusal = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        let proof = EntryProof::parse(changed.to_string().as_bytes()).unwrap();
        proof.verify(&world.trust).unwrap_err()
    };
    let other = EntryProof::of(&world.directory, world.sender.id.to_bytes()).unwrap();
    let other: serde_json::Value = serde_json::from_slice(&other.to_bytes()).unwrap();
    for field in ["entry", "path", "index"] {
        let refused = refusal(&|proof| proof[field] = other[field].clone());
        assert!(matches!(refused, DirectoryError::Root), "{field}");
    }
    let shorter = refusal(&|proof| drop(proof["path"].as_array_mut().unwrap().pop()));
    assert!(matches!(shorter, DirectoryError::Root));
    let outside = refusal(&|proof| proof["index"] = 99.into());
    assert!(matches!(outside, DirectoryError::Root));
    let unsigned = refusal(&|proof| proof["signature"] = "00".repeat(64).into());
    assert!(matches!(unsigned, DirectoryError::Signature));
    let longer = refusal(&|proof| {
        let head = proof["head"].as_str().unwrap();
        let head = head.replace("\"expires\":\"20", "\"expires\":\"21");
        assert_ne!(head, proof["head"].as_str().unwrap());
        proof["head"] = head.into();
    });
    assert!(matches!(longer, DirectoryError::Signature));
    let other_key = TrustStore::new(
        world.trust.network(),
        Line::new("Quảng Ninh").unwrap(),
        world.trust.authority(),
        world.trust.authority_code().clone(),
        vec![StatementKey::from_seed([0x41; 32]).public()],
        world.trust.roots().to_vec(),
        DirectoryVersion::FIRST,
    );
    assert!(matches!(
        proof.verify(&other_key),
        Err(DirectoryError::UnknownKey { .. })
    ));
    for bytes in [&b"{}"[..], b"", &vec![b' '; MAX_PROOF + 1]] {
        EntryProof::parse(bytes).unwrap_err();
    }
}

/// Nothing is allocated for lines before they are counted.
#[test]
fn a_flood_of_lines_is_refused_unread() {
    let world = World::new();
    let head = world.directory.signed_head().clone();
    let flood = verify_with(&world, head, vec![b'\n'; 30 << 20]);
    assert!(matches!(flood, Err(DirectoryError::TooLarge)));
}

#[test]
fn an_encryption_key_that_is_none_is_refused() {
    let world = World::new();
    let mut entries = world.entries();
    if let Entry::Agency(agency) = &mut entries[0] {
        let key = &mut agency.encryption_keys[0];
        let mistyped = key
            .public
            .as_str()
            .replace(&key.public.as_str()[20..22], "qq");
        key.public = KeyText::new(mistyped).unwrap();
    }
    let signed = head(&world.trust, &world.directory_key, 1, None, &entries);
    assert!(matches!(
        verify_with(&world, signed, lines(&entries)),
        Err(DirectoryError::Claim { index: 0 })
    ));
}

#[test]
fn a_key_of_a_kind_not_known_here_stops_nobody() {
    let world = World::new();
    let text = String::from_utf8(lines(&world.entries())).unwrap();
    let newer = text.replacen(r#""kind":"x25519""#, r#""kind":"mlkem768x25519""#, 1);
    let lines: Vec<&str> = newer.lines().collect();
    let root = consign_log::Tree::from_leaves(&lines).root();
    let mut head = world.directory.head().clone();
    head.root = Digest::from_bytes(root);
    let signed = sign(&head, &world.directory_key);
    let directory = verify_with(&world, signed, newer.into_bytes()).unwrap();
    let agency = directory.agency(world.sender.id).unwrap();
    assert!(agency.encryption_key_at(now()).is_none());
}

#[test]
fn entries_are_in_order_and_claim_only_their_own() {
    let world = World::new();
    let mut entries = world.entries();
    entries.swap(0, 1);
    let signed = head(&world.trust, &world.directory_key, 1, None, &entries);
    assert!(matches!(
        verify_with(&world, signed, lines(&entries)),
        Err(DirectoryError::Order { index: 1 })
    ));
    let mut entries = world.entries();
    let taken = entries[0].clone();
    if let (Entry::Agency(thief), Entry::Agency(owner)) = (&mut entries[1], taken) {
        thief.codes = owner.codes;
    }
    let signed = head(&world.trust, &world.directory_key, 1, None, &entries);
    assert!(matches!(
        verify_with(&world, signed, lines(&entries)),
        Err(DirectoryError::Claim { index: 1 })
    ));
}

#[test]
fn the_trust_file_has_a_stable_form_and_a_lowest_version() {
    let world = World::new();
    let bytes = world.trust.to_bytes();
    let read = TrustStore::parse(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(TrustStore::parse(text.replace("\"roots\"", "\"boots\"").as_bytes()).is_err());
    let raised = text.replace("\"minimum_version\": 1", "\"minimum_version\": 2");
    let raised = TrustStore::parse(raised.as_bytes()).unwrap();
    let entries = world.entries();
    let old = head(&world.trust, &world.directory_key, 1, None, &entries);
    let refused = Directory::verify(old, lines(&entries), &raised);
    assert!(matches!(refused, Err(DirectoryError::TooOld { .. })));
}

/// Whoever stole a key dates back what he signs.
#[test]
fn what_a_revoked_key_signed_is_undecided_unless_it_is_known_to_be_older() {
    let mut world = World::new();
    let signed = sign(&envelope_of(&world), &world.sender.statement);
    let revoke = |world: &mut World, until| {
        world.republish(|entries| {
            if let Entry::Agency(agency) = &mut entries[0] {
                agency.statement_keys[0].validity.until = Some(until);
                agency.statement_keys[0].state = KeyState::Revoked;
            }
        });
    };
    let judged = |world: &World, at| {
        let (bytes, signature) = (&signed.statement, &signed.signature);
        let (directory, policy) = (Some(&world.directory), Policy::default());
        let judgement = statement::judge(bytes, signature, None, directory, &policy, at);
        let reason = judgement.report.decisive().and_then(|check| check.reason);
        (judgement.report.indication, reason)
    };
    let end = now().plus_seconds(DAY);
    revoke(&mut world, end);
    let unproven = (Indication::Indeterminate, Some(Reason::RevokedUnproven));
    let passed = (Indication::TotalPassed, None);
    assert_eq!(judged(&world, JudgedAt::Now(now())), unproven);
    assert_eq!(judged(&world, JudgedAt::Proven(end)), unproven);
    assert_eq!(
        judged(&world, JudgedAt::Proven(end.minus_seconds(1))),
        passed
    );
    // Its own word says that it is no older.
    revoke(&mut world, now().minus_seconds(1));
    let failed = (Indication::TotalFailed, Some(Reason::Revoked));
    assert_eq!(judged(&world, JudgedAt::Proven(now())), failed);
}
