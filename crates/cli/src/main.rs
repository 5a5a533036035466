//! `skipbeat`: arguments in, a plan run, an exit code out.
#![forbid(unsafe_code)]

mod capture;
mod chat;
mod exit;
mod interrupt;
mod link;
mod merge;
mod options;
mod progress;
mod prometheus;
mod proxy;
mod run;
mod serve;
mod sweep;
mod theory;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Command::Run(options) => run::run(&options),
        Command::Merge(options) => merge::merge(&options),
        Command::Theory(options) => theory::theory(&options),
        Command::Serve(options) => serve::serve(&options),
        Command::Link(options) => link::link(&options),
        Command::Proxy(options) => proxy::proxy(&options),
        Command::Chat(options) => chat::chat(&options),
    };
    done.unwrap_or_else(|error| {
        exit::complain(&error);
        exit::code_of(&error)
    })
    .into()
}
