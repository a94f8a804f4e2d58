use std::collections::BTreeMap;

use tributary_api::{Gauge, PluginMetrics, Result};

use super::{PackSources, Packs};

/// Shows which packs are at work.
#[derive(Debug, Default)]
pub(crate) struct PackMetrics {
    metrics: PluginMetrics,
    refused: Gauge,
    /// By the pack's name.
    versions: BTreeMap<String, Gauge>,
}

impl PackMetrics {
    pub(crate) fn new(metrics: &PluginMetrics) -> Result<Self> {
        let refused = metrics.gauge("rule-packs-refused", "Rule packs that are wrong and not at work.", &[])?;
        Ok(Self { metrics: metrics.clone(), refused, versions: BTreeMap::new() })
    }

    #[allow(clippy::cast_precision_loss)] // versions are counted up by people
    pub(crate) fn show(&mut self, packs: &Packs, sources: &PackSources) {
        self.refused.set(sources.refused() as f64);
        self.versions.retain(|name, _| packs.iter().any(|pack| pack.name() == name));
        for pack in packs.iter().filter(|pack| !pack.name().is_empty()) {
            let known = self.versions.get(pack.name()).cloned();
            let about = "The version of a rule pack that is at work.";
            let gauge =
                known.map_or_else(|| self.metrics.gauge("rule-pack-version", about, &[("pack", pack.name())]), Ok);
            match gauge {
                Ok(gauge) => {
                    gauge.set(pack.version() as f64);
                    self.versions.insert(pack.name().to_owned(), gauge);
                }
                Err(error) => tracing::debug!(%error, "the version of a rule pack is not shown"),
            }
        }
    }
}
