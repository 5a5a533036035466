//! A page depends on the result files and on nothing else.

use crate::fixture::Results;

#[test]
fn the_same_files_give_the_same_bytes() {
    let (run, sweep) = (Results::run(), Results::sweep(3, 4));
    let page = || skipbeat_page::render(&[run.path(), sweep.path()]).expect("sound files");
    assert_eq!(page(), page());
    assert_eq!(Results::run().page(), run.page(), "their folder does not matter");
}
