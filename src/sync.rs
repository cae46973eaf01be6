//! The primitives of code without locks, under names of our own: the models in `tests/loom` include
//! such files with primitives that try every interleaving.

pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};
pub(crate) use std::thread;

pub(crate) use arc_swap::{ArcSwap, Guard};
pub(crate) use crossbeam_queue::ArrayQueue;
pub(crate) use parking_lot::{Condvar, Mutex};
