/// Who runs what. A single worker is a cluster of one; Kafka's `connect` group protocol is to be the other
/// implementation, so that nothing in the herder takes it for granted that all work is local.
pub(crate) trait Membership: Send + Sync {
    /// Whether this worker runs the connector's own instance and its tasks.
    fn is_mine(&self, connector: &str) -> bool;
    /// The group's generation: it grows whenever work may have changed hands.
    fn generation(&self) -> i64;
}

/// A cluster of one. Its generation follows on from the highest one that was written before it started.
#[derive(Debug)]
pub(crate) struct Solo {
    pub(crate) generation: i64,
}

impl Membership for Solo {
    fn is_mine(&self, _connector: &str) -> bool {
        true
    }

    fn generation(&self) -> i64 {
        self.generation
    }
}
