//! What is wanted of a document's archive, and what becomes of it.

use consign_domain::Timestamp;

/// Which archives are stamped anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// Those that are due.
    WhenDue,
    /// All that another time-stamp serves: it would end later, or has another digest.
    All,
    /// This one.
    Now,
}

/// What somebody wants of a document's archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) renew: Renew,
    /// Whether the document waits for revocation lists.
    pub(crate) await_lists: bool,
}

impl Wish {
    /// What the node does by itself.
    pub(crate) const BY_ITSELF: Self = Self {
        renew: Renew::WhenDue,
        await_lists: true,
    };
}

/// How it stands with the revocation lists that a first archive is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// There are some that cover today.
    Here,
    /// There are none; they are waited for.
    Awaited,
    /// There are none, and that is how it is archived.
    Missing,
}

/// What became of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archived {
    /// It has an archive now.
    Made {
        /// When its time-stamp's certificate ends.
        until: Timestamp,
    },
    /// Its archive has one more time-stamp.
    Renewed {
        /// When that one's certificate ends.
        until: Timestamp,
    },
    /// It has one that is not due.
    NotDue,
    /// Another time-stamp would end no later than the one there is.
    NoLonger,
    /// It waits for the time-stamp of its seal, or is on its way into the archive.
    NotYet,
    /// It waits for revocation lists.
    AwaitsLists,
    /// Neither container nor archive is there: it never came.
    Nothing,
}

/// What became of one document, and what is to be said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) archived: Archived,
    /// Whether the index knows.
    pub(super) is_noted: bool,
    /// No revocation lists that cover today went in.
    pub(super) without_lists: bool,
    /// So many statements had no room.
    pub(super) left_out: usize,
}

impl Done {
    pub(super) const fn of(archived: Archived, is_noted: bool) -> Self {
        Self {
            archived,
            is_noted,
            without_lists: false,
            left_out: 0,
        }
    }

    /// What the archive lacks, in words; empty where it lacks nothing.
    pub(crate) fn lacks(&self) -> String {
        let mut lacks = Vec::new();
        if self.without_lists {
            lacks.push("without revocation lists: to judge it takes them or the directory".into());
        }
        if self.left_out > 0 {
            let count = self.left_out;
            lacks.push(format!("the {count} oldest statuses had no room"));
        }
        lacks.join("; ")
    }
}
