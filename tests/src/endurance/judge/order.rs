//! Order: each inbox is gap-free and holds what was accepted; acceptances lie in it in the
//! order of their times; and all inboxes together agree on one order of everything.
//!
//! The hub decides one thing after the other. So there must be one order of all acceptances
//! and receipts in which every inbox is ascending and each receipt follows its acceptance;
//! that there is none means that two inboxes contradict each other.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

use super::{Breach, Court, Judgement, Traces};

/// One thing that the hub decided, by number: documents first, then receipts.
type Event = usize;

/// What lies in an inbox: by place, the event and the digest of its statement.
type Inbox = BTreeMap<u64, (Event, String)>;

/// All inboxes, and which document each receipt is about.
struct Inboxes<'a> {
    court: &'a Court<'a>,
    traces: &'a [Option<Traces>],
    of_seats: Vec<Inbox>,
    about: Vec<Event>,
}

pub(super) fn judge(
    court: &Court<'_>,
    traces: &[Option<Traces>],
    judgement: &mut Judgement,
) -> Result<()> {
    let mut inboxes = Inboxes {
        court,
        traces,
        of_seats: vec![Inbox::new(); court.seats.len()],
        about: Vec::new(),
    };
    inboxes.fill(judgement);
    for (seat, inbox) in inboxes.of_seats.iter().enumerate() {
        judgement.items += inbox.len() as u64;
        inboxes.compare_with_cursor(seat, inbox, judgement)?;
        inboxes.times_ascend(seat, inbox, judgement);
    }
    let left = inboxes.unordered();
    if left > 0 {
        let what = format!("{left} items are in no order that all inboxes agree on");
        judgement.note((Breach::Order, what));
    }
    Ok(())
}

impl Inboxes<'_> {
    /// Puts every trace at its place.
    fn fill(&mut self, judgement: &mut Judgement) {
        for (document, traces) in self.traces.iter().enumerate() {
            let Some(traces) = traces else { continue };
            let envelope = traces.envelope.to_string();
            for (seat, place) in &traces.placed {
                self.put(*seat, *place, document, envelope.clone(), judgement);
            }
            for (place, digest) in &traces.told {
                let receipt = self.traces.len() + self.about.len();
                self.about.push(document);
                self.put(
                    traces.sender,
                    *place,
                    receipt,
                    digest.to_string(),
                    judgement,
                );
            }
        }
    }

    fn put(
        &mut self,
        seat: usize,
        place: u64,
        event: Event,
        digest: String,
        judgement: &mut Judgement,
    ) {
        let inbox = self.of_seats.get_mut(seat);
        let before = inbox.and_then(|inbox| inbox.insert(place, (event, digest)));
        if before.is_some() {
            let code = self.court.code(seat);
            let what = format!("two items at place {place} of {code}");
            judgement.note((Breach::Order, what));
        }
    }

    /// The node's own record of its inbox has each place once, from the first to the last, and
    /// there what the archives say; nothing was put aside.
    fn compare_with_cursor(
        &self,
        seat: usize,
        inbox: &Inbox,
        judgement: &mut Judgement,
    ) -> Result<()> {
        let home = self.court.homes.get(seat).context("a seat")?;
        let code = self.court.code(seat);
        let cursor = fs::read_to_string(home.cursor_file()).unwrap_or_default();
        let mut expected = inbox.iter();
        for (number, line) in (1..).zip(cursor.lines()) {
            let found = line.split_once(' ');
            let found = found.and_then(|(place, digest)| Some((place.parse().ok()?, digest)));
            let item = expected
                .next()
                .map(|(place, (_, digest))| (*place, &**digest));
            let in_order =
                item == found && found.is_some_and(|(place, _): (u64, _)| place == number);
            if !in_order {
                let what = format!("{code} has {line:?} as its item {number}, not {item:?}");
                judgement.note((Breach::Order, what));
                return Ok(());
            }
        }
        if let Some((place, _)) = expected.next() {
            let what = format!("{code} was never given its item {place}");
            judgement.note((Breach::Lost, what));
        }
        let aside = fs::read_dir(home.aside_dir()).map_or(0, Iterator::count);
        if aside > 0 {
            let what = format!("{code} has put {aside} items aside");
            judgement.note((Breach::Lost, what));
        }
        Ok(())
    }

    /// No acceptance lies before one that is older.
    fn times_ascend(&self, seat: usize, inbox: &Inbox, judgement: &mut Judgement) {
        let mut latest = None;
        for (place, (event, _)) in inbox {
            let traces = self.traces.get(*event).and_then(Option::as_ref);
            let Some(accepted) = traces.map(|traces| traces.accepted) else {
                continue;
            };
            if latest.is_some_and(|latest| accepted < latest) {
                let code = self.court.code(seat);
                let what = format!("place {place} of {code} is older than what lies before it");
                judgement.note((Breach::Order, what));
            }
            latest = latest.max(Some(accepted));
        }
    }

    /// How many events cannot be put into one order that every inbox agrees with.
    fn unordered(&self) -> usize {
        let count = self.traces.len() + self.about.len();
        let mut followers: Vec<Vec<Event>> = vec![Vec::new(); count];
        let mut waiting_for = vec![0_usize; count];
        let mut follow = |first: Event, then: Event| {
            if let (Some(followers), Some(waiting)) =
                (followers.get_mut(first), waiting_for.get_mut(then))
            {
                followers.push(then);
                *waiting += 1;
            }
        };
        for inbox in &self.of_seats {
            let events = inbox.values().map(|(event, _)| *event);
            events
                .clone()
                .zip(events.skip(1))
                .for_each(|(a, b)| follow(a, b));
        }
        for (number, document) in self.about.iter().enumerate() {
            follow(*document, self.traces.len() + number);
        }
        let mut ready: Vec<Event> = (0..count)
            .filter(|event| waiting_for.get(*event) == Some(&0))
            .collect();
        let mut ordered = 0;
        while let Some(event) = ready.pop() {
            ordered += 1;
            for then in followers.get(event).into_iter().flatten() {
                if let Some(waiting) = waiting_for.get_mut(*then) {
                    *waiting -= 1;
                    if *waiting == 0 {
                        ready.push(*then);
                    }
                }
            }
        }
        count - ordered
    }
}
