//! Tansu's group coordinator, with checks that prevent groups without an assignment and unlimited members.
//!
//! When a group's leader dies, Tansu 0.6 makes the next member that sends SyncGroup the new leader. But that member is
//! a follower and sends no assignments: the group then counts as formed, and none of its members ever gets a partition.
//! Here a follower that sends SyncGroup while its group is not formed therefore gets the error to join again, upon
//! which the group gets a new leader.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use tansu_broker::Result;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::coordinator::group::{Coordinator, OffsetCommit};
use tansu_sans_io::join_group_request::JoinGroupRequestProtocol;
use tansu_sans_io::leave_group_request::MemberIdentity;
use tansu_sans_io::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use tansu_sans_io::sync_group_request::SyncGroupRequestAssignment;
use tansu_sans_io::{Body, ErrorCode, JoinGroupResponse, SyncGroupResponse};

use super::store::Store;

/// Longest session of a member: Kafka's default for `group.max.session.timeout.ms`.
const MAX_SESSION_MS: i32 = 30 * 60 * 1000;

/// The maximum number of members of a group: each of them gets the list of all others.
const MAX_MEMBERS: usize = 1_000;

#[derive(Clone)]
pub(super) struct GroupCoordinator {
    tansu: Controller<Store>,
    store: Store,
}

impl GroupCoordinator {
    pub(super) fn new(store: Store) -> Result<Self> {
        Ok(Self { tansu: Controller::with_storage(store.clone())?, store })
    }
}

#[async_trait]
impl Coordinator for GroupCoordinator {
    async fn join(
        &mut self,
        client_id: Option<&str>,
        group_id: &str,
        session_timeout_ms: i32,
        rebalance_timeout_ms: Option<i32>,
        member_id: &str,
        group_instance_id: Option<&str>,
        protocol_type: &str,
        protocols: Option<&[JoinGroupRequestProtocol]>,
        reason: Option<&str>,
    ) -> Result<Body> {
        let refusal = if !(1..=MAX_SESSION_MS).contains(&session_timeout_ms) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else if member_id.is_empty() && self.store.members(group_id) >= MAX_MEMBERS {
            Some(ErrorCode::GroupMaxSizeReached)
        } else {
            None
        };
        if let Some(code) = refusal {
            return Ok(refused(code, protocol_type, member_id));
        }
        let join = self.tansu.join(
            client_id,
            group_id,
            session_timeout_ms,
            rebalance_timeout_ms,
            member_id,
            group_instance_id,
            protocol_type,
            protocols,
            reason,
        );
        join.await
    }

    async fn sync(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        group_instance_id: Option<&str>,
        protocol_type: Option<&str>,
        protocol_name: Option<&str>,
        assignments: Option<&[SyncGroupRequestAssignment]>,
    ) -> Result<Body> {
        // Static members stay in their group when they disconnect.
        let is_follower = assignments.is_none_or(<[_]>::is_empty) && group_instance_id.is_none();
        if is_follower && !self.store.group_is_formed(group_id, SystemTime::now()) {
            let again = SyncGroupResponse::default()
                .throttle_time_ms(Some(0))
                .error_code(ErrorCode::RebalanceInProgress.into())
                .protocol_type(protocol_type.map(str::to_owned))
                .protocol_name(protocol_name.map(str::to_owned));
            return Ok(again.into());
        }
        let sync = self.tansu.sync(
            group_id,
            generation_id,
            member_id,
            group_instance_id,
            protocol_type,
            protocol_name,
            assignments,
        );
        sync.await
    }

    async fn heartbeat(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Result<Body> {
        self.tansu.heartbeat(group_id, generation_id, member_id, group_instance_id).await
    }

    async fn leave(
        &mut self,
        group_id: &str,
        member_id: Option<&str>,
        members: Option<&[MemberIdentity]>,
    ) -> Result<Body> {
        self.tansu.leave(group_id, member_id, members).await
    }

    async fn offset_commit(&mut self, detail: OffsetCommit<'_>) -> Result<Body> {
        self.tansu.offset_commit(detail).await
    }

    async fn offset_fetch(
        &mut self,
        group_id: Option<&str>,
        topics: Option<&[OffsetFetchRequestTopic]>,
        groups: Option<&[OffsetFetchRequestGroup]>,
        require_stable: Option<bool>,
    ) -> Result<Body> {
        self.tansu.offset_fetch(group_id, topics, groups, require_stable).await
    }
}

fn refused(code: ErrorCode, protocol_type: &str, member_id: &str) -> Body {
    let answer = JoinGroupResponse::default().throttle_time_ms(Some(0)).error_code(code.into()).generation_id(-1);
    let answer =
        answer.protocol_type(Some(protocol_type.to_owned())).protocol_name(Some(String::new())).leader(String::new());
    answer.skip_assignment(Some(false)).member_id(member_id.to_owned()).members(Some(Vec::new())).into()
}

impl fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupCoordinator")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use tansu_storage::{GroupDetail, GroupMember, GroupState, Storage as _};

    use super::*;
    use crate::broker::store::test_store;

    #[tokio::test]
    async fn a_follower_whose_leader_died_must_join_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = test_store(folder.path()).await;
        let state = GroupState::Forming {
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            leader: None,
        };
        let member = GroupMember { join_response: Default::default(), last_contact: Some(SystemTime::now()) };
        let members = [("follower".to_owned(), member)].into();
        let detail = GroupDetail { members, generation_id: 2, state, ..GroupDetail::default() };
        store.update_group("sink", detail, None).await.unwrap();

        let mut coordinator = GroupCoordinator::new(store.clone()).unwrap();
        let answer = coordinator.sync("sink", 2, "follower", None, Some("consumer"), Some("range"), Some(&[])).await;
        let Body::SyncGroupResponse(answer) = answer.unwrap() else { panic!("another answer") };
        assert_eq!(answer.error_code, i16::from(ErrorCode::RebalanceInProgress));
        assert!(!store.group_is_formed("sink", SystemTime::now()), "the group has no leader yet");
    }

    #[tokio::test]
    async fn a_member_with_an_endless_timeout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut coordinator = GroupCoordinator::new(test_store(folder.path()).await).unwrap();
        for session in [i32::MAX, MAX_SESSION_MS + 1, 0, -1] {
            let join =
                coordinator.join(None, "sink", session, Some(1_000), "", None, "consumer", Some(&[]), None).await;
            let Body::JoinGroupResponse(answer) = join.unwrap() else { panic!("another answer") };
            assert_eq!(answer.error_code, i16::from(ErrorCode::InvalidSessionTimeout), "{session}");
        }
    }

    #[tokio::test]
    async fn a_full_group_refuses_new_members() {
        let folder = tempfile::tempdir().unwrap();
        let store = test_store(folder.path()).await;
        let member = || GroupMember { join_response: Default::default(), last_contact: Some(SystemTime::now()) };
        let members = (0..MAX_MEMBERS).map(|number| (number.to_string(), member())).collect();
        store.update_group("sink", GroupDetail { members, ..GroupDetail::default() }, None).await.unwrap();
        let mut coordinator = GroupCoordinator::new(store).unwrap();
        let join = coordinator.join(None, "sink", 10_000, Some(1_000), "", None, "consumer", Some(&[]), None).await;
        let Body::JoinGroupResponse(answer) = join.unwrap() else { panic!("another answer") };
        assert_eq!(answer.error_code, i16::from(ErrorCode::GroupMaxSizeReached));
    }
}
