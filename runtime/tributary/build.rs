//! Packs the program's relocations where the C library can unpack them: some 370,000 of them are 9 MB of the file, all
//! of which would be read at every start and stay in memory.

use std::process::Command;

/// The first glibc that reads packed relocations (DT_RELR). <https://sourceware.org/glibc/wiki/Release/2.36>
const FIRST: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Linkers that do not know the option only warn.
    if is_native() && glibc().is_some_and(|version| version >= FIRST) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// For a cross build the target's C library is not known.
fn is_native() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    std::env::var("HOST").ok() == std::env::var("TARGET").ok()
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
}

fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
