//! The program as a user runs it.

mod bad_input;
mod chat;
mod foreign;
mod interrupt;
mod repeatable;
mod sockets;
mod support;
mod sweep;
mod worlds;
