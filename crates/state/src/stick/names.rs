//! Numbers for the names of servers, so that an entry needs four bytes to say which.

use transom_config::Name;

use crate::by_name::ByName;

/// The names a table has ever seen. Grows by the server names that reloads bring, never by what clients send.
#[derive(Debug, Default)]
pub(super) struct Interner {
    names: Vec<Name>,
    numbers: ByName<Name, u32>,
}

impl Interner {
    pub(super) fn name(&self, number: u32) -> Option<Name> {
        self.names.get(number as usize).cloned()
    }

    fn number(&mut self, name: &Name) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(Name::clone(name));
        self.numbers.insert(Name::clone(name), number);
        number
    }
}

/// The numbers of one pool's servers, both ways.
#[derive(Debug)]
pub(crate) struct Names {
    /// By place in the pool.
    numbers: Box<[u32]>,
    /// Number and place, ascending by number.
    places: Box<[(u32, usize)]>,
}

impl Names {
    pub(super) fn new<'n>(interner: &mut Interner, names: impl Iterator<Item = &'n Name>) -> Self {
        let numbers: Box<[u32]> = names.map(|name| interner.number(name)).collect();
        let mut places: Box<[_]> =
            numbers.iter().enumerate().map(|(place, number)| (*number, place)).collect();
        places.sort_unstable();
        Self { numbers, places }
    }

    /// The place in the pool of the server with that number; `None`: the pool has no server of that name (any more).
    pub(crate) fn index(&self, number: u32) -> Option<usize> {
        let at = self.places.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.places.get(at).map(|(_, place)| *place)
    }

    /// The number of the server at that place.
    pub(crate) fn id(&self, index: usize) -> Option<u32> {
        self.numbers.get(index).copied()
    }
}
