//! `skipbeat theory`: its tables, verdicts and exit codes.

use std::process::{Command, Output};

fn theory(arguments: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_skipbeat");
    let output = Command::new(program).arg("theory").args(arguments).output();
    let Output { status, stdout, stderr } = output.expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn every_row_agrees_and_is_printed_for_any_number_of_threads() {
    let one = theory(&["--quiet", "--threads", "1"]);
    let two = theory(&["--quiet", "--threads", "2"]);
    assert_eq!(one, two);
    let (code, text, errors) = one;
    assert_eq!((code, &*errors), (Some(0), ""));
    let rows = text.lines().filter(|line| line.ends_with("agrees")).count();
    assert!(rows > 50 && text.contains(&format!("{rows} of {rows} rows agree")), "{text}");
}

#[test]
fn a_tiny_sample_is_inconclusive_and_a_bad_size_is_a_usage_error() {
    let (code, text, _) = theory(&["--quiet", "--clients", "10", "--hours", "0.01"]);
    assert_eq!(code, Some(97), "{text}");
    assert!(text.contains("too few samples") && !text.contains("DIFFERS"), "{text}");
    for arguments in [["--hours", "0"], ["--hours", "2000"], ["--clients", "3"], ["--times", "0"]] {
        assert_eq!(theory(&arguments).0, Some(2), "{arguments:?}");
    }
}
