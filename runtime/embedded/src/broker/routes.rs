//! The handler of each request.

use rama::layer::{MapErrLayer, MapStateLayer};
use rama::{Layer as _, Service as _};
use tansu_broker::Error;
use tansu_broker::service::{coordinator, storage};
use tansu_sans_io::{ApiKey as _, EndTxnRequest, FetchRequest};
use tansu_service::{FrameRequestLayer, FrameRouteBuilder, FrameRouteService};
use tokio_util::sync::CancellationToken;

use super::coordinator::GroupCoordinator;
use super::end_txn::EndTxnService;
use super::fetch::FetchService;
use super::store::Store;

type Builder = FrameRouteBuilder<(), Error>;
type Route = fn(Builder, Store) -> Result<Builder, Error>;

/// Tansu's handlers that the broker uses. Not among them: Fetch, which is Tributary's own; DeleteRecords, which SQLite
/// storage answers with a panic; ACLs, SCRAM users and SASL, which an open listener on loopback does not have; client
/// telemetry, which nothing reads.
const STORAGE_ROUTES: [Route; 18] = [
    storage::add_offsets_to_txn,
    storage::add_partitions_to_txn,
    storage::consumer_group_describe,
    storage::create_topics,
    storage::delete_groups,
    storage::delete_topics,
    storage::describe_cluster,
    storage::describe_configs,
    storage::describe_groups,
    storage::describe_topic_partitions,
    storage::find_coordinator,
    storage::incremental_alter_configs,
    storage::init_producer_id,
    storage::list_groups,
    storage::list_offsets,
    storage::metadata,
    storage::produce,
    storage::txn_offset_commit_request,
];

/// The handlers of one broker, shared by its connections.
pub(super) type Routes = FrameRouteService<(), Error>;

/// Builds the table over `store`; `closing` wakes waiting fetches.
pub(super) fn build(store: &Store, closing: &CancellationToken) -> Result<Routes, Error> {
    let mut builder = FrameRouteService::<(), Error>::builder();
    for route in STORAGE_ROUTES {
        builder = route(builder, store.clone())?;
    }
    builder = coordinator::services(builder, GroupCoordinator::new(store.clone())?)?;
    builder = fetch(builder, store.clone(), closing.clone())?;
    builder = end_txn(builder, store.clone())?;
    Ok(builder.build()?)
}

fn fetch(builder: Builder, store: Store, closing: CancellationToken) -> Result<Builder, Error> {
    let layers =
        (MapErrLayer::new(Error::from), MapStateLayer::new(|()| store), FrameRequestLayer::<FetchRequest>::new());
    Ok(builder.with_route(FetchRequest::KEY, layers.into_layer(FetchService::new(closing)).boxed())?)
}

fn end_txn(builder: Builder, store: Store) -> Result<Builder, Error> {
    let layers =
        (MapErrLayer::new(Error::from), MapStateLayer::new(|()| store), FrameRequestLayer::<EndTxnRequest>::new());
    Ok(builder.with_route(EndTxnRequest::KEY, layers.into_layer(EndTxnService).boxed())?)
}
