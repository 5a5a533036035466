//! Pages of result folders that are built from small texts, one behaviour in each file.

mod browser;
mod comparison;
mod damage;
mod early_end;
mod empty;
mod escaping;
mod fixture;
mod ledgers;
mod many_evictions;
mod one_client;
mod overlay;
mod repeatable;
mod sweeps;
mod thresholds;
mod undefined;
