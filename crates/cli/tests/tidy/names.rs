//! No two public types share a name, so that a name means the same thing everywhere.

use std::collections::BTreeMap;

use crate::sources::all;

/// Names that are used twice for a reason: the name, and the reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("Alarm", "the timer of Linux, and that of other systems"),
    ("Poller", "the readiness of sockets on Linux, and on other systems"),
    ("ReceiveBatch", "many datagrams at once on Linux, and one by one on other systems"),
];

/// The name of the public type that a line declares, if it declares one.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

#[test]
fn no_public_type_name_is_used_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in all("crates", "rs") {
        if !path.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        for name in text.lines().filter_map(declared) {
            places.entry(name.to_owned()).or_default().push(path.display().to_string());
        }
    }
    assert!(places.len() > 100, "types are found");
    let excepted = |name: &str| EXCEPTIONS.iter().any(|(known, _)| *known == name);
    let twice: Vec<_> =
        places.iter().filter(|(name, files)| files.len() > 1 && !excepted(name)).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    for (name, reason) in EXCEPTIONS {
        let count = places.get(name).map_or(0, Vec::len);
        assert!(count > 1 && !reason.is_empty(), "{name} is no exception any more");
    }
}
