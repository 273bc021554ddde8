//! The server's side: users, challenges, and whether the answer is right.

use std::fmt;

use super::av::{self, Pairs};
use super::message::{
    ALWAYS_SIGN, Authenticate, Challenge, EXTENDED_SECURITY, KEY_56, KEY_128, KEY_EXCHANGE, NTLM, Negotiate,
    REQUEST_TARGET, SIGN_SEAL, TARGET_INFO, TARGET_TYPE_DOMAIN, UNICODE, VERSION,
};
use super::proof::{exported_key, hmac_md5, proof, response_key, utf16};

/// Flags a client may choose.
const OPTIONAL: u32 =
    REQUEST_TARGET | SIGN_SEAL | ALWAYS_SIGN | EXTENDED_SECURITY | VERSION | KEY_128 | KEY_EXCHANGE | KEY_56;

/// Before the pairs in the client's blob: version, time, nonce, padding.
const BLOB_HEADER: usize = 28;

/// Somebody the server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name without domain.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Whether logins must be bound to the server's certificate (the setting of the same name in IIS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtendedProtection {
    /// Bindings are not looked at.
    #[default]
    Off,
    /// A binding must be right; clients that do not bind may come in.
    Allow,
    /// Every client must bind, and to the right certificate.
    Require,
}

/// Why a login was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is no message of that type.
    Malformed,
    /// NTLMv1 or LM.
    OldVersion,
    /// Nobody of that name.
    UnknownUser(String),
    /// The proof is not that of the password and this challenge.
    WrongPassword(String),
    /// The integrity code is not that of these three messages.
    WrongIntegrity(String),
    /// The client does not bind.
    NotBound(String),
    /// The client is bound to another certificate.
    BoundElsewhere {
        /// The user.
        user: String,
        /// The hash that came.
        to: [u8; 16],
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed"),
            Self::OldVersion => f.write_str("old-version"),
            Self::UnknownUser(user) => write!(f, "unknown-user {user}"),
            Self::WrongPassword(user) => write!(f, "wrong-password {user}"),
            Self::WrongIntegrity(user) => write!(f, "wrong-integrity {user}"),
            Self::NotBound(user) => write!(f, "not-bound {user}"),
            Self::BoundElsewhere { user, to } => {
                let hex: Vec<String> = to.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(f, "bound-elsewhere {user} {}", hex.join(":"))
            }
        }
    }
}

/// What a server knows and insists on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptor {
    /// The NetBIOS name of the domain.
    pub domain: String,
    /// The server's NetBIOS name.
    pub computer: String,
    /// The server's DNS name.
    pub host: String,
    /// Everybody it knows.
    pub users: Vec<User>,
    /// What it demands of bindings.
    pub protection: ExtendedProtection,
}

impl Acceptor {
    /// The answer to a first message.
    pub fn challenge(&self, negotiate: &[u8], nonce: [u8; 8]) -> Result<Vec<u8>, Refusal> {
        let asked = Negotiate::decode(negotiate).ok_or(Refusal::Malformed)?;
        let pairs = Pairs(vec![
            (av::DOMAIN_NAME, utf16(&self.domain)),
            (av::COMPUTER_NAME, utf16(&self.computer)),
            (av::DNS_DOMAIN_NAME, utf16(&format!("{}.test", self.domain.to_lowercase()))),
            (av::DNS_COMPUTER_NAME, utf16(&self.host)),
            (av::TIMESTAMP, super::client::now()),
        ]);
        let challenge = Challenge {
            flags: asked.flags & OPTIONAL | UNICODE | NTLM | TARGET_TYPE_DOMAIN | TARGET_INFO,
            nonce,
            target: self.domain.clone(),
            target_info: pairs.encode(),
        };
        Ok(challenge.encode())
    }

    /// Checks the last message of three and says whose login it is, as `DOMAIN\user`. `binding` is that of the
    /// certificate the client should have seen; `None` where there was none.
    pub fn accept(
        &self,
        negotiate: &[u8],
        challenge: &[u8],
        authenticate: &[u8],
        binding: Option<[u8; 16]>,
    ) -> Result<String, Refusal> {
        let nonce = Challenge::decode(challenge).ok_or(Refusal::Malformed)?.nonce;
        let answer = Authenticate::decode(authenticate).ok_or(Refusal::Malformed)?;
        if answer.nt_response.len() <= 24 {
            return Err(Refusal::OldVersion);
        }
        let user = self.find(&answer.user)?;
        let (proved, blob) = answer.nt_response.split_first_chunk::<16>().ok_or(Refusal::Malformed)?;
        let key = response_key(&answer.user, &answer.domain, &user.password);
        if proof(&key, &nonce, blob) != *proved {
            return Err(Refusal::WrongPassword(user.name.clone()));
        }
        let pairs = blob.get(BLOB_HEADER..).and_then(Pairs::decode).ok_or(Refusal::Malformed)?;
        if pairs.flags() & av::FLAG_MIC != 0 {
            let chosen = answer.flags & KEY_EXCHANGE != 0;
            let key = exported_key(&key, proved, chosen.then_some(&answer.encrypted_key));
            check_integrity(&key, [negotiate, challenge, authenticate])
                .ok_or_else(|| Refusal::WrongIntegrity(user.name.clone()))?;
        }
        self.check_binding(&user.name, pairs.get(av::CHANNEL_BINDINGS), binding)?;
        Ok(format!("{}\\{}", self.domain, user.name))
    }

    /// A user by name in any letter case, with or without what follows an `@`.
    pub fn find(&self, name: &str) -> Result<&User, Refusal> {
        let name = name.split('@').next().unwrap_or_default();
        let same = |user: &&User| user.name.eq_ignore_ascii_case(name);
        self.users.iter().find(same).ok_or_else(|| Refusal::UnknownUser(name.to_owned()))
    }

    fn check_binding(&self, user: &str, sent: Option<&[u8]>, own: Option<[u8; 16]>) -> Result<(), Refusal> {
        let Some(own) = own.filter(|_| self.protection != ExtendedProtection::Off) else { return Ok(()) };
        match sent.and_then(|sent| <[u8; 16]>::try_from(sent).ok()).filter(|sent| *sent != [0; 16]) {
            Some(sent) if sent == own => Ok(()),
            Some(to) => Err(Refusal::BoundElsewhere { user: user.to_owned(), to }),
            None if self.protection == ExtendedProtection::Allow => Ok(()),
            None => Err(Refusal::NotBound(user.to_owned())),
        }
    }
}

/// Whether the code in the last of the three messages is that of all of them.
fn check_integrity(key: &[u8; 16], [negotiate, challenge, authenticate]: [&[u8]; 3]) -> Option<()> {
    let sent = authenticate.get(Authenticate::MIC)?;
    let mut blank = authenticate.to_vec();
    blank.get_mut(Authenticate::MIC)?.fill(0);
    (hmac_md5(key, &[negotiate, challenge, &blank]) == *sent).then_some(())
}

#[cfg(test)]
mod tests {
    use super::{Acceptor, ExtendedProtection, Refusal, User};
    use crate::ntlm::Client;

    fn acceptor(protection: ExtendedProtection) -> Acceptor {
        let user = |name: &str, password: &str| User { name: name.into(), password: password.into() };
        Acceptor {
            domain: "LAB".into(),
            computer: "EX1".into(),
            host: "ex1.lab.test".into(),
            users: vec![user("alice", "Wonder1!"), user("bob", "Builder2!")],
            protection,
        }
    }

    fn login(acceptor: &Acceptor, client: &Client, own: Option<[u8; 16]>) -> Result<String, Refusal> {
        let one = client.negotiate();
        let two = acceptor.challenge(&one, [9; 8]).unwrap();
        let three = client.authenticate(&one, &two, [8; 8]).unwrap();
        acceptor.accept(&one, &two, &three, own)
    }

    #[test]
    fn only_the_right_password_gets_in() {
        let acceptor = acceptor(ExtendedProtection::Off);
        let table = [
            ("LAB", "alice", "Wonder1!", Ok("LAB\\alice".to_owned())),
            ("LAB", "ALICE", "Wonder1!", Ok("LAB\\alice".to_owned())),
            ("", "bob@lab.test", "Builder2!", Ok("LAB\\bob".to_owned())),
            ("LAB", "alice", "Builder2!", Err(Refusal::WrongPassword("alice".into()))),
            ("LAB", "mallory", "x", Err(Refusal::UnknownUser("mallory".into()))),
        ];
        for (domain, user, password, expected) in table {
            assert_eq!(login(&acceptor, &Client::new(domain, user, password), None), expected, "{user}");
        }
    }

    #[test]
    fn a_challenge_answers_for_itself_alone() {
        let (acceptor, client) = (acceptor(ExtendedProtection::Off), Client::new("LAB", "alice", "Wonder1!"));
        let one = client.negotiate();
        let two = acceptor.challenge(&one, [1; 8]).unwrap();
        let other = acceptor.challenge(&one, [2; 8]).unwrap();
        let three = client.authenticate(&one, &two, [8; 8]).unwrap();
        assert_eq!(acceptor.accept(&one, &other, &three, None), Err(Refusal::WrongPassword("alice".into())));
        let mut tampered = one.clone();
        tampered[12] ^= 0x40;
        assert_eq!(
            acceptor.accept(&tampered, &two, &three, None),
            Err(Refusal::WrongIntegrity("alice".into()))
        );
    }

    #[test]
    fn bindings_are_held_to_the_setting() {
        use ExtendedProtection::{Allow, Off, Require};
        let (own, other) = ([1; 16], [2; 16]);
        let elsewhere = || Err(Refusal::BoundElsewhere { user: "alice".into(), to: other });
        let fine = || Ok("LAB\\alice".to_owned());
        let table = [
            (Off, Some(other), fine()),
            (Allow, None, fine()),
            (Allow, Some(own), fine()),
            (Allow, Some(other), elsewhere()),
            (Require, Some(own), fine()),
            (Require, Some(other), elsewhere()),
            (Require, None, Err(Refusal::NotBound("alice".into()))),
        ];
        for (protection, binding, expected) in table {
            let client = Client { binding, ..Client::new("LAB", "alice", "Wonder1!") };
            assert_eq!(
                login(&acceptor(protection), &client, Some(own)),
                expected,
                "{protection:?}, {binding:?}"
            );
        }
    }
}
