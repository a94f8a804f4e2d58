use std::collections::BTreeMap;

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};

use super::{ServerKind, failure};

/// Collections, by `database.collection`, with their documents in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    collections: BTreeMap<String, Vec<Document>>,
    timeseries: BTreeMap<String, Document>,
}

/// A write as all commands have it.
enum Statement {
    Insert(Document),
    Update { query: Document, update: Document, upsert: bool },
    Delete { query: Document, all: bool },
}

type Outcome = Result<i32, Document>;

impl Store {
    pub(super) fn documents(&self, namespace: &str) -> Vec<Document> {
        self.collections.get(namespace).cloned().unwrap_or_default()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.collections.keys().chain(self.timeseries.keys()).cloned().collect()
    }

    pub(super) fn timeseries(&self, namespace: &str) -> Option<Document> {
        self.timeseries.get(namespace).cloned()
    }

    pub(super) fn put(&mut self, namespace: &str, document: Document) {
        self.collections.entry(namespace.to_owned()).or_default().push(document);
    }

    pub(super) fn execute(&mut self, name: &str, command: &Document, kind: &ServerKind) -> Document {
        let namespace = || format!("{}.{}", command.get_str("$db").unwrap(), command.get_str(name).unwrap());
        let ordered = command.get_bool("ordered").unwrap_or(true);
        let statements: Vec<(String, Statement)> = match name {
            "insert" => of(command, "documents").map(|one| (namespace(), Statement::Insert(one))).collect(),
            "update" => of(command, "updates").map(|one| (namespace(), update(&one, "q", "u"))).collect(),
            "delete" => of(command, "deletes").map(|one| (namespace(), delete(&one))).collect(),
            "bulkWrite" if kind.wire >= 25 => {
                let names: Vec<String> =
                    of(command, "nsInfo").map(|one| one.get_str("ns").unwrap().to_owned()).collect();
                of(command, "ops").map(|one| bulk(&one, &names)).collect()
            }
            "find" => return self.find(&namespace(), command),
            "listCollections" => return self.list(command),
            "create" => return self.create(&namespace(), command),
            "endSessions" | "ping" => return doc! { "ok": 1 },
            _ => return failure(59, &format!("no such command: '{name}'")),
        };
        assert!(statements.len() <= usize::try_from(kind.max_writes).unwrap(), "more writes than the server takes");
        let is_bulk = name == "bulkWrite";
        let (mut count, mut errors) = (0, Vec::new());
        for (place, (namespace, statement)) in (0_i32..).zip(statements) {
            match self.apply(&namespace, statement) {
                Ok(changed) => count += changed,
                Err(mut error) => {
                    error.insert(if is_bulk { "idx" } else { "index" }, place);
                    error.insert("ok", 0);
                    errors.push(error);
                    if ordered {
                        break;
                    }
                }
            }
        }
        if is_bulk {
            let failed = i32::try_from(errors.len()).unwrap();
            let cursor = doc! { "id": 0_i64, "ns": "admin.$cmd.bulkWrite", "firstBatch": errors };
            return doc! { "cursor": cursor, "nErrors": failed, "nInserted": count, "ok": 1 };
        }
        let mut answer = doc! { "n": count, "ok": 1 };
        if !errors.is_empty() {
            answer.insert("writeErrors", errors);
        }
        answer
    }

    fn apply(&mut self, namespace: &str, statement: Statement) -> Outcome {
        let documents = self.collections.entry(namespace.to_owned()).or_default();
        match statement {
            Statement::Insert(document) => insert(documents, document),
            Statement::Update { query, update, upsert } => {
                match documents.iter_mut().find(|document| matches(document, &query)) {
                    Some(found) => {
                        let changed = change(found.clone(), &update, false);
                        check(&changed)?;
                        *found = changed;
                        Ok(1)
                    }
                    None if upsert => insert(documents, change(query, &update, true)),
                    None => Ok(0),
                }
            }
            Statement::Delete { query, all } => {
                let before = documents.len();
                let mut left = if all { usize::MAX } else { 1 };
                documents.retain(|document| {
                    let remove = left > 0 && matches(document, &query);
                    left -= usize::from(remove);
                    !remove
                });
                Ok(i32::try_from(before - documents.len()).unwrap())
            }
        }
    }

    fn find(&self, namespace: &str, command: &Document) -> Document {
        let wanted = command.get_document("filter").unwrap().get_document("_id").unwrap().get_array("$in").unwrap();
        let found = self.documents(namespace).into_iter().filter(|one| wanted.contains(&one["_id"]));
        doc! { "cursor": { "id": 0_i64, "ns": namespace, "firstBatch": found.collect::<Vec<_>>() }, "ok": 1 }
    }

    fn list(&self, command: &Document) -> Document {
        let name = command.get_document("filter").unwrap().get_str("name").unwrap();
        let namespace = format!("{}.{name}", command.get_str("$db").unwrap());
        let kind = match () {
            () if self.timeseries.contains_key(&namespace) => Some("timeseries"),
            () if self.collections.contains_key(&namespace) => Some("collection"),
            () => None,
        };
        let found: Vec<Document> = kind.map(|kind| doc! { "name": name, "type": kind }).into_iter().collect();
        doc! { "cursor": { "id": 0_i64, "ns": "", "firstBatch": found }, "ok": 1 }
    }

    fn create(&mut self, namespace: &str, command: &Document) -> Document {
        if self.collections.contains_key(namespace) || self.timeseries.contains_key(namespace) {
            return failure(48, "Collection already exists");
        }
        self.timeseries.insert(namespace.to_owned(), command.clone());
        doc! { "ok": 1 }
    }
}

fn of<'a>(command: &'a Document, name: &str) -> impl Iterator<Item = Document> + use<'a> {
    command.get_array(name).unwrap().iter().map(|one| one.as_document().unwrap().clone())
}

fn update(one: &Document, query: &str, change: &str) -> Statement {
    let get = |name: &str| one.get_document(name).unwrap().clone();
    Statement::Update { query: get(query), update: get(change), upsert: one.get_bool("upsert").unwrap_or(false) }
}

fn delete(one: &Document) -> Statement {
    Statement::Delete { query: one.get_document("q").unwrap().clone(), all: one.get_i32("limit").unwrap() == 0 }
}

fn bulk(one: &Document, names: &[String]) -> (String, Statement) {
    let name = |kind: &str| names[usize::try_from(one.get_i32(kind).unwrap()).unwrap()].clone();
    match one.keys().next().unwrap().as_str() {
        "insert" => (name("insert"), Statement::Insert(one.get_document("document").unwrap().clone())),
        "update" => (name("update"), update(one, "filter", "updateMods")),
        _ => {
            let query = one.get_document("filter").unwrap().clone();
            (name("delete"), Statement::Delete { query, all: false })
        }
    }
}

fn insert(documents: &mut Vec<Document>, mut document: Document) -> Outcome {
    if !document.contains_key("_id") {
        let mut with_id = doc! { "_id": ObjectId::new() };
        with_id.extend(document);
        document = with_id;
    }
    if documents.iter().any(|other| other["_id"] == document["_id"]) {
        let errmsg = format!("E11000 duplicate key error index: _id_ dup key: {}", document["_id"]);
        return Err(doc! { "code": 11000, "errmsg": errmsg, "keyPattern": { "_id": 1 } });
    }
    check(&document)?;
    documents.push(document);
    Ok(1)
}

/// The collections' one rule.
fn check(document: &Document) -> Result<(), Document> {
    match document.get_bool("forbidden") {
        Ok(true) => Err(doc! {
            "code": 121, "errmsg": "Document failed validation", "errInfo": { "failingDocumentId": document["_id"].clone() },
        }),
        _ => Ok(()),
    }
}

/// Equality of top-level fields, with paths into documents.
fn matches(document: &Document, query: &Document) -> bool {
    query.iter().all(|(path, wanted)| {
        let mut found = Some(Bson::from(document.clone()));
        for step in path.split('.') {
            found = found.and_then(|value| value.as_document().and_then(|inner| inner.get(step)).cloned());
        }
        found.as_ref() == Some(wanted)
    })
}

fn change(mut document: Document, update: &Document, inserts: bool) -> Document {
    if !update.keys().any(|name| name.starts_with('$')) {
        let id = update.get("_id").or_else(|| document.get("_id")).cloned();
        let mut replaced: Document = id.map(|id| doc! { "_id": id }).unwrap_or_default();
        replaced.extend(update.clone());
        return replaced;
    }
    for (operator, fields) in update {
        for (name, value) in fields.as_document().unwrap() {
            match operator.as_str() {
                "$set" => drop(document.insert(name, value.clone())),
                "$setOnInsert" if inserts => drop(document.insert(name, value.clone())),
                "$unset" => drop(document.remove(name)),
                "$inc" => {
                    let sum = document.get_i32(name).unwrap_or(0) + value.as_i32().unwrap();
                    document.insert(name, sum);
                }
                _ => {}
            }
        }
    }
    document
}
