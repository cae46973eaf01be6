//! What tests are written with. Every address is on port 0, every wait has a deadline, and
//! everything started ends with the value that stands for it.

/// A backend that does what it is told.
pub(crate) mod backend;
/// A browser that a test looks at and clicks in.
pub(crate) mod browser;
/// A client that says exactly what it sent and got.
pub(crate) mod client;
/// Waiting for a condition instead of for time.
pub(crate) mod eventually;
/// What the system says of a process.
pub(crate) mod footprint;
/// A backend to which no connection comes about.
pub(crate) mod full_listener;
/// The same client in HTTP/2.
pub(crate) mod http2_client;
/// The real proxy in the test's own process.
pub(crate) mod lb;
/// Many clients at once, who note everything that goes wrong.
pub(crate) mod load;
/// What a process says of itself.
pub(crate) mod metrics;
/// The built binary.
pub(crate) mod process;
/// A backend that can be killed and stopped as only a process can.
pub(crate) mod process_backend;
/// A real Prometheus, and its tool.
pub(crate) mod prometheus;
/// What a scripted backend answers.
pub(crate) mod reply;
/// What a scripted backend was asked.
pub(crate) mod request;

use std::time::Duration;

/// How long a test waits for what should happen at once: long enough for a busy machine, and
/// spent only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
