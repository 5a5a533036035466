//! Options and values that several commands read from the command line.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use skipbeat_core::Span;
use skipbeat_link::LinkOptions;
use skipbeat_net::Io;
use skipbeat_scenario::Mode;

/// Reads a world by its name.
pub(crate) fn mode() -> impl TypedValueParser<Value = Mode> {
    let sim = PossibleValue::new(Mode::Sim.name()).help("Deterministic virtual time");
    let net = PossibleValue::new(Mode::Net.name()).help("Real UDP sockets");
    PossibleValuesParser::new([sim, net])
        .map(|name| if name == Mode::Sim.name() { Mode::Sim } else { Mode::Net })
}

/// Reads a span of time above zero.
pub(crate) fn above_zero(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|e: skipbeat_core::TimeError| e.to_string())?;
    if span.is_zero() { Err("expected a span above zero".to_owned()) } else { Ok(span) }
}

/// Reads a share above 0 and up to 10, as a number or in per cent.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|percent: f64| percent / 100.0),
        None => text.parse(),
    };
    let share = number.ok().filter(|share| *share > 0.0 && *share <= 10.0);
    share.ok_or_else(|| "expected a share above 0, like 0.02 or 2%".to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: every metric
    Json,
}

/// The system calls to send and receive datagrams with.
pub(crate) fn io(portable: bool) -> Io {
    if portable { Io::Portable } else { Io::default() }
}

/// Reads the files that a link on the command line names.
pub(crate) fn read_files(mut options: LinkOptions) -> Result<LinkOptions, String> {
    for (file, model) in options.files() {
        let text = std::fs::read_to_string(&file).map_err(|e| format!("can't read {file}: {e}"))?;
        model.take(&text).map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(options)
}
