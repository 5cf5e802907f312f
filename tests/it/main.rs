//! Tests of the whole gateway: real sockets, real journal files, a simulated
//! SMSC and simulated senders. One binary, so that it links once.

mod crash;
mod hexfile;
mod hostile;
mod labelled;
mod modes;
mod operations;
mod parts;
mod pdus;
mod sessions;
mod settle;
mod stand;
mod submissions;
mod tidy;
