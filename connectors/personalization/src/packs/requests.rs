//! Packs and switches over REST. They are records of `rules.topic`; the tasks follow it.

use std::collections::BTreeMap;

use tributary_api::{
    Bytes, Config, NewTopic, PluginAnswer, PluginRequest, RawTopicReader, RequestHandler, RequestHost, RequestMethod,
    Result, TopicReaderOptions, TopicRecord, TopicWriterOptions, Value, async_trait, json,
};

use super::place::{Entry, Place};
use super::sources::{PackSources, RULES_TOPIC, VERSION_MARK};
use super::{Switches, fits};
use crate::experiments;
use crate::rules::RulePack;

/// How many versions of a pack are kept.
const KEPT_VERSIONS: usize = 20;
const READ: usize = 500;

/// Answers the requests below `rules`, `switches` and `experiments`.
#[derive(Debug)]
pub(crate) struct RulesRequests {
    config: Config,
}

/// The rows of the topic, by key.
type Rows = BTreeMap<String, String>;

impl RulesRequests {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }
}

#[async_trait]
impl RequestHandler for RulesRequests {
    async fn answer(&self, request: PluginRequest, host: &dyn RequestHost) -> Result<PluginAnswer> {
        // All packs are at work whose time has come: those of later are shown as waiting.
        let now = jiff::Timestamp::now().as_millisecond();
        let (mut sources, _) = PackSources::new(&self.config, now)?;
        let topic = sources.topic().map(str::to_owned);
        let rows = match &topic {
            Some(topic) => read(topic, host).await?,
            None => Rows::new(),
        };
        sources.take_rows(&rows, now);
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        if let ["experiments", rest @ ..] = path.as_slice() {
            let packs: Vec<_> = sources.entries.values().filter_map(|entry| entry.at_work.as_deref()).collect();
            return experiments::answer((request.method, rest), &self.config, &packs, host).await;
        }
        let place = Store { topic, rows, sources, host, now };
        match (request.method, path.as_slice()) {
            (RequestMethod::Get, ["rules"]) => Ok(place.list()),
            (RequestMethod::Get, ["rules", name]) => Ok(place.pack(name)),
            (RequestMethod::Put, ["rules", name]) => place.put(name, &request.body).await,
            (RequestMethod::Delete, ["rules", name]) => place.delete(name).await,
            (RequestMethod::Get, ["rules", name, "versions"]) => Ok(place.versions(name)),
            (RequestMethod::Get, ["rules", name, "versions", version]) => Ok(place.version(name, version)),
            (RequestMethod::Put, ["rules", name, "active"]) => place.roll_back(name, &request.body).await,
            (RequestMethod::Get, ["switches"]) => Ok(PluginAnswer::new(200, place.switches())),
            (method, ["switches", ..]) => {
                place.switch(method, request.path.get(1..).unwrap_or_default(), request.body).await
            }
            _ => Ok(PluginAnswer::refused(
                404,
                "there are rules and switches, and experiments: see the documentation of Personalize",
            )),
        }
    }
}

/// What is there at the time of a request, and where it is written.
struct Store<'a> {
    topic: Option<String>,
    rows: Rows,
    sources: PackSources,
    host: &'a dyn RequestHost,
    now: i64,
}

impl Store<'_> {
    fn list(&self) -> PluginAnswer {
        let packs = self.sources.entries.iter().map(|(place, entry)| self.about(place, entry));
        let body = Value::map([("packs", Value::Array(packs.collect())), ("switched_off", self.switches())]);
        PluginAnswer::new(200, body)
    }

    fn about(&self, place: &Place, entry: &Entry) -> Value {
        let at_work = entry.at_work.as_deref();
        let shown = at_work.or(entry.wanted.as_deref());
        let waiting = entry.wanted.as_deref().filter(|wanted| wanted.effective_from > self.now);
        let name = match place {
            Place::Topic(key) => Some(key.as_str()),
            _ => shown.map(RulePack::name),
        };
        Value::map([
            ("name", name.into()),
            ("line_of_business", shown.map(|pack| pack.line_of_business.as_str()).into()),
            ("version", at_work.map(RulePack::version).into()),
            ("waiting_version", waiting.map(RulePack::version).into()),
            (
                "offers",
                Value::Array(
                    shown.into_iter().flat_map(|pack| &pack.offers).map(|o| Value::string(o.id.as_str())).collect(),
                ),
            ),
            ("place", Value::string(place.to_string())),
            ("error", entry.error.as_ref().map(ToString::to_string).into()),
        ])
    }

    fn switches(&self) -> Value {
        Value::map(self.sources.switches.iter().map(|(switch, why)| (switch, Value::string(why))))
    }

    fn pack(&self, name: &str) -> PluginAnswer {
        let named = |place: &Place, entry: &Entry| match place {
            Place::Topic(key) => key == name,
            _ => entry.at_work.iter().chain(&entry.wanted).any(|pack| pack.name == name),
        };
        match self.sources.entries.iter().find(|(place, entry)| named(place, entry)) {
            None => unknown(name),
            Some((place, entry)) => {
                let mut body = self.about(place, entry);
                // The value is a map: a field can always be added.
                match body.insert("yaml", entry.text.as_str()) {
                    Ok(()) => PluginAnswer::new(200, body),
                    Err(error) => PluginAnswer::refused(500, error.to_string()),
                }
            }
        }
    }

    async fn put(&self, name: &str, body: &[u8]) -> Result<PluginAnswer> {
        let Ok(text) = std::str::from_utf8(body) else {
            return Ok(PluginAnswer::refused(422, "send the pack as UTF-8"));
        };
        let pack = match RulePack::parse_for(text, &self.sources.schema) {
            Ok(pack) => pack,
            Err(error) => return Ok(PluginAnswer::refused(422, error.to_string())),
        };
        if pack.name != name {
            let message = format!("the pack's name is {} and the path's {name}: make them the same", pack.name);
            return Ok(PluginAnswer::refused(422, message));
        }
        let key = version_key(name, pack.version);
        if self.rows.get(&key).is_some_and(|kept| kept != text) {
            let message = format!("version {} of {name} is another pack already: raise version", pack.version);
            return Ok(PluginAnswer::refused(409, message));
        }
        self.activate(&pack, text).await
    }

    async fn roll_back(&self, name: &str, body: &[u8]) -> Result<PluginAnswer> {
        let version = json::from_slice(body).ok().and_then(|body| body.get("version").and_then(Value::as_i64));
        let Some(version) = version else {
            return Ok(PluginAnswer::refused(400, "send {\"version\": N}, N being one of the versions that are kept"));
        };
        let Some(text) = self.rows.get(&version_key(name, version)) else {
            return Ok(PluginAnswer::refused(404, format!("version {version} of {name} is not kept")));
        };
        match RulePack::parse_for(text, &self.sources.schema) {
            Ok(pack) => self.activate(&pack, text).await,
            Err(error) => Ok(PluginAnswer::refused(422, error.to_string())),
        }
    }

    /// Keeps the version first: what is active can always be returned to.
    async fn activate(&self, pack: &RulePack, text: &str) -> Result<PluginAnswer> {
        let Some(topic) = &self.topic else { return Ok(without_topic()) };
        let place = Place::Topic(pack.name.clone());
        if let Err(error) = fits(pack, &self.sources.others(&place, &pack.name)) {
            return Ok(PluginAnswer::refused(422, error.to_string()));
        }
        let record = |key: &str| TopicRecord::new(topic.as_str()).key(key.to_owned().into_bytes());
        let text = Bytes::copy_from_slice(text.as_bytes());
        let mut records = vec![record(&version_key(&pack.name, pack.version)).value(text.clone())];
        let kept = self.kept(&pack.name);
        let older = kept.iter().filter(|version| **version != pack.version);
        let surplus = (older.clone().count() + 1).saturating_sub(KEPT_VERSIONS);
        records.extend(older.take(surplus).map(|version| record(&version_key(&pack.name, *version))));
        self.write(records).await?;
        self.write(vec![record(&pack.name).value(text)]).await?;
        let body = [("name", Value::string(pack.name.as_str())), ("version", Value::Int64(pack.version))];
        let created = !self.rows.contains_key(&pack.name);
        Ok(PluginAnswer::new(if created { 201 } else { 200 }, Value::map(body)))
    }

    async fn delete(&self, name: &str) -> Result<PluginAnswer> {
        let Some(topic) = &self.topic else { return Ok(without_topic()) };
        if !self.rows.contains_key(name) {
            return Ok(unknown(name));
        }
        self.write(vec![TopicRecord::new(topic.as_str()).key(name.to_owned().into_bytes())]).await?;
        Ok(PluginAnswer::new(204, Value::Null))
    }

    /// The versions that are kept, earliest first.
    fn kept(&self, name: &str) -> Vec<i64> {
        let prefix = version_prefix(name);
        let mut kept: Vec<i64> = self.rows.keys().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect();
        kept.sort_unstable();
        kept
    }

    fn versions(&self, name: &str) -> PluginAnswer {
        let kept = self.kept(name);
        if kept.is_empty() {
            return unknown(name);
        }
        let active = self.rows.get(name);
        let about = |version: &i64| {
            let is_active = active.is_some() && self.rows.get(&version_key(name, *version)) == active;
            Value::map([("version", Value::Int64(*version)), ("active", Value::Boolean(is_active))])
        };
        PluginAnswer::new(200, Value::Array(kept.iter().rev().map(about).collect()))
    }

    fn version(&self, name: &str, version: &str) -> PluginAnswer {
        match self.rows.get(&format!("{}{version}", version_prefix(name))) {
            Some(yaml) => PluginAnswer::new(200, Value::map([("yaml", Value::string(yaml.as_str()))])),
            None => PluginAnswer::refused(404, format!("version {version} of {name} is not kept")),
        }
    }

    async fn switch(&self, method: RequestMethod, path: &[String], body: Bytes) -> Result<PluginAnswer> {
        let Some(topic) = &self.topic else { return Ok(without_topic()) };
        let Some(key) = Switches::key(path) else {
            return Ok(PluginAnswer::refused(
                404,
                "there are switches/all, switches/packs/NAME and switches/offers/ID",
            ));
        };
        let record = TopicRecord::new(topic.as_str()).key(key.into_bytes());
        match method {
            RequestMethod::Put => {
                // An empty value is no row.
                let why = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
                self.write(vec![record.value(why)]).await?;
            }
            RequestMethod::Delete => self.write(vec![record]).await?,
            RequestMethod::Get => return Ok(PluginAnswer::refused(404, "read all switches at switches")),
        }
        Ok(PluginAnswer::new(204, Value::Null))
    }

    async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        let Some(topic) = &self.topic else { return Ok(()) };
        let new = NewTopic::new(topic.as_str()).partitions(1).config("cleanup.policy", "compact");
        let writer = self.host.topic_writer(TopicWriterOptions::default().topic(new)).await?;
        writer.write(records).await
    }
}

fn version_prefix(name: &str) -> String {
    format!("{name}{VERSION_MARK}")
}

fn version_key(name: &str, version: i64) -> String {
    format!("{}{version}", version_prefix(name))
}

fn unknown(name: &str) -> PluginAnswer {
    PluginAnswer::refused(404, format!("there is no rule pack {name}"))
}

fn without_topic() -> PluginAnswer {
    PluginAnswer::refused(409, format!("packs of files cannot be changed over REST: set {RULES_TOPIC}"))
}

/// The latest value of each key, from all partitions.
async fn read(topic: &str, host: &dyn RequestHost) -> Result<Rows> {
    let mut rows = Rows::new();
    for partition in 0.. {
        let Some(mut reader) = host.topic_reader(TopicReaderOptions::new(topic, partition)).await? else { break };
        while read_some(&mut *reader, &mut rows).await? {}
    }
    Ok(rows)
}

async fn read_some(reader: &mut dyn RawTopicReader, rows: &mut Rows) -> Result<bool> {
    let records = reader.read(READ).await?;
    let any = !records.is_empty();
    for (_, record) in records {
        let Some(key) = record.key.and_then(|key| String::from_utf8(key.to_vec()).ok()) else { continue };
        match record.value {
            Some(value) => drop(rows.insert(key, String::from_utf8_lossy(&value).into_owned())),
            None => drop(rows.remove(&key)),
        }
    }
    Ok(any)
}
