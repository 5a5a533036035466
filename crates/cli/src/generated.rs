//! Prints what is generated from the code: schemas, shell completions and manual pages.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::{Command, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;

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

pub(crate) fn completions(shell: Shell, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "skipbeat", &mut script);
    say(&script)
}

/// Prints the manual page of `skipbeat`, or writes the pages of all commands to a folder.
pub(crate) fn man(folder: Option<&Path>, mut command: Command) -> anyhow::Result<Exit> {
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

/// Writes to standard output. It is no error if that is closed.
fn say(text: &[u8]) -> anyhow::Result<Exit> {
    let _ = std::io::stdout().write_all(text);
    Ok(Exit::Pass)
}
