//! The agency node: outbox, inbox, archive, registers, keys
