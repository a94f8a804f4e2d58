use std::sync::Arc;

use tributary_api::{
    Error, PluginMetrics, PluginRegistry, Predicate, Props, Record, Records, Requirements, Result, Timer,
    TransformContext, Transformation, list_items,
};

use super::errors::{Failure, Stage};
use crate::plugins::{self, NamedPlugin};

/// The transforms of a connector, in the order of its property `transforms`, each with its predicate.
///
/// A record passes as a whole or not at all: when one of several outputs fails in a later transform, the record fails.
pub(crate) struct TransformationChain(Vec<TransformationStage>);

struct TransformationStage {
    alias: String,
    class: Arc<str>,
    transform: Box<dyn Transformation>,
    condition: Option<Condition>,
}

struct Condition {
    alias: String,
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
        list_items(connector, "transforms")
            .map(|alias| TransformationStage::build(alias, connector, plugins))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Makes the transforms for a host without state.
    ///
    /// # Errors
    /// Also when one of them needs state, with the name of the host that has it.
    pub(crate) fn build_stateless(connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let chain = Self::build(connector, plugins)?;
        let stateful = |(_, stage): &(&str, &TransformationStage)| !stage.transform.requirements().is_empty();
        match list_items(connector, "transforms").zip(&chain.0).find(stateful) {
            None => Ok(chain),
            Some((alias, _)) => Err(NamedPlugin::transformation(alias, connector, plugins)?.needs_processor()),
        }
    }

    /// Lets transforms and predicates register metrics of their own. A predicate of two transforms is two.
    ///
    /// # Errors
    /// Their own.
    pub(crate) fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        for TransformationStage { alias, transform, condition, .. } in &mut self.0 {
            let own = metrics.tagged("transformation", alias.as_str());
            let within = |error: Error| error.context(format!("transforms.{alias}"));
            transform.with_plugin_metrics(&own).map_err(within)?;
            if let Some(Condition { alias: predicate_alias, predicate, .. }) = condition {
                let own =
                    metrics.tagged("predicate", predicate_alias.as_str()).tagged("transformation", alias.as_str());
                predicate.with_plugin_metrics(&own).map_err(within)?;
            }
        }
        Ok(())
    }

    /// Calls a function with the index of each transform, and the transform.
    ///
    /// # Errors
    /// The first of the function's, with the transform it is about.
    pub(crate) fn between_transactions(
        &mut self,
        mut call: impl FnMut(usize, &mut dyn Transformation) -> Result<()>,
    ) -> Result<()> {
        self.0.iter_mut().enumerate().try_for_each(|(index, TransformationStage { alias, transform, .. })| {
            call(index, transform.as_mut()).map_err(|error| error.context(format!("transforms.{alias}")))
        })
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
        let named = NamedPlugin::transformation(alias, connector, plugins)?;
        let condition = plugins::Condition::of(alias, connector)?;
        Ok(Self {
            alias: alias.to_owned(),
            class: named.class(),
            transform: named.make_transformation()?,
            condition: condition.map(|one| Condition::build(&one, connector, plugins)).transpose()?,
        })
    }

    fn apply(&mut self, record: Record, index: usize, host: &mut impl ChainHost) -> Result<Records, Failure> {
        let Self { class, transform, condition, .. } = self;
        let failure = |error| Failure::new(Stage::Transformation, class, error);
        if let Some(Condition { predicate, negate, .. }) = condition
            && predicate.test(&record).map_err(failure)? == *negate
        {
            return Ok(Records::One(record));
        }
        transform.apply(record, &mut host.context(index)).map_err(failure)
    }
}

impl Condition {
    fn build(condition: &plugins::Condition, connector: &Props, plugins: &PluginRegistry) -> Result<Self> {
        let named = NamedPlugin::predicate(&condition.predicate, connector, plugins)?;
        Ok(Self { alias: condition.predicate.clone(), predicate: named.make_predicate()?, negate: condition.negate })
    }
}
