//! `DELETE` and `TRUNCATE TABLE`.

use super::Pair;
use super::identity::{catalog_alias, identity_scope};
use crate::cdc::{Change, Ddl};
use crate::data::{Datum, SqlError};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command};
use crate::sql::errors;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::exec::server::lock;
use crate::sql::parse::ast::{Delete, ObjectName, Target};

impl Core {
    pub(in crate::sql::exec) fn delete(
        &mut self,
        delete: &Delete,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        if !delete.with.is_empty() {
            return Err(errors::unsupported("DELETE", "DELETE of a common table expression"));
        }
        let changed = self.target_of(&delete.target, &delete.from, frame)?;
        self.may_change(&changed, "DELETE")?;
        if !changed.temporary {
            self.begin_implicitly(answer);
        }
        self.lock(&changed.database, changed.table.id, Mode::IntentExclusive, Scope::Transaction, false)?;
        let database = changed.database.clone();
        let frame_ref = &*frame;
        let pairs = self.writing(&database, changed.temporary, |core| {
            let plan = core.matching(
                &changed,
                &delete.target,
                &delete.from,
                delete.filter.as_ref(),
                delete.top.as_ref(),
                frame_ref,
                |_| Ok(Vec::new()),
            )?;
            let mut rows = core.collect(&plan)?;
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| matches!(row.first(), Some(Datum::BigInt(id)) if seen.insert(*id)));
            let ids: Vec<i64> =
                rows.iter().filter_map(|row| if let Datum::BigInt(id) = row[0] { Some(id) } else { None }).collect();
            let before: Vec<Vec<Datum>> = rows.into_iter().map(|mut row| row.split_off(1)).collect();
            core.delete_ids(&changed, &ids)?;
            core.check_referenced(&changed, &before, "DELETE")?;
            core.log(&changed, before.iter().map(|row| Change::Delete { before: row.clone() }).collect())?;
            Ok(before.into_iter().map(|row| (Some(row), None)).collect::<Vec<Pair>>())
        })?;
        let count = pairs.len();
        self.output(delete.output.as_ref(), &changed, &pairs, frame, answer)?;
        self.rows = i64::try_from(count).unwrap_or(i64::MAX);
        answer.done(self.counted(count as u64), Command::Delete);
        Ok(())
    }

    pub(in crate::sql::exec) fn truncate(
        &mut self,
        name: &ObjectName,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        let changed = self.changed(&Target::Named { name: name.clone(), hints: Vec::new() }, &Frame::default())?;
        self.may_change(&changed, "ALTER")?;
        self.begin_implicitly(answer);
        let object_id = changed.table.id;
        self.lock(&changed.database, object_id, Mode::Exclusive, Scope::Transaction, false)?;
        if !changed.temporary {
            self.tell_before(&changed.database, &Ddl::TruncateTable { object_id })?;
        }
        let database = changed.database.clone();
        self.writing(&database, changed.temporary, |core| {
            core.connection
                .execute_batch(&format!("DELETE FROM {}", changed.physical))
                .map_err(|error| core.failure(error))?;
            lock(&core.server.identities).remove(&(identity_scope(&changed), object_id));
            let sql = format!("DELETE FROM {}.standin_identity WHERE object_id = ?1", catalog_alias(&changed));
            core.connection.execute(&sql, [object_id]).map(|_| ()).map_err(|error| core.failure(error))
        })?;
        answer.done(None, Command::Truncate);
        Ok(())
    }
}
