//! What the admin API answers: JSON, text, a page, or why not.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

/// One whole answer, kept in memory: every one is bounded by what it shows.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, body: body.into() }
    }

    /// 200 with JSON.
    pub(super) fn json(value: &Value) -> Self {
        Self::json_with(StatusCode::OK, value)
    }

    /// JSON with another status.
    pub(super) fn json_with(status: StatusCode, value: &Value) -> Self {
        Self::new(status, "application/json", format!("{value:#}\n"))
    }

    /// Text.
    pub(super) fn text(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// What Prometheus reads.
    pub(super) fn metrics(body: String) -> Self {
        Self::new(StatusCode::OK, crate::metrics::CONTENT_TYPE, body)
    }

    /// A page; it may not load or run anything.
    pub(super) fn page(body: String) -> Self {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        Self::new(StatusCode::OK, "text/html; charset=utf-8", body)
            .with(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))
    }

    /// Why not: a sentence and a word that stays the same.
    pub(super) fn refusal(status: StatusCode, code: &str, error: impl Into<String>) -> Self {
        Self::json_with(status, &json!({ "error": error.into(), "code": code }))
    }

    /// 400
    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, "bad-request", error)
    }

    /// 404
    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::refusal(StatusCode::NOT_FOUND, "not-found", error)
    }

    /// With one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// For the wire: never cached, never guessed at.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.into()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}
