//! What the tests of this crate share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "every test binary uses a part of it"
)]

pub mod frame;
pub mod lab;
pub mod service;
pub mod town;
