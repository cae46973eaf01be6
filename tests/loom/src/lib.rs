//! The models, and the files of the program that they examine, with the primitives of [`sync`].

#[path = "../../../src/clock.rs"]
#[allow(clippy::disallowed_methods, reason = "it is the program's")]
mod clock;
mod count {
    #[path = "../../../../src/count/changes.rs"]
    mod changes;
    #[path = "../../../../src/count/counter.rs"]
    mod counter;
    #[path = "../../../../src/count/packed.rs"]
    mod packed;
    #[path = "../../../../src/count/shards.rs"]
    mod shards;

    pub(crate) mod models;

    pub(crate) use changes::Changes;
}
mod balance {
    #[path = "../../../../src/balance/renewed.rs"]
    mod renewed;

    pub(crate) mod models;
}
mod sync;
mod telemetry {
    #[path = "../../../../src/telemetry/queue.rs"]
    mod queue;

    pub(crate) mod models;
}

pub use balance::models::*;
pub use count::models::*;
pub use telemetry::models::*;
