use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tributary_api::Error;

use crate::expression::Schema;
use crate::rules::RulePack;

/// Where a pack comes from. A pack of the topic takes the place of a file's of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A record of the topic, by its key.
    Topic(String),
    /// The property with the pack itself.
    Property,
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(key) => write!(f, "topic record {key}"),
            Self::Property => f.write_str("property rules"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What there is at a place.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The text that was read last.
    pub(super) text: String,
    /// The pack of that text; none when it was refused.
    pub(super) wanted: Option<Arc<RulePack>>,
    /// The pack of this place that decides now.
    pub(super) at_work: Option<Arc<RulePack>>,
    /// Why the pack of the text is not at work.
    pub(super) error: Option<Error>,
}

impl Entry {
    /// Takes in another text. What is at work stays so.
    pub(super) fn read(&mut self, place: &Place, text: String, schema: &Schema) {
        match place.parse(&text, schema) {
            Ok(pack) => (self.wanted, self.error) = (Some(Arc::new(pack)), None),
            Err(error) => {
                self.wanted = None;
                self.refuse(place, error);
            }
        }
        self.text = text;
    }

    /// Reports once why the pack of this place is not at work.
    pub(super) fn refuse(&mut self, place: &Place, error: Error) {
        if self.error.as_ref() != Some(&error) {
            let at_work = self.at_work.as_ref().map(|pack| pack.version);
            tracing::error!(%place, %error, version_at_work = at_work, "refused a rule pack: correct it");
        }
        self.error = Some(error);
    }

    /// Whether the pack of the text waits to be at work at this time.
    pub(super) fn is_waiting(&self, now: i64) -> bool {
        let waits = |wanted: &Arc<RulePack>| self.at_work.as_ref().is_none_or(|at_work| !Arc::ptr_eq(at_work, wanted));
        self.wanted.as_ref().is_some_and(|wanted| waits(wanted) && wanted.effective_from <= now)
    }
}

impl Place {
    pub(super) fn is_topic(&self) -> bool {
        matches!(self, Self::Topic(_))
    }

    fn parse(&self, text: &str, schema: &Schema) -> tributary_api::Result<RulePack> {
        let pack = RulePack::parse_for(text, schema)?;
        match self {
            Self::Topic(key) if *key != pack.name => {
                Err(Error::config(format!("its key is {key} and its name {}: make them the same", pack.name)))
            }
            _ => Ok(pack),
        }
    }
}
