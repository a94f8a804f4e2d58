use std::fmt;

use anyhow::{Context, Result};
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use crate::settings::Settings;

/// How many documents go into one command.
const COMMAND_COUNT: usize = 1_000;
/// How large the documents of one command are together, but for the last one: less than the 16 MiB of a command.
const COMMAND_BYTES: usize = 8 << 20;

/// The collection.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    collection: String,
}

/// Why documents were not written, and which was the first of them.
#[derive(Debug)]
pub(crate) struct NotWritten {
    pub(crate) first: usize,
    pub(crate) reason: anyhow::Error,
}

impl Store {
    /// Nothing is sent before the first write.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self> {
        let options = ClientOptions::parse(&settings.uri).await.context("understand MONGODB_URI")?;
        let client = Client::with_options(options).context("set up a client from MONGODB_URI")?;
        Ok(Self { database: client.database(&settings.database), collection: settings.collection.clone() })
    }

    /// Makes each of them the document of its id, in this order: what is repeated changes nothing. It ends at the first
    /// one that cannot be written.
    pub(crate) async fn upsert(&self, documents: &[Document]) -> Result<(), NotWritten> {
        let mut done = 0;
        while done < documents.len() {
            let count = command_count(&documents[done..]);
            self.upsert_some(&documents[done..done + count])
                .await
                .map_err(|failure| NotWritten { first: done + failure.first, ..failure })?;
            done += count;
        }
        Ok(())
    }

    async fn upsert_some(&self, documents: &[Document]) -> Result<(), NotWritten> {
        let updates = documents.iter().map(|document| {
            let id = document.get("_id").cloned().unwrap_or(Bson::Null);
            Bson::Document(doc! {"q": {"_id": id}, "u": document.clone(), "upsert": true})
        });
        let command = doc! {
            "update": &self.collection,
            "updates": updates.collect::<Vec<_>>(),
            "ordered": true,
            "writeConcern": {"w": "majority"},
        };
        let answer = self.database.run_command(command).await;
        let answer = answer
            .with_context(|| format!("write to collection {}", self.collection))
            .map_err(|reason| NotWritten { first: 0, reason })?;
        check(&answer)
    }
}

/// A command succeeds also when it could not do all that was asked.
fn check(answer: &Document) -> Result<(), NotWritten> {
    let text = |error: &Document| error.get_str("errmsg").unwrap_or("unknown").to_owned();
    let first = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()).and_then(Bson::as_document);
    if let Some(error) = first {
        let first = error.get("index").and_then(index).unwrap_or_default();
        let code = error.get("code").and_then(index).unwrap_or_default();
        let reason = anyhow::anyhow!("the server refused a document with error {code}: {}", text(error));
        return Err(NotWritten { first, reason });
    }
    // The documents are written, but perhaps only to a server that is about to lose them.
    if let Ok(error) = answer.get_document("writeConcernError") {
        return Err(NotWritten { first: 0, reason: anyhow::anyhow!("the write is not safe yet: {}", text(error)) });
    }
    Ok(())
}

fn index(number: &Bson) -> Option<usize> {
    match number {
        Bson::Int32(number) => usize::try_from(*number).ok(),
        Bson::Int64(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// How many of the documents fit into a command; one at least.
fn command_count(documents: &[Document]) -> usize {
    let mut bytes = 0;
    let fit = documents.iter().take(COMMAND_COUNT).take_while(|document| {
        let fits = bytes < COMMAND_BYTES;
        bytes += size(document);
        fits
    });
    fit.count()
}

/// In bytes. A document that cannot be written at all is for the driver to refuse.
fn size(document: &Document) -> usize {
    document.to_vec().map_or(0, |bytes| bytes.len())
}

impl fmt::Display for NotWritten {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_bounded_in_count_and_size() {
        let small = vec![doc! {"_id": 1}; 1_500];
        assert_eq!((command_count(&small), command_count(&small[..3])), (1_000, 3));
        let large = vec![doc! {"_id": 1, "text": "x".repeat(5 << 20)}; 4];
        assert_eq!(command_count(&large), 2);
        let huge = vec![doc! {"_id": 1, "text": "x".repeat(15 << 20)}; 2];
        assert_eq!(command_count(&huge), 1);
    }

    #[test]
    fn a_response_lists_what_was_not_written() {
        assert!(check(&doc! {"ok": 1, "n": 2}).is_ok());
        let refused = doc! {"ok": 1, "writeErrors": [{"index": 1, "code": 121, "errmsg": "validation"}]};
        let failure = check(&refused).unwrap_err();
        assert_eq!(failure.first, 1);
        assert!(failure.to_string().contains("121: validation"), "{failure}");
        assert_eq!(check(&doc! {"ok": 1, "writeConcernError": {"errmsg": "timeout"}}).unwrap_err().first, 0);
    }
}
