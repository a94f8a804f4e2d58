use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_api::Props;
use tributary_control::{TargetState, TaskId};

/// The content of the configuration topic up to an offset.
#[derive(Debug, Default)]
pub(crate) struct ConfigState {
    /// Each connector, by name. Entries that were handed out do not change.
    pub(crate) connectors: BTreeMap<String, Arc<ConnectorEntry>>,
    /// Task configurations that wait for their commit record.
    pending: BTreeMap<String, BTreeMap<u32, Props>>,
    /// Target states of connectors whose configuration has not been read yet.
    early_targets: BTreeMap<String, TargetState>,
    /// Which producers of source tasks may still be alive, by connector; also of connectors that are gone.
    generations: BTreeMap<String, TaskGeneration>,
}

/// What is known of the transactional producers of a connector's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskGeneration {
    /// How many tasks had one, as recorded; none where no task ever had.
    pub(crate) recorded: Option<u32>,
    /// Tasks were committed since: those that were before must be fenced off before these may start.
    pub(crate) is_new: bool,
}

/// One connector in the configuration topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectorEntry {
    /// The configuration as written.
    pub(crate) config: Props,
    /// Offset of the configuration's record: a new one means that it was written again.
    pub(crate) revision: i64,
    /// The target state.
    pub(crate) target: TargetState,
    /// The committed tasks, by number.
    pub(crate) tasks: BTreeMap<u32, Props>,
    /// How many tasks it has had at most.
    pub(crate) former_tasks: u32,
    /// Offset of the tasks' commit record.
    pub(crate) tasks_revision: i64,
    /// The connector's configuration when its tasks were committed.
    pub(crate) applied: Option<Props>,
    /// The tasks were compacted half-way: they must be written again before they may run.
    pub(crate) inconsistent: bool,
}

impl ConnectorEntry {
    /// The ids of the tasks of a connector of this name.
    pub(crate) fn task_ids(&self, connector: &str) -> Vec<TaskId> {
        self.tasks.keys().map(|&task| TaskId::new(connector, task)).collect()
    }
}

impl ConfigState {
    /// Whether a target state of this name is left over from a connector that was deleted or never created: a new one
    /// would start in it.
    pub(super) fn has_left_over_target(&self, name: &str) -> bool {
        self.early_targets.contains_key(name)
    }

    pub(super) fn put_connector(&mut self, name: &str, config: Option<Props>, revision: i64) {
        let Some(config) = config else {
            self.pending.remove(name);
            // Its target state is removed by a separate record, which may be missing if the removal was interrupted.
            if let Some(target) =
                self.connectors.remove(name).map(|entry| entry.target).filter(|target| *target != TargetState::Started)
            {
                self.early_targets.insert(name.to_owned(), target);
            }
            return;
        };
        let target = self.early_targets.remove(name);
        let entry = Arc::make_mut(self.connectors.entry(name.to_owned()).or_default());
        entry.config = config;
        entry.revision = revision;
        if let Some(target) = target {
            entry.target = target;
        }
    }

    pub(super) fn put_task(&mut self, connector: &str, task: u32, config: Option<Props>) {
        if let Some(config) = config {
            self.pending.entry(connector.to_owned()).or_default().insert(task, config);
        }
    }

    pub(super) fn commit_tasks(&mut self, connector: &str, count: u32, revision: i64) {
        let pending = self.pending.remove(connector).unwrap_or_default();
        let Some(entry) = self.connectors.get_mut(connector).map(Arc::make_mut) else { return };
        self.generations.entry(connector.to_owned()).or_default().is_new = true;
        // Compaction may have removed some of the set: then the tasks do not run until the set is written again.
        let complete = pending.keys().copied().eq(0..count);
        entry.inconsistent = !complete;
        if complete {
            entry.former_tasks = entry.former_tasks.max(count);
            entry.tasks = pending;
            entry.applied = Some(entry.config.clone());
        } else {
            tracing::debug!(
                connector,
                count,
                found = pending.len(),
                "the task configurations of a connector are incomplete"
            );
        }
        entry.tasks_revision = revision;
    }

    /// So many tasks of a connector write in transactions from here on; all those before are fenced off.
    pub(super) fn put_task_count(&mut self, connector: &str, count: u32) {
        let generation = TaskGeneration { recorded: Some(count), is_new: false };
        self.generations.insert(connector.to_owned(), generation);
    }

    /// What is known of the producers of a connector's tasks.
    pub(super) fn generation(&self, connector: &str) -> TaskGeneration {
        self.generations.get(connector).copied().unwrap_or_default()
    }

    pub(super) fn put_target(&mut self, connector: &str, target: Option<TargetState>) {
        let known = self.connectors.get_mut(connector);
        match (known, target) {
            (Some(entry), target) => Arc::make_mut(entry).target = target.unwrap_or_default(),
            (None, Some(target)) => drop(self.early_targets.insert(connector.to_owned(), target)),
            (None, None) => drop(self.early_targets.remove(connector)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn props(value: &str) -> Props {
        Props::from([("k".to_owned(), value.to_owned())])
    }

    fn with_connector() -> ConfigState {
        let mut state = ConfigState::default();
        state.put_connector("c", Some(props("1")), 10);
        state
    }

    #[test]
    fn tasks_apply_only_with_their_commit() {
        let mut state = with_connector();
        state.put_task("c", 0, Some(props("t0")));
        assert!(state.connectors["c"].task_ids("c").is_empty());
        state.commit_tasks("c", 1, 12);
        assert_eq!(state.connectors["c"].task_ids("c"), [TaskId::new("c", 0)]);
        assert_eq!(state.connectors["c"].applied, Some(props("1")));
    }

    #[test]
    fn a_half_compacted_set_is_inconsistent_until_written_again() {
        let mut state = with_connector();
        state.put_task("c", 1, Some(props("t1")));
        state.commit_tasks("c", 2, 12);
        assert!(state.connectors["c"].inconsistent);
        assert!(state.connectors["c"].task_ids("c").is_empty());
        (0..2).for_each(|task| state.put_task("c", task, Some(props("t"))));
        state.commit_tasks("c", 2, 15);
        assert!(!state.connectors["c"].inconsistent);
        assert_eq!(state.connectors["c"].task_ids("c").len(), 2);
    }

    #[test]
    fn tasks_are_a_new_generation_until_their_count_is_recorded() {
        let mut state = with_connector();
        assert_eq!(state.generation("c"), TaskGeneration::default());
        state.put_task("c", 0, Some(props("t")));
        state.commit_tasks("c", 1, 12);
        assert_eq!(state.generation("c"), TaskGeneration { recorded: None, is_new: true });
        state.put_task_count("c", 1);
        assert_eq!(state.generation("c"), TaskGeneration { recorded: Some(1), is_new: false });
        state.put_connector("c", None, 13);
        state.put_connector("c", Some(props("2")), 14);
        state.commit_tasks("c", 0, 15);
        assert_eq!(state.generation("c"), TaskGeneration { recorded: Some(1), is_new: true }, "of one before, too");
    }

    #[test]
    fn a_target_state_may_come_before_its_connector() {
        let mut state = ConfigState::default();
        state.put_target("c", Some(TargetState::Stopped));
        state.put_connector("c", Some(props("1")), 2);
        assert_eq!(state.connectors["c"].target, TargetState::Stopped);
    }

    #[test]
    fn a_number_in_a_commit_is_ignored() {
        let mut state = with_connector();
        state.put_task("c", 0, Some(props("t")));
        state.commit_tasks("c", u32::MAX, 12);
        assert!(state.connectors["c"].inconsistent);
        assert!(state.connectors["c"].tasks.is_empty());
    }

    #[test]
    fn a_target_state_that_was_not_removed_with_its_connector_is_known() {
        let mut state = with_connector();
        state.put_target("c", Some(TargetState::Paused));
        state.put_connector("c", None, 11);
        assert!(state.has_left_over_target("c"));
        state.put_target("c", None);
        assert!(!state.has_left_over_target("c"));
    }

    #[test]
    fn a_commit_for_a_deleted_connector_brings_nothing_back() {
        let mut state = with_connector();
        state.put_connector("c", None, 11);
        state.put_task("c", 0, Some(props("t0")));
        state.commit_tasks("c", 1, 13);
        assert!(state.connectors.is_empty());
    }
}
