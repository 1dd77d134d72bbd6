//! Envelopes that an agency makes itself, to deceive a recipient.

use consign_domain::document::Urgency;
use consign_domain::statement::{
    AgeRecipient, Envelope, EnvelopeFields, PayloadInfo, Recipients, Statement as _,
};
use consign_domain::{Digest, Salt, SignedStatement};
use consign_log::Tree;
use consign_pki::encryption::{EncryptionIdentity, EncryptionRecipient, encrypt_to, seal_small};
use consign_pki::wrap::WrapPlaintext;

use crate::folder::CONTAINER;
use crate::testing::{Network, code, envelope_id, now, request, sign};

/// An envelope that an agency makes itself, to deceive a recipient.
#[derive(Default)]
pub(super) struct Forgery {
    /// The wrap's salt is another.
    pub(super) salt: bool,
    /// The wrap names another recipient.
    pub(super) recipient: bool,
    /// The wrap holds another identity than the payload is encrypted to.
    pub(super) identity: bool,
    /// The wrap is no age file.
    pub(super) garbage_wrap: bool,
    /// The payload is no age file.
    pub(super) garbage_payload: bool,
    /// A byte of the container is changed, and committed to.
    pub(super) altered: bool,
    /// The container is addressed to others.
    pub(super) addressee: bool,
}

pub(super) struct Forged {
    pub(super) signed: SignedStatement,
    pub(super) envelope: Envelope,
    pub(super) wraps: Vec<Vec<u8>>,
    pub(super) payload: Vec<u8>,
}

pub(super) fn forge(network: &Network, forgery: &Forgery) -> Forged {
    let seat = network.seat(0);
    let context = network.context(&seat);
    let addressee = if forgery.addressee {
        "H49.15"
    } else {
        "H49.14"
    };
    let id = envelope_id(1);
    seat.send(id, request(&[addressee]), &context);
    let folder = seat.agency.outbox().folder(id).unwrap();
    let mut container = std::fs::read(folder.file(CONTAINER)).unwrap();
    if forgery.altered {
        let start = container
            .windows(4)
            .position(|bytes| bytes == b"%PDF")
            .unwrap();
        container[start] ^= 1;
    }
    let identity = EncryptionIdentity::generate();
    let recipient = identity.recipient();
    let mut payload = Vec::new();
    encrypt_to(&recipient, container.as_slice(), &mut payload).unwrap();
    if forgery.garbage_payload {
        *payload.last_mut().unwrap() ^= 1;
    }
    let salt = [7; 32];
    let to = code(if forgery.recipient {
        "H49.15"
    } else {
        "H49.14"
    });
    let wrap = WrapPlaintext {
        sender_id: seat.id().to_string(),
        sender_code: "H49.13".to_owned(),
        envelope_id: id.to_string(),
        recipient_id: network.id_of(&to).to_string(),
        recipient_code: to.to_string(),
        salt: if forgery.salt { [8; 32] } else { salt },
        identity: if forgery.identity {
            EncryptionIdentity::generate()
        } else {
            EncryptionIdentity::from_text(&identity.to_text()).unwrap()
        },
    };
    let agency = network.directory.agency_by_code(&code("H49.14")).unwrap();
    let key = agency.encryption_key_at(now()).unwrap().public.as_str();
    let key = EncryptionRecipient::from_text(key).unwrap();
    let wraps = if forgery.garbage_wrap {
        vec![b"no age file".to_vec()]
    } else {
        vec![seal_small(&key, wrap.render().unwrap().as_bytes()).unwrap()]
    };
    let envelope = Envelope::new(EnvelopeFields {
        network: network.directory.head().network,
        signer: seat.keys.signer(&network.directory, now()),
        time: now(),
        id,
        to: Recipients::new(vec![code("H49.14")]).unwrap(),
        expires: now().plus_seconds(86_400),
        urgency: Urgency::Normal,
        forwarded: false,
        payload: PayloadInfo {
            sha256: Digest::of(&payload),
            size: payload.len() as u64,
            recipient: AgeRecipient::new(&recipient.to_text()).unwrap(),
        },
        wraps: Digest::from_bytes(Tree::from_leaves(&wraps).root()),
        content: Digest::commit(&Salt::from_bytes(salt), &Digest::of(&container)),
    })
    .unwrap();
    Forged {
        signed: sign(&seat.keys.statement, envelope.to_bytes()),
        envelope,
        wraps,
        payload,
    }
}
