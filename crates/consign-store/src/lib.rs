//! What the hub must remember: journal and index
