//! The states of a delivery as one machine: who may say which event or status from
//! which state, and where it leads. `ARCHITECTURE.md` draws it.
//!
//! A *delivery* is one envelope to one recipient. The first of receipt and logged
//! expiry is final for the hand-over; a clerk's statuses come after it.

use crate::error_code::ErrorCode;
use crate::statement::{BusinessStatus, Event};

/// Where one envelope stands for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryState {
    /// Sealed at the sender; no hub has answered.
    Sealed,
    /// The hub refused it: final.
    Rejected,
    /// It lies in the recipient's inbox.
    Consigned,
    /// The recipient signed for it.
    HandedOver,
    /// No receipt came in time: final.
    Failed,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Sealed,
        Self::Rejected,
        Self::Consigned,
        Self::HandedOver,
        Self::Failed,
    ];

    /// The state after an event.
    ///
    /// # Errors
    /// [`ErrorCode::AlreadySettled`] if the hand-over was decided otherwise,
    /// [`ErrorCode::ProtocolViolation`] for any other event out of order.
    pub const fn after(self, event: Event) -> Result<Self, ErrorCode> {
        match (self, event) {
            (Self::Sealed, Event::SubmissionRejection) => Ok(Self::Rejected),
            (Self::Sealed, Event::SubmissionAcceptance)
            | (Self::Sealed | Self::Consigned, Event::ContentConsignment) => Ok(Self::Consigned),
            (Self::Consigned, Event::ContentHandover) => Ok(Self::HandedOver),
            (Self::Consigned, Event::ContentHandoverFailure)
            | (Self::Sealed | Self::Consigned, Event::ContentConsignmentFailure) => {
                Ok(Self::Failed)
            }
            (Self::HandedOver | Self::Failed, Event::ContentHandover)
            | (Self::HandedOver | Self::Failed, Event::ContentHandoverFailure) => {
                Err(ErrorCode::AlreadySettled)
            }
            _ => Err(ErrorCode::ProtocolViolation),
        }
    }

    /// Whether no further event can come.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::HandedOver | Self::Failed)
    }

    /// A word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Rejected => "rejected",
            Self::Consigned => "consigned",
            Self::HandedOver => "handed-over",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a document stands in its recipient's work, by the statuses said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// The furthest of 01 to 06, if any was said.
    work: Option<BusinessStatus>,
    /// The last of 13, 15 and 16, if any was said.
    recall: Option<BusinessStatus>,
}

/// What a status does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusEffect {
    /// It changes the state.
    Advances,
    /// It is recorded in the history and changes nothing: a step backwards or a repetition.
    Recorded,
}

impl Progress {
    /// The furthest of 01 to 06.
    pub const fn work(self) -> Option<BusinessStatus> {
        self.work
    }

    /// The last of 13, 15 and 16.
    pub const fn recall(self) -> Option<BusinessStatus> {
        self.recall
    }

    /// Takes a status in.
    ///
    /// # Errors
    /// [`ErrorCode::StatusNotPermitted`] if it may not follow what was said.
    pub fn apply(&mut self, status: BusinessStatus) -> Result<StatusEffect, ErrorCode> {
        match status {
            BusinessStatus::RecallRequested => self.ask_recall(),
            BusinessStatus::RecallAgreed | BusinessStatus::RecallRefused => {
                self.answer_recall(status)
            }
            _ => self.advance_work(status),
        }
    }

    const fn ask_recall(&mut self) -> Result<StatusEffect, ErrorCode> {
        match self.recall {
            None | Some(BusinessStatus::RecallRefused) => {
                self.recall = Some(BusinessStatus::RecallRequested);
                Ok(StatusEffect::Advances)
            }
            Some(BusinessStatus::RecallRequested) => Ok(StatusEffect::Recorded),
            Some(_) => Err(ErrorCode::StatusNotPermitted),
        }
    }

    fn answer_recall(&mut self, answer: BusinessStatus) -> Result<StatusEffect, ErrorCode> {
        match self.recall {
            Some(BusinessStatus::RecallRequested) => {
                self.recall = Some(answer);
                Ok(StatusEffect::Advances)
            }
            Some(given) if given == answer => Ok(StatusEffect::Recorded),
            _ => Err(ErrorCode::StatusNotPermitted),
        }
    }

    fn advance_work(&mut self, status: BusinessStatus) -> Result<StatusEffect, ErrorCode> {
        use BusinessStatus as S;
        let follows = match self.work {
            None => matches!(status, S::Arrived | S::Refused | S::Registered),
            Some(S::Arrived) => matches!(status, S::Refused | S::Registered),
            Some(S::Registered) => matches!(status, S::Assigned | S::InProcess | S::Completed),
            Some(S::Assigned) => matches!(status, S::InProcess | S::Completed),
            Some(S::InProcess) => status == S::Completed,
            Some(_) => false,
        };
        if follows {
            self.work = Some(status);
            return Ok(StatusEffect::Advances);
        }
        // A step backwards, a refusal after registration among them, is only recorded.
        let backwards = self
            .work
            .is_some_and(|reached| status.as_str() <= reached.as_str());
        if backwards {
            Ok(StatusEffect::Recorded)
        } else {
            Err(ErrorCode::StatusNotPermitted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_receipt_and_expiry_is_final() {
        let handed = DeliveryState::Consigned
            .after(Event::ContentHandover)
            .unwrap();
        assert_eq!(
            handed.after(Event::ContentHandoverFailure),
            Err(ErrorCode::AlreadySettled)
        );
        let failed = DeliveryState::Consigned
            .after(Event::ContentHandoverFailure)
            .unwrap();
        assert_eq!(
            failed.after(Event::ContentHandover),
            Err(ErrorCode::AlreadySettled)
        );
    }

    #[test]
    fn nothing_leaves_a_final_state() {
        for state in DeliveryState::ALL {
            for event in Event::ALL {
                if state.is_final() {
                    assert!(state.after(event).is_err(), "{state} {event}");
                }
            }
        }
    }

    #[test]
    fn work_goes_forward_and_backward_steps_are_only_recorded() {
        use BusinessStatus as S;
        let mut progress = Progress::default();
        for status in [
            S::Arrived,
            S::Registered,
            S::Assigned,
            S::InProcess,
            S::Completed,
        ] {
            assert_eq!(progress.apply(status), Ok(StatusEffect::Advances));
        }
        assert_eq!(progress.apply(S::Assigned), Ok(StatusEffect::Recorded));
        assert_eq!(progress.work(), Some(S::Completed));
        assert_eq!(progress.apply(S::Refused), Ok(StatusEffect::Recorded));
        assert_eq!(progress.work(), Some(S::Completed));
    }

    #[test]
    fn a_refusal_stays() {
        use BusinessStatus as S;
        let mut progress = Progress::default();
        progress.apply(S::Refused).unwrap();
        assert_eq!(
            progress.apply(S::Registered),
            Err(ErrorCode::StatusNotPermitted)
        );
        assert_eq!(progress.apply(S::Refused), Ok(StatusEffect::Recorded));
        assert_eq!(progress.apply(S::Arrived), Ok(StatusEffect::Recorded));
        assert_eq!(progress.work(), Some(S::Refused));
    }

    #[test]
    fn a_recall_may_be_asked_again_after_a_refusal() {
        use BusinessStatus as S;
        let mut progress = Progress::default();
        assert!(progress.apply(S::RecallAgreed).is_err());
        progress.apply(S::RecallRequested).unwrap();
        progress.apply(S::RecallRefused).unwrap();
        assert_eq!(
            progress.apply(S::RecallRequested),
            Ok(StatusEffect::Advances)
        );
        progress.apply(S::RecallAgreed).unwrap();
        assert!(progress.apply(S::RecallRequested).is_err());
    }
}
