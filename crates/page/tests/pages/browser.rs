//! Pages in a real browser: the console stays empty, nothing is fetched, nothing is wider than the
//! window, and every chart is drawn. Without a browser these tests are skipped, except in CI, where
//! they fail.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use skipbeat_core::Unit;
use tempfile::TempDir;

use crate::comparison;
use crate::fixture::Results;

/// The part of the script of every page that writes numbers.
const NUMBERS: &str = include_str!("../../assets/numbers.js");
const WIDTHS: [u32; 3] = [360, 820, 1400];
const HEIGHT: u32 = 4000;
/// The beginning of a report of the script below. Anything else on the console is a fault.
const REPORT: &str = "checked: ";
/// Opens all folded parts, waits until they are drawn, and reports what is too wide or empty. A
/// chart counts as drawn if one of its paths has a colour of data; axes have other colours.
const CHECK: &str = "<script>addEventListener('load', () => setTimeout(() => {
  for (const details of document.querySelectorAll('details')) details.open = true;
  setTimeout(() => {
    const probe = document.body.appendChild(document.createElement('i'));
    const colours = ['line-1', 'line-2', 'line-3', 'line-4', 'line-5'].map((name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    });
    probe.remove();
    const isDrawn = (plot) => [...plot.querySelectorAll('svg path')].some((path) => {
      const style = getComputedStyle(path);
      return colours.includes(style.stroke) || colours.includes(style.fill);
    });
    const plots = [...document.querySelectorAll('.plot')];
    const root = document.documentElement;
    const faults = plots.filter((plot) => !isDrawn(plot))
      .map((plot) => `nothing drawn in ${plot.getAttribute('aria-label')}`);
    if (root.scrollWidth > innerWidth) faults.push(`${root.scrollWidth} wide in ${innerWidth}`);
    console.log(`checked: ${innerWidth} ${plots.length} charts, faults: ${faults.join(', ')}`);
  }, 600);
}, 600));</script>";

/// A browser in the path, if there is one.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "there is no browser to test in");
    if found.is_none() {
        eprintln!("skipped: there is no browser in the path");
    }
    found
}

/// Shows a page at all widths, and returns the lines of its console. A window can't be as narrow as
/// a phone but a frame can, so each width is a frame.
fn console(browser: &Path, page: &str, theme: &str, picture: &Path) -> Vec<String> {
    let folder = TempDir::new().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        format!("file://{}", path.display())
    };
    let page = write("page.html", &page.replace("</body>", &format!("{CHECK}</body>")));
    let frames = WIDTHS.map(|width| {
        format!(
            "<iframe src='{page}#{theme}' width={width} height={HEIGHT} frameborder=0></iframe>"
        )
    });
    let frames = write("frames.html", &format!("<body style='margin:0'>{}", frames.join("")));
    let room = WIDTHS.iter().sum::<u32>() + 100;
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--disable-dev-shm-usage", "--virtual-time-budget=10000"])
        .args(["--enable-logging=stderr", &format!("--window-size={room},{HEIGHT}")])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(frames)
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = lines.lines().filter_map(|line| line.split_once(":CONSOLE")?.1.split_once('"'));
    said.map(|(_, text)| text.to_owned()).collect()
}

/// The faults of a page, in words.
fn faults(browser: &Path, page: &str, theme: &str, picture: &str) -> Vec<String> {
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{picture}-{theme}.png"));
    let said = console(browser, page, theme, &picture);
    assert!(picture.metadata().is_ok_and(|file| file.len() > 10_000), "{}", picture.display());
    let mut faults = Vec::new();
    for width in WIDTHS {
        let report = format!("{REPORT}{width} ");
        if !said.iter().any(|line| line.starts_with(&report)) {
            faults.push(format!("no report at {width}"));
        }
    }
    let sound = |line: &&String| line.starts_with(REPORT) && line.contains(" faults: \"");
    faults.extend(said.iter().filter(|line| !sound(line)).cloned());
    faults
}

#[test]
fn every_kind_of_page_is_shown_in_both_themes_without_a_fault() {
    let Some(browser) = browser() else { return };
    let (run, other, sweep) = (Results::run(), Results::run(), Results::sweep(4, 4));
    other.name(&"a-name-without-any-space-".repeat(6));
    other.ended("a signal", json!({ "outcome": "interrupted", "ended_early_at_s": 6.5 }));
    let together = [run.path(), other.path(), sweep.path()];
    let overlay = skipbeat_page::render(&together).expect("the files are sound");
    let pages = [
        ("run", run.page()),
        ("sweep", sweep.page()),
        ("overlay", overlay),
        ("comparison", comparison::page()),
    ];
    for (name, page) in pages {
        for theme in ["light", "dark"] {
            let faults = faults(&browser, &page, theme, name);
            assert!(faults.is_empty(), "{name}, {theme}: {faults:#?}");
        }
    }
}

/// The test above would notice an error, an empty chart, an element that is too wide, and a
/// request. The page's own content policy also blocks the request.
#[test]
fn planted_faults_are_found() {
    let Some(browser) = browser() else { return };
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    server.set_nonblocking(true).expect("it can be asked");
    let address = server.local_addr().expect("it has an address");
    let planted = format!(
        "<script>console.error('planted error')</script>\
         <img src='http://{address}/planted.png'>\
         <div style='width:5000px'>wide</div>\
         <div class='plot' aria-label='planted chart' data-chart='0' style='display:none'></div>\
         </body>"
    );
    let page = Results::run().page().replace("</body>", &planted);
    let found = faults(&browser, &page, "light", "planted").join("\n");
    for fault in ["planted error", "planted.png", "wide in 360", "nothing drawn in planted chart"] {
        assert!(found.contains(fault), "{fault} was not found in: {found}");
    }
    assert!(server.accept().is_err(), "the policy let a request through");
}

/// Small and large, near the limits of units, and exactly between two ways of rounding.
const VALUES: [f64; 39] = [
    0.0,
    1e-30,
    1e-12,
    1e-9,
    2.4e-7,
    0.000_001,
    0.000_101_3,
    0.000_999_94,
    0.000_999_96,
    0.001,
    0.002_165_684,
    0.05,
    0.057_407,
    0.099_999,
    0.1,
    0.5,
    0.919_13,
    0.999_96,
    0.999_98,
    0.999_999_99,
    1.0 - 1e-16,
    1.0,
    1.000_001,
    1.990_036,
    12.0,
    61.703,
    416.0,
    999.94,
    999.9996,
    1000.5,
    1001.5,
    1146.4,
    28_209.92,
    1_234_567.0,
    134_217_728.0,
    -0.0301,
    -0.3,
    -1234.5,
    1e22,
];

/// The script formats numbers in tooltips, and Rust those in tables.
#[test]
fn numbers_read_the_same_in_charts_and_tables() {
    let Some(browser) = browser() else { return };
    let units = [
        Unit::Count,
        Unit::Number,
        Unit::Ratio,
        Unit::Seconds,
        Unit::PerSecond,
        Unit::Nanoseconds,
        Unit::Bytes,
    ];
    let names = units.map(Unit::name);
    let page = format!(
        "<body><script>{NUMBERS}
        const units = {names:?};
        const texts = {VALUES:?}.map((value) => units.map((unit) => numbers.show(unit, value)));
        console.log('numbers: ' + JSON.stringify(texts));
        </script></body>"
    );
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("numbers.png");
    let said = console(&browser, &page, "light", &picture);
    let texts = said.iter().find_map(|line| line.strip_prefix("numbers: ")).expect("it reports");
    let end = texts.rfind(']').expect("it is a list");
    let texts: Vec<Vec<String>> = serde_json::from_str(&texts[..=end]).expect("it is a list");
    assert_eq!(texts.len(), VALUES.len());
    for (value, texts) in VALUES.into_iter().zip(texts) {
        assert_eq!(units.map(|unit| unit.show(Some(value))).to_vec(), texts, "{value}");
    }
}
