//! The state of consumer groups, as the coordinator last stored it.
//!
//! The SQLite engine cannot read back what it wrote here. A group that was not stored since the broker's start has no
//! connected member, so it is empty.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tansu_sans_io::ErrorCode;
use tansu_sans_io::list_groups_response::ListedGroup;
use tansu_storage::{GroupDetail, GroupState, NamedGroupDetail};

#[derive(Debug, Default)]
pub(super) struct Groups {
    stored: Mutex<HashMap<String, GroupDetail>>,
}

impl Groups {
    pub(super) fn stored(&self, group: &str, detail: GroupDetail) {
        self.lock().insert(group.to_owned(), detail);
    }

    pub(super) fn deleted(&self, groups: &[String]) {
        let mut stored = self.lock();
        groups.iter().for_each(|group| drop(stored.remove(group)));
    }

    /// Whether a group has a leader and assignments, and no expired member; true for an empty group.
    pub(super) fn is_formed(&self, group: &str, now: SystemTime) -> bool {
        let stored = self.lock();
        let Some(detail) = stored.get(group) else { return true };
        let session = Duration::from_millis(u64::try_from(detail.session_timeout_ms).unwrap_or_default());
        let overdue = |contact: SystemTime| now.duration_since(contact).unwrap_or_default() >= session;
        let all_present = detail.members.values().all(|member| member.last_contact.is_some_and(|at| !overdue(at)));
        matches!(detail.state, GroupState::Formed { .. }) && all_present
    }

    pub(super) fn members(&self, group: &str) -> usize {
        self.lock().get(group).map_or(0, |detail| detail.members.len())
    }

    /// Describes the `wanted` groups, or all those of `existing`.
    pub(super) fn describe(&self, wanted: Option<&[String]>, existing: &[ListedGroup]) -> Vec<NamedGroupDetail> {
        let all = || existing.iter().map(|group| group.group_id.clone()).collect();
        let names: Vec<String> = wanted.map_or_else(all, <[String]>::to_vec);
        let stored = self.lock();
        names.into_iter().map(|name| describe(name, &stored, existing)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, GroupDetail>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(name: String, stored: &HashMap<String, GroupDetail>, existing: &[ListedGroup]) -> NamedGroupDetail {
    match stored.get(&name) {
        Some(detail) => NamedGroupDetail::found(name, detail.clone()),
        None if existing.iter().any(|group| group.group_id == name) => {
            NamedGroupDetail::found(name, GroupDetail::default())
        }
        None => NamedGroupDetail::error_code(name, ErrorCode::GroupIdNotFound),
    }
}
