//! Carries out signals in the reader.

use tributary_api::{Result, Value};

use super::Signal;
use super::action::{Action, SnapshotKind};
use super::{ReceivedSignal, WINDOW_CLOSE};
use crate::config::Watermarks;
use crate::failure::Failure;
use crate::offset::Offset;
use crate::reader::{Flow, Reader};
use crate::record::{Change, TableSchema};

impl Reader {
    /// The signal that a change of the signal table means.
    pub(crate) fn signal_of(&self, schema: &TableSchema, change: &Change) -> Option<Signal> {
        let signals = &self.settings.signals;
        let (values, deleted) = match change {
            Change::Create(values) => (values, false),
            // With this strategy the end of a window is the deletion of its first row.
            Change::Delete(values) if signals.watermarks == Watermarks::InsertDelete => (values, true),
            _ => return None,
        };
        let [id, kind, data] = values.as_slice() else {
            tracing::warn!(table = %schema.table.id, columns = values.len(), "a signal is left out: the signal table must have three columns, id, type and data");
            return None;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, kind, data) = (text(id), text(kind), text(data));
        if deleted {
            return Some(Signal { id: id.replace("open", "close"), kind: WINDOW_CLOSE.to_owned(), data });
        }
        Some(Signal { id, kind, data })
    }

    /// Carries out the signal in a row of the signal table. Rows that the connector did not write itself count only if
    /// the signal table is an enabled channel.
    pub(crate) async fn follow_row(&mut self, signal: &Signal, at: Offset) -> Result<Flow, Failure> {
        let own = signal.kind.starts_with("snapshot-window-");
        if own || self.settings.signals.source { self.follow(signal, at).await } else { Ok(Flow::Continue) }
    }

    /// Carries out the signals that came by other channels since the last call.
    pub(crate) async fn follow_received(&mut self) -> Result<Flow, Failure> {
        while let Some(received) = self.received_signals.as_mut().and_then(|received| received.try_recv().ok()) {
            let ReceivedSignal { signal, position } = received;
            if let Some(position) = position {
                if self.incremental.signals().is_some_and(|known| position.is_behind(known)) {
                    continue;
                }
                // Set first: an offset with the effect of the signal must also record that the signal was followed.
                self.incremental.set_signals(position.offset);
            }
            if self.follow(&signal, self.offset.unwrap_or(Offset::NONE)).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// A signal that cannot be followed is left out: it must not stop the changes. `at` is its position.
    async fn follow(&mut self, signal: &Signal, at: Offset) -> Result<Flow, Failure> {
        let action = match Action::of(signal) {
            Ok(action) => action,
            Err(error) => {
                tracing::warn!(database = %self.database, id = signal.id, r#type = signal.kind, %error, "a signal is left out");
                return Ok(Flow::Continue);
            }
        };
        tracing::debug!(database = %self.database, id = signal.id, ?action, "a signal");
        let followed = match action {
            Action::Log(message) => {
                tracing::info!(database = %self.database, offset = ?self.offset, "{message}");
                Ok(())
            }
            Action::Execute { kind: SnapshotKind::Incremental, request } => {
                tracing::info!(database = %self.database, id = signal.id, ?request, "an incremental snapshot was requested");
                self.execute_incremental(&signal.id, &request).await
            }
            Action::Execute { kind: SnapshotKind::Blocking, request } => {
                tracing::info!(database = %self.database, id = signal.id, ?request, "a blocking snapshot was requested");
                self.request_blocking(request);
                Ok(())
            }
            Action::Stop(names) => self.stop_incremental(names).await,
            Action::Pause => self.pause_incremental(),
            Action::Resume => self.resume_incremental().await,
            Action::ChangeStructures(changes) => self.change_structures(changes, at).await,
            Action::OpenWindow => {
                self.enter_window(&signal.id);
                Ok(())
            }
            Action::CloseWindow => return self.leave_window(&signal.id, at).await,
        };
        match followed {
            Err(Failure::Error(error)) if !error.is_retriable() => {
                tracing::warn!(database = %self.database, id = signal.id, r#type = signal.kind, %error, "a signal could not be followed");
                Ok(Flow::Continue)
            }
            other => other.map(|()| Flow::Continue),
        }
    }
}
