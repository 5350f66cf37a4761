//! Date: RFC 3261 §20.17, the `rfc1123-date` of §25.1 and nothing else: always GMT.

use crate::chars::number;
use crate::{Malformed, trim};

const DAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_S: u64 = 86_400;

/// A point in time, in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// Seconds of the Unix epoch; not before it, and not after the year 9999.
    pub unix_s: u64,
}

impl Date {
    /// Parses `Sat, 13 Nov 2010 23:29:00 GMT`. The name of the day must be one, but need not fit.
    ///
    /// # Errors
    /// Another form, another time zone, or a day that is in no calendar.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        Self::read(trim(value)).ok_or(Malformed::Header("Date"))
    }

    fn read(text: &[u8]) -> Option<Self> {
        // The form is of fixed width: "Sat, 13 Nov 2010 23:29:00 GMT".
        let text: &[u8; 29] = text.try_into().ok()?;
        let field = |at: usize, len: usize, max: u32| number(text.get(at..at + len)?, max).map(u64::from);
        let in_form = text[3..5] == *b", "
            && [7, 11, 16].iter().all(|&i| text[i] == b' ')
            && [19, 22].iter().all(|&i| text[i] == b':')
            && text[25..] == *b" GMT";
        if !in_form || !DAYS.iter().any(|day| day.eq_ignore_ascii_case(&text[..3])) {
            return None;
        }
        let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(&text[8..11]))? as u64 + 1;
        let (year, day) = (field(12, 4, 9999)?, field(5, 2, 31)?);
        let (hour, minute, second) = (field(17, 2, 23)?, field(20, 2, 59)?, field(23, 2, 60)?);
        let days = days_since_epoch(year, month, day)?;
        Some(Self { unix_s: days * DAY_S + hour * 3600 + minute * 60 + second })
    }

    /// Writes the value.
    pub fn write(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.unix_s / DAY_S);
        let in_day = self.unix_s % DAY_S;
        out.extend_from_slice(DAYS[(self.unix_s / DAY_S % 7) as usize]);
        out.extend_from_slice(b", ");
        digits(day, 2, out);
        out.push(b' ');
        out.extend_from_slice(MONTHS[(month - 1) as usize]);
        out.push(b' ');
        digits(year, 4, out);
        for (separator, value) in [(b' ', in_day / 3600), (b':', in_day / 60 % 60), (b':', in_day % 60)] {
            out.push(separator);
            digits(value, 2, out);
        }
        out.extend_from_slice(b" GMT");
    }
}

/// The last `width` digits of a number.
fn digits(value: u64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the leap day is
/// the last of its year.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let march_year = if month > 2 { year } else { year.checked_sub(1)? };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + day_of_year;
    let since = days.checked_sub(EPOCH_FROM_MARCH_0)?;
    // The 31st of a month with 30 days would come back as the 1st of the next.
    (civil(since) == (year, month, day)).then_some(since)
}

/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH_FROM_MARCH_0: u64 = 719_468;
/// Days of 400 years.
const ERA: u64 = 146_097;

/// Year, month and day of a number of days since 1970-01-01.
fn civil(since_epoch: u64) -> (u64, u64, u64) {
    let days = since_epoch + EPOCH_FROM_MARCH_0;
    let in_era = days % ERA;
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + days / ERA * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unix_s: u64) -> String {
        let mut out = Vec::new();
        Date { unix_s }.write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// RFC 3261 §20.17, with its example.
    #[test]
    fn dates_are_read_and_written() {
        for (unix_s, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
        ] {
            assert_eq!(written(unix_s), text);
            assert_eq!(Date::parse(text.as_bytes()), Ok(Date { unix_s }), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..ERA {
            let unix_s = day * DAY_S + day % DAY_S;
            assert_eq!(Date::parse(written(unix_s).as_bytes()), Ok(Date { unix_s }));
        }
    }

    /// RFC 4475 §3.1.2.12: no other time zone.
    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 01 Jan 2010 16:00:00 UTC",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 00 Jan 2010 16:00:00 GMT",
            "Mon, 29 Feb 2010 16:00:00 GMT",
            "Fri, 01 Foo 2010 16:00:00 GMT",
            "Xxx, 01 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "2010-01-01T16:00:00Z",
        ] {
            assert_eq!(Date::parse(text.as_bytes()), Err(Malformed::Header("Date")), "{text}");
        }
    }
}
