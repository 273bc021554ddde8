//! What real clients and servers sent, read back.
//!
//! Recorded on loopback: curl 7.88 (`--ntlm`; `--negotiate` with a ticket of MIT Kerberos 1.20), pyspnego as client and
//! as acceptor (NTLM and SPNEGO, with and without channel binding), impacket 0.13. User, domain and password were made
//! up. The files are seeds of the fuzz targets as well.

use super::fixture::hex;
use super::ntlm::{Message, Response};
use super::spnego::{Inner, Mechanism, NegState, Negotiation};
use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../../fuzz/corpus/auth_header/", $name)).as_slice()
    };
}

fn request(value: &[u8]) -> Negotiation {
    let parsed = Authorization::parse(value);
    assert!(parsed.authenticates_connection());
    let Ok(Token::Negotiation(token)) = parsed.token() else { panic!("{:?}", parsed.token()) };
    token
}

fn response(value: &[u8]) -> Negotiation {
    let all: Vec<_> = challenges(value).collect();
    let [challenge] = all[..] else { panic!("{all:?}") };
    let Ok(Token::Negotiation(token)) = challenge.token() else { panic!("{:?}", challenge.token()) };
    token
}

fn type3(token: Negotiation) -> (String, Response) {
    let Inner::Ntlm(Message::Authenticate(message)) = token.inner else { panic!("{token:?}") };
    (format!("{}\\{} at {}", message.domain, message.user, message.workstation), message.response)
}

#[test]
fn the_first_message_names_nobody() {
    for value in [
        recorded!("curl-ntlm-1-request"),
        recorded!("pyspnego-ntlm-1-request"),
        recorded!("impacket-1-request"),
    ] {
        let Inner::Ntlm(Message::Negotiate(message)) = request(value).inner else { panic!("type 1") };
        assert!(message.domain.is_empty() && message.workstation.is_empty());
    }
    let wrapped = request(recorded!("pyspnego-negotiate-1-request"));
    assert_eq!(wrapped.mechanism, Some(Mechanism::Ntlm));
    assert!(matches!(wrapped.inner, Inner::Ntlm(Message::Negotiate(_))));
}

#[test]
fn servers_answers_are_read() {
    for (value, state) in [
        (recorded!("curl-ntlm-2-response"), None),
        (recorded!("pyspnego-ntlm-2-response"), None),
        (recorded!("pyspnego-negotiate-2-response"), Some(NegState::RequestMic)),
    ] {
        let token = response(value);
        assert_eq!((token.mechanism, token.state), (Some(Mechanism::Ntlm), state));
        let Inner::Ntlm(Message::Challenge(challenge)) = token.inner else { panic!("type 2") };
        assert!(!challenge.target.is_empty() && challenge.info.is_some());
    }
    let done = response(recorded!("pyspnego-negotiate-4-response"));
    assert_eq!((done.state, done.inner), (Some(NegState::AcceptCompleted), Inner::Absent));
}

#[test]
fn the_last_message_names_the_user() {
    for value in [
        recorded!("curl-ntlm-3-request"),
        recorded!("pyspnego-ntlm-3-request"),
        recorded!("pyspnego-negotiate-3-request"),
        recorded!("impacket-3-request"),
    ] {
        let (who, response) = type3(request(value));
        assert!(who.starts_with("LAB\\alice at "), "{who}");
        let Response::V2(pairs) = response else { panic!("{response:?}") };
        assert_eq!(pairs.binding, None);
    }
}

#[test]
fn a_bound_login_says_which_certificate_its_client_saw() {
    let end_point = hex("caf6bc887f8fd8705056311a892eb58d178bee0eb14790f871a2a80f5b323ca1");
    for value in [recorded!("pyspnego-ntlm-bound-3-request"), recorded!("pyspnego-negotiate-bound-3-request")]
    {
        let Response::V2(pairs) = type3(request(value)).1 else { panic!("NTLMv2") };
        assert_eq!(pairs.binding, Some(Binding::of_end_point(&end_point)));
        assert!(pairs.mic);
    }
}

#[test]
fn a_ticket_names_the_realm_and_the_service() {
    let token = request(recorded!("curl-kerberos-1-request"));
    assert_eq!(token.mechanism, Some(Mechanism::Kerberos));
    let Inner::Kerberos(ticket) = token.inner else { panic!("{token:?}") };
    assert_eq!((ticket.realm.as_str(), ticket.service.as_str()), ("DYB.TEST", "HTTP/mail.dyb.test"));
}
