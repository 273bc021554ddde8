//! The one unsafe thing of the executor: a waker that is a number.
#![expect(unsafe_code, reason = "`Waker::new` asks for a promise about its vtable")]

use std::task::{RawWaker, RawWakerVTable, Waker};

/// Cloning copies the number, dropping does nothing, waking looks the task up: no memory is owned.
static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |token| RawWaker::new(token, &VTABLE),
    |token| super::wake(token.addr()),
    |token| super::wake(token.addr()),
    |_| {},
);

/// A waker for the task that `token` names: runtime number in the upper half, task in the lower.
pub(super) fn waker(token: usize) -> Waker {
    // SAFETY: the data pointer is never dereferenced, only its address is used; every function of the vtable is safe to
    // call with any address, from any thread, any number of times.
    unsafe { Waker::new(std::ptr::without_provenance(token), &VTABLE) }
}
