//! Runs interleaved pairs: two binaries run a scenario in turn. Both runs of a pair have the same
//! seed, and their order is random. There is no option to run them in two blocks, where a drift of
//! the machine would look like a change.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use skipbeat_compare::{Pair, Sheet};
use skipbeat_results::HostFile;
use skipbeat_results::names::HOST;
use skipbeat_scenario::{Mode, Study, Target};

use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// The file with the figures of every run that counts.
const RAW: &str = "pairs.csv";

/// Two binaries and what they run.
pub(crate) struct PairedRuns<'a> {
    pub(crate) study: &'a Study,
    pub(crate) scenario: &'a Path,
    pub(crate) base: &'a Path,
    pub(crate) new: &'a Path,
    /// Further arguments for both, after the scenario, the seed and the folder.
    pub(crate) arguments: Vec<String>,
    pub(crate) pairs: u32,
    /// The folder of `pairs.csv`, and of the results of each run until they are read.
    pub(crate) out: &'a Path,
    pub(crate) quiet: bool,
}

/// The results of the pairs.
pub(crate) struct PairedResults {
    pub(crate) pairs: Vec<Pair>,
    /// Why runs were inconclusive; their pairs don't count.
    pub(crate) dropped: Vec<String>,
    pub(crate) interrupted: bool,
}

/// How one run of a binary ended.
enum Ran {
    Figures(BTreeMap<String, f64>),
    Doubtful(String),
    Interrupted,
}

impl PairedRuns<'_> {
    /// Runs all pairs, after a pair that warms the machine up and is dropped. As soon as a run that
    /// counts is over, its figures are written to `pairs.csv`, one row each.
    pub(crate) fn run(&self, interrupt: &Interrupt) -> anyhow::Result<PairedResults> {
        fs::create_dir_all(self.out)?;
        let path = self.out.join(RAW);
        let mut raw = csv::Writer::from_path(&path)
            .with_context(|| format!("can't write {}", path.display()))?;
        raw.write_record(["pair", "place", "side", "seed", "metric", "value"])?;
        let mut results =
            PairedResults { pairs: Vec::new(), dropped: Vec::new(), interrupted: false };
        let draws = self.study.base.seed();
        let (seeds, order) = (draws.family("compare.pair"), draws.family("compare.order"));
        for number in 0..=self.pairs {
            let seed = seeds.stream(number.into()).bits(0) >> 32;
            let base_first = order.stream(number.into()).bits(0) & 1 == 0;
            self.tell(number, &results);
            let mut sides = [None, None];
            for (position, side) in
                [usize::from(!base_first), usize::from(base_first)].into_iter().enumerate()
            {
                if interrupt.came() {
                    results.interrupted = true;
                    return Ok(results);
                }
                match self.run_once([self.base, self.new][side], seed)? {
                    Ran::Interrupted => {
                        results.interrupted = true;
                        return Ok(results);
                    }
                    Ran::Doubtful(reason) if number > 0 => results.dropped.push(reason),
                    Ran::Doubtful(_) => {}
                    Ran::Figures(figures) => {
                        if number > 0 {
                            let name = ["base", "new"][side];
                            for (metric, value) in &figures {
                                let [number, position] =
                                    [number as usize, position + 1].map(|n| n.to_string());
                                let (seed, value) = (seed.to_string(), value.to_string());
                                raw.write_record([
                                    &number, &position, name, &seed, metric, &value,
                                ])?;
                            }
                            raw.flush()?;
                        }
                        sides[side] = Some(figures);
                    }
                }
            }
            if let ([Some(base), Some(new)], true) = (sides, number > 0) {
                results.pairs.push(Pair { base, new });
            }
        }
        Ok(results)
    }

    fn tell(&self, number: u32, results: &PairedResults) {
        if self.quiet {
            return;
        }
        let what = match number {
            0 => "warm-up".to_owned(),
            number => format!("pair {number} of {}", self.pairs),
        };
        let dropped = match results.dropped.len() {
            0 => String::new(),
            n => format!(", {n} runs inconclusive"),
        };
        // If standard error is closed, the runs go on.
        let _ = writeln!(anstream::stderr(), "{what}{dropped}");
    }

    /// Runs one binary once.
    fn run_once(&self, binary: &Path, seed: u64) -> anyhow::Result<Ran> {
        // A fresh folder, so that no other files are in the way.
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
            // The last setting of a key wins.
            .args(replaced.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let ran = self.ran(binary, &folder, &output);
        // The folder is not needed any more: the figures are kept in `pairs.csv`.
        let _ = fs::remove_dir_all(&folder);
        ran
    }

    /// Checks the exit code of a run and reads the figures that it left.
    fn ran(&self, binary: &Path, folder: &Path, output: &Output) -> anyhow::Result<Ran> {
        let ended = |exit: Exit| output.status.code() == Some(exit as i32);
        if ended(Exit::Interrupted) {
            return Ok(Ran::Interrupted);
        }
        // Missed thresholds don't matter here, nor do thresholds of undefined figures.
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

/// Every defined figure of a run, and its costs.
fn figures(sheet: &Sheet, folder: &Path, mode: Mode) -> anyhow::Result<BTreeMap<String, f64>> {
    let run = sheet.runs().next().context("the binary left no figures")?;
    let defined = run.figures.iter().filter_map(|(name, figure)| Some((name.clone(), (*figure)?)));
    let mut figures: BTreeMap<String, f64> = defined.collect();
    let host = HostFile::read(&folder.join(HOST))?;
    let Some(HostFile::Machine(host)) = host else { bail!("the binary left no {HOST}") };
    let server = host.cpu_s.get("server").filter(|_| host.datagrams > 0);
    let costs = [
        ("ns_per_datagram", host.ns_per_datagram.filter(|_| mode == Mode::Sim)),
        ("server_ns_per_datagram", server.map(|cpu| cpu * 1e9 / host.datagrams as f64)),
        ("peak_memory_bytes", host.peak_memory_bytes.map(|bytes| bytes as f64)),
    ];
    figures.extend(costs.into_iter().filter_map(|(name, cost)| Some((name.to_owned(), cost?))));
    Ok(figures)
}

/// The absolute path of a binary. A bare name that is no file here is left to be found in `PATH`.
pub(crate) fn program(path: &Path) -> PathBuf {
    match std::path::absolute(path) {
        Ok(absolute) if path.components().count() > 1 || absolute.is_file() => absolute,
        _ => path.to_owned(),
    }
}
