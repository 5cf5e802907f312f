//! Tests of the whole gateway: real sockets, real journal files, a simulated
//! SMSC and simulated senders. One binary, so that it links once.

mod crash;
mod hostile;
mod labelled;
mod modes;
mod parts;
mod sessions;
mod settle;
mod stand;
mod submissions;
mod tidy;
