//! What is generated from the definitions themselves: schemas, shell completions, manual pages.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::options::Options;

/// What has a schema.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// Scenario files
    Scenario,
    /// What `check` and `compare` print with --format json
    Verdict,
}

pub(crate) fn schema(form: Form) -> anyhow::Result<Exit> {
    let schema = match form {
        Form::Scenario => skipbeat_scenario::schema(),
        Form::Verdict => skipbeat_compare::schema(),
    };
    say(format!("{schema:#}\n").as_bytes())
}

pub(crate) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "skipbeat", &mut script);
    say(&script)
}

/// The manual page of the whole, or with a folder those of all commands.
pub(crate) fn man(folder: Option<&Path>) -> anyhow::Result<Exit> {
    let mut command = Options::command();
    command.build();
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return say(&page);
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .with_context(|| format!("can't write to {}", folder.display()))?;
    Ok(Exit::Pass)
}

/// Whoever closes our output has had enough of it.
fn say(text: &[u8]) -> anyhow::Result<Exit> {
    let _ = std::io::stdout().write_all(text);
    Ok(Exit::Pass)
}
