//! Hours of the week as people write them: `Mo-Fr 08:00-18:00, Sa 09:00-12:00`.

use std::fmt;

use crate::error::Fault;
use crate::table::Kind;
use crate::value::FromText;

const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const DAY_MINUTES: u16 = 24 * 60;
/// Most spans of one rule: a different pair for each day of the week, with some to spare.
const SPANS_MAX: usize = 16;

/// Spans of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(Vec<Span>);

/// The same hours on one or more days. A span whose end is not after its beginning reaches into the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first_day: u8,
    last_day: u8,
    begin_minute: u16,
    /// The first minute that is not in it.
    end_minute: u16,
}

impl Hours {
    /// Whether a minute of the week is in them: `day` 0 is Monday, `minute` counts from midnight.
    pub fn contains(&self, day: u8, minute: u16) -> bool {
        self.0.iter().any(|span| span.contains(day, minute))
    }
}

impl Span {
    fn contains(&self, day: u8, minute: u16) -> bool {
        if self.begin_minute < self.end_minute {
            return self.has_day(day) && (self.begin_minute..self.end_minute).contains(&minute);
        }
        let yesterday = (day + 6) % 7;
        self.has_day(day) && minute >= self.begin_minute
            || self.has_day(yesterday) && minute < self.end_minute
    }

    /// `Fr-Mo` goes round the end of the week.
    fn has_day(&self, day: u8) -> bool {
        if self.first_day <= self.last_day {
            (self.first_day..=self.last_day).contains(&day)
        } else {
            day >= self.first_day || day <= self.last_day
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let (days, times) = text.trim().split_once(' ')?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (begin, end) = times.trim().split_once('-')?;
        Some(Self {
            first_day: day_from(first)?,
            last_day: day_from(last)?,
            begin_minute: minute_from(begin).filter(|minute| *minute < DAY_MINUTES)?,
            end_minute: minute_from(end)?,
        })
    }
}

fn day_from(text: &str) -> Option<u8> {
    DAYS.iter().position(|day| day.eq_ignore_ascii_case(text)).map(|day| day as u8)
}

/// `24:00` is the end of a day.
fn minute_from(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
    let (hour, minute) = (number(hour)?, number(minute)?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= DAY_MINUTES).then_some(whole)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: u8| DAYS[usize::from(day) % DAYS.len()];
        f.write_str(day(self.first_day))?;
        if self.last_day != self.first_day {
            write!(f, "-{}", day(self.last_day))?;
        }
        let (begin, end) = (self.begin_minute, self.end_minute);
        write!(f, " {:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60)
    }
}

impl FromText for Hours {
    const KIND: Kind = Kind::Text("hours of the week (`Mo-Fr 08:00-18:00, Sa 09:00-12:00`)");

    fn from_text(text: &str) -> Result<Self, Fault> {
        const FORM: &str =
            "hours are written as in Mo-Fr 08:00-18:00, Sa 09:00-12:00; days are Mo Tu We Th Fr Sa Su";
        let spans: Option<Vec<Span>> = text.split(',').map(Span::from_text).collect();
        let spans = spans.filter(|spans| spans.len() <= SPANS_MAX);
        spans.map(Self).ok_or(Fault::Malformed(FORM))
    }

    fn text(&self) -> String {
        self.0.iter().map(Span::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUNDAY: u8 = 6;

    fn hours(text: &str) -> Hours {
        Hours::from_text(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn office_hours() {
        let hours = hours("mo-fr 08:00-18:00, Sa 09:00-12:00");
        assert!(hours.contains(0, 8 * 60) && hours.contains(4, 17 * 60 + 59) && hours.contains(5, 11 * 60));
        assert!(!hours.contains(0, 8 * 60 - 1) && !hours.contains(4, 18 * 60));
        assert!(!hours.contains(5, 8 * 60) && !hours.contains(SUNDAY, 10 * 60));
        assert_eq!(hours.text(), "Mo-Fr 08:00-18:00, Sa 09:00-12:00");
    }

    #[test]
    fn nights_reach_into_the_next_day_and_weeks_into_the_next() {
        let night = hours("Su 22:00-06:00");
        assert!(night.contains(SUNDAY, 23 * 60) && night.contains(0, 5 * 60));
        assert!(!night.contains(SUNDAY, 5 * 60) && !night.contains(0, 22 * 60));
        let weekend = hours("Fr-Mo 00:00-24:00");
        assert!(weekend.contains(0, 0) && weekend.contains(SUNDAY, 1439) && !weekend.contains(2, 0));
    }

    #[test]
    fn wrong_hours_are_refused() {
        for text in
            ["", "Mo", "08:00-18:00", "Mo 8:00-18:00", "Mo 08:00-24:01", "Xx 08:00-18:00", "Mo 24:00-08:00"]
        {
            assert!(Hours::from_text(text).is_err(), "{text}");
        }
    }
}
