//! Who a connection belongs to, as in IIS: NTLM and Negotiate log the *connection* in (RFC 4559 6); Basic says with each
//! request whose it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::World;
use crate::ntlm::Wrapping;

/// A way to log in that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// NTLM, wrapped in SPNEGO or bare, or a pretend Kerberos ticket in one leg: see [`KERBEROS`].
    Negotiate,
    /// NTLM, bare.
    Ntlm,
    /// Name and password in each request.
    Basic,
}

/// What a pretend Kerberos token begins with; the user's name follows. `Authorization: Negotiate` with the base64 of
/// `PRETEND-KERBEROS alice` logs alice in at once.
pub const KERBEROS: &str = "PRETEND-KERBEROS ";

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// `DOMAIN\user`, once it belongs to somebody.
    user: Option<String>,
    half: Option<Half>,
}

/// A login of which the client has not sent the last message.
#[derive(Debug)]
struct Half {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    scheme: &'static str,
}

/// What a request's credentials came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered as this user, or as nobody, with these fields added.
    As(Option<String>, Vec<(String, String)>),
    /// It is 401 with these values of `WWW-Authenticate`.
    Ask(Vec<String>),
}

impl Login {
    /// Looks at a request's `Authorization`. `required`: nobody is not enough.
    pub(super) fn consider(
        &mut self,
        world: &World,
        authorization: Option<&str>,
        required: bool,
        nonce: [u8; 8],
        binding: Option<[u8; 16]>,
    ) -> Verdict {
        let half = self.half.take();
        let Some(authorization) = authorization else { return self.anonymous(world, required) };
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let token = BASE64.decode(token.trim()).unwrap_or_default();
        let offered = |scheme| world.options.offers.contains(&scheme);
        match scheme.to_ascii_lowercase().as_str() {
            "basic" if offered(Scheme::Basic) => basic(world, &token),
            "ntlm" if offered(Scheme::Ntlm) => self.ntlm(world, "NTLM", &token, half, nonce, binding),
            "negotiate" if offered(Scheme::Negotiate) => {
                if let Some(name) = std::str::from_utf8(&token).ok().and_then(|it| it.strip_prefix(KERBEROS))
                {
                    return self.kerberos(world, name);
                }
                self.ntlm(world, "Negotiate", &token, half, nonce, binding)
            }
            _ => refuse(world, format!("unknown-scheme {scheme}")),
        }
    }

    fn anonymous(&self, world: &World, required: bool) -> Verdict {
        match &self.user {
            None if required => Verdict::Ask(offers(world)),
            user => Verdict::As(user.clone(), Vec::new()),
        }
    }

    fn ntlm(
        &mut self,
        world: &World,
        scheme: &'static str,
        token: &[u8],
        half: Option<Half>,
        nonce: [u8; 8],
        binding: Option<[u8; 16]>,
    ) -> Verdict {
        self.user = None; // a new login begins: until it is done the connection is nobody's
        let Some((wrapping, message)) = Wrapping::unwrap(token) else {
            return refuse(world, format!("malformed {scheme}"));
        };
        let Some(half) = half.filter(|half| half.scheme == scheme && message.get(8) != Some(&1)) else {
            let challenge = match world.acceptor.challenge(message, nonce) {
                Ok(challenge) => challenge,
                Err(refusal) => return refuse(world, refusal.to_string()),
            };
            let answer = format!("{scheme} {}", BASE64.encode(wrapping.challenge(challenge.clone())));
            self.half = Some(Half { negotiate: message.to_vec(), challenge, scheme });
            return Verdict::Ask(vec![answer]);
        };
        match world.acceptor.accept(&half.negotiate, &half.challenge, message, binding) {
            Ok(user) => {
                self.user = Some(user.clone());
                let last = wrapping.success().map(|token| format!("{scheme} {}", BASE64.encode(token)));
                Verdict::As(Some(user), logged_in(last))
            }
            Err(refusal) => refuse(world, refusal.to_string()),
        }
    }

    fn kerberos(&mut self, world: &World, name: &str) -> Verdict {
        match world.acceptor.find(name) {
            Ok(user) => {
                let user = format!("{}\\{}", world.acceptor.domain, user.name);
                self.user = Some(user.clone());
                let last = format!("Negotiate {}", BASE64.encode("PRETEND-KERBEROS welcome"));
                Verdict::As(Some(user), logged_in(Some(last)))
            }
            Err(refusal) => refuse(world, refusal.to_string()),
        }
    }
}

/// Whether credentials log the connection in, not the request alone.
pub(super) fn is_of_connection(authorization: &str) -> bool {
    let scheme = authorization.split(' ').next().unwrap_or_default();
    ["ntlm", "negotiate"].iter().any(|own| scheme.eq_ignore_ascii_case(own))
}

fn basic(world: &World, token: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(token);
    let (name, password) = text.split_once(':').unwrap_or((&text, ""));
    let name = name.rsplit('\\').next().unwrap_or_default();
    match world.acceptor.find(name) {
        Ok(user) if user.password == password => {
            Verdict::As(Some(format!("{}\\{}", world.acceptor.domain, user.name)), Vec::new())
        }
        Ok(user) => refuse(world, format!("wrong-password {}", user.name)),
        Err(refusal) => refuse(world, refusal.to_string()),
    }
}

fn logged_in(last: Option<String>) -> Vec<(String, String)> {
    let last = last.map(|last| ("WWW-Authenticate".to_owned(), last));
    last.into_iter().chain([("Persistent-Auth".to_owned(), "true".to_owned())]).collect()
}

fn refuse(world: &World, why: String) -> Verdict {
    world.ledger.refuse(why);
    Verdict::Ask(offers(world))
}

fn offers(world: &World) -> Vec<String> {
    let offer = |scheme: &Scheme| match scheme {
        Scheme::Negotiate => "Negotiate".to_owned(),
        Scheme::Ntlm => "NTLM".to_owned(),
        Scheme::Basic => format!("Basic realm=\"{}\"", world.options.host),
    };
    world.options.offers.iter().map(offer).collect()
}
