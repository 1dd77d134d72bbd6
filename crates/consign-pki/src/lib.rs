//! Signers, certificates, CMS/CAdES, ASiC-E and age: bytes in, types out

pub mod asic;
