use std::time::Duration;

use super::programs::{Kind, Program};

/// The tier that also runs the examples in the documentation.
pub(super) const UNIT: &str = "unit";
/// The package whose test programs are the tiers that need servers.
const SERVER_TESTS: &str = "tributary-tests";

/// A group of test programs.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) name: &'static str,
    /// Whether a program belongs to it.
    pub(super) holds: fn(&Program) -> bool,
    /// How many tests run at once: more where they mostly wait, for servers that start or are away; one where tests
    /// kill servers, start several JVMs each, or a browser.
    pub(super) threads: usize,
    /// The longest that one program may take; a hanging test must not take the others' time. Several times what a busy machine
    /// needs: it is no measure of speed.
    pub(super) limit: Duration,
    /// Whether it holds tests of the stand-in for SQL Server, or that start it.
    pub(super) needs_standin: bool,
}

/// In the order in which they run: a defect is reported by the lowest tier that can see it.
pub(super) const TIERS: [Tier; 8] = [
    Tier { name: UNIT, holds: is_unit, threads: 2, limit: minutes(15), needs_standin: true },
    Tier { name: "contract", holds: is_contract, threads: 2, limit: minutes(15), needs_standin: false },
    Tier {
        name: "embedded",
        holds: |program| is_server_test(program, "embedded"),
        threads: 2,
        limit: minutes(25),
        needs_standin: true,
    },
    Tier {
        name: "hostile",
        holds: |program| is_server_test(program, "hostile"),
        threads: 2,
        limit: minutes(25),
        needs_standin: false,
    },
    Tier {
        name: "real",
        holds: |program| is_server_test(program, "real") || is_debezium(program),
        threads: 4,
        limit: minutes(40),
        needs_standin: true,
    },
    Tier {
        name: "differential",
        holds: |program| is_server_test(program, "differential"),
        threads: 1,
        limit: minutes(40),
        needs_standin: true,
    },
    Tier {
        name: "faults",
        holds: |program| is_server_test(program, "faults"),
        threads: 1,
        limit: minutes(45),
        needs_standin: true,
    },
    Tier {
        name: "browser",
        holds: |program| is_server_test(program, "browser"),
        threads: 1,
        limit: minutes(25),
        needs_standin: true,
    },
];

/// All but the tiers below; the tests of the test library too.
fn is_unit(program: &Program) -> bool {
    let needs_servers = program.package == SERVER_TESTS && program.kind == Kind::Integration || is_debezium(program);
    !(is_contract(program) || needs_servers)
}

/// A plugin crate's `tests/contract.rs` runs the battery of the testkit; the testkit's own shows that each check can fail.
fn is_contract(program: &Program) -> bool {
    program.kind == Kind::Integration && program.name == "contract"
}

fn is_server_test(program: &Program, name: &str) -> bool {
    program.package == SERVER_TESTS && program.kind == Kind::Integration && program.name == name
}

/// It needs the Java worker, and must not link what the embedded broker links: it stays in the stand-in's package.
fn is_debezium(program: &Program) -> bool {
    program.package == "sqlserver-standin" && program.kind == Kind::Integration && program.name == "debezium"
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers_of(package: &str, name: &str, kind: Kind) -> Vec<&'static str> {
        let program = Program { package: package.into(), name: name.into(), kind, ..Program::default() };
        TIERS.iter().filter(|tier| (tier.holds)(&program)).map(|tier| tier.name).collect()
    }

    #[test]
    fn each_program_is_in_one_tier() {
        assert_eq!(tiers_of("tributary-api", "tributary_api", Kind::Unit), ["unit"]);
        assert_eq!(tiers_of("tributary-embedded", "broker", Kind::Integration), ["unit"]);
        for package in ["tributary-file", "tributary-transforms", "tributary-testkit"] {
            assert_eq!(tiers_of(package, "contract", Kind::Integration), ["contract"]);
        }
        assert_eq!(tiers_of("tributary-tests", "tributary_tests", Kind::Unit), ["unit"]);
        assert_eq!(tiers_of("sqlserver-standin", "cdc", Kind::Integration), ["unit"]);
        assert_eq!(tiers_of("sqlserver-standin", "debezium", Kind::Integration), ["real"]);
        for tier in ["embedded", "hostile", "real", "differential", "faults", "browser"] {
            assert_eq!(tiers_of("tributary-tests", tier, Kind::Integration), [tier]);
        }
    }

    #[test]
    fn a_server_test_without_a_tier_is_in_none() {
        assert!(tiers_of("tributary-tests", "forgotten", Kind::Integration).is_empty());
    }
}
