//! Names and descriptions come from users, so a page must not interpret them as markup or script.

use serde_json::json;

use crate::fixture::{Results, words};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>&\"'";

#[test]
fn text_from_users_is_escaped() {
    let results = Results::run();
    results.name(HOSTILE);
    results.change(|file| {
        file["scenario"]["description"] = json!(HOSTILE);
        file["settings"] = json!([HOSTILE]);
    });
    let threshold = json!({
        "metric": HOSTILE, "group": HOSTILE, "required": HOSTILE, "actual": 1.0, "met": false,
    });
    let verdict = json!({
        "outcome": "failed", "doubts": [HOSTILE], "failure": HOSTILE, "stopped_by": HOSTILE,
        "thresholds": [threshold],
    });
    results.ended("an error ended the run", verdict);
    let page = results.page();
    assert!(!page.contains("<img"));
    assert_eq!(page.matches("</script>").count(), 3, "data, library and script");
    assert!(words(&page).contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;&quot;"));
}

#[test]
fn names_in_the_data_of_charts_are_escaped() {
    let (one, other) = (Results::run(), Results::run());
    one.name(HOSTILE);
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("the files are sound");
    assert!(!page.contains("<img"));
    assert!(page.contains("\\u003c/script>\\u003cimg"), "the legend has the name");
}
