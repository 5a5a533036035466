//! Result folders: what is written is read back, and what is damaged is an error.

mod damage;
mod folder;
mod round_trip;
