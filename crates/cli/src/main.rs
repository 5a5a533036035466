//! `skipbeat`: arguments in, a plan run, an exit code out.
#![forbid(unsafe_code)]

mod capture;
mod chat;
mod check;
mod compare;
mod exit;
mod generated;
mod interrupt;
mod link;
mod live;
mod merge;
mod options;
mod outputs;
mod page;
mod pairs;
mod progress;
mod prometheus;
mod proxy;
mod run;
mod serve;
mod sweep;
mod theory;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Command::Run(options) => run::run(&options),
        Command::Merge(options) => merge::merge(&options),
        Command::Report(options) => page::report(&options),
        Command::Compare(options) => compare::compare(&options),
        Command::Check(options) => check::check(&options),
        Command::Theory(options) => theory::theory(&options),
        Command::Serve(options) => serve::serve(&options),
        Command::Link(options) => link::link(&options),
        Command::Proxy(options) => proxy::proxy(&options),
        Command::Chat(options) => chat::chat(&options),
        Command::Schema { form } => generated::schema(form),
        Command::Completions { shell } => generated::completions(shell),
        Command::Man { out } => generated::man(out.as_deref()),
    };
    done.unwrap_or_else(|error| {
        exit::complain(&error);
        exit::code_of(&error)
    })
    .into()
}
