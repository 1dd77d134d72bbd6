//! See [`consign_fuzz::container`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::container::judge(bytes);
});
