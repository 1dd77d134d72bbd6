//! What `authority show` says.

use consign_domain::directory::{
    AgencyEntry, AuthorityEntry, Entry, EntryState, GroupEntry, HubEntry, NodeEntry, Validity,
};
use consign_domain::{
    AgencyCode, AgencyId, DirectoryVersion, End, HubId, NetworkId, NodeId, PartyCode, PartyId,
    Timestamp,
};
use consign_pki::certificate::CertificateDetails;
use consign_verify::directory::Directory;
use serde::Serialize;

use crate::error::AuthorityError;
use crate::publication;
use crate::register::{Record, Register};
use crate::settings::Settings;

/// The newest published head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HeadSummary {
    /// Its version.
    pub version: DirectoryVersion,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires.
    pub expires: End,
    /// How many entries it has.
    pub entries: u64,
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubSummary {
    /// Its id.
    pub id: HubId,
    /// Its name in statements.
    pub code: PartyCode,
    /// Where it is reached.
    pub address: String,
    /// Whether it takes part.
    pub state: EntryState,
    /// When its TLS certificate ends.
    pub tls: Option<End>,
    /// When the certificate of its time-stamp authority ends.
    pub time_stamp: Option<End>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    /// Its id.
    pub id: NodeId,
    /// What people call it.
    pub name: String,
    /// Whether it takes part.
    pub state: EntryState,
    /// When its TLS certificate ends.
    pub tls: Option<End>,
    /// How many agencies it serves.
    pub agencies: u64,
}

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgencySummary {
    /// Its id.
    pub id: AgencyId,
    /// Its code now.
    pub code: Option<AgencyCode>,
    /// Its name now.
    pub name: Option<String>,
    /// The agency above it.
    pub parent: Option<AgencyId>,
    /// The node that serves it.
    pub node: NodeId,
    /// The hub that holds its inbox.
    pub hub: HubId,
    /// Whether it takes part.
    pub state: EntryState,
    /// Whether its keys were revoked, and it has no others.
    pub revoked: bool,
    /// When its seal certificate ends.
    pub seal: Option<End>,
}

/// A group of agencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupSummary {
    /// Its short name.
    pub code: PartyCode,
    /// Its name.
    pub name: String,
    /// Whether it is one now.
    pub current: bool,
    /// The codes of its members now, in order.
    pub members: Vec<String>,
}

/// The authority's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceSummary {
    /// Where it is reached: `name:port`.
    pub address: String,
    /// The first half of the SHA-256 of its TLS key, as invitations name it; hexadecimal.
    pub fingerprint: String,
    /// When the last of its TLS certificates ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<End>,
}

/// An authority and everyone it has enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The network.
    pub network: NetworkId,
    /// Its name for people.
    pub name: String,
    /// The authority's id.
    pub authority: PartyId,
    /// Its name in statements.
    pub code: PartyCode,
    /// When the root certificate ends.
    pub root: End,
    /// When the issuing certificate ends.
    pub issuing: End,
    /// From when on the issuing certificate counts for nothing, if the root has revoked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuing_revoked: Option<Timestamp>,
    /// Whether the root's list says so too, if it was.
    pub root_list_complete: bool,
    /// When the root's revocation list runs out, if one was signed; the issuing authority's does
    /// so with the head.
    pub root_list: Option<End>,
    /// Why the root's revocation list cannot be read, if it cannot: when it runs out is not known.
    pub root_list_fault: Option<String>,
    /// The newest published head, if there is one.
    pub head: Option<HeadSummary>,
    /// Whether the entries differ from what was published last: publish to make them count.
    pub unpublished: bool,
    /// Where the authority answers by itself, if it ever did.
    pub service: Option<ServiceSummary>,
    /// The hubs, by id.
    pub hubs: Vec<HubSummary>,
    /// The nodes, by id.
    pub nodes: Vec<NodeSummary>,
    /// The agencies, by code.
    pub agencies: Vec<AgencySummary>,
    /// The groups, by short name.
    pub groups: Vec<GroupSummary>,
}

impl Inspection {
    pub(crate) fn new(
        settings: &Settings,
        (root, issuing): (&CertificateDetails, &CertificateDetails),
        root_list: Result<Option<Timestamp>, AuthorityError>,
        register: &Register,
        newest: Option<&Directory>,
        now: Timestamp,
    ) -> Self {
        let certificate_end = |details: &CertificateDetails| {
            End::new(Timestamp::from_unix_saturating(details.not_after), now)
        };
        let published = newest.map(Directory::entries).unwrap_or_default();
        let (root_list, root_list_fault) = match root_list {
            Ok(until) => (until.map(|until| End::new(until, now)), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        let mut inspection = Self {
            network: settings.network,
            name: settings.name.to_string(),
            authority: settings.authority,
            code: settings.code.clone(),
            root: certificate_end(root),
            issuing: certificate_end(issuing),
            issuing_revoked: None,
            root_list_complete: true,
            root_list,
            root_list_fault,
            head: newest.map(|directory| head(directory, now)),
            unpublished: published != publication::join(&register.lines()),
            service: None,
            hubs: Vec::new(),
            nodes: Vec::new(),
            agencies: Vec::new(),
            groups: Vec::new(),
        };
        for record in register.records() {
            match &record.entry {
                Entry::Agency(one) => inspection.agencies.push(agency(one, now)),
                Entry::Node(one) => inspection.nodes.push(node(one, now)),
                Entry::Hub(one) => inspection.hubs.push(HubSummary {
                    time_stamp: record
                        .time_stamps
                        .last()
                        .map(|one| End::new(one.until, now)),
                    ..hub(one, now)
                }),
                Entry::Authority(one) => inspection.service = service(one, record, now),
                Entry::Group(one) => inspection.groups.push(group(one, register, now)),
                _ => {}
            }
        }
        for agency in &inspection.agencies {
            let nodes = &mut inspection.nodes;
            if let Some(node) = nodes.iter_mut().find(|node| node.id == agency.node) {
                node.agencies = node.agencies.saturating_add(1);
            }
        }
        inspection.agencies.sort_by(|a, b| a.code.cmp(&b.code));
        inspection.groups.sort_by(|a, b| a.code.cmp(&b.code));
        inspection
    }
}

fn service(entry: &AuthorityEntry, record: &Record, now: Timestamp) -> Option<ServiceSummary> {
    let key = record.certificates.last()?.key;
    let half = key.as_bytes().get(..16).unwrap_or_default();
    Some(ServiceSummary {
        address: entry.address.to_string(),
        fingerprint: hex::encode(half),
        tls: last_end(entry.tls.iter().map(|tls| tls.validity), now),
    })
}

fn head(directory: &Directory, now: Timestamp) -> HeadSummary {
    let head = directory.head();
    HeadSummary {
        version: head.version(),
        issued: head.time,
        expires: End::new(head.expires, now),
        entries: head.entries,
    }
}

fn hub(hub: &HubEntry, now: Timestamp) -> HubSummary {
    HubSummary {
        id: hub.id,
        code: hub.code.clone(),
        address: hub.address.to_string(),
        state: hub.state,
        tls: last_end(hub.tls.iter().map(|tls| tls.validity), now),
        time_stamp: None,
    }
}

fn node(node: &NodeEntry, now: Timestamp) -> NodeSummary {
    NodeSummary {
        id: node.id,
        name: node.name.to_string(),
        state: node.state,
        tls: last_end(node.tls.iter().map(|tls| tls.validity), now),
        agencies: 0,
    }
}

fn agency(agency: &AgencyEntry, now: Timestamp) -> AgencySummary {
    AgencySummary {
        id: agency.id,
        code: agency.code_at(now).cloned(),
        name: agency.name_at(now).map(str::to_owned),
        parent: agency.parent,
        node: agency.node,
        hub: agency.hub,
        state: agency.state,
        revoked: agency.is_revoked(),
        seal: last_end(agency.seals.iter().map(|seal| seal.validity), now),
    }
}

fn group(group: &GroupEntry, register: &Register, now: Timestamp) -> GroupSummary {
    let code = |id: &AgencyId| {
        let code = register.agency(*id).and_then(|agency| agency.code_at(now));
        code.map_or_else(|| id.to_string(), ToString::to_string)
    };
    let mut members: Vec<String> = group.members.iter().map(code).collect();
    members.sort();
    GroupSummary {
        code: group.code.clone(),
        name: group.name.to_string(),
        current: group.validity.contains(now),
        members,
    }
}

/// When the last of a party's certificates ends.
fn last_end(spans: impl Iterator<Item = Validity>, now: Timestamp) -> Option<End> {
    let ends = spans.filter_map(|span| span.until);
    ends.max().map(|until| End::new(until, now))
}
