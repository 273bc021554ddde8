//! Times as text, made once a second: only the milliseconds change between two lines of the same second.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The text of the last second seen, in the form last asked for.
#[derive(Default)]
pub(crate) struct Stamp {
    second: Option<(u64, &'static str)>,
    text: String,
    milli_at: usize,
}

impl Stamp {
    /// `2026-11-20T14:02:31.214Z` (RFC 3339)
    pub(crate) fn rfc3339(&mut self, moment: SystemTime) -> &str {
        self.text(moment, "%Y-%m-%dT%H:%M:%S.000Z", 4)
    }

    /// `20/Nov/2026:14:02:31.214`, in UTC
    pub(crate) fn haproxy(&mut self, moment: SystemTime) -> &str {
        self.text(moment, "%d/%b/%Y:%H:%M:%S.000", 3)
    }

    /// `format` ends in `.000` and `after` characters count from the first of these zeros.
    fn text(&mut self, moment: SystemTime, format: &'static str, after: usize) -> &str {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some((since.as_secs(), format)) {
            let second = i64::try_from(since.as_secs()).unwrap_or_default();
            let civil = Timestamp::from_second(second).unwrap_or_default().to_zoned(TimeZone::UTC);
            self.text = civil.strftime(format).to_string();
            self.milli_at = self.text.len() - after;
            self.second = Some((since.as_secs(), format));
        }
        let millis = format!("{:03}", since.subsec_millis());
        self.text.replace_range(self.milli_at..self.milli_at + 3, &millis);
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_forms_keep_their_milliseconds() {
        let mut stamp = Stamp::default();
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_183_351_214);
        assert_eq!(stamp.rfc3339(moment), "2026-11-20T14:02:31.214Z");
        assert_eq!(stamp.rfc3339(moment + Duration::from_millis(5)), "2026-11-20T14:02:31.219Z");
        assert_eq!(stamp.haproxy(moment), "20/Nov/2026:14:02:31.214");
        assert_eq!(stamp.haproxy(moment + Duration::from_secs(30)), "20/Nov/2026:14:03:01.214");
    }
}
