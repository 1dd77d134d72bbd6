//! What the shell is told.

use super::*;

#[test]
fn each_verdict_has_its_exit_code() {
    let code = |verdict, malformed| exit_code(verdict, malformed);
    assert_eq!(code(Indication::TotalPassed, false), 0);
    assert_eq!(code(Indication::TotalFailed, false), 10);
    assert_eq!(code(Indication::Indeterminate, false), 11);
    assert_eq!(code(Indication::TotalFailed, true), 12);
}
