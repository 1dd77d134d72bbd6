//! Whose turn it is among those who wait to be checked.
//!
//! Three classes share the turns by weight, so that none starves: urgent submissions
//! have most, receipts and ordinary submissions the rest in equal parts. Within a class
//! the nodes take turns, whatever each has waiting; a node's own messages stay in order.
//! Nodes and not agencies, because the node is what TLS has proven before the check: a
//! node that names many senders gains nothing, and is itself the queue of its agencies.

use std::collections::{HashMap, VecDeque};

use consign_domain::NodeId;
use consign_domain::document::Urgency;

/// What a message is, as far as the queue is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A submission that claims to be urgent.
    Urgent,
    /// A receipt.
    Receipt,
    /// Any other submission.
    Ordinary,
}

impl Class {
    const ALL: [Self; 3] = [Self::Urgent, Self::Receipt, Self::Ordinary];

    /// The class of a submission.
    pub(super) fn of(urgency: Urgency) -> Self {
        if urgency > Urgency::Normal {
            Self::Urgent
        } else {
            Self::Ordinary
        }
    }

    /// Its part of the turns while all classes wait.
    const fn weight(self) -> i64 {
        match self {
            Self::Urgent => 8,
            Self::Receipt | Self::Ordinary => 2,
        }
    }
}

/// One class: a queue for each node, and the nodes in the order of their turns.
#[derive(Debug)]
struct Lanes<T> {
    order: VecDeque<NodeId>,
    waiting: HashMap<NodeId, VecDeque<T>>,
    /// Turns that are due to this class, as smooth weighted round-robin counts them.
    due: i64,
}

impl<T> Lanes<T> {
    fn new() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
            due: 0,
        }
    }

    fn push(&mut self, node: NodeId, item: T) {
        let queue = self.waiting.entry(node).or_default();
        if queue.is_empty() {
            self.order.push_back(node);
        }
        queue.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        let node = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&node)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&node);
        } else {
            self.order.push_back(node);
        }
        item
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Turns<T> {
    classes: [(Class, Lanes<T>); 3],
}

impl<T> Turns<T> {
    pub(super) fn new() -> Self {
        Self {
            classes: Class::ALL.map(|class| (class, Lanes::new())),
        }
    }

    pub(super) fn push(&mut self, class: Class, node: NodeId, item: T) {
        let lanes = self.classes.iter_mut().find(|(own, _)| *own == class);
        if let Some((_, lanes)) = lanes {
            lanes.push(node, item);
        }
    }

    /// Whoever is next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut total = 0;
        for (class, lanes) in &mut self.classes {
            if lanes.order.is_empty() {
                lanes.due = 0;
            } else {
                lanes.due += class.weight();
                total += class.weight();
            }
        }
        let waiting = self.classes.iter_mut().map(|(_, lanes)| lanes);
        let waiting = waiting.filter(|lanes| !lanes.order.is_empty());
        // Of equals the first, which is the more urgent.
        let next = waiting.rev().max_by_key(|lanes| lanes.due)?;
        next.due -= total;
        next.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 16]).unwrap()
    }

    fn all<T>(turns: &mut Turns<T>) -> Vec<T> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn nodes_take_turns_whatever_each_has_waiting() {
        let mut turns = Turns::new();
        for item in 0..1_000 {
            turns.push(Class::Ordinary, node(1), (1, item));
        }
        turns.push(Class::Ordinary, node(2), (2, 0));
        turns.push(Class::Ordinary, node(2), (2, 1));
        let order = all(&mut turns);
        assert_eq!(order[..5], [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)]);
        assert_eq!(order.len(), 1_002);
        assert!(
            turns
                .classes
                .iter()
                .all(|(_, lanes)| lanes.waiting.is_empty())
        );
    }

    #[test]
    fn urgent_ones_overtake_and_let_others_live() {
        let mut turns = Turns::new();
        for item in 0..120 {
            turns.push(Class::Ordinary, node(1), ('o', item));
            turns.push(Class::Receipt, node(1), ('r', item));
        }
        for item in 0..120 {
            turns.push(Class::Urgent, node(1), ('u', item));
        }
        assert_eq!(
            turns.pop(),
            Some(('u', 0)),
            "it overtakes what was there before"
        );
        let order: Vec<char> = all(&mut turns)
            .into_iter()
            .map(|(class, _)| class)
            .collect();
        let count = |wanted| {
            order[..119]
                .iter()
                .filter(|class| **class == wanted)
                .count()
        };
        assert_eq!((count('u'), count('r'), count('o')), (79, 20, 20));
    }

    #[test]
    fn a_class_that_was_empty_has_saved_nothing() {
        let mut turns = Turns::new();
        for item in 0..100 {
            turns.push(Class::Ordinary, node(1), ('o', item));
        }
        for _ in 0..50 {
            turns.pop();
        }
        for item in 0..100 {
            turns.push(Class::Receipt, node(1), ('r', item));
        }
        let next: Vec<char> = (0..20).filter_map(|_| turns.pop()).map(|it| it.0).collect();
        let receipts = next.iter().filter(|class| **class == 'r').count();
        assert_eq!(receipts, 10, "{next:?}");
    }
}
