use mongodb::bson::{Bson, Document};

/// The server's answer to a command that it executed.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The refused writes, by their indexes in the command, in order.
    pub(super) refused: Vec<Refused>,
    /// The write concern error of all others.
    pub(super) concern: Option<Refused>,
    /// Whether the command is to be sent again as it is.
    pub(super) again: bool,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) place: usize,
    pub(super) code: i32,
    pub(super) name: String,
    pub(super) message: String,
    /// `errInfo` as JSON: which rule of a validator is broken, for example.
    pub(super) details: String,
    /// Whether the index that would hold a duplicate is the one of `_id`.
    pub(super) by_id: bool,
}

/// The error code of a duplicate key.
pub(super) const DUPLICATE_KEY: i32 = 11_000;

impl Outcome {
    /// Reads the answer to `insert`, `update` or `delete`.
    pub(super) fn of_single(answer: &Document) -> Self {
        let refused = answer.get_array("writeErrors").map(|errors| errors.iter().filter_map(|one| read(one, "index")));
        Self { refused: refused.map(Iterator::collect).unwrap_or_default(), ..Self::common(answer) }
    }

    /// Reads the answer to `bulkWrite`, with the failures of its first page.
    pub(super) fn of_bulk(answer: &Document) -> Self {
        let first = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let mut outcome = Self::common(answer);
        if let Ok(page) = first {
            outcome.add_page(page);
        }
        outcome
    }

    /// Reads a further page of the answer to `bulkWrite`.
    pub(super) fn add_page(&mut self, page: &[Bson]) {
        let failed =
            |one: &&Bson| one.as_document().is_some_and(|one| one.get("ok").and_then(number).is_none_or(|ok| ok == 0));
        self.refused.extend(page.iter().filter(failed).filter_map(|one| read(one, "idx")));
    }

    /// The server's reason to send the command again.
    pub(super) fn reason(&self) -> &str {
        let first = self.refused.first().or(self.concern.as_ref());
        first.map_or("the server requests a retry", |one| &one.message)
    }

    fn common(answer: &Document) -> Self {
        let labels = answer.get_array("errorLabels").map(Vec::as_slice).unwrap_or_default();
        let concern = answer.get("writeConcernError").and_then(|one| read(one, ""));
        let again = labels.iter().any(|label| label.as_str() == Some("RetryableWriteError"))
            || concern.as_ref().is_some_and(|concern| crate::client::RETRIABLE_CODES.contains(&concern.code));
        Self { refused: Vec::new(), concern, again }
    }
}

fn read(error: &Bson, place: &str) -> Option<Refused> {
    let error = error.as_document()?;
    let details = error.get_document("errInfo").map(ToString::to_string);
    // Servers before 4.4 name the index in the text only.
    let message = error.get_str("errmsg").unwrap_or_default().to_owned();
    let by_id = match error.get_document("keyPattern") {
        Ok(pattern) => pattern.keys().eq(["_id"]),
        Err(_) => message.contains("index: _id_"),
    };
    Some(Refused {
        place: error.get(place).and_then(number).and_then(|place| usize::try_from(place).ok()).unwrap_or_default(),
        code: error.get("code").and_then(number).and_then(|code| i32::try_from(code).ok()).unwrap_or_default(),
        details: details.unwrap_or_else(|_| "{}".to_owned()),
        name: error.get_str("codeName").unwrap_or_default().to_owned(),
        message,
        by_id,
    })
}

/// Servers answer whole numbers in any numeric type.
#[expect(clippy::cast_possible_truncation, reason = "places and codes are small whole numbers")]
pub(super) fn number(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}
