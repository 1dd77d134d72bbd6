//! Who calls, and for whom it may speak: asked of the directory in force at every message.

use consign_domain::directory::AgencyEntry;
use consign_domain::{AgencyId, Digest, NodeId, Timestamp};
use consign_runtime::tls::PeerInfo;
use consign_verify::Directory;

use crate::admit::Refused;

/// A node behind a TLS connection. What the directory says of it may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The node that the certificate belonged to when the connection began.
    pub(crate) node: NodeId,
    certificate: Digest,
}

impl Caller {
    /// The caller of a request; `None` without an identity from TLS.
    pub(crate) fn of(extensions: &tonic::Extensions) -> Option<Self> {
        let peer = extensions.get::<PeerInfo>()?;
        Some(Self {
            node: NodeId::from_bytes(peer.identity.0).ok()?,
            certificate: Digest::from_bytes(peer.fingerprint.0),
        })
    }

    /// Whether the node is still in the directory, active, with this certificate.
    pub(crate) fn authorise(&self, directory: &Directory, at: Timestamp) -> Result<(), Refused> {
        let node = directory.node_by_certificate(self.certificate, at);
        if node.is_some_and(|node| node.id == self.node) {
            Ok(())
        } else {
            Err(Refused::PeerUnknown { node: self.node })
        }
    }

    /// Whether the node may speak for an agency now. A closed agency has nobody who may,
    /// unless it was merged into another: what was on its way is still received.
    pub(crate) fn speaks_for(
        &self,
        agency: AgencyId,
        directory: &Directory,
        at: Timestamp,
    ) -> Result<(), Refused> {
        self.authorise(directory, at)?;
        let open = directory.agency(agency).is_some_and(AgencyEntry::is_served);
        if open && directory.serves(self.node, agency) {
            Ok(())
        } else {
            Err(Refused::NodeDoesNotServe {
                node: self.node,
                agency,
            })
        }
    }
}

#[cfg(test)]
impl Caller {
    /// A caller as TLS would have named it.
    pub(crate) const fn new(node: NodeId, certificate: Digest) -> Self {
        Self { node, certificate }
    }
}
