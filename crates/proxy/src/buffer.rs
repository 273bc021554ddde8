//! Buffers that a worker uses again and again: after warm-up a request allocates none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Empty buffers kept by a worker.
const KEPT: usize = 512;
/// One that grew beyond this is freed instead of kept.
const KEPT_BYTES_MAX: usize = 16 * 1024;
/// What a new one can hold: an ordinary head.
const FIRST_BYTES: usize = 2 * 1024;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes, in memory that goes back to the worker when they are dropped.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one.
    pub(crate) fn take() -> Self {
        Self(FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FIRST_BYTES)))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if bytes.capacity() == 0 || bytes.capacity() > KEPT_BYTES_MAX {
            return;
        }
        bytes.clear();
        // A thread that ends has nothing to keep.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.push(bytes);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_comes_back_empty() {
        let mut first = Buffer::take();
        first.extend_from_slice(b"secret");
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::take();
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
    }

    #[test]
    fn a_large_one_is_freed() {
        let mut large = Buffer::take();
        large.reserve(1 << 20);
        drop(large);
        assert!(Buffer::take().capacity() < 1 << 20);
    }
}
