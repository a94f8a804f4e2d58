//! A processor goes on where a producer or a membership has come to its end: with new ones, from the group's offsets.
//!
//! What made it so does not matter: a broker that was away or frozen, this process frozen, a transaction that lasted too
//! long, an answer that never came. The first call of the new producer ends whatever the old one left open. From then on
//! the group's offsets say what counts, and state is restored to the ends of its changelogs.

use std::time::{Duration, Instant};

use tributary_api::{Error, Result};
use tributary_kafka::Consumer;

use super::process_loop::ProcessLoop;
use super::transactional_output::{CommitError, Renewal};
use crate::backoff::Backoff;

/// Between two renewals, the first time and at most.
const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(30);
/// After so long without a renewal the next one is a first one.
const HEALTHY: Duration = Duration::from_secs(60);
/// How often another owner is looked for.
const OWNER_CHECK: Duration = Duration::from_secs(1);
const MAX_OWNER_CHECK: Duration = Duration::from_secs(5);

/// Why the loop was left.
#[derive(Debug)]
pub(super) enum ExitReason {
    /// To be entered again with a new producer and a new membership.
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

/// How often the loop is entered again.
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
        self.backoff.next()
    }
}

impl ProcessLoop {
    /// Takes everything up again.
    ///
    /// # Errors
    /// `Retriable` when the task is asked to stop meanwhile; others when the broker does not let it.
    pub(super) async fn renew(&mut self, Renewal { error, fenced }: Renewal) -> Result<()> {
        let wait = self.renewals.wait();
        let wait_ms = wait.as_millis();
        tracing::warn!(%error, fenced, wait_ms, "processor goes on with a new producer, from its group's offsets");
        self.discard_uncommitted();
        let member = self.input.group_metadata().map(|group| group.member().to_owned()).unwrap_or_default();
        self.input.leave();
        self.output.close();
        self.cx.control.sleep(wait).await;
        if fenced {
            self.stand_by(&member).await;
        }
        self.output.renew(&self.cx.control).await?;
        self.input = Consumer::subscribe(&self.group, &self.config.topics)?;
        self.renewals.last = Some(Instant::now());
        Ok(())
    }

    /// Forgets what is not committed, and whose partitions these are.
    fn discard_uncommitted(&mut self) {
        for (partition, owned) in &mut self.owned {
            owned.state.abort();
            if let Err(error) = owned.state.flush() {
                tracing::warn!(%error, partition, "could not flush state, its restore takes longer");
            }
        }
        self.owned.clear();
        self.committed.clear();
        self.publish_assignment();
    }

    /// Waits while another worker runs this very task: to take the transactional id back would only make the two fence
    /// each other off for ever. A fence without another owner is what a pause of this process or a transaction that
    /// lasted too long leaves behind.
    async fn stand_by(&self, former_member: &str) {
        let setting = |name: &str| self.group.get(name).unwrap_or_default().to_owned();
        let (group, client_id) = (setting("group.id"), setting("client.id"));
        let mut backoff = Backoff::new(OWNER_CHECK, MAX_OWNER_CHECK);
        loop {
            let members = tokio::select! {
                biased;
                () = self.cx.control.stopping().cancelled() => return,
                members = self.topics.members(&group) => members,
            };
            let other = match members {
                Ok(members) => {
                    members.into_iter().find(|member| member.client_id == client_id && member.id != former_member)
                }
                Err(error) => {
                    tracing::debug!(%error, "could not look for another owner of the task");
                    return;
                }
            };
            let Some(other) = other else {
                if backoff.tries() > 0 {
                    tracing::warn!(group, "the other worker is gone: this one takes the task over");
                }
                return;
            };
            let wait = backoff.next();
            if backoff.tries() == 1 {
                tracing::error!(
                    member = other.id,
                    group,
                    "another worker runs this task and has fenced this one off: give each worker its own group.id or \
                     stop one of them; this one stands by until the other is gone"
                );
            }
            self.cx.control.sleep(wait).await;
        }
    }
}
