//! How nodes and hubs ask the authority: with an invitation for the first time, later by the
//! certificate that the directory lists.
//!
//! Nothing here decides what counts. A bundle is checked where it is installed, a directory
//! where it is taken; the authority is known by the key that an invitation names, or by the
//! certificate that the directory lists. When people are to be told that what it issued runs out is
//! said here too, for nodes and hubs alike.

mod due;
mod fault;
mod lists;
mod reminder;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consign_domain::enrolment::{InvitationToken, MAX_BUNDLE};
use consign_domain::limits::MAX_DIRECTORY;
use consign_domain::{Digest, KeyId, PartyId, SignedStatement, Timestamp};
use consign_pki::certificate::CertificateDetails;
use consign_pki::issue::{AuthorityName, CertificateAuthority, IssueError, Validity};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_proto::v1::authority_client::AuthorityClient;
use consign_proto::v1::{self, directory_reply, enrol_reply};
use consign_runtime::clock::Clock;
use consign_runtime::tls::{self, Party, PeerIdentity, PeerPolicy, PeerRefusal, TlsIdentity};
use consign_verify::Directory;
use tonic::Streaming;
use tonic::transport::Channel;

pub use due::{Life, is_due};
pub use fault::EnrolFault;
pub use lists::{ISSUING_LIST, ListSigners, ROOT_LIST};
pub use reminder::{HeadAge, HeadReminder, HeadWarning, Reminder, step_to};

/// Longest that the authority may take for an answer: it may wait for its operator's command.
const DEADLINE: Duration = Duration::from_secs(60);
/// Largest message of the authority.
const MAX_MESSAGE: usize = 4 << 20;
/// Most revocation lists that come with a directory.
const LISTS: usize = 2;
/// What one who is not enrolled yet shows for a certificate: it stands for nobody.
const NOBODY: &str = "applicant";

/// What an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// An agency's code or a hub's name.
    pub code: String,
    /// An agency's name.
    pub name: String,
    /// The code of the agency above it, if one was named.
    pub parent: Option<String>,
    /// A hub's address.
    pub address: String,
    /// The id of a party that is registered already.
    pub id: Option<[u8; 16]>,
}

/// What the authority says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bundle's bytes.
    Bundle(Vec<u8>),
    /// An operator must decide, who knows the request by this reference.
    Waiting(String),
}

/// That the holder of a statement key in force wants what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The party.
    pub party: PartyId,
    /// Its statement key in force.
    pub key: KeyId,
    /// Ed25519 over the exact bytes of the request.
    pub signature: [u8; 64],
}

/// A directory as the authority hands it on; not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The signed head.
    pub head: SignedStatement,
    /// The entries: lines, each ended by a newline.
    pub entries: Vec<u8>,
    /// The revocation lists made with it: the issuing authority's and the root's, or one of them.
    pub lists: Vec<Bytes>,
}

/// A connection to the authority.
#[derive(Debug, Clone)]
pub struct Authority(AuthorityClient<Channel>);

impl Authority {
    /// Connects as one who is not enrolled yet, to whoever has the key that an invitation names.
    ///
    /// # Errors
    /// [`EnrolFault`].
    pub async fn invited(
        address: &str,
        token: &InvitationToken,
        clock: &Clock,
    ) -> Result<Self, EnrolFault> {
        let identity = nobody(clock)?;
        let token = *token;
        let policy: PeerPolicy = Arc::new(move |_, der, _| {
            let details = CertificateDetails::from_der(der).map_err(|_| PeerRefusal::Unreadable)?;
            if token.is_of(&details.public_key_der) {
                Ok(PeerIdentity([0; 16]))
            } else {
                Err(PeerRefusal::OtherKey)
            }
        });
        Self::connect(address, &identity, &policy, clock).await
    }

    /// Connects as an enrolled party to the authority that a directory lists.
    ///
    /// # Errors
    /// [`EnrolFault`].
    pub async fn listed(
        directory: &Arc<Directory>,
        identity: &TlsIdentity,
        clock: &Clock,
    ) -> Result<Self, EnrolFault> {
        let address = directory.authority().ok_or(EnrolFault::NoService)?;
        let listed = Arc::clone(directory);
        let policy: PeerPolicy = Arc::new(move |fingerprint, _, now| {
            let at = Timestamp::from_unix_saturating(now);
            let certificate = Digest::from_bytes(fingerprint.0);
            if listed.is_authority_certificate(certificate, at) {
                Ok(PeerIdentity([0; 16]))
            } else {
                Err(PeerRefusal::NotInDirectory)
            }
        });
        Self::connect(address.address.as_str(), identity, &policy, clock).await
    }

    async fn connect(
        address: &str,
        identity: &TlsIdentity,
        policy: &PeerPolicy,
        clock: &Clock,
    ) -> Result<Self, EnrolFault> {
        let tls = tls::client_config_for(Party::Authority, identity, policy, clock)?;
        let channel = tls::connect_now(address, &tls).await?;
        let client = AuthorityClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Ok(Self(client))
    }

    /// What invitations are for, in their order.
    ///
    /// # Errors
    /// [`EnrolFault`]; one of them does not count.
    pub async fn invitations(
        &mut self,
        secrets: &[[u8; 16]],
    ) -> Result<Vec<Invitation>, EnrolFault> {
        let request = v1::InvitationsRequest {
            secrets: secrets.iter().map(bytes_of).collect(),
        };
        let asked = async { Ok(self.0.invitations(request).await?.into_inner()) };
        let reply = within(asked).await?;
        if reply.invitations.len() != secrets.len() {
            return Err(EnrolFault::Protocol);
        }
        reply.invitations.into_iter().map(invitation).collect()
    }

    /// Asks for certificates. The same request again gets the same answer.
    ///
    /// # Errors
    /// [`EnrolFault`].
    pub async fn enrol(
        &mut self,
        request: &[u8],
        secrets: &[[u8; 16]],
    ) -> Result<Answer, EnrolFault> {
        let request = v1::EnrolRequest {
            request: Bytes::copy_from_slice(request),
            secrets: secrets.iter().map(bytes_of).collect(),
        };
        within(async { answer(self.0.enrol(request).await?.into_inner()).await }).await
    }

    /// Asks for new keys to be listed.
    ///
    /// # Errors
    /// [`EnrolFault`].
    pub async fn renew(&mut self, request: &[u8], proofs: &[Proof]) -> Result<Vec<u8>, EnrolFault> {
        let proofs = proofs.iter().map(|proof| v1::RenewalProof {
            party: bytes_of(&proof.party.to_bytes()),
            key: bytes_of(&proof.key.to_bytes()),
            signature: Bytes::copy_from_slice(&proof.signature),
        });
        let request = v1::RenewRequest {
            request: Bytes::copy_from_slice(request),
            proofs: proofs.collect(),
        };
        let asked = async { answer(self.0.renew(request).await?.into_inner()).await };
        match within(asked).await? {
            Answer::Bundle(bundle) => Ok(bundle),
            Answer::Waiting(_) => Err(EnrolFault::Protocol),
        }
    }

    /// The newest directory, unless `have` is its version. Not judged.
    ///
    /// # Errors
    /// [`EnrolFault`].
    pub async fn directory(&mut self, have: u64) -> Result<Option<Offer>, EnrolFault> {
        let request = v1::DirectoryRequest {
            have,
            head: Bytes::new(),
        };
        within(async { offer(self.0.directory(request).await?.into_inner()).await }).await
    }
}

/// A directory, message by message. Bounded.
async fn offer(mut replies: Streaming<v1::DirectoryReply>) -> Result<Option<Offer>, EnrolFault> {
    let (mut head, mut entries, mut lists) = (None, Vec::new(), Vec::new());
    while let Some(reply) = replies.message().await? {
        match (reply.message, &head) {
            (Some(directory_reply::Message::Current(true)), None) => return Ok(None),
            (Some(directory_reply::Message::Head(message)), None) => {
                let signed = consign_proto::signed(Some(message), "head");
                head = Some(signed.map_err(|_| EnrolFault::Protocol)?);
            }
            (Some(directory_reply::Message::Entries(lines)), Some(_))
                if entries.len().saturating_add(lines.len()) <= MAX_DIRECTORY =>
            {
                entries.extend_from_slice(&lines);
            }
            (Some(directory_reply::Message::List(list)), Some(_)) if lists.len() < LISTS => {
                lists.push(list);
            }
            _ => return Err(EnrolFault::Protocol),
        }
    }
    let head = head.ok_or(EnrolFault::Protocol)?;
    Ok(Some(Offer {
        head,
        entries,
        lists,
    }))
}

/// A certificate of one's own making.
fn nobody(clock: &Clock) -> Result<TlsIdentity, EnrolFault> {
    let name = AuthorityName {
        organization: NOBODY.to_owned(),
        common_name: NOBODY.to_owned(),
    };
    let now = clock.now();
    let validity = Validity {
        not_before: now.saturating_sub(3_600),
        not_after: now.saturating_add(86_400),
    };
    let key = FileSealKey::generate(KeyKind::EcdsaP256).map_err(IssueError::Key)?;
    let key = Arc::new(key);
    let made = CertificateAuthority::create_root(key.clone(), &name, validity)?;
    let (chain, key) = (made.certificate_pem(), key.to_pkcs8_pem());
    Ok(TlsIdentity::from_pem(chain.as_bytes(), key.as_bytes())?)
}

fn invitation(message: v1::Invitation) -> Result<Invitation, EnrolFault> {
    let id = match message.id.as_ref() {
        [] => None,
        id => Some(id.try_into().map_err(|_| EnrolFault::Protocol)?),
    };
    Ok(Invitation {
        code: message.code,
        name: message.name,
        parent: Some(message.parent).filter(|parent| !parent.is_empty()),
        address: message.address,
        id,
    })
}

async fn answer(mut replies: Streaming<v1::EnrolReply>) -> Result<Answer, EnrolFault> {
    let mut bundle = Vec::new();
    while let Some(reply) = replies.message().await? {
        match reply.message {
            Some(enrol_reply::Message::Bundle(part))
                if bundle.len().saturating_add(part.len()) <= MAX_BUNDLE =>
            {
                bundle.extend_from_slice(&part);
            }
            Some(enrol_reply::Message::Waiting(waiting)) if bundle.is_empty() => {
                return Ok(Answer::Waiting(waiting.reference));
            }
            _ => return Err(EnrolFault::Protocol),
        }
    }
    Ok(Answer::Bundle(bundle))
}

/// The whole answer comes in time, or none.
async fn within<T>(asked: impl Future<Output = Result<T, EnrolFault>>) -> Result<T, EnrolFault> {
    let answered = tokio::time::timeout(DEADLINE, asked).await;
    answered.map_err(|_| EnrolFault::Late)?
}

fn bytes_of(id: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(id)
}
