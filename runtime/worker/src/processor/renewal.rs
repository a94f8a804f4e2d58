//! When its producer or its group membership has failed for good, a processor continues with new ones, from the group's
//! offsets.
//!
//! The cause does not matter: an unreachable or frozen broker, a frozen process, a transaction that timed out, a
//! missing response. The new producer's `init_transactions` ends the old one's open transaction. After that the group's
//! offsets are final, and state is restored up to the ends of its changelogs.

use std::time::{Duration, Instant};

use tributary_api::{Backoff, Error, Result};

use super::process_loop::ProcessLoop;
use super::transactional_output::{CommitError, Renewal};

/// The first and the maximum wait before a renewal.
const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(30);
/// After this long without a renewal the wait starts again at the first.
const HEALTHY: Duration = Duration::from_secs(60);
/// How often the group is checked for another owner of the task.
const OWNER_CHECK: Duration = Duration::from_secs(1);
const MAX_OWNER_CHECK: Duration = Duration::from_secs(5);

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum ExitReason {
    /// Run it again with a new producer and a new group membership.
    Renew(Renewal),
    /// The task fails.
    Fail(Error),
}

impl From<Error> for ExitReason {
    fn from(error: Error) -> Self {
        if error.is_retriable() { Self::Renew(Renewal { error, fenced: false }) } else { Self::Fail(error) }
    }
}

impl From<CommitError> for ExitReason {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Retry(error) => Self::Renew(Renewal { error, fenced: false }),
            CommitError::Renew(renewal) => Self::Renew(renewal),
            CommitError::Fail(error) => Self::Fail(error),
        }
    }
}

/// Limits how often the loop is run again.
pub(super) struct Renewals {
    backoff: Backoff,
    last: Option<Instant>,
}

impl Default for Renewals {
    fn default() -> Self {
        Self { backoff: Backoff::new(FIRST, MOST), last: None }
    }
}

impl Renewals {
    fn wait(&mut self) -> Duration {
        if self.last.is_some_and(|last| last.elapsed() > HEALTHY) {
            self.backoff.reset();
        }
        self.backoff.next_wait()
    }
}

impl ProcessLoop {
    /// Replaces the producer and rejoins the group.
    ///
    /// # Errors
    /// `Retriable` when the task is asked to stop meanwhile; others when the broker refuses.
    pub(super) async fn renew(&mut self, Renewal { error, fenced }: Renewal) -> Result<()> {
        let wait = self.renewals.wait();
        let wait_ms = wait.as_millis();
        tracing::warn!(%error, fenced, wait_ms, "processor continues with a new producer, from its group's offsets");
        let member = self.partitions.leave();
        self.output.close();
        self.cx.control.sleep(wait).await;
        if fenced {
            self.stand_by(&member).await;
        }
        self.output.renew(&self.cx.control).await?;
        self.partitions.rejoin()?;
        self.renewals.last = Some(Instant::now());
        Ok(())
    }

    /// Waits while another worker runs the same task: taking the transactional id back would make the two fence each
    /// other off again and again. If there is no other owner, the producer was fenced because this process was paused
    /// or its transaction timed out.
    async fn stand_by(&self, former_member: &str) {
        let (group, client_id) = (self.partitions.setting("group.id"), self.partitions.setting("client.id"));
        let mut backoff = Backoff::new(OWNER_CHECK, MAX_OWNER_CHECK);
        loop {
            let members = tokio::select! {
                biased;
                () = self.cx.control.stopping().cancelled() => return,
                members = self.topics.members(group) => members,
            };
            let other = match members {
                Ok(members) => {
                    members.into_iter().find(|member| member.client_id == client_id && member.id != former_member)
                }
                Err(error) => {
                    tracing::debug!(%error, "could not check the group for another owner of the task");
                    return;
                }
            };
            let Some(other) = other else {
                if backoff.tries() > 0 {
                    tracing::warn!(group, "the other worker has stopped: this one takes over the task");
                }
                return;
            };
            let wait = backoff.next_wait();
            if backoff.tries() == 1 {
                tracing::error!(
                    member = other.id,
                    group,
                    "another worker runs this task and has fenced this one off: give each worker its own group.id or \
                     stop one of them; this one waits until the other is gone"
                );
            }
            self.cx.control.sleep(wait).await;
        }
    }
}
