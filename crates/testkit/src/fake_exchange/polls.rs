//! Answers that take their time: MAPI over HTTP, ActiveSync's Ping, notifications of EWS and OWA.

use std::io;

use super::conversation::{Conversation, Ends, Next};

const BODY_BYTES_MAX: usize = 64 * 1024;
/// How many come if the query does not say.
const NOTIFICATIONS: u64 = 3;

/// MS-OXCMAPIHTTP 2.2.7: the answer begins at once and says once in a while that it is not done.
pub(super) async fn mapi(it: &mut Conversation<'_>) -> io::Result<Next> {
    it.whole_body(BODY_BYTES_MAX).await?;
    let every = it.time("every", 1000);
    let period = every.as_millis().to_string();
    let kind = it.head.field("x-requesttype").unwrap_or("Execute").to_owned();
    let id = it.head.field("x-requestid").unwrap_or("{00000000-0000-0000-0000-000000000000}:1").to_owned();
    let fields = [
        ("Content-Type", "application/mapi-http"),
        ("X-RequestType", kind.as_str()),
        ("X-RequestId", id.as_str()),
        ("X-PendingPeriod", period.as_str()),
        ("X-ResponseCode", "0"),
    ];
    it.begin(200, &fields, Ends::Chunked).await?;
    it.piece(b"PROCESSING\r\n").await?;
    for _ in 0..it.head.number("pending").unwrap_or(3) {
        it.pause(every).await?;
        it.piece(b"PENDING\r\n").await?;
    }
    it.piece(b"DONE\r\nX-ResponseCode: 0\r\nX-ElapsedTime: 0\r\n\r\n\0\0\0\0\0\0\0\0").await?;
    it.end().await
}

/// MS-ASCMD 2.2.1.13: nothing for a long time, then `Status` 1: nothing changed.
pub(super) async fn ping(it: &mut Conversation<'_>) -> io::Result<Next> {
    it.whole_body(BODY_BYTES_MAX).await?;
    let hold = it.time("hold", 60_000);
    it.pause(hold).await?;
    let wbxml = b"\x03\x01\x6a\x00\x00\x0d\x45\x47\x03\x31\x00\x01\x01";
    let fields = [("Content-Type", "application/vnd.ms-sync.wbxml"), ("MS-Server-ActiveSync", "15.2")];
    it.reply(200, &fields, wbxml).await
}

/// `GetStreamingEvents` (MS-OXWSNTIF 3.1.4.3): a document of SOAP a notification, and one that says it was the last.
pub(super) async fn streaming(it: &mut Conversation<'_>) -> io::Result<Next> {
    let count = it.head.number("count").unwrap_or(NOTIFICATIONS);
    let soap = |number: u64| {
        let status = if number == count { "Closed" } else { "OK" };
        let (before, between, behind) = (
            concat!(
                r#"<?xml version="1.0" encoding="utf-8"?>"#,
                r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>"#,
                r#"<m:GetStreamingEventsResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages""#,
                r#" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>"#,
                r#"<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>"#,
                "<m:Notifications><m:Notification><t:SubscriptionId>subscription</t:SubscriptionId><t:NewMailEvent>",
                "<t:TimeStamp>2026-01-01T00:00:00Z</t:TimeStamp><t:ItemId Id=\"item-"
            ),
            concat!(
                r#"" ChangeKey="c"/><t:ParentFolderId Id="inbox" ChangeKey="c"/></t:NewMailEvent>"#,
                "</m:Notification></m:Notifications><m:ConnectionStatus>"
            ),
            concat!(
                "</m:ConnectionStatus></m:GetStreamingEventsResponseMessage></m:ResponseMessages>",
                "</m:GetStreamingEventsResponse></s:Body></s:Envelope>\n"
            ),
        );
        format!("{before}{number}{between}{status}{behind}")
    };
    notify(it, "text/xml; charset=utf-8", soap).await
}

/// What OWA keeps open for news.
pub(super) async fn pending_request(it: &mut Conversation<'_>) -> io::Result<Next> {
    it.whole_body(BODY_BYTES_MAX).await?;
    notify(it, "text/html; charset=utf-8", |number| format!("<script>notify({number})</script>\n")).await
}

async fn notify(it: &mut Conversation<'_>, kind: &str, text: impl Fn(u64) -> String) -> io::Result<Next> {
    let every = it.time("every", 1000);
    it.begin(200, &[("Content-Type", kind)], Ends::Chunked).await?;
    for number in 1..=it.head.number("count").unwrap_or(NOTIFICATIONS) {
        it.piece(text(number).as_bytes()).await?;
        it.pause(every).await?;
    }
    it.end().await
}
