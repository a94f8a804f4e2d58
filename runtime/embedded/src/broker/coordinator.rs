//! Tansu's group coordinator, with checks that prevent groups without an assignment and unlimited members.
//!
//! Members whose session is over are removed before each request, in a way that makes the others join again; Tansu
//! removes them without that, and their partitions would stay unassigned. A member that joins or asks for its assignment
//! extends its session, also by the seconds for which Tansu lets followers wait.
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
        self.store.expire_members(group_id, SystemTime::now());
        self.store.record_heartbeat(group_id, member_id, SystemTime::now());
        let refusal = if !(1..=MAX_SESSION_MS).contains(&session_timeout_ms) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else if member_id.is_empty() && self.store.members(group_id) >= MAX_MEMBERS {
            Some(ErrorCode::GroupMaxSizeReached)
        } else if protocols.is_none_or(<[_]>::is_empty) {
            Some(ErrorCode::InconsistentGroupProtocol)
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
        let joined = join.await;
        self.store.record_heartbeat(group_id, member_id, SystemTime::now());
        joined
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
        self.store.expire_members(group_id, SystemTime::now());
        self.store.record_heartbeat(group_id, member_id, SystemTime::now());
        // Static members stay in their group when they disconnect.
        let is_follower = assignments.is_none_or(<[_]>::is_empty) && group_instance_id.is_none();
        if is_follower && !self.store.group_is_formed(group_id) {
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
        self.store.expire_members(group_id, SystemTime::now());
        self.tansu.heartbeat(group_id, generation_id, member_id, group_instance_id).await
    }

    async fn leave(
        &mut self,
        group_id: &str,
        member_id: Option<&str>,
        members: Option<&[MemberIdentity]>,
    ) -> Result<Body> {
        self.store.expire_members(group_id, SystemTime::now());
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

    use std::time::Duration;

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
        assert!(!store.group_is_formed("sink"), "the group has no leader yet");
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
    async fn a_member_without_a_protocol_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut coordinator = GroupCoordinator::new(test_store(folder.path()).await).unwrap();
        for protocols in [None, Some(&[] as &[_])] {
            let join = coordinator.join(None, "sink", 10_000, Some(1_000), "", None, "consumer", protocols, None).await;
            let Body::JoinGroupResponse(answer) = join.unwrap() else { panic!("another answer") };
            assert_eq!(answer.error_code, i16::from(ErrorCode::InconsistentGroupProtocol));
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

    const SESSION_MS: u64 = 5_000;

    /// A member of a group in these tests, with what it has learnt from the group's answers.
    struct TestMember {
        id: String,
        generation: i32,
        /// What a leader has to share among.
        members: Vec<String>,
        protocol: &'static str,
    }

    impl TestMember {
        fn new(protocol: &'static str) -> Self {
            Self { id: String::new(), generation: -1, members: Vec::new(), protocol }
        }

        async fn join(&mut self, coordinator: &mut GroupCoordinator) -> ErrorCode {
            let protocols = [JoinGroupRequestProtocol::default().name(self.protocol.to_owned())];
            let (session, rebalance) = (i32::try_from(SESSION_MS).unwrap(), Some(1_000));
            let join = coordinator
                .join(None, "sink", session, rebalance, &self.id, None, "consumer", Some(&protocols), None)
                .await;
            let Body::JoinGroupResponse(answer) = join.unwrap() else { panic!("another answer") };
            self.id = answer.member_id;
            self.generation = answer.generation_id;
            self.members = answer.members.unwrap_or_default().into_iter().map(|member| member.member_id).collect();
            self.members.sort();
            ErrorCode::try_from(answer.error_code).unwrap()
        }

        /// A leader assigns everything to the only member, or else a part to each.
        async fn sync(&self, coordinator: &mut GroupCoordinator) -> (ErrorCode, String) {
            let assignment = |member: &String| {
                let all = if self.members.len() == 1 { "everything" } else { "a part" };
                SyncGroupRequestAssignment::default().member_id(member.clone()).assignment(all.into())
            };
            let assignments: Vec<_> = self.members.iter().map(assignment).collect();
            let (kind, protocol) = (Some("consumer"), Some(self.protocol));
            let sync =
                coordinator.sync("sink", self.generation, &self.id, None, kind, protocol, Some(&assignments)).await;
            let Body::SyncGroupResponse(answer) = sync.unwrap() else { panic!("another answer") };
            let code = ErrorCode::try_from(answer.error_code).unwrap();
            (code, String::from_utf8(answer.assignment.to_vec()).unwrap())
        }

        async fn heartbeat(&self, coordinator: &mut GroupCoordinator) -> ErrorCode {
            let beat = coordinator.heartbeat("sink", self.generation, &self.id, None).await;
            let Body::HeartbeatResponse(answer) = beat.unwrap() else { panic!("another answer") };
            ErrorCode::try_from(answer.error_code).unwrap()
        }
    }

    /// Two members that have shared the partitions, of which the first one leads.
    async fn two_members(coordinator: &mut GroupCoordinator) -> (TestMember, TestMember) {
        let (mut first, mut second) = (TestMember::new("range"), TestMember::new("range"));
        assert_eq!(first.join(coordinator).await, ErrorCode::MemberIdRequired);
        assert_eq!(first.join(coordinator).await, ErrorCode::None);
        assert_eq!(second.join(coordinator).await, ErrorCode::MemberIdRequired);
        assert_eq!(first.heartbeat(coordinator).await, ErrorCode::RebalanceInProgress);
        assert_eq!(first.join(coordinator).await, ErrorCode::None);
        assert_eq!(first.sync(coordinator).await, (ErrorCode::None, "a part".to_owned()));
        assert_eq!(second.join(coordinator).await, ErrorCode::None);
        assert_eq!(second.sync(coordinator).await, (ErrorCode::None, "a part".to_owned()));
        (first, second)
    }

    #[tokio::test]
    async fn the_partitions_of_a_silent_member_go_to_the_others() {
        for leader_is_silent in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let store = test_store(folder.path()).await;
            let mut coordinator = GroupCoordinator::new(store.clone()).unwrap();
            let (first, second) = two_members(&mut coordinator).await;
            let (silent, mut other) = if leader_is_silent { (first, second) } else { (second, first) };
            store.record_heartbeat("sink", &silent.id, SystemTime::now() - 2 * Duration::from_millis(SESSION_MS));
            assert_eq!(other.heartbeat(&mut coordinator).await, ErrorCode::RebalanceInProgress);
            assert_eq!(silent.heartbeat(&mut coordinator).await, ErrorCode::UnknownMemberId);
            assert_eq!(other.join(&mut coordinator).await, ErrorCode::None);
            assert_eq!(other.sync(&mut coordinator).await, (ErrorCode::None, "everything".to_owned()));
            assert_eq!(other.heartbeat(&mut coordinator).await, ErrorCode::None);
        }
    }

    #[tokio::test]
    async fn a_group_that_all_have_left_takes_another_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let mut coordinator = GroupCoordinator::new(test_store(folder.path()).await).unwrap();
        let (first, second) = two_members(&mut coordinator).await;
        for member in [&first, &second] {
            coordinator.leave("sink", Some(&member.id), None).await.unwrap();
        }
        let mut third = TestMember::new("cooperative-sticky");
        assert_eq!(third.join(&mut coordinator).await, ErrorCode::MemberIdRequired);
        assert_eq!(third.join(&mut coordinator).await, ErrorCode::None);
        assert_eq!(third.sync(&mut coordinator).await, (ErrorCode::None, "everything".to_owned()));
    }
}
