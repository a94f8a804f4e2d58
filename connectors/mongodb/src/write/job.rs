use std::collections::{BTreeSet, VecDeque};

use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocumentBuf, rawdoc};
use mongodb::error::{Error as DriverError, ErrorKind as Driver};
use tributary_api::{Error, ErrorKind, Result};

use super::outcome::{DUPLICATE_KEY, Outcome, Refused};
use super::plan::{self, Limits, Run};
use super::rate_limiter::RateLimiter;
use super::refusal::{self, Refusal};
use super::statement::{self, Frame};
use super::{Write, WriteModel};
use crate::client::{failure, is_retriable};
use crate::config::{Duplicates, Tolerance};
use crate::server::{NumberedSession, Server};

/// Writes that keep their order, and the progress of writing them. A job that could not reach the server is run again
/// and continues with the command that it sent last, with the same number.
#[derive(Debug)]
pub(crate) struct Job {
    writes: Vec<Write>,
    /// Whether `bulkWrite` is used where the server has it.
    bulk: bool,
    /// The first write that is in no chunk yet.
    next: usize,
    /// The commands of the current chunk that are not done.
    runs: VecDeque<Run>,
    session: Option<NumberedSession>,
    /// Whether the first of the commands may have reached the server.
    sent: bool,
    /// The writes that are not to be sent (again): refused, or already written.
    excluded: BTreeSet<usize>,
    refusals: Vec<Refusal>,
}

/// The result of one step of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing left to write.
    Done,
    /// A command is done, with all its writes.
    Written,
    /// A command is done, except for some refused writes.
    Refused,
}

impl Job {
    pub(super) fn new(writes: Vec<Write>, bulk: bool) -> Self {
        Self {
            writes,
            bulk,
            next: 0,
            runs: VecDeque::new(),
            session: None,
            sent: false,
            excluded: BTreeSet::new(),
            refusals: Vec::new(),
        }
    }

    /// Writes all that remains. A numbered command that fails because of the network is sent again at once.
    ///
    /// # Errors
    /// `Retriable` when the server is not reachable: run it again. Any other error fails the task.
    pub(crate) async fn run(&mut self, server: &Server, rate_limiter: &RateLimiter) -> Result<()> {
        let mut again = server.numbered;
        loop {
            match self.step(server, None).await {
                Ok(Step::Done) => break,
                Ok(_) => {
                    again = server.numbered;
                    if self.runs.is_empty() {
                        rate_limiter.after_bulk(&self.writes[self.next - 1].settings).await;
                    }
                }
                Err(error) if error.is_retriable() && std::mem::take(&mut again) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(session) = self.session.take() {
            server.give_back(session);
        }
        Ok(())
    }

    /// Sends one command, in a transaction if one is given.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) async fn step(&mut self, server: &Server, transaction: Option<&mut ClientSession>) -> Result<Step> {
        if self.runs.is_empty() && !self.next_chunk(server)? {
            return Ok(Step::Done);
        }
        let resent = self.sent;
        match self.send(server, transaction).await? {
            Ok(outcome) if outcome.again => {
                Err(Error::retriable(format!("cannot write to {}: {}", self.target(), outcome.reason())))
            }
            Ok(outcome) => self.settle(&outcome),
            Err(error) => self.fail(server, &error, resent),
        }
    }

    /// Starts from the beginning, without excluded writes, after an aborted transaction.
    pub(crate) fn restart(&mut self) {
        self.next = 0;
        self.runs.clear();
        self.sent = false;
    }

    /// All its writes, done or not.
    pub(crate) fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The records that are not written, and why.
    pub(crate) fn into_refusals(self) -> Vec<Refusal> {
        self.refusals
    }

    fn next_chunk(&mut self, server: &Server) -> Result<bool> {
        while self.runs.is_empty() && self.next < self.writes.len() {
            let start = self.next;
            self.next += plan::cut(&self.writes[start..], Limits::of(server));
            for place in start..self.next {
                let bytes = statement::longest(&self.writes[place].model);
                if bytes > server.max_document && !self.excluded.contains(&place) {
                    self.refuse(place, refusal::too_long(bytes, server.max_document))?;
                }
            }
            let chunk = (start..self.next).filter(|place| !self.excluded.contains(place));
            if self.bulk && server.has_bulk_write() {
                let writes: Vec<usize> = chunk.collect();
                self.runs.extend((!writes.is_empty()).then_some(Run { kind: None, writes, doubtful: false }));
            } else {
                self.runs = plan::runs(&self.writes, chunk, self.writes[start].settings.ordered);
            }
        }
        Ok(!self.runs.is_empty())
    }

    /// Sends the first of the commands. The outer error is local.
    async fn send(
        &mut self,
        server: &Server,
        transaction: Option<&mut ClientSession>,
    ) -> Result<Result<Outcome, DriverError>> {
        if transaction.is_none() && server.numbered {
            if self.session.is_none() {
                self.session = Some(server.session().await?);
            }
            if let (false, Some(session)) = (self.sent, &mut self.session) {
                session.number += 1;
            }
        }
        let Some(run) = self.runs.front() else { return Ok(Ok(Outcome::default())) };
        let frame = Frame {
            ordered: self.ordered(run),
            write_concern: if transaction.is_some() { None } else { server.write_concern() },
            number: self.session.as_ref().map(|session| session.number),
        };
        let (database, command) = self.command(run, &frame)?;
        let is_bulk = run.kind.is_none();
        if let (true, true, Some(run)) = (self.sent, frame.number.is_none(), self.runs.front_mut()) {
            run.doubtful = true;
        }
        self.sent = true;
        let session = match transaction {
            Some(session) => Some(session),
            None => self.session.as_mut().map(|numbered| &mut numbered.session),
        };
        Ok(exchange(server, &database, command, is_bulk, session).await)
    }

    fn command(&self, run: &Run, frame: &Frame<'_>) -> Result<(String, RawDocumentBuf)> {
        let writes = run.writes.iter().map(|&place| &self.writes[place]);
        let (Some(kind), Some(first)) = (run.kind, run.writes.first()) else {
            let command = statement::bulk(writes.map(|write| (&write.namespace, &write.model)), frame)?;
            return Ok(("admin".to_owned(), command));
        };
        let namespace = &self.writes[*first].namespace;
        let command = statement::single(&namespace.collection, kind, writes.map(|write| &write.model), frame)?;
        Ok((namespace.database.clone(), command))
    }

    fn ordered(&self, run: &Run) -> bool {
        run.writes.first().is_none_or(|&place| self.writes[place].settings.ordered)
    }

    /// Handles the server's answer to the first of the commands.
    fn settle(&mut self, outcome: &Outcome) -> Result<Step> {
        let Some(run) = self.runs.pop_front() else { return Ok(Step::Done) };
        self.sent = false;
        let ordered = self.ordered(&run);
        let stopped_at = outcome.refused.last().filter(|_| ordered).map(|last| last.place + 1);
        let (tried, rest) = run.writes.split_at(stopped_at.unwrap_or(run.writes.len()).min(run.writes.len()));
        let mut stopped = Vec::new();
        for one in &outcome.refused {
            let Some(&place) = tried.get(one.place) else { continue };
            if self.is_there(place, one, run.doubtful) {
                self.excluded.insert(place);
            } else {
                self.refuse(place, refusal::refused(one))?;
                stopped.extend(ordered.then_some(place));
            }
        }
        if let Some(concern) = &outcome.concern {
            let refused = |at: usize| outcome.refused.iter().any(|one| one.place == at);
            for (_, &place) in tried.iter().enumerate().filter(|(at, _)| !refused(*at)) {
                self.refuse(place, refusal::not_copied(concern))?;
            }
        }
        self.runs.push_front(Run { writes: rest.to_vec(), ..run });
        for place in stopped {
            self.skip_behind(place)?;
        }
        self.runs.retain(|run| !run.writes.is_empty());
        Ok(if outcome.refused.is_empty() { Step::Written } else { Step::Refused })
    }

    /// Whether the refusal means that the document is already written: because duplicates are ignored, or because the
    /// insert was sent before and its answer was lost.
    fn is_there(&self, place: usize, refused: &Refused, doubtful: bool) -> bool {
        let Write { settings, model, .. } = &self.writes[place];
        let own = doubtful && refused.by_id && matches!(model, WriteModel::InsertOne { .. });
        refused.code == DUPLICATE_KEY && (own || settings.errors.duplicates == Duplicates::Ignore)
    }

    /// Removes from the chunk the later writes to the collection of a refused one: an ordered bulk stops there.
    fn skip_behind(&mut self, refused: usize) -> Result<()> {
        let mut skipped = Vec::new();
        for run in &mut self.runs {
            run.writes.retain(|&place| {
                let keep = self.writes[place].namespace != self.writes[refused].namespace;
                skipped.extend((!keep).then_some(place));
                keep
            });
        }
        skipped.into_iter().try_for_each(|place| self.refuse(place, refusal::skipped()))
    }

    /// Handles a command that failed as a whole.
    fn fail(&mut self, server: &Server, error: &DriverError, resent: bool) -> Result<Step> {
        let is_bulk = self.runs.front().is_some_and(|run| run.kind.is_none());
        if is_bulk && matches!(error.kind.as_ref(), Driver::Command(one) if NO_BULK_WRITE.contains(&one.code)) {
            tracing::info!(%error, "no bulkWrite for this user: writing by one command for each collection");
            server.forget_bulk_write();
            let left = std::mem::take(&mut self.runs).into_iter().flat_map(|run| run.writes).collect::<Vec<_>>();
            let ordered = left.first().is_none_or(|&place| self.writes[place].settings.ordered);
            self.runs = plan::runs(&self.writes, left.into_iter(), ordered);
            self.sent = false;
            return Ok(Step::Written);
        }
        if is_retriable(error) {
            // No server was selected: the command was not sent.
            self.sent = resent || !matches!(error.kind.as_ref(), Driver::ServerSelection { .. });
            return Err(failure(&format!("cannot write to {}", self.target()), error));
        }
        let failure = failure(&format!("cannot write to {}", self.target()), error);
        let tolerated = |place: &usize| self.writes[*place].settings.errors.tolerance == Tolerance::All;
        // A missing permission is no error of the records.
        if failure.kind() == ErrorKind::Config || !self.runs.iter().flat_map(|run| &run.writes).all(tolerated) {
            return Err(failure);
        }
        self.sent = false;
        let chunk = std::mem::take(&mut self.runs).into_iter().flat_map(|run| run.writes);
        let error = Error::data("the server has not taken the bulk").cause(&failure);
        for place in chunk.collect::<Vec<_>>() {
            self.refuse(place, error.clone())?;
        }
        Ok(Step::Refused)
    }

    fn refuse(&mut self, place: usize, error: Error) -> Result<()> {
        let write = &self.writes[place];
        if write.settings.errors.tolerance == Tolerance::None {
            return Err(refusal::not_tolerated(&error, &write.namespace.to_string()));
        }
        self.excluded.insert(place);
        self.refusals.push(Refusal { record: write.record, error, log: write.settings.errors.log });
        Ok(())
    }

    /// The collection of the first of the commands, for messages.
    fn target(&self) -> String {
        let first = self.runs.front().and_then(|run| run.writes.first());
        first.map(|&place| self.writes[place].namespace.to_string()).unwrap_or_default()
    }
}

/// The command is unknown, not allowed, or not supported by this kind of server.
const NO_BULK_WRITE: [i32; 3] = [13, 59, 115];

/// Sends a command and reads its answer, that of `bulkWrite` to its last page.
async fn exchange(
    server: &Server,
    database: &str,
    command: RawDocumentBuf,
    is_bulk: bool,
    mut session: Option<&mut ClientSession>,
) -> Result<Outcome, DriverError> {
    let answer = server.run(database, command, session.as_deref_mut()).await?;
    if !is_bulk {
        return Ok(Outcome::of_single(&answer));
    }
    let mut outcome = Outcome::of_bulk(&answer);
    let mut more = cursor(&answer);
    while more != 0 {
        let next = rawdoc! { "getMore": more, "collection": "$cmd.bulkWrite" };
        let page = server.run(database, next, session.as_deref_mut()).await?;
        if let Ok(batch) = page.get_document("cursor").and_then(|cursor| cursor.get_array("nextBatch")) {
            outcome.add_page(batch);
        }
        more = cursor(&page);
    }
    Ok(outcome)
}

fn cursor(answer: &Document) -> i64 {
    answer.get_document("cursor").and_then(|cursor| cursor.get_i64("id")).unwrap_or_default()
}
