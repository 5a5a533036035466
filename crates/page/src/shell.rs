//! Wraps a body into a whole page, with styles, scripts and data in one file that needs no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = include_str!("../assets/page.css");
const ECHARTS: &str = include_str!("../assets/echarts.min.js");
const NUMBERS: &str = include_str!("../assets/numbers.js");
const SCRIPT: &str = include_str!("../assets/page.js");
/// The content policy: nothing may be fetched, since a page contains all that it needs.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
                      style-src 'unsafe-inline'; img-src data:";

/// A whole page. `charts` is what [`Charts::into_json`](crate::chart::Charts::into_json) gives.
pub(crate) fn shell(title: &str, body: Markup, charts: &Value) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                button #theme type="button" hidden title="Light or dark" { "◐" }
                main {
                    noscript { p.note { "The charts need JavaScript; texts and tables do not." } }
                    (body)
                }
                script #charts type="application/json" { (PreEscaped(inert(charts))) }
                script { (PreEscaped(ECHARTS)) }
                script { (PreEscaped(NUMBERS)) (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// JSON as text that can't end the script element around it.
fn inert(json: &Value) -> String {
    json.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_script_that_it_stands_in() {
        let json = serde_json::json!({ "name": "</script><script>alert(1)</script>" });
        let text = inert(&json);
        assert!(!text.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), json);
    }

    #[test]
    fn the_scripts_do_not_end_themselves() {
        for script in [ECHARTS, NUMBERS, SCRIPT] {
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
        assert!(!STYLE.contains("</style"));
    }
}
