//! A folder with something missing or damaged is an error that names the file, and the line if
//! there is one. Data that can't be read is never treated as empty.

use skipbeat_results::{names, read_all};

use crate::folder::Folder;

fn error(folder: &Folder) -> String {
    match read_all(folder.path()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was read"),
    }
}

#[test]
fn every_file_has_to_be_there() {
    let of_run = [names::RUN, names::SUMMARY, names::GROUPS, names::LEDGER, names::LINKS];
    let of_run = of_run.into_iter().chain([names::TIMELINE, names::EVICTIONS, names::HISTOGRAMS]);
    for name in of_run {
        let (folder, ..) = Folder::run();
        std::fs::remove_file(folder.file(name)).unwrap();
        let error = error(&folder);
        assert!(error.contains(name) && error.contains("is missing"), "{name}: {error}");
    }
    for name in [names::RUN, names::SUMMARY, names::GROUPS, names::SWEEP] {
        let (folder, _) = Folder::sweep();
        std::fs::remove_file(folder.file(name)).unwrap();
        assert!(error(&folder).contains(name), "{name}");
    }
}

#[test]
fn a_text_where_a_number_belongs_is_shown_with_its_line() {
    let tables = [
        (names::SUMMARY, 2),
        (names::GROUPS, 3),
        (names::LEDGER, 4),
        (names::LINKS, 2),
        (names::TIMELINE, 5),
        (names::EVICTIONS, 2),
    ];
    for (name, line) in tables {
        for wrong in ["abc", "NaN", "inf", "1,5e", "\"\"x"] {
            let (folder, ..) = Folder::run();
            folder.change(name, |text| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                // The last cell of each of these tables is a number.
                let row = &mut lines[line - 1];
                let at = row.rfind(',').expect("it has cells") + 1;
                row.replace_range(at.., wrong);
                lines.join("\n")
            });
            let error = error(&folder);
            let place = format!("{name}:{line}: ");
            assert!(error.contains(&place), "{name} with {wrong}: {error}");
        }
    }
}

#[test]
fn a_row_that_is_cut_off_is_damage() {
    for name in [names::SUMMARY, names::LEDGER, names::TIMELINE] {
        let (folder, ..) = Folder::run();
        folder.change(name, |text| {
            let end = text.trim_end().rfind(',').expect("it has cells");
            text[..end].to_owned()
        });
        let error = error(&folder);
        assert!(error.contains(name) && error.contains("cells"), "{error}");
    }
}

#[test]
fn a_column_that_is_missing_or_moved_is_damage() {
    for (name, column) in [
        (names::SUMMARY, "seed"),
        (names::GROUPS, "group"),
        (names::LEDGER, "side"),
        (names::LINKS, "observed"),
        (names::TIMELINE, "lost_queue"),
        (names::EVICTIONS, "cause"),
    ] {
        let (folder, ..) = Folder::run();
        folder.change(name, |text| text.replacen(column, "another", 1));
        let error = error(&folder);
        assert!(error.contains(&format!("expected {column}")), "{name}: {error}");
    }
}

#[test]
fn another_version_is_no_version_of_ours() {
    for (from, to, said) in [
        ("\"version\": 2", "\"version\": 99", "is of version 99, this build reads version 2"),
        ("\"version\": 2", "\"version\": 1", "is of version 1"),
        ("\"version\": 2", "\"version\": \"2\"", "has no version"),
    ] {
        let (folder, ..) = Folder::run();
        folder.change(names::RUN, |text| text.replacen(from, to, 1));
        let error = error(&folder);
        assert!(error.contains(names::RUN) && error.contains(said), "{error}");
    }
}

#[test]
fn every_key_of_run_json_has_to_be_there() {
    let (folder, ..) = Folder::run();
    let text = std::fs::read_to_string(folder.file(names::RUN)).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut tried = 0;
    for pointer in ["", "/skipbeat", "/run", "/run/verdict", "/run/verdict/thresholds/0"] {
        let keys: Vec<String> =
            whole.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let mut cut = whole.clone();
            cut.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(&key);
            folder.change(names::RUN, |_| cut.to_string());
            let read = read_all(folder.path());
            let error = read.err().unwrap_or_else(|| panic!("read without {pointer}/{key}"));
            assert!(error.to_string().contains(names::RUN), "{error}");
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
}

#[test]
fn an_outcome_that_is_not_that_of_its_verdict_is_damage() {
    let (folder, ..) = Folder::run();
    folder.change(names::RUN, |text| {
        text.replacen("\"outcome\": \"pass\"", "\"outcome\": \"threshold\"", 1)
    });
    assert!(error(&folder).contains("its outcome is not that of its verdict"));
}

#[test]
fn a_distribution_that_is_missing_damaged_or_another_is_damage() {
    let latency = |line: &&str| line.contains("Tag=latency,");
    let changes: [fn(&str) -> String; 3] = [
        |line| line.replace("Tag=latency,", "Tag=mistake_duration,"),
        |line| format!("{}!!", &line[..line.len() / 2]),
        |_| String::new(),
    ];
    for change in changes {
        let (folder, ..) = Folder::run();
        folder.change(names::HISTOGRAMS, |text| {
            let line = text.lines().find(latency).expect("there is a latency");
            text.replacen(line, &change(line), 1)
        });
        assert!(error(&folder).contains(names::HISTOGRAMS));
    }
}
