use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result, TableId, TransformTables, Validator, Value,
    read_small_file,
};

use super::folder::{Change, PackFiles};
use super::place::{Entry, Place};
use super::{Packs, Switches, fits};
use crate::expression::Schema;
use crate::rules::{MAX_PACK_BYTES, RulePack};

const RULES: &str = "rules";
const RULES_FILE: &str = "rules.file";
const RULES_FOLDER: &str = "rules.folder";
const RULES_SCHEMA: &str = "rules.schema";
pub(super) const RULES_TOPIC: &str = "rules.topic";

/// Between a pack's name and a version, in the key of the record that keeps the version.
pub(super) const VERSION_MARK: char = '@';

pub(crate) fn define(definition: ConfigDef) -> ConfigDef {
    definition
        .with(ConfigKey::new(RULES_FILE, ConfigType::String).importance(Importance::High).doc(
            "File of a rule pack, in YAML. It must be right when the connector is configured; later changes are followed, \
             and refused if they are wrong.",
        ))
        .with(ConfigKey::new(RULES, ConfigType::String).doc("A rule pack itself, in YAML, instead of a file."))
        .with(ConfigKey::new(RULES_FOLDER, ConfigType::String).importance(Importance::High).doc(
            "Folder of rule packs: each file whose name ends in .yaml or .yml is one. Changes are followed. A file that is \
             wrong is logged, and the pack that was read from it before stays at work.",
        ))
        .with(ConfigKey::new(RULES_SCHEMA, ConfigType::String).doc(
            "File that declares the types of events and the fields of events, profiles and products, in YAML: a pack that uses \
             another field, or one as another type, is refused. Read at the start. Without it any field may be used.",
        ))
        .with(ConfigKey::new(RULES_TOPIC, ConfigType::String).validator(Validator::TopicName).doc(
            "Compacted topic of rule packs: the key is the pack's name, the value its YAML. Changes are followed. A pack of \
             the topic takes the place of a file's of the same name. With it, packs can be set over REST, and be switched \
             off.",
        ))
}

/// The declared fields and types.
fn schema(path: Option<PathBuf>) -> Result<Schema> {
    let Some(path) = path else { return Ok(Schema::default()) };
    let unreadable =
        || Error::config_at(RULES_SCHEMA, format!("cannot read {}: correct {RULES_SCHEMA}", path.display()));
    let bytes = read_small_file(&path, MAX_PACK_BYTES).map_err(|error| unreadable().cause(&error))?;
    let yaml = String::from_utf8(bytes).map_err(|_| unreadable())?;
    Schema::parse(&yaml).map_err(|error| error.context(path.display().to_string()).with_property(RULES_SCHEMA))
}

/// Where packs come from, and which are at work.
#[derive(Debug)]
pub(crate) struct PackSources {
    files: PackFiles,
    pub(super) schema: Schema,
    pub(super) topic: Option<String>,
    /// The version of the topic's table that was read last.
    table_version: u64,
    pub(super) entries: BTreeMap<Place, Entry>,
    pub(super) switches: Switches,
}

impl PackSources {
    /// The sources of a configuration, with what is in files and properties.
    ///
    /// # Errors
    /// `Config` when there is none, or when the pack of `rules` or `rules.file` is wrong.
    pub(crate) fn new(config: &Config, now: i64) -> Result<(Self, Packs)> {
        let path = |name: &str| -> Result<Option<PathBuf>> { Ok(config.optional_string(name)?.map(PathBuf::from)) };
        let (property, file, folder) = (config.optional_string(RULES)?, path(RULES_FILE)?, path(RULES_FOLDER)?);
        let topic = config.optional_string(RULES_TOPIC)?.map(str::to_owned);
        let given = property.is_some() || file.is_some() || folder.is_some() || topic.is_some();
        if !given || (property.is_some() && file.is_some()) {
            let message =
                "give rule packs by rules.folder, rules.topic, or one by rules.file or by rules: one of these two";
            return Err(Error::config_at(RULES_FILE, message));
        }
        let mut this = Self {
            files: PackFiles::new(file.clone(), folder.clone()),
            schema: schema(path(RULES_SCHEMA)?)?,
            topic,
            table_version: 0,
            entries: BTreeMap::new(),
            switches: Switches::default(),
        };
        if let Some(text) = property {
            let pack = RulePack::parse_for(text, &this.schema).map_err(|error| error.with_property(RULES))?;
            let entry = Entry { text: text.to_owned(), wanted: Some(Arc::new(pack)), ..Entry::default() };
            this.entries.insert(Place::Property, entry);
        }
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let message = format!("{} is no folder: make it, or correct {RULES_FOLDER}", folder.display());
            return Err(Error::config_at(RULES_FOLDER, message));
        }
        this.read_files(now);
        if let Some(file) = file {
            this.ensure_right(&file)?;
        }
        this.settle(now);
        let packs = this.at_work();
        Ok((this, packs))
    }

    fn ensure_right(&self, file: &Path) -> Result<()> {
        let refused = |error: &Error| error.clone().context(file.display().to_string()).with_property(RULES_FILE);
        match self.entries.get(&Place::File(file.to_owned())) {
            Some(Entry { error: Some(error), .. }) => Err(refused(error)),
            Some(_) => Ok(()),
            None => {
                let message = format!("cannot read the rule pack {}: correct {RULES_FILE}", file.display());
                Err(Error::config_at(RULES_FILE, message))
            }
        }
    }

    /// Takes in what has changed; none if nothing has. `table` is the topic's.
    pub(crate) fn follow(&mut self, now: i64, tables: &dyn TransformTables, table: Option<TableId>) -> Option<Packs> {
        let mut changed = self.read_files(now);
        if let Some(table) = table {
            let version = tables.version(table);
            if version != self.table_version {
                self.table_version = version;
                self.read_topic(&rows(tables, table));
                changed = true;
            }
        }
        let waiting = || self.entries.values().any(|entry| entry.is_waiting(now) && entry.error.is_none());
        if !changed && !waiting() {
            return None;
        }
        self.settle(now);
        Some(self.at_work())
    }

    /// The same with the rows of the topic at one time.
    pub(super) fn take_rows(&mut self, rows: &BTreeMap<String, String>, now: i64) {
        self.read_topic(rows);
        self.settle(now);
    }

    fn read_files(&mut self, now: i64) -> bool {
        let changes = self.files.changes(now);
        let changed = !changes.is_empty();
        for (path, change) in changes {
            let place = Place::File(path);
            match change {
                Change::Gone => drop(self.entries.remove(&place)),
                Change::Text(text) => self.entries.entry(place.clone()).or_default().read(&place, text, &self.schema),
                Change::Unreadable(error) => {
                    let entry = self.entries.entry(place.clone()).or_default();
                    entry.wanted = None;
                    entry.refuse(&place, error);
                }
            }
        }
        changed
    }

    /// Takes in the rows of the topic: packs, versions of packs and switches.
    fn read_topic(&mut self, rows: &BTreeMap<String, String>) {
        self.switches = Switches::default();
        let mut names = BTreeSet::new();
        for (key, value) in rows {
            if self.switches.add(key, value) || key.contains(VERSION_MARK) {
                continue;
            }
            names.insert(key.clone());
            let place = Place::Topic(key.clone());
            let entry = self.entries.entry(place.clone()).or_default();
            if entry.text == *value && (entry.wanted.is_some() || entry.error.is_some()) {
                continue;
            }
            entry.read(&place, value.clone(), &self.schema);
            if entry.at_work.is_none() {
                // After a start with a pack that is refused, or that is to be at work later, the version before it is.
                entry.at_work = earlier_version(key, value, rows, &self.schema);
            }
        }
        self.entries.retain(|place, _| match place {
            Place::Topic(key) => names.contains(key),
            _ => true,
        });
    }

    /// Puts the packs to work that can be. One that cannot leaves the one before it at work. As a pack may wait for another to
    /// give something up, all are tried again until none can be put to work any more.
    fn settle(&mut self, now: i64) {
        let places: Vec<Place> = self.entries.keys().cloned().collect();
        for _ in 0..=places.len() {
            let mut moved = false;
            for place in &places {
                moved |= self.put_to_work(place, now);
            }
            if !moved {
                return;
            }
        }
    }

    fn put_to_work(&mut self, place: &Place, now: i64) -> bool {
        let Some(entry) = self.entries.get(place).filter(|entry| entry.is_waiting(now)) else { return false };
        let Some(wanted) = entry.wanted.clone() else { return false };
        if !place.is_topic() && self.is_in_topic(&wanted.name) {
            return false;
        }
        let fits = fits(&wanted, &self.others(place, &wanted.name));
        if fits.is_ok() && place.is_topic() {
            let same = |other: &Arc<RulePack>| other.name == wanted.name;
            self.entries.values_mut().filter(|e| e.at_work.as_ref().is_some_and(same)).for_each(|e| e.at_work = None);
        }
        let Some(entry) = self.entries.get_mut(place) else { return false };
        match fits {
            Ok(()) => {
                let (name, version) = (&wanted.name, wanted.version);
                tracing::info!(%place, name, version, "a rule pack is at work");
                (entry.at_work, entry.error) = (Some(wanted), None);
                true
            }
            Err(error) => {
                entry.refuse(place, error);
                false
            }
        }
    }

    /// The packs at work beside which one of this name would be: those of other places, and for one of the topic without the
    /// file's that it replaces.
    pub(super) fn others(&self, place: &Place, name: &str) -> Vec<Arc<RulePack>> {
        let others = self.entries.iter().filter(|(other, _)| *other != place);
        let at_work = others.filter_map(|(_, entry)| entry.at_work.clone());
        at_work.filter(|other| !place.is_topic() || other.name != name).collect()
    }

    fn is_in_topic(&self, name: &str) -> bool {
        let named = |entry: &Entry| entry.at_work.as_ref().is_some_and(|pack| pack.name == name);
        self.entries.iter().any(|(place, entry)| place.is_topic() && named(entry))
    }

    fn at_work(&self) -> Packs {
        Packs::new(self.entries.values().filter_map(|entry| entry.at_work.clone()).collect(), self.switches.clone())
    }

    /// How many packs are refused.
    pub(crate) fn refused(&self) -> usize {
        self.entries.values().filter(|entry| entry.error.is_some()).count()
    }

    /// The topic of packs.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }
}

/// The rows of the topic's table that are text.
fn rows(tables: &dyn TransformTables, table: TableId) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    tables.for_each(table, &mut |key, row| {
        let (Ok(key), Value::Bytes(value)) = (std::str::from_utf8(key), &row.value) else { return };
        rows.insert(key.to_owned(), String::from_utf8_lossy(value).into_owned());
    });
    rows
}

/// The latest version of a pack that is kept, is right and is not this text.
fn earlier_version(name: &str, text: &str, rows: &BTreeMap<String, String>, schema: &Schema) -> Option<Arc<RulePack>> {
    let prefix = format!("{name}{VERSION_MARK}");
    let kept = rows.iter().filter(|(key, kept)| key.starts_with(&prefix) && *kept != text);
    let packs = kept.filter_map(|(_, kept)| RulePack::parse_for(kept, schema).ok()).filter(|pack| pack.name == name);
    packs.max_by_key(|pack| pack.version).map(Arc::new)
}
