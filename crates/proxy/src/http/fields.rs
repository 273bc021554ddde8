//! Lists of header fields that a worker uses again and again.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use transom_wire::http1::Field;

/// Lists kept by a worker.
const KEPT: usize = 512;

thread_local! {
    static FREE: RefCell<Vec<Vec<Field>>> = const { RefCell::new(Vec::new()) };
}

/// Fields of one head, in memory that goes back to the worker when they are dropped.
#[derive(Debug)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    /// An empty list.
    pub(super) fn take() -> Self {
        Self(FREE.with_borrow_mut(Vec::pop).unwrap_or_default())
    }

    /// A list without memory.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        let mut fields = std::mem::take(&mut self.0);
        if fields.capacity() == 0 {
            return;
        }
        fields.clear();
        // A thread that ends has nothing to keep.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.push(fields);
            }
        });
    }
}

impl Deref for Fields {
    type Target = Vec<Field>;

    fn deref(&self) -> &Vec<Field> {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Vec<Field> {
        &mut self.0
    }
}
