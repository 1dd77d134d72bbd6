//! Issues certificates, the directory's entries and its signed head
