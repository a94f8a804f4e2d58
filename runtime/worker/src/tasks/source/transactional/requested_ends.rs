use tributary_api::{Error, Result, TransactionEnd, TransactionRequest};

/// After how many records of a batch the task wants transactions to end, in order.
///
/// # Errors
/// Fatal when the requests contradict each other or the batch: records are committed as the task asks or not at all.
pub(super) fn requested_ends(requests: Vec<TransactionRequest>, batch: usize) -> Result<Vec<(usize, TransactionEnd)>> {
    let mut ends: Vec<(usize, TransactionEnd)> =
        requests.into_iter().map(|request| (request.after.unwrap_or(batch), request.end)).collect();
    if let Some((after, _)) = ends.iter().find(|(after, _)| *after > batch) {
        return Err(refused(format!(
            "the source task asked for the end of a transaction after {after} records of a batch of {batch}"
        )));
    }
    ends.sort_by_key(|(after, _)| *after);
    ends.dedup();
    if ends.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        // Kafka Connect's message.
        return Err(refused("Connector requested both commit and abort of same transaction".to_owned()));
    }
    Ok(ends)
}

fn refused(message: String) -> Error {
    Error::fatal(message).with_class("java.lang.IllegalStateException")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::TransactionContext;

    use super::*;

    #[test]
    fn ends_within_a_batch_are_in_order_and_agree() {
        let transaction = TransactionContext::new();
        transaction.commit();
        transaction.commit_after(2);
        transaction.abort_after(1);
        transaction.commit_after(5);
        let (commit, abort) = (TransactionEnd::Commit, TransactionEnd::Abort);
        assert_eq!(requested_ends(transaction.take(), 5).unwrap(), [(1, abort), (2, commit), (5, commit)]);
        transaction.commit();
        assert_eq!(
            requested_ends(transaction.take(), 0).unwrap(),
            [(0, commit)],
            "an empty batch ends the open transaction"
        );
        assert!(requested_ends(Vec::new(), 7).unwrap().is_empty());
    }

    #[test]
    fn contradictory_requests_fail_the_task() {
        let transaction = TransactionContext::new();
        transaction.commit();
        transaction.abort_after(3);
        let error = requested_ends(transaction.take(), 3).unwrap_err().to_string();
        assert!(error.contains("both commit and abort"), "{error}");
        transaction.commit_after(4);
        let error = requested_ends(transaction.take(), 3).unwrap_err().to_string();
        assert!(error.contains("after 4 records of a batch of 3"), "{error}");
    }
}
