use tributary_api::{Error, Result};

use crate::tasks::TaskContext;

pub(crate) async fn run(_cx: TaskContext) -> Result<()> {
    Err(Error::fatal("processors are not built yet"))
}
