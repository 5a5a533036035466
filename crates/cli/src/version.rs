//! Which build of the program this is.

use skipbeat_results::Build;

/// This build.
pub(crate) fn build() -> Build {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("SKIPBEAT_COMMIT"));
    Build { version: version.to_owned(), commit: commit.to_owned() }
}
