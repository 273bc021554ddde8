//! The login of one client connection, followed from its header fields.
//!
//! It is fed with each request's `Authorization` and `Proxy-Authorization` and with each response's status and
//! `WWW-Authenticate`, and says what follows for the connections on both sides. It does no I/O and decides nothing about
//! the login itself: that is between client and server (MS-NTHT section 3, RFC 4559 section 4, MS-NLMP section 1.3.1.1).
//!
//! ```text
//!           type 1              401 + type 2             type 3
//!   Open ----------> Opened -------------> Challenged ----------> Proving --- not 401 ---> In
//!    ^ \                                                            ^  |
//!    |  \------------- ticket (Kerberos), anything unread ---------/   |
//!    \------------------------ 401 without a token --------------------/
//! ```

use std::fmt;

use super::header::{Authorization, Challenge, Scheme, Token, challenges};
use super::ntlm::{Message, Response};
use super::spnego::{Inner, Mechanism, NegState, Negotiation};
use super::{ApReq, Binding, Refusal, SafeText};

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1: a connection carries one request at a time.
    Http1,
    /// HTTP/2: it carries several, and none may authenticate it (RFC 9113 section 9.1).
    Http2,
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// The domain or computer that knows the user; empty where the client names none.
    pub domain: SafeText,
    /// The user, never empty.
    pub user: SafeText,
    /// The client's own name; empty where it names none.
    pub workstation: SafeText,
}

/// `DOMAIN\user`, or the user alone.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.domain.is_empty() {
            write!(f, "{}", self.user)
        } else {
            write!(f, "{}\\{}", self.domain, self.user)
        }
    }
}

/// What a login says about the TLS connection that its client sees (RFC 5929, Extended Protection).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientBinding {
    /// No login came to the point of saying so.
    #[default]
    NotTold,
    /// The client could have said and did not.
    Unbound,
    /// The hash for the certificate it saw; compare with [`Binding::of_end_point`].
    Bound(Binding),
    /// NTLMv1 cannot.
    Unable,
    /// Kerberos says it where only the server can read it (RFC 4121 section 4.1.1).
    Hidden,
}

/// What a request carries for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    /// No credentials.
    Bare,
    /// Credentials for this request alone.
    Request(Scheme),
    /// The first message of a login of the connection: it says nothing yet.
    Opening,
    /// A message that may complete a login of the connection.
    Proving,
}

/// One request as the login sees it; goes back in with its response.
#[derive(Debug, Clone)]
#[must_use = "the response is judged by it, and it says whether the connection must be pinned"]
pub struct Asked {
    leg: Leg,
    protocol: Protocol,
    identity: Option<Identity>,
    binding: ClientBinding,
    /// The mechanism of a login of the connection, where it could be read.
    pub mechanism: Option<Mechanism>,
    /// Realm and service of a Kerberos ticket. The user in it is encrypted.
    pub ticket: Option<ApReq>,
    /// Why credentials could not be read; the request goes on all the same.
    pub unread: Option<Refusal>,
    /// It only answers the server's last token and names nobody itself: who it is was said before.
    goes_on: bool,
}

impl Asked {
    /// The request carries connection authentication: its server connection must be fresh or this client's own, and
    /// stays this client's.
    pub fn pins(&self) -> bool {
        matches!(self.leg, Leg::Opening | Leg::Proving)
    }

    /// The request must not go on: its stream ends with HTTP_1_1_REQUIRED (RFC 9113 section 7), so that the client
    /// comes back over HTTP/1.1, where a connection can be authenticated.
    pub fn needs_http1(&self) -> bool {
        self.protocol == Protocol::Http2 && self.pins()
    }
}

/// What a response meant for the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing.
    None,
    /// The client was asked to log in, or a bearer token was not accepted (these expire, nobody guesses them).
    Offered,
    /// The login goes on with another message.
    Challenged,
    /// Credentials were accepted.
    Accepted,
    /// Credentials were refused: one for the budget of failures.
    Failed,
}

/// What follows from a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// What it meant for the login.
    pub outcome: Outcome,
    /// The response must not go to the client: its stream ends with HTTP_1_1_REQUIRED instead, for it offers a login
    /// that HTTP/2 cannot carry and the client showed no sign of using another.
    pub needs_http1: bool,
}

/// What to do with a client whose server connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterLoss {
    /// A login was half done: only the client can begin it again, so its connection ends as well.
    Close,
    /// Nothing of a login is lost that the client would not notice: another server connection may be opened. It is not
    /// authenticated, and a client that had logged in is asked to do so again.
    Fresh,
}

/// How far the login of the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// None began, or the last one failed.
    #[default]
    Open,
    /// The first message is on its way.
    Opened,
    /// The server waits for the client's proof.
    Challenged,
    /// The proof is on its way.
    Proving,
    /// Accepted.
    In,
}

/// The login of one client connection. For HTTP/2, where requests overlap and none of them authenticates the
/// connection, it only judges.
#[derive(Debug, Clone, Default)]
pub struct Login {
    state: State,
    /// A request with connection authentication went over the present server connection. Never false while `state` is
    /// other than `Open`.
    pinned: bool,
    /// Whom the server accepted on this connection.
    identity: Option<Identity>,
    /// Who the login under way says it is, where the server asked for yet another message.
    claimed: Option<Identity>,
    binding: ClientBinding,
}

impl Login {
    /// A request comes. `credentials` are the values of all its `Authorization` and `Proxy-Authorization` fields: one
    /// that authenticates the connection counts before all others.
    pub fn request<'a>(
        &mut self,
        protocol: Protocol,
        credentials: impl IntoIterator<Item = &'a [u8]>,
    ) -> Asked {
        let mut asked = bare(protocol);
        for value in credentials {
            let next = read(protocol, value, self.state);
            if rank(next.leg) > rank(asked.leg) {
                asked = next;
            }
        }
        if asked.pins() && !asked.needs_http1() {
            self.pinned = true;
            let claimed = self.claimed.take();
            if asked.goes_on {
                asked.identity = claimed;
                asked.binding = self.binding;
            }
            self.state = if asked.leg == Leg::Opening { State::Opened } else { State::Proving };
            if asked.leg == Leg::Proving {
                self.identity = None;
                self.binding = asked.binding;
            }
        }
        self.assert();
        asked
    }

    /// The response to a request comes: its status, the values of all its `WWW-Authenticate` (for 407:
    /// `Proxy-Authenticate`) fields, and the value of `Persistent-Auth` (MS-N2HT section 3.2.5), if any.
    pub fn response<'a>(
        &mut self,
        asked: &Asked,
        status: u16,
        offers: impl IntoIterator<Item = &'a [u8]>,
        persistent: Option<&[u8]>,
    ) -> Answered {
        if status < 200 && status != 101 {
            return Answered { outcome: Outcome::None, needs_http1: false };
        }
        let offer = Offer::read(offers);
        let unauthorized = matches!(status, 401 | 407);
        let own = matches!(asked.leg, Leg::Request(Scheme::Basic | Scheme::Bearer));
        let needs_http1 = asked.protocol == Protocol::Http2 && unauthorized && offer.connection && !own;
        let outcome = match asked.leg {
            Leg::Bare => self.bare_answered(unauthorized),
            Leg::Request(scheme) => request_answered(scheme, status, unauthorized),
            Leg::Opening | Leg::Proving if asked.needs_http1() => Outcome::None,
            Leg::Opening => self.opening_answered(unauthorized, &offer),
            Leg::Proving => self.proof_answered(asked, status, &offer, persistent),
        };
        self.assert();
        Answered { outcome, needs_http1 }
    }

    fn bare_answered(&mut self, unauthorized: bool) -> Outcome {
        if !unauthorized {
            return Outcome::None;
        }
        (self.state, self.identity, self.claimed) = (State::Open, None, None);
        Outcome::Offered
    }

    fn opening_answered(&mut self, unauthorized: bool, offer: &Offer) -> Outcome {
        if unauthorized && offer.goes_on {
            self.state = State::Challenged;
            return Outcome::Challenged;
        }
        // Refused to begin with; or the page is for everybody, and whoever was logged in still is.
        self.state = if !unauthorized && self.identity.is_some() { State::In } else { State::Open };
        if unauthorized { Outcome::Offered } else { Outcome::None }
    }

    fn proof_answered(
        &mut self,
        asked: &Asked,
        status: u16,
        offer: &Offer,
        persistent: Option<&[u8]>,
    ) -> Outcome {
        if matches!(status, 401 | 407) {
            self.state = if offer.goes_on { State::Challenged } else { State::Open };
            self.claimed = asked.identity.clone().filter(|_| offer.goes_on);
            return if offer.goes_on { Outcome::Challenged } else { Outcome::Failed };
        }
        if undecided(status) && persistent.is_none() && !offer.connection {
            self.state = State::Open;
            return Outcome::None;
        }
        // `Persistent-Auth: false`: who asks next must log in again.
        let stays = !persistent.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"false"));
        self.state = if stays { State::In } else { State::Open };
        self.identity = asked.identity.clone().filter(|_| stays);
        Outcome::Accepted
    }

    /// The server connection is gone, before or in the middle of an exchange or between two.
    pub fn server_lost(&mut self) -> AfterLoss {
        let after = if self.half_done() { AfterLoss::Close } else { AfterLoss::Fresh };
        // A first message may be sent again over a fresh connection, which it pins in its turn.
        let again = self.state == State::Opened;
        *self =
            Self { pinned: again, state: if again { State::Opened } else { State::Open }, ..Self::default() };
        after
    }

    /// The server connection belongs to this client connection: it serves nobody else and ends with it.
    pub fn pinned(&self) -> bool {
        self.pinned
    }

    /// A login is between its messages: what the server knows of it is lost with the server connection.
    pub fn half_done(&self) -> bool {
        matches!(self.state, State::Challenged | State::Proving)
    }

    /// Who asks, for the log: what this request says itself, or else whom the server accepted on this connection.
    pub fn identity<'a>(&'a self, asked: &'a Asked) -> Option<&'a Identity> {
        asked.identity.as_ref().or(if matches!(asked.leg, Leg::Request(_)) {
            None
        } else {
            self.identity.as_ref()
        })
    }

    /// What the last login on this connection was bound to, be it accepted or not.
    pub fn binding(&self) -> ClientBinding {
        self.binding
    }

    fn assert(&self) {
        debug_assert!(self.pinned || self.state == State::Open, "a login is a pinned connection's");
    }
}

/// What the challenges of a response come to.
struct Offer {
    /// A login of the connection is offered or goes on.
    connection: bool,
    /// One carries a token that asks for another message.
    goes_on: bool,
}

impl Offer {
    fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut offer = Self { connection: false, goes_on: false };
        for challenge in values.into_iter().flat_map(challenges) {
            if challenge.scheme.authenticates_connection() {
                offer.connection = true;
                offer.goes_on |= goes_on(&challenge);
            }
        }
        offer
    }
}

/// A token that cannot be read goes on: to take a login for half done is the safe mistake.
fn goes_on(challenge: &Challenge<'_>) -> bool {
    match challenge.token() {
        Ok(Token::Negotiation(token)) => token.state != Some(NegState::Reject),
        Ok(Token::Absent) => false,
        _ => true,
    }
}

fn request_answered(scheme: Scheme, status: u16, unauthorized: bool) -> Outcome {
    match (unauthorized, scheme) {
        (true, Scheme::Basic | Scheme::Digest) => Outcome::Failed,
        (true, _) => Outcome::Offered,
        (false, Scheme::Other) => Outcome::None,
        (false, _) if undecided(status) => Outcome::None,
        (false, _) => Outcome::Accepted,
    }
}

/// Whether the answer may have been given before anybody looked at the credentials.
fn undecided(status: u16) -> bool {
    matches!(status, 400 | 408 | 411 | 413 | 414 | 417 | 421 | 429 | 431 | 501..)
}

fn rank(leg: Leg) -> u8 {
    match leg {
        Leg::Bare => 0,
        Leg::Request(_) => 1,
        Leg::Opening => 2,
        Leg::Proving => 3,
    }
}

fn bare(protocol: Protocol) -> Asked {
    Asked {
        leg: Leg::Bare,
        protocol,
        identity: None,
        binding: ClientBinding::NotTold,
        mechanism: None,
        ticket: None,
        unread: None,
        goes_on: false,
    }
}

fn read(protocol: Protocol, value: &[u8], state: State) -> Asked {
    let authorization = Authorization::parse(value);
    let connection = authorization.authenticates_connection();
    let leg = if connection { Leg::Proving } else { Leg::Request(authorization.scheme) };
    let mut asked = Asked { leg, ..bare(protocol) };
    match authorization.token() {
        // An answer to a challenge has a token; without one the client begins.
        Ok(Token::Absent) => asked.leg = Leg::Opening,
        Ok(Token::User(user)) => asked.identity = split(&user),
        Ok(Token::Negotiation(token)) => asked.learn(token, state),
        Ok(Token::Opaque) => {}
        Err(refusal) => asked.unread = Some(refusal),
    }
    asked
}

impl Asked {
    fn learn(&mut self, token: Negotiation, state: State) {
        self.mechanism = token.mechanism;
        match token.inner {
            Inner::Ntlm(Message::Negotiate(_)) => self.leg = Leg::Opening,
            // SPNEGO may offer its mechanisms before it speaks in one of them; empty answers complete a login.
            Inner::Absent if state != State::Challenged => self.leg = Leg::Opening,
            Inner::Ntlm(Message::Authenticate(message)) => {
                self.binding = match message.response {
                    Response::V2(pairs) => pairs.binding.map_or(ClientBinding::Unbound, ClientBinding::Bound),
                    Response::V1 => ClientBinding::Unable,
                    Response::Absent | Response::Unreadable => ClientBinding::NotTold,
                };
                let (domain, user, workstation) = (message.domain, message.user, message.workstation);
                self.identity = (!user.is_empty()).then_some(Identity { domain, user, workstation });
            }
            Inner::Kerberos(ticket) => {
                self.binding = ClientBinding::Hidden;
                self.ticket = Some(ticket);
            }
            Inner::Absent => self.goes_on = true,
            Inner::Ntlm(Message::Challenge(_)) | Inner::Opaque => {}
        }
    }
}

/// `DOMAIN\user` taken apart; `None` for nobody.
fn split(text: &SafeText) -> Option<Identity> {
    let (domain, user) = text.as_str().split_once('\\').unwrap_or(("", text.as_str()));
    let part = |text: &str| SafeText::new(text.chars());
    (!user.is_empty()).then(|| Identity {
        domain: part(domain),
        user: part(user),
        workstation: SafeText::default(),
    })
}

#[cfg(test)]
mod tests;
