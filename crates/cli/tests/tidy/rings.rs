//! Files of a crate import each other in one direction only: no file needs, directly or indirectly,
//! a file that needs it. A module and the files below it belong together and may form a ring.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::sources::{all, top};

/// The modules of a crate by their paths, such as `["detector", "phi"]`, with their texts.
type Modules = BTreeMap<Vec<String>, String>;

fn modules(krate: &Path) -> Modules {
    let source = krate.join("src");
    let inside = |path: &Path| path.starts_with(&source);
    let of_crate = all("crates", "rs").into_iter().filter(|(path, _)| inside(path));
    let named = of_crate.map(|(path, text)| {
        let relative = path.strip_prefix(&source).expect("it is inside").with_extension("");
        let mut parts: Vec<String> =
            relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            parts.pop();
        }
        (parts, text)
    });
    named.collect()
}

/// The text without comments and tests, which may import anything.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `start`, with braces resolved: `a::{b, c::d}` is two paths.
fn paths(code: &str, start: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(start) {
        let before = rest[..at].chars().next_back();
        let after = &rest[at + start.len()..];
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':') {
            expand(after, &mut Vec::new(), &mut found);
        }
        rest = after;
    }
    found
}

/// Reads a tree of paths, and returns the text after it.
fn expand<'a>(
    mut text: &'a str,
    prefix: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> &'a str {
    let depth = prefix.len();
    loop {
        text = text.trim_start();
        if let Some(inner) = text.strip_prefix('{') {
            text = inner;
            loop {
                text = expand(text, prefix, found).trim_start();
                match text.chars().next() {
                    Some(',') => text = text[1..].trim_start(),
                    Some('}') => {
                        text = &text[1..];
                        break;
                    }
                    _ => break,
                }
                if text.starts_with('}') {
                    text = &text[1..];
                    break;
                }
            }
            break;
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if end > 0 {
            prefix.push(text[..end].to_owned());
        }
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(next) if end > 0 => text = next,
            _ => {
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(depth);
    // `a as b` counts as `a`.
    let alias = text.trim_start().strip_prefix("as ");
    alias.map_or(text, |alias| alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The module that a path within the crate leads to. If a module only re-exports the name, the
/// re-export is followed.
fn resolve(modules: &Modules, path: &[String], steps: u32) -> Option<Vec<String>> {
    let longest = (0..=path.len()).rev().find(|n| modules.contains_key(&path[..*n]))?;
    let (module, rest) = (&path[..longest], &path[longest..]);
    let Some(name) = rest.first().filter(|_| steps > 0) else { return Some(module.to_vec()) };
    // `pub use below::Name` in the module.
    let text = code(&modules[module]);
    let handed_on = paths(&text, "use ").into_iter().find(|used| {
        used.last() == Some(name) && used.len() > 1 && !used[0].starts_with("skipbeat")
    });
    match handed_on {
        Some(used) => {
            let skip = usize::from(used[0] == "self");
            let from_top = used[0] == "crate";
            let mut whole = if from_top { Vec::new() } else { module.to_vec() };
            whole.extend(used[if from_top { 1 } else { skip }..].iter().cloned());
            resolve(modules, &whole, steps - 1).or_else(|| Some(module.to_vec()))
        }
        None => Some(module.to_vec()),
    }
}

/// The modules that each module imports. The crate root is left out: it only puts them together.
fn needs(modules: &Modules) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let mut needs = BTreeMap::new();
    for (module, text) in modules.iter().filter(|(module, _)| !module.is_empty()) {
        let text = code(text);
        let mut used: Vec<Vec<String>> = paths(&text, "crate::");
        let above = module[..module.len() - 1].to_vec();
        used.extend(paths(&text, "super::").into_iter().map(|path| [&above[..], &path].concat()));
        let others = used.iter().filter_map(|path| resolve(modules, path, 4));
        let family = |other: &Vec<String>| other.starts_with(module) || module.starts_with(other);
        let others: BTreeSet<_> =
            others.filter(|other| !other.is_empty() && !family(other)).collect();
        needs.insert(module.clone(), others);
    }
    needs
}

/// A ring of modules, if there is one: from each module, follows all imports until one leads back.
fn ring(needs: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    for start in needs.keys() {
        let mut from: BTreeMap<&Vec<String>, &Vec<String>> = BTreeMap::new();
        let mut open = vec![start];
        while let Some(module) = open.pop() {
            for next in needs.get(module).into_iter().flatten() {
                if next == start {
                    let mut way = vec![start.join("::"), module.join("::")];
                    let mut at = module;
                    while let Some(before) = from.get(at).filter(|_| at != start) {
                        way.push(before.join("::"));
                        at = before;
                    }
                    way.reverse();
                    return Some(way);
                }
                if !from.contains_key(next) {
                    from.insert(next, module);
                    open.push(next);
                }
            }
        }
    }
    None
}

#[test]
fn files_of_different_meaning_do_not_import_each_other_in_a_ring() {
    let mut crates: Vec<PathBuf> = std::fs::read_dir(top().join("crates"))
        .expect("there are crates")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    crates.sort();
    let (mut edges, mut rings) = (0, Vec::new());
    for krate in crates {
        let needs = needs(&modules(&krate));
        edges += needs.values().map(BTreeSet::len).sum::<usize>();
        let name = krate.file_name().unwrap_or_default().to_string_lossy().into_owned();
        rings.extend(ring(&needs).map(|way| format!("{name}: {}", way.join(" -> "))));
    }
    assert!(edges > 200, "imports are found: {edges}");
    assert!(rings.is_empty(), "{rings:#?}");
}

#[test]
fn a_planted_ring_is_found() {
    let modules: Modules = [
        ("", "mod a;\nmod b;\npub use a::{One, Other};"),
        ("a", "use crate::b::{self, deep::{Two, Three}};\npub struct One;\npub struct Other;"),
        ("b", "use crate::Other;\nmod deep;"),
        ("b/deep", "pub struct Two;"),
    ]
    .into_iter()
    .map(|(path, text)| {
        let parts = path.split('/').filter(|part| !part.is_empty());
        (parts.map(str::to_owned).collect(), text.to_owned())
    })
    .collect();
    let found = ring(&needs(&modules)).map(|way| way.join(" -> "));
    assert_eq!(found.as_deref(), Some("a -> b -> a"));
}
