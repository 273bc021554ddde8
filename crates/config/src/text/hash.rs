//! Password hashes in PHC string form: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.

use super::Problem;
use crate::PasswordHash;
use crate::report::Code;

/// How a hash is made; the remedy of every fault here.
pub(crate) const MAKE: &str = "make one with Debian's argon2: \
    printf %s PASSWORD | argon2 \"$(openssl rand -hex 8)\" -id -t 2 -k 19456 -p 1 -e";

/// Memory a hash may ask for at each login, in KiB: one gibibyte.
const MEMORY_KIB_MAX: u32 = 1 << 20;

/// Passes a hash may ask for at each login.
const PASSES_MAX: u32 = 100;

/// Lanes a hash may ask for.
const LANES_MAX: u32 = 64;

/// Reads a hash. The text itself never stands in a message.
pub(crate) fn password_hash(text: &str) -> Result<PasswordHash, Problem> {
    let Some(rest) = text.strip_prefix('$') else {
        return Err(Problem::new(
            Code::PasswordInClear,
            "this is not a hash; it looks like the password itself",
            MAKE,
        ));
    };
    match fault(rest) {
        None => Ok(PasswordHash(text.to_owned())),
        Some(message) => Err(Problem::new(Code::BadPasswordHash, message, MAKE)),
    }
}

/// What is wrong with a hash, its leading `$` taken off.
fn fault(rest: &str) -> Option<String> {
    if let Some(wrong) = rest.chars().find(|c| !c.is_ascii_graphic()) {
        let shown = super::name::shown(wrong);
        return Some(format!("the hash has {shown} in it, which no hash has: it may be shortened"));
    }
    let parts: Vec<&str> = rest.split('$').collect();
    let [algorithm, version, costs, salt, hash] = parts.as_slice() else {
        let known = matches!(parts.first(), Some(&"argon2id"));
        return Some(if known {
            format!(
                "a hash has five parts after a `$` each (argon2id, version, costs, salt, hash), this one {}",
                parts.len()
            )
        } else {
            "the hash is not an argon2id hash in PHC form".to_owned()
        });
    };
    if *algorithm != "argon2id" {
        return Some("only argon2id hashes are taken; this one begins otherwise".to_owned());
    }
    if *version != "v=19" {
        return Some("the version after `$argon2id$` must be `v=19`".to_owned());
    }
    costs_fault(costs)
        .or_else(|| coded_fault("salt", salt, 8, 48))
        .or_else(|| coded_fault("hash", hash, 16, 64))
}

/// What is wrong with `m=…,t=…,p=…`.
fn costs_fault(costs: &str) -> Option<String> {
    let numbers: Vec<Option<u32>> = ["m=", "t=", "p="]
        .iter()
        .zip(costs.split(','))
        .map(|(name, cost)| cost.strip_prefix(name)?.parse().ok())
        .collect();
    let [Some(memory), Some(passes), Some(lanes)] = numbers.as_slice() else {
        return Some("the costs of the hash are not of the form `m=19456,t=2,p=1`".to_owned());
    };
    if costs.split(',').count() != 3 {
        return Some("the costs of the hash are more than `m`, `t` and `p`".to_owned());
    }
    if !(1..=LANES_MAX).contains(lanes) || !(1..=PASSES_MAX).contains(passes) {
        return Some(format!("`t` must be 1 to {PASSES_MAX} and `p` 1 to {LANES_MAX}"));
    }
    let least = 8 * lanes;
    (!(least..=MEMORY_KIB_MAX).contains(memory))
        .then(|| format!("`m` must be {least} to {MEMORY_KIB_MAX} KiB"))
}

/// What is wrong with a part in base64 without padding (RFC 4648 section 4), of so many bytes.
fn coded_fault(part: &str, text: &str, least: usize, most: usize) -> Option<String> {
    if let Some(wrong) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))) {
        let shown = super::name::shown(wrong);
        return Some(format!(
            "the {part} of the hash has {shown} in it, which base64 without padding does not know"
        ));
    }
    let bytes = text.len() * 3 / 4;
    if text.len() % 4 == 1 || !(least..=most).contains(&bytes) {
        return Some(format!(
            "the {part} of the hash is not {least} to {most} bytes in base64: it may be cut off"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of no password: random bytes.
    const GOOD: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$dHJhbnNvbS1zYWx0$2ivsFPrQf+LEcqHzRV3ZTcZx6XbK0KSlnPDRxP9Q1gM";

    #[test]
    fn a_whole_argon2id_hash_is_taken() {
        assert_eq!(password_hash(GOOD), Ok(PasswordHash(GOOD.to_owned())));
    }

    #[test]
    fn everything_else_is_refused_and_says_why() {
        for (text, why) in [
            ("hunter2".to_owned(), "password itself"),
            (String::new(), "password itself"),
            ("$6$salt$hash".to_owned(), "argon2id"),
            ("$2b$12$abcdefghijklmnopqrstuv".to_owned(), "argon2id"),
            (GOOD.replace("argon2id", "argon2i"), "argon2id"),
            (GOOD.replace("v=19", "v=16"), "v=19"),
            (GOOD.replace("$v=19", ""), "five parts"),
            (GOOD.replace("m=19456,t=2,p=1", "t=2,m=19456,p=1"), "m=19456,t=2,p=1"),
            (GOOD.replace("p=1", "p=1,data=x"), "more than"),
            (GOOD.replace("m=19456", "m=4"), "`m` must be"),
            (GOOD.replace("m=19456", "m=99999999"), "`m` must be"),
            (GOOD.replace("t=2", "t=0"), "`t` must be"),
            (GOOD.replace("dHJhbnNvbS1zYWx0", "abc"), "salt"),
            (GOOD[..GOOD.len() - 30].to_owned(), "cut off"),
            ("$argon2id$v=19$m=19456,t=2,p=1$…".to_owned(), "`…`"),
            (GOOD.replace("2ivs", "…"), "`…`"),
            (format!("{GOOD}="), "`=`"),
        ] {
            let problem = password_hash(&text).expect_err(&text);
            assert!(problem.message.contains(why), "{text}: {}", problem.message);
            assert!(!problem.message.contains("hunter2") && problem.remedy.contains("argon2"));
        }
    }
}
