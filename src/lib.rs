//! smsluice: an SMPP proxy that keeps bulk SMS within the operator's rules.

pub mod cli;
pub mod config;
pub mod domain;
pub mod policy;
pub mod smpp;
