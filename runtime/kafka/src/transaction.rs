use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tributary_api::{Error, Offsets};
use tributary_librdkafka::{Failure, GroupIdentity, PartitionList, code};

use crate::Producer;

/// How long after its timeout a call that ignores it is abandoned.
const OVERDUE: Duration = Duration::from_secs(3);

/// What to do after a transaction failed.
#[derive(Clone, Debug)]
pub enum TransactionError {
    /// Repeat the same call.
    Retriable(Error),
    /// Abort the transaction and repeat its work.
    Abort(Error),
    /// Another producer has taken over the transactional id: stop.
    Fenced(Error),
    /// The producer has failed for good: create a new one.
    Fatal(Error),
}

impl TransactionError {
    /// What went wrong.
    pub fn error(&self) -> &Error {
        match self {
            Self::Retriable(error) | Self::Abort(error) | Self::Fenced(error) | Self::Fatal(error) => error,
        }
    }

    /// What went wrong, by value.
    pub fn into_error(self) -> Error {
        match self {
            Self::Retriable(error) | Self::Abort(error) | Self::Fenced(error) | Self::Fatal(error) => error,
        }
    }

    #[cold]
    fn of(failure: Failure, call: &str) -> Self {
        const FENCED: [i32; 3] = [code::FENCED, code::PRODUCER_FENCED, code::INVALID_PRODUCER_EPOCH];
        let (number, fatal, abort, retriable) = (failure.code, failure.fatal, failure.abort, failure.retriable);
        let error = Error::from(failure).context(format!("cannot {call}"));
        match () {
            () if fatal && FENCED.contains(&number) => Self::Fenced(error),
            () if fatal => Self::Fatal(error),
            () if abort => Self::Abort(error),
            () if retriable => Self::Retriable(error),
            () => Self::Fatal(error),
        }
    }
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl std::error::Error for TransactionError {}

/// The identity of a consumer within its group. Read it again for each transaction, because it changes without notice.
#[derive(Clone)]
pub struct GroupMetadata(Arc<GroupIdentity>);

impl GroupMetadata {
    pub(crate) fn new(identity: GroupIdentity) -> Self {
        Self(Arc::new(identity))
    }

    /// Of no member of a group: commits with it are not fenced. None when memory is exhausted.
    pub fn outside(group: &str) -> Option<Self> {
        GroupIdentity::outside(group).map(Self::new)
    }

    /// The group.
    pub fn group(&self) -> &str {
        self.0.group()
    }

    /// The consumer's id within it.
    pub fn member(&self) -> &str {
        self.0.member()
    }

    /// The group's generation.
    pub fn generation(&self) -> i32 {
        self.0.generation()
    }
}

impl fmt::Debug for GroupMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupMetadata")
            .field("group", &self.group())
            .field("member", &self.member())
            .field("generation", &self.generation())
            .finish()
    }
}

/// Transactions, for a producer whose settings hold `transactional.id`. One thread at a time makes these calls.
impl Producer {
    /// Takes over the transactional id: aborts what an earlier producer left open and fences it off.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub fn init_transactions(&self, timeout: Duration) -> Result<(), TransactionError> {
        self.check(self.client.init_transactions(timeout), "take over the transactional id")
    }

    /// Begins a transaction; every record sent from here on belongs to it.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub fn begin_transaction(&self) -> Result<(), TransactionError> {
        self.check(self.client.begin_transaction(), "begin a transaction")?;
        if let Some(guard) = &self.guard {
            guard.arm();
        }
        Ok(())
    }

    /// Adds offsets to be committed together with the records.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub fn send_offsets_to_transaction(
        &self,
        offsets: &Offsets,
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), TransactionError> {
        let call = "add offsets to the transaction";
        if offsets.is_empty() {
            return Ok(());
        }
        if let Some(guard) = &self.guard {
            guard.wait();
        }
        let list = PartitionList::new(offsets.iter().map(|(tp, offset)| (&*tp.topic, tp.partition, *offset)));
        let list = self.check(list.ok_or_else(|| Failure::of(code::STATE)), call)?;
        self.check(self.send_offsets(list, group.clone(), timeout)?, call)
    }

    /// librdkafka 2.12 ignores the timeout of this call while it waits for a connection to the group's coordinator: if
    /// that broker is gone for good and another one has taken over its groups, the call never returns
    /// (`rd_kafka_coord_req_fsm` continues only when that broker comes up). It runs on a separate thread of the producer,
    /// which is abandoned together with such a call.
    fn send_offsets(
        &self,
        list: PartitionList,
        group: GroupMetadata,
        timeout: Duration,
    ) -> Result<Result<(), Failure>, TransactionError> {
        let (client, (done, answer)) = (Arc::clone(&self.client), mpsc::sync_channel(1));
        let call = Box::new(move || {
            // The receiver may be gone.
            let _ = done.send(client.send_offsets(&list, &group.0, timeout));
        });
        let mut thread = self.offsets_thread.lock();
        if thread.is_none() {
            *thread = Some(OffsetsThread::start().map_err(|error| {
                let error = Error::retriable("cannot start a thread to add offsets to the transaction").cause(&error);
                TransactionError::Retriable(error)
            })?);
        }
        let sent = thread.as_ref().is_some_and(|thread| thread.calls.send(call).is_ok());
        let answered = if sent { answer.recv_timeout(timeout + OVERDUE).ok() } else { None };
        answered.ok_or_else(|| {
            *thread = None;
            let message = "cannot add offsets to the transaction: the group's coordinator is away and the client does not \
                           look for another one";
            TransactionError::Fatal(Error::retriable(message))
        })
    }

    /// Waits for all records of the transaction, and commits it. After a timeout the outcome is unknown: repeat the
    /// same call.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub fn commit_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        let result = self.client.commit_transaction(timeout);
        self.ended();
        self.check(result, "commit the transaction")
    }

    /// Aborts the transaction with all its records.
    ///
    /// # Errors
    /// See [`TransactionError`].
    pub fn abort_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        let result = self.client.abort_transaction(timeout);
        self.ended();
        self.check(result, "abort the transaction")
    }

    fn ended(&self) {
        if let Some(guard) = &self.guard {
            guard.ended();
        }
    }

    fn check<T>(&self, result: Result<T, Failure>, call: &str) -> Result<T, TransactionError> {
        result.map_err(|failure| TransactionError::of(self.client.reason(failure), call))
    }
}

/// Executes calls one after the other. Ends when its owner is dropped, after the current call.
pub(crate) struct OffsetsThread {
    calls: mpsc::SyncSender<Box<dyn FnOnce() + Send>>,
}

impl OffsetsThread {
    fn start() -> std::io::Result<Self> {
        let (calls, incoming) = mpsc::sync_channel::<Box<dyn FnOnce() + Send>>(1);
        let serve = move || incoming.into_iter().for_each(|call| call());
        thread::Builder::new().name("kafka-offsets".to_owned()).spawn(serve)?;
        Ok(Self { calls })
    }
}

/// Delays the first request of a transaction after the end of the previous one.
pub(crate) struct TransactionGuard {
    distance: Duration,
    armed: AtomicBool,
    ended: Mutex<Option<Instant>>,
}

impl TransactionGuard {
    pub(crate) fn new(distance: Duration) -> Self {
        Self { distance, armed: AtomicBool::new(false), ended: Mutex::new(None) }
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    fn ended(&self) {
        *self.ended.lock() = Some(Instant::now());
    }

    /// Waits before the first request of a transaction; does nothing for later ones.
    pub(crate) fn wait(&self) {
        if !self.armed.load(Ordering::Relaxed) || !self.armed.swap(false, Ordering::Relaxed) {
            return;
        }
        let ended = *self.ended.lock();
        let left = ended.and_then(|ended| self.distance.checked_sub(ended.elapsed()));
        if let Some(left) = left {
            thread::sleep(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: i32, fatal: bool, abort: bool, retriable: bool) -> TransactionError {
        TransactionError::of(Failure { code, message: "reason".to_owned(), fatal, retriable, abort }, "commit")
    }

    #[test]
    fn each_failure_has_one_answer() {
        assert!(matches!(failed(code::FENCED, true, false, false), TransactionError::Fenced(_)));
        assert!(matches!(failed(code::PRODUCER_FENCED, true, false, false), TransactionError::Fenced(_)));
        assert!(matches!(failed(45, true, true, true), TransactionError::Fatal(_)));
        assert!(matches!(failed(22, false, true, true), TransactionError::Abort(_)));
        assert!(matches!(failed(code::TIMED_OUT, false, false, true), TransactionError::Retriable(_)));
        assert!(matches!(failed(code::STATE, false, false, false), TransactionError::Fatal(_)));
        assert_eq!(failed(code::STATE, false, false, false).to_string(), "cannot commit: reason");
    }

    #[test]
    fn the_guard_waits_once_for_each_transaction() {
        const DISTANCE: Duration = Duration::from_millis(40);
        let guard = TransactionGuard::new(DISTANCE);
        let ended = Instant::now();
        guard.ended();
        guard.wait();
        assert!(ended.elapsed() < DISTANCE, "no transaction has begun");
        guard.arm();
        guard.wait();
        assert!(ended.elapsed() >= DISTANCE);
        guard.ended();
        let again = Instant::now();
        guard.wait();
        assert!(again.elapsed() < DISTANCE, "only the first request of a transaction waits");
    }
}
