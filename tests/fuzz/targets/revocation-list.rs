//! See [`consign_fuzz::revocation_list`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::revocation_list::judge(bytes);
});
