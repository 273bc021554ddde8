//! Waiting for something to become true, with a deadline.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something. After `within` the error says what was waited for.
pub fn for_some<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what}: not within {within:?}")));
        }
        thread::sleep(PAUSE);
    }
}

/// Looks until `look` is true. After `within` the error says what was waited for.
pub fn until(what: &str, within: Duration, mut look: impl FnMut() -> bool) -> io::Result<()> {
    for_some(what, within, || look().then_some(()))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::{for_some, until};

    #[test]
    fn waits_until_it_is_true_and_no_longer_than_allowed() {
        let mut looks = 0;
        let found = for_some("third look", Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.unwrap(), 3);
        let missed = until("never", Duration::from_millis(30), || false).unwrap_err();
        assert_eq!(missed.kind(), ErrorKind::TimedOut);
        assert_eq!(missed.to_string(), "never: not within 30ms");
    }
}
