//! Groups of the directory as recipients.

use consign_domain::directory::AgencyEntry;
use consign_domain::statement::Recipients;
use consign_domain::{AgencyCode, Timestamp};
use consign_verify::Directory;

use super::ComposeError;
use super::RecipientName;
use super::draft::recipient;
use crate::context::Context;

/// Groups that one request names at most.
const MAX_GROUPS: usize = 100;

/// The members of groups whom something can be sent to, but for the sender.
pub(super) fn members(
    groups: &[String],
    context: &Context<'_>,
) -> Result<Vec<RecipientName>, ComposeError> {
    let (directory, now) = (context.directory, context.now);
    let count = groups.len();
    if count > MAX_GROUPS {
        return Err(ComposeError::TooManyRecipients { count });
    }
    let unknown = groups
        .iter()
        .filter(|group| directory.group(group.trim(), now).is_none());
    let unknown: Vec<String> = unknown
        .map(|group| group.chars().take(60).collect())
        .collect();
    if !unknown.is_empty() {
        return Err(ComposeError::Groups { unknown });
    }
    let codes = codes(groups, directory, now, |agency| {
        agency.id != context.keys.id
    });
    Ok(codes
        .filter_map(|code| recipient(code.as_str(), context))
        .collect())
}

/// The members of groups who are not among the recipients, but for the sender: nothing could be
/// sent to them.
pub(crate) fn passed_over(
    groups: &[String],
    recipients: &Recipients,
    context: &Context<'_>,
) -> Vec<String> {
    let codes = codes(groups, context.directory, context.now, |agency| {
        agency.id != context.keys.id
    });
    let mut left: Vec<String> = codes
        .filter(|code| recipients.position(code).is_none())
        .map(ToString::to_string)
        .collect();
    left.sort();
    left.dedup();
    left
}

fn codes<'a>(
    groups: &'a [String],
    directory: &'a Directory,
    now: Timestamp,
    wanted: impl Fn(&AgencyEntry) -> bool + 'a,
) -> impl Iterator<Item = &'a AgencyCode> {
    let groups = groups.iter();
    let members = groups
        .filter_map(move |group| directory.group(group.trim(), now))
        .flat_map(|group| &group.members);
    let agencies = members.filter_map(|member| directory.agency(*member));
    agencies
        .filter(move |agency| wanted(agency))
        .filter_map(move |agency| agency.code_at(now))
}
