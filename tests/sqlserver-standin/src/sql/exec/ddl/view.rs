//! Views.

use crate::data::SqlError;
use crate::sql::catalog::View;
use crate::sql::errors;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::parse::ast::{ObjectName, Query};
use crate::sql::plan::{Binder, Place};

impl Core {
    pub(super) fn create_view(
        &mut self,
        name: &ObjectName,
        columns: &[String],
        query: &Query,
        text: &str,
        replace: bool,
    ) -> Result<(), SqlError> {
        self.check_owner("CREATE VIEW")?;
        let (database, schema) = self.owner_of(name)?;
        // What does not bind now is not created.
        Binder::new(self, &Frame::default()).query(query, Place::Derived)?;
        self.clear_materialised();
        let now = self.now();
        self.edit(&database, |edit, _| {
            let known = edit.catalog.view(&schema, &name.object).cloned();
            if !replace && edit.catalog.has_object_named(&schema, &name.object) {
                return Err(errors::object_exists(&name.object));
            }
            let (id, created) = match known {
                Some(known) => (known.id, known.created),
                None => (edit.catalog.next_id(), now),
            };
            let view = View {
                id,
                schema: schema.clone(),
                name: name.object.clone(),
                columns: columns.to_vec(),
                text: text.to_owned(),
                created,
                modified: now,
            };
            edit.put_view(view).map_err(|error| errors::storage(&error))
        })
    }

    pub(super) fn drop_view(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let (database, schema) = self.owner_of(name)?;
        let catalog = self.catalog(database.id)?;
        let Some(view) = catalog.view(&schema, &name.object).cloned() else {
            return if if_exists { Ok(()) } else { Err(errors::cannot_drop("view", &name.text())) };
        };
        self.edit(&database, |edit, _| edit.drop_view(view.id).map_err(|error| errors::storage(&error)))
    }
}
