//! Code generated from proto/ and its conversions
