//! What all parts of skipbeat share: [`Time`] and [`Span`], identities, named random streams, the
//! calendar queue, client sets, distributions of spans, and how values of a scenario are read.
//! Nothing here reads a clock or opens a socket.
#![forbid(unsafe_code)]

mod address;
mod average;
mod calendar;
mod card;
mod clients;
pub mod decimal;
mod distribution;
mod figure;
mod forms;
mod identity;
mod normal;
pub mod number;
mod prefetch;
mod probability;
mod random;
mod roster;
pub mod schema;
pub mod tagged;
mod time;

pub use address::AddressPlan;
pub use average::Average;
pub use calendar::Calendar;
pub use card::{Applies, Card, Measure, Percentile, Source, Spread, Statistic};
pub use clients::ClientSet;
pub use distribution::Distribution;
pub use figure::{Better, Unit};
pub use forms::ScalarOrTable;
pub use identity::{ClientId, Direction, EndpointId, Life, MessageId};
pub use normal::{normal_cdf, normal_density, normal_quantile};
pub use prefetch::{PREFETCH, prefetch};
pub use probability::Probability;
pub use random::{Draws, Family, Seed, Stream, mix, unit};
pub use roster::Roster;
pub use tagged::{CommonKeys, KindWord, NoKeys, Tagged, TaggedTable};
pub use time::{Span, Time, TimeError};
