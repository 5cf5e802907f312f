//! smsluice: an SMPP proxy that keeps bulk SMS within the operator's rules.
//!
//! A sender's connection is tied to a connection of its own to the SMSC; octets
//! travel as they came, parsed views decide. The straight line of a message is
//! `proxy/uplink.rs`: frames → submission → decide → reserve → durable → forward
//! → answer; `proxy/downlink.rs` settles.
//!
//! The floors, imports pointing down only:
//!
//! | floor | modules |
//! |---|---|
//! | 0 words | `domain` |
//! | 1 protocol, rules | `smpp`, `policy` |
//! | 2 flow, slots, evidence, registry | `traffic`, `ledger`, `record`, `registry`, `report` |
//! | 3 sessions, peers | `proxy`, `sim` |
//! | 4 settings, surface | `config`, `admin` |
//! | 5 assembly | `app`, `cli` |

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod ledger;
pub mod policy;
pub mod proxy;
pub mod record;
pub mod registry;
pub mod report;
pub mod sim;
pub mod smpp;
pub mod traffic;
