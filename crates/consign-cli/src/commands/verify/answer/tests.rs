//! What the shell is told.

use super::*;

#[test]
fn each_verdict_has_its_exit_code() {
    assert_eq!(exit_code(Indication::TotalPassed, false), 0);
    assert_eq!(exit_code(Indication::TotalFailed, false), 10);
    assert_eq!(exit_code(Indication::Indeterminate, false), 11);
    assert_eq!(exit_code(Indication::TotalFailed, true), 12);
}
