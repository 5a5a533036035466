//! Folders without results and damaged files are refused, and the error names the folder or file.

use std::path::Path;

use skipbeat_page::{PageError, render};

use crate::fixture::Results;

#[test]
fn a_folder_without_results_is_refused() {
    assert!(matches!(render(&[]), Err(PageError::NoFolder)));
    let missing = render(&[Path::new("no/such/folder")]);
    assert!(matches!(missing, Err(PageError::NoResults(path)) if path.ends_with("folder")));
}

#[test]
fn the_error_of_a_damaged_file_names_it() {
    for (name, text) in [
        ("run.json", "{"),
        ("host.json", "[1,"),
        ("latency.hlog", "Tag=latency,0.000,20.000,0.306,HISTFAAA*\n"),
        ("latency.hlog", "Tag=latency,0.000,20.000,0.306,AAAA\n"),
        ("evictions.csv", "time_s,client,group,latency_s\n"),
    ] {
        let results = Results::run();
        results.file(name, text);
        let error = render(&[results.path()]).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}
