//! A stand-in for AWS Lambda in tests: an HTTP front that answers as the
//! [Invoke API](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html) does, before functions that are real: programs
//! made with `lambda_runtime`, which speak the
//! [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) and are started, kept warm, killed at their
//! time-out and restarted after a crash, one process for each invocation that runs at the same time.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use lambda_front::{Function, Functions, LambdaFront, beside};
//!
//! let upsert = Function::process(beside("lambda-upsert")?).env("MONGODB_URI", "mongodb://127.0.0.1");
//! let front = LambdaFront::start(Functions::new().with("upsert", upsert.reserved_concurrency(4))).await?;
//! // An SDK's client with the endpoint `front.url()` invokes `upsert`, its ARN, or `upsert:$LATEST`.
//! front.faults().throttle(2);
//! for invocation in front.invocations() {
//!     println!("{} {:?}", invocation.request_id, invocation.outcome);
//! }
//! # Ok(()) }
//! ```
//!
//! What it does not do: it sees that a request is signed, but checks no signature; it knows no versions but the names given
//! by [`Function::alias`]; an event that fails all its attempts goes nowhere; memory is not limited.

mod environment;
mod event;
mod faults;
mod front;
mod functions;
mod invoke;
mod log;
mod name;
mod pool;
mod records;
mod refusal;
mod runs;
mod runtime_api;

pub use self::event::{Event, Reply};
pub use self::faults::{Fault, Faults};
pub use self::front::LambdaFront;
pub use self::functions::{Function, Functions, beside};
pub use self::records::{Invocation, Kind, Outcome};

/// The largest request of a synchronous invocation, in bytes.
pub const SYNC_LIMIT: usize = 6_291_456;
/// The largest request of an asynchronous invocation, in bytes.
pub const ASYNC_LIMIT: usize = 1_048_576;
/// The largest answer of a function, in bytes.
pub const RESPONSE_LIMIT: usize = 6_291_556;
