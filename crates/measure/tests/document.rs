//! Checks that `docs/metrics.md` has the list of metrics that the cards make.

const BEGIN: &str = "<!-- metrics:begin -->\n";
const END: &str = "<!-- metrics:end -->";

/// `UPDATE_DOCS=1 cargo test -p skipbeat-measure --test document` writes it.
#[test]
fn the_document_has_every_metric_as_its_card_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("there is a document");
    let (before, rest) = text.split_once(BEGIN).expect("the list begins");
    let (list, after) = rest.split_once(END).expect("the list ends");
    let expected = skipbeat_measure::metrics_document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("it is ours");
        return;
    }
    assert!(list == expected, "UPDATE_DOCS=1 cargo test -p skipbeat-measure --test document");
}
