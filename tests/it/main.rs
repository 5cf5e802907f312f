//! Tests of the whole gateway: real sockets, real journal files, a simulated
//! SMSC and simulated senders. One binary, so that it links once.

mod bodies;
mod conservation;
mod crash;
mod fuzz_smoke;
mod hexfile;
mod holds;
mod hostile;
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
mod script;
mod second_reader;
mod service_manager;
mod sessions;
mod settle;
mod stand;
mod submissions;
mod tidy;
