//! The `skipbeat` program: reads its arguments, runs a command, and ends with its exit code.
#![forbid(unsafe_code)]

mod args;
mod capture;
mod chat;
mod check;
mod commands;
mod compare;
mod console;
mod execute;
mod exit;
mod finished;
mod generated;
mod interrupt;
mod link;
mod live;
mod merge;
mod outputs;
mod pairs;
mod play;
mod progress;
mod prometheus;
mod proxy;
mod report;
mod run;
mod serve;
mod single;
mod sweep;
mod theory;
mod version;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use commands::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Command::Run(options) => run::run(&options),
        Command::Merge(options) => merge::merge(&options),
        Command::Report(options) => report::report(&options),
        Command::Compare(options) => compare::compare(&options),
        Command::Check(options) => check::check(&options),
        Command::Theory(options) => theory::theory(&options),
        Command::Serve(options) => serve::serve(&options),
        Command::Link(options) => link::link(&options),
        Command::Proxy(options) => proxy::proxy(&options),
        Command::Chat(options) => chat::chat(&options),
        Command::Schema { form } => generated::schema(form),
        Command::Completions { shell } => generated::completions(shell, Options::command()),
        Command::Man { out } => generated::man(out.as_deref(), Options::command()),
    };
    done.unwrap_or_else(|error| {
        exit::complain(&error);
        exit::code_of(&error)
    })
    .into()
}
