//! Interleaved pairs: two binaries run a scenario in turn, in an order that is drawn for each pair, with
//! the same seed within it. There is no way to run them block after block.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use skipbeat_compare::{Pair, Sheet};
use skipbeat_scenario::{Mode, Study, Target};

use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// The figures of every run that counts.
const RAW: &str = "pairs.csv";

/// Two binaries and what they run.
pub(crate) struct PairedRuns<'a> {
    pub(crate) study: &'a Study,
    pub(crate) scenario: &'a Path,
    pub(crate) base: &'a Path,
    pub(crate) new: &'a Path,
    /// What both are told beside the scenario, the seed and the folder.
    pub(crate) arguments: Vec<String>,
    pub(crate) pairs: u32,
    /// The folder in which they leave what is read at once.
    pub(crate) out: &'a Path,
    pub(crate) quiet: bool,
}

/// What came of it.
pub(crate) struct PairedResults {
    pub(crate) pairs: Vec<Pair>,
    /// Why runs were inconclusive; their pairs don't count.
    pub(crate) dropped: Vec<String>,
    pub(crate) interrupted: bool,
}

/// One run of a binary.
enum Ran {
    Figures(BTreeMap<String, f64>),
    Doubtful(String),
    Interrupted,
}

impl PairedRuns<'_> {
    /// Runs all pairs, after one that warms the machine up and is dropped. Every figure of a run that
    /// counts is a row of `pairs.csv` as soon as the run is over.
    pub(crate) fn fight(&self, interrupt: &Interrupt) -> anyhow::Result<PairedResults> {
        fs::create_dir_all(self.out)?;
        let path = self.out.join(RAW);
        let mut raw = csv::Writer::from_path(&path)
            .with_context(|| format!("can't write {}", path.display()))?;
        raw.write_record(["pair", "place", "side", "seed", "metric", "value"])?;
        let mut fought =
            PairedResults { pairs: Vec::new(), dropped: Vec::new(), interrupted: false };
        let draws = self.study.base.seed();
        let (seeds, order) = (draws.family("compare.pair"), draws.family("compare.order"));
        for number in 0..=self.pairs {
            let seed = seeds.stream(number.into()).bits(0) >> 32;
            let base_first = order.stream(number.into()).bits(0) & 1 == 0;
            self.tell(number, &fought);
            let mut sides = [None, None];
            for (place, side) in
                [usize::from(!base_first), usize::from(base_first)].into_iter().enumerate()
            {
                if interrupt.came() {
                    fought.interrupted = true;
                    return Ok(fought);
                }
                match self.run([self.base, self.new][side], seed)? {
                    Ran::Interrupted => {
                        fought.interrupted = true;
                        return Ok(fought);
                    }
                    Ran::Doubtful(reason) if number > 0 => fought.dropped.push(reason),
                    Ran::Doubtful(_) => {}
                    Ran::Figures(figures) => {
                        if number > 0 {
                            let name = ["base", "new"][side];
                            for (metric, value) in &figures {
                                let [number, place] =
                                    [number as usize, place + 1].map(|n| n.to_string());
                                let (seed, value) = (seed.to_string(), value.to_string());
                                raw.write_record([&number, &place, name, &seed, metric, &value])?;
                            }
                            raw.flush()?;
                        }
                        sides[side] = Some(figures);
                    }
                }
            }
            if let ([Some(base), Some(new)], true) = (sides, number > 0) {
                fought.pairs.push(Pair { base, new });
            }
        }
        Ok(fought)
    }

    fn tell(&self, number: u32, fought: &PairedResults) {
        if self.quiet {
            return;
        }
        let what = match number {
            0 => "warm-up".to_owned(),
            number => format!("pair {number} of {}", self.pairs),
        };
        let dropped = match fought.dropped.len() {
            0 => String::new(),
            n => format!(", {n} runs inconclusive"),
        };
        // Nobody may be listening; the runs go on.
        let _ = writeln!(anstream::stderr(), "{what}{dropped}");
    }

    /// Runs one of them.
    fn run(&self, binary: &Path, seed: u64) -> anyhow::Result<Ran> {
        // A folder of its own, so that nothing of anybody's is in the way.
        let folder = self.out.join(format!(".run-{}-{seed}", std::process::id()));
        let (program, replaced) = match &self.study.base.server.target {
            Target::Command { command, .. } => {
                let mut command = command.clone();
                command[0] = binary.display().to_string();
                let setting = format!("server.command={}", serde_json::to_string(&command)?);
                (std::env::current_exe()?, Some(setting))
            }
            _ => (binary.to_owned(), None),
        };
        let output = Command::new(&program)
            .arg("run")
            .arg(self.scenario)
            .args(["--quiet", "--seed", &seed.to_string(), "--out"])
            .arg(&folder)
            .args(&self.arguments)
            // The last setting of a key is the one that holds.
            .args(replaced.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let ran = self.ran(binary, &folder, &output);
        // Nobody looks there again; what counts is in `pairs.csv`.
        let _ = fs::remove_dir_all(&folder);
        ran
    }

    /// What a run left, by its exit code.
    fn ran(&self, binary: &Path, folder: &Path, output: &Output) -> anyhow::Result<Ran> {
        let ended = |exit: Exit| output.status.code() == Some(exit as i32);
        if ended(Exit::Interrupted) {
            return Ok(Ran::Interrupted);
        }
        // Whether thresholds are met is not asked here, nor whether their figures are defined.
        if !(ended(Exit::Pass) || ended(Exit::Threshold) || ended(Exit::Inconclusive)) {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} failed, {}: {}; the figures of the runs before are in {}",
                binary.display(),
                output.status,
                said.trim(),
                self.out.join(RAW).display()
            )
        }
        let left = Sheet::read(folder).with_context(|| {
            format!("{} ended and left no results: is it a build of skipbeat?", binary.display())
        })?;
        match left.doubts.first() {
            Some(doubt) => Ok(Ran::Doubtful(doubt.clone())),
            None => Ok(Ran::Figures(figures(&left, folder, self.study.base.mode)?)),
        }
    }
}

/// Every figure of a run that is defined, and what it cost.
fn figures(sheet: &Sheet, folder: &Path, mode: Mode) -> anyhow::Result<BTreeMap<String, f64>> {
    let run = sheet.runs().next().context("the binary left no figures")?;
    let cells = run.cells.iter();
    let mut figures: BTreeMap<String, f64> =
        cells.filter_map(|(name, cell)| Some((name.clone(), cell.parse().ok()?))).collect();
    let host = fs::read_to_string(folder.join("host.json")).context("host.json")?;
    let host: serde_json::Value = serde_json::from_str(&host).context("host.json")?;
    let each = |seconds: &serde_json::Value| {
        let datagrams = host["datagrams"].as_f64().filter(|n| *n > 0.0)?;
        Some(seconds.as_f64()? * 1e9 / datagrams)
    };
    let costs = [
        ("ns_per_datagram", host["ns_per_datagram"].as_f64().filter(|_| mode == Mode::Sim)),
        ("server_ns_per_datagram", each(&host["cpu_s"]["server"])),
        ("peak_memory_bytes", host["peak_memory_bytes"].as_f64()),
    ];
    figures.extend(costs.into_iter().filter_map(|(name, cost)| Some((name.to_owned(), cost?))));
    Ok(figures)
}

/// A binary by the path that works from anywhere: a bare name is looked for where programs are.
pub(crate) fn program(path: &Path) -> PathBuf {
    match std::path::absolute(path) {
        Ok(absolute) if path.components().count() > 1 || absolute.is_file() => absolute,
        _ => path.to_owned(),
    }
}
