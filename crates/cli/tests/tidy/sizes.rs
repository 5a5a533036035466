//! Every file has a head comment and a limited size; scenarios say what they show.

use crate::sources::all;

const LONGEST_FILE: usize = 800;
const LONGEST_LINE: usize = 120;

#[test]
fn every_source_file_has_a_head_comment_and_is_short() {
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
fn every_scenario_says_what_it_shows_and_parses() {
    let scenarios = all("scenarios", "toml");
    assert!(scenarios.len() >= 6);
    for (path, text) in scenarios {
        assert!(text.starts_with("# "), "{} has no comment", path.display());
        let plan =
            skipbeat_scenario::Study::load(&path, &Default::default()).map(|study| study.base);
        assert!(plan.is_ok_and(|plan| !plan.description.is_empty()), "{}", path.display());
    }
}
