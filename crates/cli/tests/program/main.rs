//! Tests of the `skipbeat` program, run as a user runs it.

mod bad_input;
mod capacity;
mod chat;
mod faults;
mod foreign;
mod gate;
mod interop;
mod interrupt;
mod links;
mod pairs;
mod repeatable;
mod results;
mod running;
mod sockets;
mod streams;
mod support;
mod sweep;
mod theory;
mod witnesses;
mod worlds;
mod yardsticks;
