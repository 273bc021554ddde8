//! Who somebody is: Basic authentication (RFC 7617) against argon2id hashes.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::sync::Semaphore;
use transom_config::{Role, User};

use super::throttle::Throttle;

/// How long a password that was right is not computed again: argon2 is dear on purpose, scraping should be cheap.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Right passwords remembered.
const REMEMBERED_MAX: usize = 256;
/// Bytes of credentials; longer ones are not looked at.
const CREDENTIALS_BYTES_MAX: usize = 1024;

/// Checks passwords, remembers right ones for some seconds, holds back who guesses.
pub(super) struct Logins {
    /// Key of the marks below, random at each start, so that a mark says nothing about a password.
    key: [u8; 16],
    /// Marks of user, password and hash that were right, and until when. At most [`REMEMBERED_MAX`].
    right: Mutex<HashMap<u128, Instant>>,
    throttle: Mutex<Throttle>,
    /// One password at a time: its memory and time are bounded however many ask.
    computing: Semaphore,
}

/// Why somebody is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No credentials, or wrong ones.
    Unknown,
    /// Too many wrong ones from there; wait this long.
    Held(Duration),
}

impl Logins {
    /// With `key` for its marks.
    pub(super) fn new(key: [u8; 16]) -> Self {
        let (right, throttle) = (Mutex::default(), Mutex::default());
        Self { key, right, throttle, computing: Semaphore::new(1) }
    }

    /// The role of whoever sent `authorization` (the header's value) from `source`.
    pub(super) async fn role(
        &self,
        users: &[User],
        authorization: Option<&[u8]>,
        source: IpAddr,
        now: Instant,
    ) -> Result<Role, Denied> {
        let Some((name, password)) = authorization.and_then(credentials) else { return Err(Denied::Unknown) };
        let user = users.iter().find(|user| *user.name == *name);
        // A name that nobody has costs as much time as a wrong password.
        let hash = user.or(users.first()).map(|user| user.password_hash.0.clone()).ok_or(Denied::Unknown)?;
        let mark = self.mark(&name, &password, &hash);
        if let Some(user) = user
            && self.right.lock().get(&mark).is_some_and(|until| now < *until)
        {
            return Ok(user.role);
        }
        self.not_held(source, now)?;
        let Ok(_one) = self.computing.acquire().await else { return Err(Denied::Unknown) };
        // Others from there may have failed while this one waited its turn.
        self.not_held(source, now)?;
        let fits = tokio::task::spawn_blocking(move || fits(&password, &hash)).await.unwrap_or(false);
        match user.filter(|_| fits) {
            Some(user) => {
                self.remember(mark, now);
                Ok(user.role)
            }
            None => {
                self.throttle.lock().failed(source, now);
                log::warn!("admin: a login as {name:?} from {source} failed");
                Err(Denied::Unknown)
            }
        }
    }

    fn not_held(&self, source: IpAddr, now: Instant) -> Result<(), Denied> {
        self.throttle.lock().held(source, now).map_or(Ok(()), |left| Err(Denied::Held(left)))
    }

    /// A keyed hash over all that decided: another password, or another hash after a reload, is another mark.
    fn mark(&self, name: &str, password: &[u8], hash: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        for part in [name.as_bytes(), password, hash.as_bytes()] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    fn remember(&self, mark: u128, now: Instant) {
        let mut right = self.right.lock();
        if right.len() >= REMEMBERED_MAX {
            right.retain(|_, until| now < *until);
        }
        if right.len() >= REMEMBERED_MAX {
            right.clear();
        }
        right.insert(mark, now + REMEMBERED);
    }
}

/// Name and password of `Basic base64(name:password)`.
fn credentials(header: &[u8]) -> Option<(String, Vec<u8>)> {
    if header.len() > CREDENTIALS_BYTES_MAX {
        return None;
    }
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, decoded[colon + 1..].to_vec()))
}

/// Whether the password is the one of the hash; takes as long as the hash's parameters say. Compared in constant time.
fn fits(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{basic, password_hash};
    use super::*;

    fn users() -> Vec<User> {
        let user = |name: &str, password: &str, role| User {
            name: name.into(),
            password_hash: transom_config::PasswordHash(password_hash(password)),
            role,
        };
        vec![user("ada", "secret", Role::Admin), user("vic", "look", Role::Viewer)]
    }

    async fn login(logins: &Logins, users: &[User], text: &str, now: Instant) -> String {
        let header = basic(text);
        match logins.role(users, Some(header.as_bytes()), "192.0.2.1".parse().unwrap(), now).await {
            Ok(role) => format!("{role:?}"),
            Err(Denied::Held(_)) => "held".to_owned(),
            Err(Denied::Unknown) => "unknown".to_owned(),
        }
    }

    #[tokio::test]
    async fn only_the_right_password_opens() {
        let (logins, users, now) = (Logins::new([7; 16]), users(), Instant::now());
        let table = [
            ("ada:secret", "Admin"),
            ("vic:look", "Viewer"),
            ("ada:secret", "Admin"),
            ("ada:look", "unknown"),
            ("ada:", "unknown"),
            ("nobody:secret", "unknown"),
            ("ada", "unknown"),
        ];
        for (text, want) in table {
            assert_eq!(login(&logins, &users, text, now).await, want, "{text}");
        }
        assert_eq!(login(&logins, &[], "ada:secret", now).await, "unknown");
    }

    #[tokio::test]
    async fn a_guesser_must_wait_but_a_remembered_login_goes_on() {
        let (logins, users, now) = (Logins::new([7; 16]), users(), Instant::now());
        assert_eq!(login(&logins, &users, "vic:look", now).await, "Viewer");
        for _ in 0..5 {
            assert_eq!(login(&logins, &users, "ada:guess", now).await, "unknown");
        }
        assert_eq!(login(&logins, &users, "ada:secret", now).await, "held");
        assert_eq!(login(&logins, &users, "vic:look", now).await, "Viewer");
        assert_eq!(login(&logins, &users, "ada:secret", now + Duration::from_secs(61)).await, "Admin");
    }

    #[tokio::test]
    async fn a_changed_hash_forgets_what_was_right() {
        let (logins, mut users, now) = (Logins::new([7; 16]), users(), Instant::now());
        assert_eq!(login(&logins, &users, "ada:secret", now).await, "Admin");
        users[0].password_hash = transom_config::PasswordHash(password_hash("changed"));
        assert_eq!(login(&logins, &users, "ada:secret", now).await, "unknown");
        assert_eq!(login(&logins, &users, "ada:changed", now).await, "Admin");
    }

    #[test]
    fn headers_that_are_not_basic_are_not_credentials() {
        let long = basic(&"a:".repeat(1000));
        for header in ["", "Basic", "Basic !!!", "Bearer YTpi", "Basic YWI=", &long] {
            assert!(credentials(header.as_bytes()).is_none(), "{header}");
        }
        assert_eq!(credentials(b"bAsIc YTpiOmM="), Some(("a".to_owned(), b"b:c".to_vec())));
    }
}
