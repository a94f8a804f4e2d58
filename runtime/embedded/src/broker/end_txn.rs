//! The handler that Tansu 0.6 lacks: EndTxn, which commits or aborts a transaction.

use rama::{Context, Service};
use tansu_sans_io::{EndTxnRequest, EndTxnResponse};
use tansu_storage::{Error, Storage};

use super::store::Store;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EndTxnService;

impl Service<Store, EndTxnRequest> for EndTxnService {
    type Response = EndTxnResponse;
    type Error = Error;

    async fn serve(&self, context: Context<Store>, request: EndTxnRequest) -> Result<EndTxnResponse, Error> {
        let outcome = context
            .state()
            .txn_end(&request.transactional_id, request.producer_id, request.producer_epoch, request.committed)
            .await;
        let code = match outcome {
            Ok(code) | Err(Error::Api(code)) => code,
            Err(error) => return Err(error),
        };
        Ok(EndTxnResponse::default().throttle_time_ms(0).error_code(code.into()))
    }
}
