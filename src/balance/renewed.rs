//! A value that many threads read, and that the first thread to find it outdated renews.

use std::sync::Arc;

use crate::sync::{ArcSwap, Guard, Mutex};

/// A value that is renewed by its readers. None of them waits for another.
#[derive(Debug)]
pub(super) struct Renewed<T> {
    value: ArcSwap<T>,
    /// Held by the one thread that makes the next value.
    renewal: Mutex<()>,
}

impl<T> Renewed<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: ArcSwap::from(Arc::new(value)), renewal: Mutex::new(()) }
    }

    /// Returns the value as it is, outdated or not.
    pub(super) fn latest(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    /// Returns a value that is current, or the outdated one while another thread renews it.
    pub(super) fn get(
        &self,
        is_current: impl Fn(&T) -> bool,
        renew: impl FnOnce(&T) -> T,
    ) -> Guard<Arc<T>> {
        let value = self.value.load();
        if is_current(&value) {
            return value;
        }
        let Some(_renewal) = self.renewal.try_lock() else { return value };
        // Another thread may have renewed it since.
        let value = self.value.load();
        if !is_current(&value) {
            self.value.store(Arc::new(renew(&value)));
        }
        self.value.load()
    }

    /// Keeps every thread from renewing the value, as one that does so and is not scheduled.
    #[cfg(test)]
    pub(super) fn hold_renewal(&self) -> impl Drop + '_ {
        self.renewal.lock()
    }
}
