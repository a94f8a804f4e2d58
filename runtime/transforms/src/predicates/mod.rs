//! Predicates: which records a transform applies to.

mod has_header_key;
mod record_is_tombstone;
mod topic_name_matches;

use tributary_api::Plugin;

pub(crate) fn plugins() -> [Plugin; 3] {
    [has_header_key::plugin(), record_is_tombstone::plugin(), topic_name_matches::plugin()]
}
