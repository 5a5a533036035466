//! `skipbeat link`: shows what a link does to many datagrams, or fits a link to a trace.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use skipbeat_capture::{Frame, read_frames};
use skipbeat_core::{Direction, Span};
use skipbeat_link::read_compact;
use skipbeat_report::{Crossing, crossings, describe, draw, fit, read_trace, write_trace};

use crate::args::{above_zero, read_files};
use crate::exit::{Exit, UsageError};

#[derive(Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct LinkOptions {
    /// The link: 'loss=ge(p=.01,r=.1),delay=exp(min=10ms,mean=30ms)' or @wifi,loss=2%
    #[arg(value_name = "LINK", required_unless_present = "fit", conflicts_with = "fit")]
    pub(crate) link: Option<String>,

    /// How many datagrams go over it
    #[arg(short, long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub(crate) number: u32,

    /// One datagram every so often
    #[arg(long, value_name = "SPAN", default_value = "20ms", value_parser = above_zero)]
    pub(crate) every: Span,

    /// Bytes of each datagram
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) size: u16,

    /// The direction, for links that differ and for the random numbers
    #[arg(long, value_name = "WAY", default_value = "up")]
    pub(crate) direction: Way,

    /// The seed of all verdicts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Write what was drawn as a trace: seq, sent_s, received_s
    #[arg(long, value_name = "FILE.csv", conflicts_with = "fit")]
    pub(crate) csv: Option<PathBuf>,

    /// Fit a link to a trace: a CSV file with seq, sent_s and received_s, or a capture of both ends
    #[arg(long, value_name = "FILE.csv|FILE.pcapng")]
    pub(crate) fit: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Way {
    /// From the client to the server
    Up,
    /// From the server to the client
    Down,
}

pub(crate) fn link(options: &LinkOptions) -> anyhow::Result<Exit> {
    let direction = match options.direction {
        Way::Up => Direction::Up,
        Way::Down => Direction::Down,
    };
    let text = match (&options.link, &options.fit) {
        (_, Some(path)) => {
            let fit =
                fit(&trace(path, direction)?).map_err(|e| anyhow!("{}: {e}", path.display()))?;
            format!("{}\nlink: {}\n", fit.text, fit.link)
        }
        (Some(link), None) => {
            let model = read_compact(link, direction, Default::default()).and_then(read_files);
            let model = model.map_err(|e| UsageError(format!("{link:?}: {e}")))?;
            let LinkOptions { number, every, size, seed, .. } = *options;
            let verdicts = draw(&model, direction, seed, number, every, size.into());
            if let Some(path) = &options.csv {
                let file = File::create(path)
                    .with_context(|| format!("can't write {}", path.display()))?;
                write_trace(&crossings(&verdicts), file)?;
            }
            format!(
                "{number} datagrams of {size} bytes, one every {every}, seed {seed}\n\n{}",
                describe(&model, &verdicts, every)
            )
        }
        (None, None) => bail!("expected a link, or --fit"),
    };
    // It is no error if standard output is closed.
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(Exit::Pass)
}

fn trace(path: &Path, direction: Direction) -> anyhow::Result<Vec<Crossing>> {
    let mut head = [0; 4];
    let mut file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    let read = std::io::Read::read(&mut file, &mut head)?;
    // The block type at the beginning of a pcapng file.
    if read == 4 && head == [0x0a, 0x0d, 0x0d, 0x0a] {
        return both_ends(&read_frames(path)?, direction)
            .map_err(|e| anyhow!("{}: {e}", path.display()));
    }
    // The magic numbers of pcap, with microseconds and nanoseconds, in either order of bytes.
    let classic =
        [0xa1b2_c3d4_u32, 0xa1b2_3c4d].map(|magic| [magic.to_be_bytes(), magic.to_le_bytes()]);
    if classic.concat().contains(&head) {
        bail!("{} is a pcap: expected pcapng (editcap -F pcapng makes one)", path.display());
    }
    let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    read_trace(file).map_err(|e| anyhow!("{}: {e}", path.display()))
}

/// Turns a capture of both ends of a link into a trace. The ends are the interfaces `up in` and
/// `up out` (or `down …`), which our own captures have, else the first two interfaces. Only the two
/// addresses with the most datagrams count. Datagrams with the same bytes can't be told apart and
/// are left out; one that was changed on the way counts as lost.
fn both_ends(frames: &[Frame], direction: Direction) -> Result<Vec<Crossing>, String> {
    let name = direction.name();
    let named = |end: &str| {
        let name = format!("{name} {end}");
        frames.iter().find(|f| f.name.as_ref() == Some(&name)).map(|f| f.interface)
    };
    let mut numbers: Vec<u32> = frames.iter().map(|f| f.interface).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let (entrance, exit) = match (named("in"), named("out"), &numbers[..]) {
        (Some(entrance), Some(exit), _) => (entrance, exit),
        (_, _, [entrance, exit, ..]) => (*entrance, *exit),
        _ => return Err("expected a capture of two interfaces, one at each end".to_owned()),
    };
    let ends = |frame: &Frame| (frame.from, frame.to);
    let mut flows: BTreeMap<_, u64> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.interface == entrance) {
        *flows.entry(ends(frame)).or_default() += 1;
    }
    let busiest = flows.into_iter().max_by_key(|(_, count)| *count).map(|(flow, _)| flow);
    let of_flow = |interface: u32| {
        frames.iter().filter(move |f| f.interface == interface && Some(ends(f)) == busiest)
    };
    let mut times: HashMap<&[u8], u32> = HashMap::new();
    for frame in of_flow(entrance) {
        *times.entry(&frame.payload).or_default() += 1;
    }
    let mut leaves: HashMap<&[u8], f64> = HashMap::new();
    for frame in of_flow(exit) {
        leaves.entry(&frame.payload).or_insert(frame.at_s);
    }
    let alone = of_flow(entrance).filter(|frame| times[&frame.payload[..]] == 1);
    let crossing = |(seq, frame): (u64, &Frame)| Crossing {
        seq,
        sent_s: frame.at_s,
        received_s: leaves.get(&frame.payload[..]).copied(),
    };
    Ok((0..).zip(alone).map(crossing).collect())
}
