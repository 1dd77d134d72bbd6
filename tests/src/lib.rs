//! Whole-network tests on the real binary.
