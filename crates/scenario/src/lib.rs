//! A scenario file becomes a [`Plan`]: strict TOML in, everything checked and resolved out.
//! Mistakes are shown with line, caret and what was expected.
#![forbid(unsafe_code)]

mod document;
mod error;
mod event;
mod group;
mod link_files;
mod name;
mod plan;
mod preset;
mod ramp;
mod schema;
mod server;
mod set;
mod study;
mod sweep;
mod threshold_schema;
mod thresholds;

pub use error::ScenarioError;
pub use plan::{Group, Mode, Output, Plan, ServerPlan, ServerRuntime, Sockets, SwarmPlan, Target};
pub use schema::schema;
pub use set::{Setting, read_value};
pub use study::{Changes, Run, Study, StudySource};
