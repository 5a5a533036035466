//! Checks of the rules in CONTRIBUTING.md that neither clippy nor rustc checks: source files begin
//! with a comment and keep their size, and scenarios are described.

use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 800;
const LONGEST_LINE: usize = 120;

/// Adds every file with this extension below a folder, except build output.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// The path and text of every file with this extension below a folder of the repository.
fn all(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), extension, &mut found);
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn every_source_file_begins_with_a_comment_and_keeps_its_size() {
    let sources = all("crates", "rs");
    assert!(sources.len() > 40);
    let mut lengths = Vec::new();
    for (path, text) in sources {
        let name = path.display();
        assert!(text.starts_with("//! "), "{name} has no head comment");
        assert!(text.lines().all(|line| line.chars().count() <= LONGEST_LINE), "{name}: long line");
        let length = text.lines().count();
        assert!(length <= LONGEST_FILE, "{name} has {length} lines: split it along its meaning");
        lengths.push(length);
    }
    lengths.sort_unstable();
    let (median, ninetieth) = (lengths[lengths.len() / 2], lengths[lengths.len() * 9 / 10]);
    assert!(median <= 200 && ninetieth <= 600, "median {median}, 90th percentile {ninetieth}");
}

#[test]
fn every_scenario_has_a_comment_and_a_description_and_parses() {
    let scenarios = all("scenarios", "toml");
    assert!(scenarios.len() >= 6);
    for (path, text) in scenarios {
        assert!(text.starts_with("# "), "{} has no comment", path.display());
        let plan =
            skipbeat_scenario::Study::load(&path, &Default::default()).map(|study| study.base);
        assert!(plan.is_ok_and(|plan| !plan.description.is_empty()), "{}", path.display());
    }
}
