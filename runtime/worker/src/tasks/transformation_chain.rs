use std::sync::Arc;

use tributary_api::{
    Error, Factory, PluginKind, PluginRegistry, Predicate, Props, Record, Records, Requirements, Result, Timer,
    TransformContext, Transformation,
};

use super::errors::{Failure, Stage};
use crate::settings::{list_items, with_prefix};

/// The transforms of a connector, in the order of its property `transforms`, each with its predicate.
///
/// A record passes as a whole or not at all: when one of several outputs fails in a later transform, the record fails.
pub(crate) struct TransformationChain(Vec<TransformationStage>);

struct TransformationStage {
    class: Arc<str>,
    transform: Box<dyn Transformation>,
    condition: Option<Condition>,
}

struct Condition {
    predicate: Box<dyn Predicate>,
    negate: bool,
}

/// Provides each transform of a chain with the time and, in a processor, with its state.
pub(crate) trait ChainHost {
    /// The context of a transform, by its index in the chain.
    fn context(&mut self, stage: usize) -> TransformContext<'_>;
}

/// A host with a clock and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatelessHost {
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
}

impl ChainHost for StatelessHost {
    fn context(&mut self, _link: usize) -> TransformContext<'_> {
        TransformContext::stateless(self.now)
    }
}

impl TransformationChain {
    /// Makes the transforms that a connector names.
    ///
    /// # Errors
    /// `Config` when one is unknown or its properties are wrong.
    pub(crate) fn build(connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let stage = |alias: &str| {
            TransformationStage::build(alias, connector, plugins)
                .map_err(|error| error.context(format!("transforms.{alias}")))
        };
        list_items(connector, "transforms").map(stage).collect::<Result<_>>().map(Self)
    }

    /// Makes the transforms for a host without state.
    ///
    /// # Errors
    /// Also when one of them needs state, with the name of the host that has it.
    pub(crate) fn build_stateless(connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let chain = Self::build(connector, plugins)?;
        match chain.0.iter().find(|stage| !stage.transform.requirements().is_empty()) {
            None => Ok(chain),
            Some(stage) => Err(Error::config(format!(
                "{} needs state: run it in a connector of class tributary.StreamProcessor",
                stage.class
            ))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each transform requires of its host, in the order of the chain.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = Requirements> {
        self.0.iter().map(|stage| stage.transform.requirements())
    }

    /// Passes a record through the whole chain.
    ///
    /// # Errors
    /// The failure, with the transform it happened in.
    pub(crate) fn apply(&mut self, record: Record, host: &mut impl ChainHost) -> Result<Records, Failure> {
        self.pass(0, Records::One(record), host)
    }

    /// Fires a timer of a transform; what comes of it passes through the rest of the chain.
    ///
    /// # Errors
    /// The failure, with the transform it happened in.
    pub(crate) fn on_timer(
        &mut self,
        stage: usize,
        timer: Timer,
        host: &mut impl ChainHost,
    ) -> Result<Records, Failure> {
        let Some(TransformationStage { class, transform, .. }) = self.0.get_mut(stage) else {
            return Ok(Records::None);
        };
        let fired = transform
            .on_timer(timer, &mut host.context(stage))
            .map_err(|error| Failure::new(Stage::Transformation, class, error))?;
        self.pass(stage + 1, fired, host)
    }

    fn pass(&mut self, first: usize, records: Records, host: &mut impl ChainHost) -> Result<Records, Failure> {
        let mut current = records;
        for (index, stage) in self.0.iter_mut().enumerate().skip(first) {
            current = match current {
                Records::None => return Ok(Records::None),
                Records::One(record) => stage.apply(record, index, host)?,
                Records::Many(records) => {
                    let mut outputs = Vec::with_capacity(records.len());
                    for record in records {
                        outputs.extend(stage.apply(record, index, host)?);
                    }
                    Records::Many(outputs)
                }
            };
        }
        Ok(current)
    }
}

impl TransformationStage {
    fn build(alias: &str, connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let mut props = with_prefix(connector, &format!("transforms.{alias}."));
        let class = props.remove("type").ok_or_else(|| Error::config("type is missing: name the transform's class"))?;
        let predicate = props.remove("predicate").filter(|name| !name.is_empty());
        let negate = props.remove("negate").is_some_and(|negate| negate.trim().eq_ignore_ascii_case("true"));
        let plugin = plugins.find(class.trim(), |kind| kind == PluginKind::Transformation)?;
        let Factory::Transformation(make) = &plugin.factory else {
            return Err(Error::config(format!("{class} is not a transformation")));
        };
        Ok(Self {
            class: plugin.description.class.as_str().into(),
            transform: make(&plugin.description.config.parse(&props)?)?,
            condition: predicate.map(|name| Condition::build(name.trim(), negate, connector, plugins)).transpose()?,
        })
    }

    fn apply(&mut self, record: Record, index: usize, host: &mut impl ChainHost) -> Result<Records, Failure> {
        let Self { class, transform, condition } = self;
        let failure = |error| Failure::new(Stage::Transformation, class, error);
        if let Some(Condition { predicate, negate }) = condition
            && predicate.test(&record).map_err(failure)? == *negate
        {
            return Ok(Records::One(record));
        }
        transform.apply(record, &mut host.context(index)).map_err(failure)
    }
}

impl Condition {
    fn build(name: &str, negate: bool, connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let within = |error: Error| error.context(format!("predicates.{name}"));
        if !list_items(connector, "predicates").any(|known| known == name) {
            return Err(Error::config(format!("predicate {name} is not defined: add it to predicates")));
        }
        let mut props = with_prefix(connector, &format!("predicates.{name}."));
        let class = props.remove("type").ok_or_else(|| within(Error::config("type is missing: name the class")))?;
        let plugin = plugins.find(class.trim(), |kind| kind == PluginKind::Predicate).map_err(within)?;
        let Factory::Predicate(make) = &plugin.factory else {
            return Err(within(Error::config(format!("{class} is not a predicate"))));
        };
        let config = plugin.description.config.parse(&props).map_err(within)?;
        Ok(Self { predicate: make(&config).map_err(within)?, negate })
    }
}
