//! Tests of the whole gateway: real sockets, real journal files, a simulated
//! SMSC and simulated senders. One binary, so that it links once.

mod admin;
mod admin_control;
mod admin_ledger;
mod bodies;
mod cli;
mod conservation;
mod crash;
mod fuzz_smoke;
mod hexfile;
mod holds;
mod hostile;
mod http;
mod labelled;
mod modes;
mod monitoring;
mod no_bypass;
mod operate;
mod operations;
mod parts;
mod pdus;
mod reader;
mod reload;
mod replace;
mod schema;
mod script;
mod second_reader;
mod service_manager;
mod sessions;
mod settle;
mod stand;
mod submissions;
mod tidy;
