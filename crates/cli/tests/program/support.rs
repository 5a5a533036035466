//! Helpers for tests of the program: run it in a temporary folder and read its results.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder for one test, deleted when dropped.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench { folder: TempDir::new().expect("a temporary folder can be made") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a scenario to `test.toml` and returns its path.
    pub(crate) fn scenario(&self, text: &str) -> PathBuf {
        let path = self.path().join("test.toml");
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// A `skipbeat run` of this scenario, in the folder, that has not started yet.
    pub(crate) fn command(&self, scenario: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skipbeat"));
        command.current_dir(self.path()).arg("run").arg(scenario).args(arguments);
        command
    }

    pub(crate) fn run(&self, scenario: &Path, arguments: &[&str]) -> Output {
        self.command(scenario, arguments).output().expect("the program starts")
    }

    /// Runs any command of `skipbeat` in the folder.
    pub(crate) fn skipbeat(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skipbeat"));
        command.current_dir(self.path()).args(arguments).output().expect("the program starts")
    }

    /// The text of a file in the folder.
    pub(crate) fn text(&self, file: &str) -> String {
        let text = std::fs::read_to_string(self.path().join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// A file in the folder that is JSON.
    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Runs a scenario, whose exit code must be 0, and returns its figures. The arguments must
    /// contain `--out out`.
    pub(crate) fn summary(&self, scenario: &Path, arguments: &[&str]) -> Summary {
        let output = self.run(scenario, arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}\n{}", stderr(&output));
        let text = std::fs::read_to_string(self.path().join("out/summary.csv")).expect("it ran");
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
        let (head, row) = (lines.next().expect("a head"), lines.next().expect("a row"));
        let host = std::fs::read_to_string(self.path().join("out/host.json")).expect("it ran");
        Summary { cells: head.zip(row).collect(), host }
    }

    /// The cells of one column of a CSV file.
    pub(crate) fn column(&self, file: &str, column: &str) -> Vec<String> {
        let mut csv = csv::Reader::from_path(self.path().join(file)).expect("the file is there");
        let head = csv.headers().expect("a head").clone();
        let index = head.iter().position(|name| name == column).expect("the column is there");
        csv.records().map(|row| row.expect("a row")[index].to_owned()).collect()
    }

    /// The first cell of one column of a CSV file.
    pub(crate) fn cell(&self, file: &str, column: &str) -> String {
        self.column(file, column).swap_remove(0)
    }

    /// The value after the last mention of a key in `out/host.json`.
    pub(crate) fn host_text(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.path().join("out/host.json")).expect("it ran");
        let (_, rest) = text.rsplit_once(&format!("\"{key}\": ")).expect("the key is there");
        rest.split([',', '\n', '}']).next().unwrap_or("").trim_matches('"').to_owned()
    }

    /// The sum of the values of a key over all its mentions in `out/host.json`.
    pub(crate) fn host_sum(&self, key: &str) -> f64 {
        let text = std::fs::read_to_string(self.path().join("out/host.json")).expect("it ran");
        let key = format!("\"{key}\": ");
        let parts = text.split(&key).skip(1);
        parts.filter_map(|rest| rest.split([',', '\n']).next()?.parse::<f64>().ok()).sum()
    }

    /// A term of the ledger in `out`, over all groups.
    pub(crate) fn ledger(&self, ledger: &str, direction: &str, term: &str) -> i64 {
        let text = std::fs::read_to_string(self.path().join("out/ledger.csv")).expect("it ran");
        let row = text.lines().find_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            ([cells[0], cells[1], cells[2], cells[4]] == [ledger, direction, "", term])
                .then(|| cells[5].parse().expect("a count"))
        });
        row.unwrap_or_else(|| panic!("no term {term} of {ledger} {direction} in\n{text}"))
    }
}

/// The figures of a run: its row in `summary.csv`, and its `host.json`.
pub(crate) struct Summary {
    cells: BTreeMap<String, String>,
    host: String,
}

impl Summary {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.cells.get(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        let cell = self.text(name);
        cell.parse().unwrap_or_else(|_| panic!("{name} is {cell:?}"))
    }

    /// How late the swarm sent at worst, in seconds. Only a run on real sockets has this.
    pub(crate) fn lateness_max(&self) -> f64 {
        let (_, rest) = self.host.split_once("\"lateness_max_s\": ").expect("a real run has it");
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != 'e' && c != '-');
        rest[..end.unwrap_or(rest.len())].parse().expect("a number")
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The line of a summary that says how the run ended, which begins its last paragraph.
pub(crate) fn headline(output: &Output) -> String {
    let text = stdout(output);
    let last = text.rsplit("\n\n").next().unwrap_or_default();
    last.lines().next().unwrap_or_default().to_owned()
}

/// Whether a text has this word, and not only as part of another, such as `conclusive` in
/// `inconclusive`.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|found| found == word)
}

/// The path of a scenario, or another file, below `scenarios/`.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(name)
}

/// An address of this machine where nothing listened a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
    socket.local_addr().expect("a bound socket has an address")
}
