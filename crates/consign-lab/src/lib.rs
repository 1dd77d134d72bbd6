//! An in-process network, document builders and sample documents
