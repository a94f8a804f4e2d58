/// Decides which worker runs which connectors. A single worker is a cluster of one; another implementation can use
/// Kafka's `connect` group protocol, so the herder must not assume that all work is local.
pub(crate) trait Membership: Send + Sync {
    /// Whether this worker runs the connector's own instance and its tasks.
    fn is_mine(&self, connector: &str) -> bool;
    /// The group's generation: it grows with every reassignment.
    fn generation(&self) -> i64;
}

/// A cluster of one. Its generation is one more than the highest stored before it started.
#[derive(Debug)]
pub(crate) struct SingleWorker {
    pub(crate) generation: i64,
}

impl Membership for SingleWorker {
    fn is_mine(&self, _connector: &str) -> bool {
        true
    }

    fn generation(&self) -> i64 {
        self.generation
    }
}
