//! Policy and verdict: the auditor's library
