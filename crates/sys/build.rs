//! Sets `cfg(batched)` where the calls of Linux are used: on Linux, unless `SKIPBEAT_PORTABLE` asks
//! for what other systems get.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(batched)");
    println!("cargo::rerun-if-env-changed=SKIPBEAT_PORTABLE");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if linux && std::env::var_os("SKIPBEAT_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=batched");
    }
}
