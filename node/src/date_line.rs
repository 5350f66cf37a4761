//! The Date that phones are told when they register: RFC 3261 §10.3, last paragraph, and §20.17. Many set their clock by it, so
//! it is what the machine's clock says, even where that was set after the server had started.

use offhook_sip::Date;

/// The line as it was written last: one second has one text.
#[derive(Default, Debug)]
pub(crate) struct DateLine {
    /// How far the machine's clock is ahead of the shard's, ms.
    pub ahead_ms: i64,
    unix_s: u64,
    text: Vec<u8>,
}

impl DateLine {
    /// The whole line, for this time of the shard's clock.
    pub(crate) fn at(&mut self, now_ms: u64) -> &[u8] {
        let unix_s = now_ms.saturating_add_signed(self.ahead_ms) / 1000;
        if unix_s != self.unix_s || self.text.is_empty() {
            self.write(unix_s);
        }
        &self.text
    }

    #[cold]
    fn write(&mut self, unix_s: u64) {
        self.unix_s = unix_s;
        self.text.clear();
        self.text.extend_from_slice(b"Date: ");
        Date { unix_s }.write(&mut self.text);
        self.text.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §20.17: the clock of the machine counts, not that of the shard, which is never set.
    #[test]
    fn a_line_for_each_second() {
        let mut line = DateLine::default();
        assert_eq!(line.at(0), b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(line.at(1_289_690_940_999), b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n");
        assert_eq!(line.at(1_289_690_941_000), b"Date: Sat, 13 Nov 2010 23:29:01 GMT\r\n");
        line.ahead_ms = -86_400_000;
        assert_eq!(line.at(1_289_690_941_000), b"Date: Fri, 12 Nov 2010 23:29:01 GMT\r\n");
        line.ahead_ms = i64::MIN;
        assert_eq!(line.at(1_289_690_941_000), b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    }
}
