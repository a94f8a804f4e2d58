//! What clients ask of the server, counted for tests that mind round trips.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    cdc::Procedure,
    data::{Collation, Column, Datum, Length, Type},
    session::{Command, Flow},
};

/// The requests of each application, by the beginnings of their texts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<RequestCounts>);

#[derive(Debug, Default)]
struct RequestCounts {
    /// Whether they are counted: asked at each request.
    counting: AtomicBool,
    counts: Mutex<BTreeMap<(String, String), i64>>,
}

/// So much of a text tells it from the others.
const TOLD: usize = 400;
/// Different texts that are told apart.
const TEXTS: usize = 10_000;

impl Requests {
    /// Counts a request: a batch, or a call by what it runs.
    pub(crate) fn note(&self, application: &str, text: impl FnOnce() -> String) {
        if !self.0.counting.load(Ordering::Relaxed) {
            return;
        }
        let mut text = text();
        text.truncate(text.floor_char_boundary(TOLD));
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (application.to_owned(), text);
        let key = if counts.len() < TEXTS || counts.contains_key(&key) { key } else { (key.0, "others".to_owned()) };
        *counts.entry(key).or_default() += 1;
    }

    fn begin(&self) {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.0.counting.store(true, Ordering::Relaxed);
    }

    fn rows(&self) -> Vec<Vec<Datum>> {
        let counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |((application, text), count): (&(String, String), &i64)| {
            vec![Datum::Text(application.clone()), Datum::Text(text.clone()), Datum::BigInt(*count)]
        };
        counts.iter().map(row).collect()
    }
}

/// The procedures of schema `standin` for them:
/// - `count_requests`: counts from now on, from zero;
/// - `requests`: each application, the first 400 characters of what it asks, and how often it did so.
pub(crate) fn procedures(requests: &Requests) -> Vec<Procedure> {
    let (begin, tell) = (requests.clone(), requests.clone());
    vec![
        Procedure {
            schema: "standin",
            name: "count_requests",
            parameters: Vec::new(),
            call: Arc::new(move |_, _| {
                begin.begin();
                Ok(0)
            }),
        },
        Procedure {
            schema: "standin",
            name: "requests",
            parameters: Vec::new(),
            call: Arc::new(move |cx, _| {
                let text = || Type::NVarChar { length: Length::Limited(4000), collation: Collation::DEFAULT };
                let columns = [("application", text()), ("statement", text()), ("requests", Type::BigInt)]
                    .map(|(name, r#type)| Column::new(name, r#type));
                let (rows, answer) = (tell.rows(), cx.answer());
                if answer.columns(&columns) == Flow::Continue
                    && rows.iter().all(|row| answer.row(row) == Flow::Continue)
                {
                    answer.done(u64::try_from(rows.len()).ok(), Command::Select);
                }
                Ok(0)
            }),
        },
    ]
}
