//! The text printed when the worker has started.

use std::fmt::Write;

/// A server's address, and the default port if that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) name: &'static str,
    pub(crate) shown: String,
    pub(crate) taken: Option<u16>,
}

impl Address {
    pub(crate) fn new(name: &'static str, shown: impl Into<String>) -> Self {
        Self { name, shown: shown.into(), taken: None }
    }

    /// Sets the default port, if another one was bound.
    pub(crate) fn instead_of(mut self, usual: u16, bound: u16) -> Self {
        self.taken = (usual != 0 && usual != bound).then_some(usual);
        self
    }
}

/// The addresses, a line each, and what to do next.
pub(crate) fn text(addresses: &[Address], next: &str) -> String {
    let width = addresses.iter().map(|address| address.name.len()).max().unwrap_or_default();
    let mut text = String::from("Tributary is running\n");
    for Address { name, shown, taken } in addresses {
        let note = taken.map(|port| format!("  (port {port} was taken)")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:width$}  {shown}{note}");
    }
    text.push_str(next);
    text
}

/// Prints it to standard output, which has no other output; the log is on standard error.
#[allow(clippy::print_stdout)] // this is what the command prints
pub(crate) fn announce(addresses: &[Address], next: &str) {
    println!("{}", text(addresses, next));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_aligned_and_a_taken_port_is_reported() {
        let addresses = [
            Address::new("Kafka", "127.0.0.1:4711").instead_of(9092, 4711),
            Address::new("S3", "http://127.0.0.1:9000").instead_of(9000, 9000),
        ];
        let expected = "Tributary is running\n  Kafka  127.0.0.1:4711  (port 9092 was taken)\n  \
                        S3     http://127.0.0.1:9000\nOpen it.";
        assert_eq!(text(&addresses, "Open it."), expected);
    }
}
