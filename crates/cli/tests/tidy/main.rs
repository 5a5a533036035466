//! Checks the rules of the source tree: every file has a head comment and a limited size, scenarios
//! say what they show, no public type name is used twice, and files do not import each other in a
//! ring. Clippy and rustc check the size of functions and missing documentation.

mod names;
mod rings;
mod sizes;
mod sources;
