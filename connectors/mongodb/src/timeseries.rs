use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind as Driver;
use tributary_api::{Error, Result};

use crate::client::failure;
use crate::config::Timeseries;
use crate::model::Namespace;
use crate::server::Server;

/// The error code for a collection that exists already.
const NAMESPACE_EXISTS: i32 = 48;

/// Creates the time-series collection, unless it exists.
///
/// # Errors
/// `Config` when there is a collection of another kind, or the server has no time series; `Retriable` when the server
/// is not reachable.
pub(crate) async fn ensure(server: &Server, namespace: &Namespace, wanted: &Timeseries) -> Result<()> {
    if let Some(found) = find(server, namespace).await? {
        return check(&found, namespace);
    }
    let mut timeseries = doc! { "timeField": &wanted.time_field };
    timeseries.extend(wanted.meta_field.iter().map(|field| ("metaField".to_owned(), field.as_str().into())));
    timeseries.extend(wanted.granularity.iter().map(|grain| ("granularity".to_owned(), grain.as_str().into())));
    let mut create = doc! { "create": &namespace.collection, "timeseries": timeseries };
    if let Some(age) = wanted.expire_after {
        create.insert("expireAfterSeconds", i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }
    match server.client().database(&namespace.database).run_command(create).await {
        Ok(_) => {
            tracing::info!(%namespace, time_field = wanted.time_field, "created the time-series collection");
            Ok(())
        }
        // Another task has created it meanwhile.
        Err(error) if matches!(error.kind.as_ref(), Driver::Command(one) if one.code == NAMESPACE_EXISTS) => {
            match find(server, namespace).await? {
                Some(found) => check(&found, namespace),
                None => Ok(()),
            }
        }
        Err(error) => Err(failure(&format!("cannot make the time-series collection {namespace}"), &error)),
    }
}

async fn find(server: &Server, namespace: &Namespace) -> Result<Option<Document>> {
    let list = doc! { "listCollections": 1, "filter": { "name": &namespace.collection } };
    let answer = server.client().database(&namespace.database).run_command(list).await;
    let answer = answer.map_err(|error| failure(&format!("cannot look for the collection {namespace}"), &error))?;
    let found = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    Ok(found.ok().and_then(|batch| batch.first()).and_then(|one| one.as_document()).cloned())
}

fn check(found: &Document, namespace: &Namespace) -> Result<()> {
    match found.get_str("type") {
        Ok("timeseries") => Ok(()),
        _ => Err(Error::config_at(
            "timeseries.timefield",
            format!(
                "{namespace} is there and is no time-series collection: remove timeseries.timefield, or name another \
                 collection"
            ),
        )),
    }
}
