use std::sync::Arc;

use mongodb::bson::{Bson, Document};
use tributary_api::{Config, ConfigIssue, Error};

use super::classes::{self, IdClass, ProcessorClass, invalid};
use super::topic::Timeseries;
use crate::mapping::chain::{Chain, Processor};
use crate::mapping::ids::{IdStrategy, UuidFormat};
use crate::mapping::models::WriteStrategy;
use crate::mapping::namespaces::{FieldPath, FieldPaths, NamespaceMapper, check};
use crate::mapping::projection::Projection;
use crate::mapping::renaming::{RenamePattern, Renamer};
use crate::mapping::times::DateFormat;
use crate::mapping::{Encoder, Kind, Rules, json};
use crate::model::Namespace;

/// Parses how the records of a topic become writes. Errors are added to the issues; then the result must not be used.
pub(super) fn rules(
    topic: &str,
    config: &Config,
    timeseries: Option<&Timeseries>,
    issues: &mut Vec<ConfigIssue>,
) -> Option<Rules> {
    let reader = Reader { config, issues };
    reader.rules(topic, timeseries)
}

struct Reader<'a> {
    config: &'a Config,
    issues: &'a mut Vec<ConfigIssue>,
}

impl Reader<'_> {
    fn rules(mut self, topic: &str, timeseries: Option<&Timeseries>) -> Option<Rules> {
        let namespaces = self.namespaces(topic);
        let class = self.text("change.data.capture.handler");
        let handler = if class.is_empty() { None } else { self.keep(classes::handler(&class)) };
        let documents = self.documents(timeseries);
        let kind = match handler {
            Some(handler) => {
                Kind::Changes { handler, removes_nulls: self.flag("change.data.capture.handler.remove.null.values") }
            }
            None => documents?,
        };
        Some(Rules { namespaces: namespaces?, kind })
    }

    fn documents(&mut self, timeseries: Option<&Timeseries>) -> Option<Kind> {
        let ids = self.ids();
        let steps = self.steps(timeseries);
        let is_series = timeseries.is_some();
        let class = self.text("writemodel.strategy");
        let write = self.keep(classes::write_strategy(&class, is_series));
        let delete = self.flag("delete.on.null.values").then(|| {
            let class = self.text("delete.writemodel.strategy");
            self.keep(classes::delete_strategy(&class, is_series))
        });
        if let (Some(Some(WriteStrategy::DeleteOneById)), Some(ids)) = (delete, &ids)
            && !ids.is_of_key()
        {
            let reason = "DeleteOneDefaultStrategy can only be applied when the document.id.strategy is FullKeyStrategy, \
                          PartialKeyStrategy or ProvidedInKeyStrategy: only they make an _id of the key alone";
            self.issues.push(invalid("delete.on.null.values", "true", reason));
        }
        let overwrites_id = self.flag("document.id.strategy.overwrite.existing");
        let chain = Chain::new(steps?, ids?, overwrites_id, write.is_some_and(WriteStrategy::reads_key));
        let delete = match delete {
            Some(strategy) => Some(strategy?),
            None => None,
        };
        Some(Kind::Documents { chain, write: write?, delete })
    }

    fn namespaces(&mut self, topic: &str) -> Option<NamespaceMapper> {
        let class = self.text("namespace.mapper");
        let by_fields = self.keep(classes::maps_by_fields(&class))?;
        let (database, collection) = (self.text("database"), self.text("collection"));
        let collection = if collection.is_empty() { topic.to_owned() } else { collection };
        let fallback = Namespace { database: database.clone(), collection };
        if let Err(error) = check(&fallback) {
            self.issues.push(invalid("database", &database, &error.to_string()));
            return None;
        }
        let fallback = Arc::new(fallback);
        if !by_fields {
            return Some(NamespaceMapper::Default(fallback));
        }
        let (database, collection) = (self.field_path("database")?, self.field_path("collection")?);
        if database.is_none() && collection.is_none() {
            let reason = "no field is given: set namespace.mapper.key.database.field or another of the fields";
            self.issues.push(invalid("namespace.mapper", &class, reason));
            return None;
        }
        let strict = self.flag("namespace.mapper.error.if.invalid");
        Some(NamespaceMapper::FieldPath(FieldPaths { fallback, database, collection, strict }))
    }

    /// The field of the key or that of the value; `None` when both are given.
    fn field_path(&mut self, what: &str) -> Option<Option<FieldPath>> {
        let (of_key, of_value) =
            (format!("namespace.mapper.key.{what}.field"), format!("namespace.mapper.value.{what}.field"));
        let (in_key, in_value) = (self.text(&of_key), self.text(&of_value));
        match (in_key.is_empty(), in_value.is_empty()) {
            (true, true) => Some(None),
            (false, true) => Some(Some(FieldPath { in_key: true, path: in_key })),
            (true, false) => Some(Some(FieldPath { in_key: false, path: in_value })),
            (false, false) => {
                self.issues.push(invalid(&of_key, &in_key, &format!("Cannot set both: '{of_key}' and '{of_value}'")));
                None
            }
        }
    }

    fn ids(&mut self) -> Option<IdStrategy> {
        let class = self.text("document.id.strategy");
        // As in Java: an empty name is the default.
        let found = if class.is_empty() { Ok(IdClass::BsonOid) } else { classes::id_class(&class) };
        Some(match self.keep(found)? {
            IdClass::BsonOid => IdStrategy::BsonOid,
            IdClass::KafkaMetaData => IdStrategy::KafkaMetaData,
            IdClass::FullKey => IdStrategy::FullKey,
            IdClass::PartialKey => IdStrategy::PartialKey(self.partial("key")?),
            IdClass::PartialValue => IdStrategy::PartialValue(self.partial("value")?),
            IdClass::ProvidedInKey => IdStrategy::ProvidedInKey,
            IdClass::ProvidedInValue => IdStrategy::ProvidedInValue,
            IdClass::Uuid if self.text("document.id.strategy.uuid.format").eq_ignore_ascii_case("binary") => {
                IdStrategy::Uuid(UuidFormat::Binary)
            }
            IdClass::Uuid => IdStrategy::Uuid(UuidFormat::String),
            IdClass::UuidProvidedInKey => IdStrategy::UuidProvidedInKey,
            IdClass::UuidProvidedInValue => IdStrategy::UuidProvidedInValue,
        })
    }

    /// The fields of a partial strategy: its own list, or that of the projectors.
    fn partial(&mut self, side: &str) -> Option<Projection> {
        let own = |what: &str| format!("document.id.strategy.partial.{side}.projection.{what}");
        let (own_kind, own_list) = (self.text(&own("type")), self.text(&own("list")));
        let kind = if own_kind.is_empty() { self.text(&format!("{side}.projection.type")) } else { own_kind };
        let list = if own_list.is_empty() { self.text(&format!("{side}.projection.list")) } else { own_list };
        match kind.to_ascii_lowercase().as_str() {
            "allowlist" | "whitelist" => Some(Projection::new(true, &list)),
            "blocklist" | "blacklist" => Some(Projection::new(false, &list)),
            _ => {
                let class = self.text("document.id.strategy");
                let reason =
                    format!("Invalid {side}.projection.type value. It should be set to either BLOCKLIST or ALLOWLIST");
                self.issues.push(invalid("document.id.strategy", &class, &reason));
                None
            }
        }
    }

    fn steps(&mut self, timeseries: Option<&Timeseries>) -> Option<Vec<Processor>> {
        let names = self.config.list("post.processor.chain").unwrap_or_default().to_vec();
        let mut found = Vec::with_capacity(names.len());
        for name in names.iter().filter(|name| !name.is_empty()) {
            found.push(self.keep(classes::processor_class(name))?);
        }
        if !found.contains(&ProcessorClass::DocumentIdAdder) {
            found.insert(0, ProcessorClass::DocumentIdAdder);
        }
        let mut steps = Vec::with_capacity(found.len());
        for class in found {
            steps.push(match class {
                ProcessorClass::DocumentIdAdder => Processor::AddId,
                ProcessorClass::KafkaMetaAdder => Processor::AddKafkaMeta,
                ProcessorClass::NullFieldValueRemover => Processor::RemoveNulls,
                ProcessorClass::ProjectKey { keeps } => {
                    Processor::ProjectKey(Projection::new(keeps, &self.text("key.projection.list")))
                }
                ProcessorClass::ProjectValue { keeps } => {
                    Processor::ProjectValue(Projection::new(keeps, &self.text("value.projection.list")))
                }
                ProcessorClass::RenameByMapping => Processor::Rename(self.mapping()?),
                ProcessorClass::RenameByRegExp => Processor::Rename(self.patterns()?),
            });
        }
        // A renamer without anything to rename would only decode documents for nothing.
        steps.retain(|step| !matches!(step, Processor::Rename(renamer) if !renamer.is_active()));
        if let Some(series) = timeseries.filter(|_| self.flag("timeseries.timefield.auto.convert")) {
            steps.push(Processor::ConvertTime { field: series.time_field.clone(), format: self.date_format()? });
        }
        Some(steps)
    }

    fn mapping(&mut self) -> Option<Renamer> {
        let name = "field.renamer.mapping";
        let names = self.objects(name)?.into_iter().map(|object| {
            let text = |name: &str| object.get_str(name).ok().map(str::to_owned);
            Some((text("oldName")?, text("newName")?))
        });
        let names: Option<_> = names.collect();
        match names {
            Some(names) => Some(Renamer::Mapping(names)),
            None => {
                let value = self.text(name);
                self.issues.push(invalid(name, &value, "Both oldName and newName must be mapped"));
                None
            }
        }
    }

    fn patterns(&mut self) -> Option<Renamer> {
        let name = "field.renamer.regexp";
        let made = self.objects(name)?.into_iter().map(|object| {
            let missing = |name: &str| Error::config(format!("{name} is missing"));
            let text = |name: &str| object.get_str(name).map_err(|_| missing(name));
            RenamePattern::new(text("regexp")?, text("pattern")?, text("replace")?)
        });
        let made: Result<Vec<RenamePattern>, Error> = made.collect();
        let value = self.text(name);
        self.keep(made.map_err(|error| invalid(name, &value, &error.to_string()))).map(Renamer::Patterns)
    }

    /// An array of objects. Backslashes may be escaped as in JSON, or written once.
    fn objects(&mut self, name: &str) -> Option<Vec<Document>> {
        let text = self.text(name);
        if text.is_empty() {
            return Some(Vec::new());
        }
        let found = objects(&text).or_else(|_| objects(&text.replace('\\', "\\\\")));
        self.keep(found.map_err(|error| invalid(name, &text, &format!("Not a valid JSON array: {error}"))))
    }

    fn date_format(&mut self) -> Option<DateFormat> {
        let tag = "timeseries.timefield.auto.convert.locale.language.tag";
        let language = self.text(tag);
        if !(language.is_empty() || language == "en" || language.starts_with("en-")) {
            self.issues.push(invalid(tag, &language, "only English names are known: use en and a pattern of numbers"));
        }
        let name = "timeseries.timefield.auto.convert.date.format";
        let pattern = self.text(name);
        self.keep(DateFormat::new(&pattern).map_err(|error| invalid(name, &pattern, &error.to_string())))
    }

    fn text(&self, name: &str) -> String {
        self.config.optional_string(name).ok().flatten().unwrap_or_default().to_owned()
    }

    fn flag(&self, name: &str) -> bool {
        self.config.boolean(name).unwrap_or_default()
    }

    fn keep<T>(&mut self, found: Result<T, ConfigIssue>) -> Option<T> {
        found.map_err(|issue| self.issues.push(issue)).ok()
    }
}

fn objects(array: &str) -> Result<Vec<Document>, Error> {
    let mut encoder = Encoder::default();
    json::read(&format!("{{s: {array}}}"), &mut encoder)?;
    let document = Document::try_from(encoder.document()?);
    let mut document = document.map_err(|error| Error::data("not valid BSON").cause(&error))?;
    let Some(Bson::Array(items)) = document.remove("s") else { return Err(Error::data("it is no array")) };
    let object = |item| match item {
        Bson::Document(object) => Ok(object),
        _ => Err(Error::data("an element is no object")),
    };
    items.into_iter().map(object).collect()
}
