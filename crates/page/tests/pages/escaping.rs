//! Names and descriptions come from users, so a page must not interpret them as markup or script.

use serde_json::json;

use crate::fixture::{Results, about, words};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>&\"'";

#[test]
fn text_from_users_is_escaped() {
    let results = Results::run();
    let mut scenario = about()["scenario"].clone();
    scenario["name"] = json!(HOSTILE);
    scenario["description"] = json!(HOSTILE);
    let threshold = json!({ "metric": HOSTILE, "group": HOSTILE, "condition": HOSTILE });
    results.about(json!({
        "scenario": scenario,
        "inconclusive": [HOSTILE],
        "failure": HOSTILE,
        "thresholds": [threshold],
    }));
    let page = results.page();
    assert!(!page.contains("<img"));
    assert_eq!(page.matches("</script>").count(), 3, "data, library and script");
    assert!(words(&page).contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;&quot;"));
}

#[test]
fn names_in_the_data_of_charts_are_escaped() {
    let (one, other) = (Results::run(), Results::run());
    let mut scenario = about()["scenario"].clone();
    scenario["name"] = json!(HOSTILE);
    one.about(json!({ "scenario": scenario }));
    let page = skipbeat_page::render(&[one.path(), other.path()]).expect("the files are sound");
    assert!(!page.contains("<img"));
    assert!(page.contains("\\u003c/script>\\u003cimg"), "the legend has the name");
}
