use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// A crate of the workspace and one of its dependencies.
#[derive(Debug)]
pub(super) struct Edge {
    /// Its folder in the checkout.
    folder: String,
    to: String,
    /// Whether only tests have it.
    dev: bool,
    /// Whether `to` is a crate of the workspace as well.
    ours: bool,
}

/// Our crates that a crate may depend on: in its product, and additionally in its tests.
struct Rule {
    product: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The only crates that may depend on a Kafka client: the product's one, and independent clients in tests.
const KAFKA_CLIENTS: [&str; 2] = ["rdkafka", "rdkafka-sys"];

/// SQLite: the embedded broker links libsql, and both do not link into one program. Only the stand-in for SQL Server has it,
/// which is a workspace of its own.
const SQLITE: [&str; 3] = ["libsqlite3-sys", "rusqlite", "sqlserver-standin"];

/// All edges of the workspace.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let ours = |name: &str| metadata.packages.iter().any(|package| package.name.as_str() == name);
    let root = &metadata.workspace_root;
    let packages = metadata.packages.iter().map(|package| {
        let folder = package.manifest_path.parent().and_then(|folder| folder.strip_prefix(root).ok());
        (package, folder.map(ToString::to_string).unwrap_or_default())
    });
    packages
        .flat_map(|(package, folder)| {
            package.dependencies.iter().map(move |dependency| Edge {
                folder: folder.clone(),
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
                ours: ours(&dependency.name),
            })
        })
        .collect()
}

/// The rule of the design: who may depend on whom. A new edge is an ADR first, then a change here.
pub(super) fn check(edges: &[Edge]) -> Vec<Finding> {
    edges
        .iter()
        .filter_map(|edge| check_ours(edge).or_else(|| check_kafka_client(edge)).or_else(|| check_sqlite(edge)))
        .collect()
}

fn check_ours(edge: &Edge) -> Option<Finding> {
    if !edge.ours {
        return None;
    }
    let rule = rule(edge)?;
    let to = edge.to.trim_start_matches("tributary-");
    let allowed = rule.product.contains(&to) || (edge.dev && rule.tests.contains(&to));
    (!allowed).then(|| {
        let (may, kind) =
            if edge.dev { ([rule.product, rule.tests].concat(), "in tests ") } else { (rule.product.into(), "") };
        Finding::error(
            &edge.folder,
            format!("may not depend on {} {kind}(of ours it may depend on: {})", edge.to, may.join(", ")),
        )
    })
}

/// `None`: it may depend on everything.
fn rule(edge: &Edge) -> Option<Rule> {
    let rule = |product, tests| Some(Rule { product, tests });
    if edge.folder == "connectors/clickstream" {
        return rule(&["api", "listener"], &["testkit"]);
    }
    if edge.folder.starts_with("connectors/") {
        // Tests of the S3 sink write to the embedded endpoint, those of the Lambda sink to the front; those of the MongoDB
        // sink read what the reference read through the same converters.
        return rule(&["api"], &["testkit", "embedded", "lambda-front", "converters"]);
    }
    match edge.folder.as_str() {
        "runtime/control" | "runtime/librdkafka" | "runtime/state" | "runtime/testkit" => rule(&["api"], &[]),
        "runtime/kafka" => rule(&["api", "librdkafka"], &[]),
        "runtime/converters" | "runtime/transforms" => rule(&["api"], &["testkit"]),
        "runtime/rest" => rule(&["api", "control", "listener"], &["testkit"]),
        "runtime/embedded" => rule(&["listener"], &["testkit"]),
        "runtime/shop" => rule(&["clickstream", "listener"], &[]),
        "runtime/worker" => rule(&["api", "control", "kafka", "state"], &["converters"]),
        "runtime/tributary" => rule(
            &[
                "api",
                "clickstream",
                "control",
                "converters",
                "embedded",
                "file",
                "kafka",
                "lambda",
                "listener",
                "mongodb",
                "personalization",
                "rest",
                "s3",
                "shop",
                "sqlserver",
                "state",
                "transforms",
                "worker",
            ],
            &["testkit"],
        ),
        // What an author's worker sees.
        "examples/custom-worker" => rule(&["api", "tributary"], &["testkit"]),
        "tests" | "benches" => None,
        // The contract itself, the two that work without a worker, the developer commands, and crates without a rule
        // yet.
        _ => rule(&[], &[]),
    }
}

fn check_kafka_client(edge: &Edge) -> Option<Finding> {
    let names_it = KAFKA_CLIENTS.contains(&edge.to.as_str());
    let may = match edge.folder.as_str() {
        "runtime/librdkafka" | "tests" | "benches" | "xtask/unify" => true,
        "runtime/embedded" | "runtime/kafka" => edge.dev,
        _ => false,
    };
    (names_it && !may).then(|| {
        Finding::error(&edge.folder, format!("only runtime/librdkafka names {}: go through runtime/kafka", edge.to))
    })
}

/// SQLite twice in one binary does not link: the embedded broker brings libsql. deny.toml checks other dependencies.
fn check_sqlite(edge: &Edge) -> Option<Finding> {
    SQLITE.contains(&edge.to.as_str()).then(|| {
        Finding::error(
            &edge.folder,
            format!("{} and libsql cannot be linked together: start the program of tests/sqlserver-standin", edge.to),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(folder: &str, to: &str) -> Edge {
        Edge { folder: folder.into(), to: to.into(), dev: false, ours: to.starts_with("tributary") }
    }

    fn findings(edge: Edge) -> usize {
        check(&[edge]).len()
    }

    #[test]
    fn a_connector_sees_the_api_only() {
        assert_eq!(findings(edge("connectors/s3", "tributary-api")), 0);
        assert_eq!(findings(edge("connectors/s3", "tributary-worker")), 1);
        assert_eq!(findings(edge("connectors/s3", "tributary-testkit")), 1);
        assert_eq!(findings(Edge { dev: true, ..edge("connectors/s3", "tributary-testkit") }), 0);
    }

    #[test]
    fn the_api_sees_nothing_of_ours() {
        assert_eq!(findings(edge("runtime/api", "tributary-control")), 1);
        assert_eq!(findings(edge("runtime/api", "bytes")), 0);
    }

    #[test]
    fn rest_sees_nothing_of_the_worker() {
        assert_eq!(findings(edge("runtime/rest", "tributary-control")), 0);
        assert_eq!(findings(edge("runtime/rest", "tributary-worker")), 1);
    }

    #[test]
    fn only_http_servers_depend_on_the_listener() {
        assert_eq!(findings(edge("connectors/clickstream", "tributary-listener")), 0);
        assert_eq!(findings(edge("connectors/s3", "tributary-listener")), 1);
        assert_eq!(findings(edge("runtime/listener", "tributary-api")), 1);
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        assert_eq!(findings(edge("runtime/brand-new", "tributary-api")), 1);
    }

    #[test]
    fn one_crate_names_the_kafka_client() {
        assert_eq!(findings(edge("runtime/librdkafka", "rdkafka")), 0);
        assert_eq!(findings(edge("runtime/kafka", "rdkafka")), 1);
        assert_eq!(findings(edge("runtime/worker", "tributary-librdkafka")), 1);
        assert_eq!(findings(edge("runtime/worker", "rdkafka")), 1);
        assert_eq!(findings(edge("runtime/embedded", "rdkafka")), 1);
        assert_eq!(findings(Edge { dev: true, ..edge("runtime/embedded", "rdkafka") }), 0);
    }

    #[test]
    fn finds_a_second_sqlite() {
        assert_eq!(findings(edge("runtime/state", "rusqlite")), 1);
        assert_eq!(findings(edge("tests", "sqlserver-standin")), 1);
    }
}
