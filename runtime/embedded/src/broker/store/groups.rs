//! The state of consumer groups: their members, generations and assignments.
//!
//! It is only in memory: members are connected to this process, and none of them is left after its end. Heartbeats
//! therefore do not wait for the disk, and sessions do not expire because it is slow.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tansu_sans_io::ErrorCode;
use tansu_sans_io::list_groups_response::ListedGroup;
use tansu_storage::{GroupDetail, GroupMember, GroupState, NamedGroupDetail, UpdateError, Version};
use uuid::Uuid;

#[derive(Debug, Default)]
pub(super) struct Groups {
    stored: Mutex<Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    groups: HashMap<String, Group>,
    /// The version of the latest change of any group.
    latest: u128,
}

#[derive(Debug)]
struct Group {
    detail: GroupDetail,
    version: Version,
}

impl Groups {
    pub(super) fn is_known(&self, group: &str) -> bool {
        self.stored.lock().groups.contains_key(group)
    }

    /// Stores a group, unless it was changed since the version that the caller has read.
    pub(super) fn update(
        &self,
        group: &str,
        detail: GroupDetail,
        read: Option<Version>,
    ) -> Result<Version, UpdateError<GroupDetail>> {
        let mut stored = self.stored.lock();
        if let Some(current) = stored.groups.get(group).filter(|current| read.as_ref() != Some(&current.version)) {
            let (current, version) = (Box::new(current.detail.clone()), current.version.clone());
            return Err(UpdateError::Outdated { current, version });
        }
        Ok(stored.put(group, detail))
    }

    pub(super) fn deleted(&self, groups: &[String]) {
        let mut stored = self.stored.lock();
        groups.iter().for_each(|group| drop(stored.groups.remove(group)));
    }

    /// Removes the members whose session is over, which makes the others join again. A group without members takes
    /// the protocol of its next member.
    ///
    /// Tansu also removes such members, but keeps the generation, the leader and the assignments: the others would
    /// never get the partitions of those that are gone.
    pub(super) fn expire(&self, group: &str, now: SystemTime) {
        let mut stored = self.stored.lock();
        let Some(current) = stored.groups.get(group) else { return };
        let is_vacant = current.detail.members.is_empty() && current.detail.state != NO_PROTOCOL;
        if !is_vacant && current.detail.members.values().all(|member| is_present(&current.detail, member, now)) {
            return;
        }
        let mut detail = current.detail.clone();
        let session = detail.clone();
        detail.members.retain(|_, member| is_present(&session, member, now));
        detail.generation_id = detail.generation_id.saturating_add(1);
        let leader = session.state.leader().filter(|leader| detail.members.contains_key(leader));
        detail.state = match detail.members.is_empty() {
            true => NO_PROTOCOL,
            false => GroupState::Forming {
                protocol_type: session.state.protocol_type(),
                protocol_name: session.state.protocol_name(),
                leader,
            },
        };
        stored.put(group, detail);
    }

    /// Takes note that a member is there. It sends no heartbeats while it waits to join.
    pub(super) fn record_heartbeat(&self, group: &str, member: &str, now: SystemTime) {
        let mut stored = self.stored.lock();
        let Some(current) = stored.groups.get(group) else { return };
        let mut detail = current.detail.clone();
        let Some(member) = detail.members.get_mut(member) else { return };
        member.last_contact = Some(now);
        stored.put(group, detail);
    }

    /// Whether a group has a leader and assignments; true for a group without members.
    pub(super) fn is_formed(&self, group: &str) -> bool {
        let stored = self.stored.lock();
        stored.groups.get(group).is_none_or(|group| matches!(group.detail.state, GroupState::Formed { .. }))
    }

    pub(super) fn members(&self, group: &str) -> usize {
        self.stored.lock().groups.get(group).map_or(0, |group| group.detail.members.len())
    }

    /// Describes the `wanted` groups, or all those of `existing`.
    pub(super) fn describe(&self, wanted: Option<&[String]>, existing: &[ListedGroup]) -> Vec<NamedGroupDetail> {
        let all = || existing.iter().map(|group| group.group_id.clone()).collect();
        let names: Vec<String> = wanted.map_or_else(all, <[String]>::to_vec);
        let now = SystemTime::now();
        names.iter().for_each(|name| self.expire(name, now));
        let stored = self.stored.lock();
        names.into_iter().map(|name| describe(name, &stored.groups, existing)).collect()
    }
}

impl Stored {
    fn put(&mut self, group: &str, detail: GroupDetail) -> Version {
        self.latest += 1;
        let version = Version::from(&Uuid::from_u128(self.latest));
        self.groups.insert(group.to_owned(), Group { detail, version: version.clone() });
        version
    }
}

const NO_PROTOCOL: GroupState = GroupState::Forming { protocol_type: None, protocol_name: None, leader: None };

fn is_present(group: &GroupDetail, member: &GroupMember, now: SystemTime) -> bool {
    let session = Duration::from_millis(u64::try_from(group.session_timeout_ms).unwrap_or_default());
    member.last_contact.is_some_and(|at| now.duration_since(at).unwrap_or_default() < session)
}

fn describe(name: String, stored: &HashMap<String, Group>, existing: &[ListedGroup]) -> NamedGroupDetail {
    match stored.get(&name) {
        Some(group) => NamedGroupDetail::found(name, group.detail.clone()),
        None if existing.iter().any(|group| group.group_id == name) => {
            NamedGroupDetail::found(name, GroupDetail::default())
        }
        None => NamedGroupDetail::error_code(name, ErrorCode::GroupIdNotFound),
    }
}
