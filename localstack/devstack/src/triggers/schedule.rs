//! `rate(…)` and `cron(…)` as EventBridge reads them, in UTC.

use std::{collections::BTreeSet, ops::RangeInclusive};

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rate(SignedDuration),
    Cron(Box<Cron>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    /// `None` for `?`.
    days: Option<Vec<MonthDay>>,
    months: BTreeSet<i16>,
    /// `None` for `?`.
    weekdays: Option<Vec<WeekDay>>,
    years: BTreeSet<i16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MonthDay {
    OneOf(BTreeSet<i16>),
    /// `L`.
    Last,
    /// `15W`: the working day nearest to the 15th, in the same month.
    NearestWorkday(i16),
}

/// Sunday is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WeekDay {
    OneOf(BTreeSet<i16>),
    /// `6L`: the month's last Friday.
    Last(i16),
    /// `2#1`: the month's first Monday.
    Nth(i16, i16),
}

const MONTHS: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl std::str::FromStr for Schedule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, body) = text
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
            .with_context(|| format!("{text:?} is neither rate(…) nor cron(…)"))?;
        let kind = match kind {
            "rate" => rate(body).map(Kind::Rate),
            "cron" => cron(body).map(|cron| Kind::Cron(Box::new(cron))),
            _ => bail!("{text:?} is neither rate(…) nor cron(…)"),
        };
        kind.map(Self).with_context(|| text.to_owned())
    }
}

impl Schedule {
    /// The first time after `after`; `None` if there is no further one. A rate
    /// counts from `after`.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Rate(interval) => after.checked_add(*interval).ok(),
            Kind::Cron(cron) => cron.next(after),
        }
    }
}

fn rate(body: &str) -> Result<SignedDuration> {
    let (number, unit) = body.split_once(' ').context("a rate is a number and a unit")?;
    let number: i64 = number.parse()?;
    ensure!(number > 0, "a rate is positive");
    let minutes = match (unit.strip_suffix('s').unwrap_or(unit), unit.ends_with('s')) {
        ("minute", plural) if plural == (number != 1) => 1,
        ("hour", plural) if plural == (number != 1) => 60,
        ("day", plural) if plural == (number != 1) => 24 * 60,
        _ => bail!("{unit:?} does not fit {number}"),
    };
    Ok(SignedDuration::from_mins(number.checked_mul(minutes).context("too long")?))
}

fn cron(body: &str) -> Result<Cron> {
    let fields: Vec<_> = body.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
        bail!("a cron expression has six fields, not {}", fields.len());
    };
    ensure!(
        (*days == "?") != (*weekdays == "?"),
        "exactly one of day-of-month and day-of-week is ?"
    );
    Ok(Cron {
        minutes: set(minutes, 0..=59, &[]).context("minutes")?,
        hours: set(hours, 0..=23, &[]).context("hours")?,
        days: days_of(days, month_day).context("day-of-month")?,
        months: set(months, 1..=12, MONTHS).context("month")?,
        weekdays: days_of(weekdays, week_day).context("day-of-week")?,
        years: set(years, 1970..=2199, &[]).context("year")?,
    })
}

fn days_of<T>(field: &str, parse: fn(&str) -> Result<T>) -> Result<Option<Vec<T>>> {
    match field {
        "?" => Ok(None),
        list => list.split(',').map(parse).collect::<Result<_>>().map(Some),
    }
}

fn month_day(part: &str) -> Result<MonthDay> {
    if part == "L" {
        return Ok(MonthDay::Last);
    }
    match part.strip_suffix('W') {
        Some(day) => Ok(MonthDay::NearestWorkday(number(day, &(1..=31), &[])?)),
        None => set(part, 1..=31, &[]).map(MonthDay::OneOf),
    }
}

fn week_day(part: &str) -> Result<WeekDay> {
    if let Some((day, nth)) = part.split_once('#') {
        let day = number(day, &(1..=7), WEEKDAYS)?;
        return Ok(WeekDay::Nth(day, number(nth, &(1..=5), &[])?));
    }
    match part.strip_suffix('L') {
        Some("") => Ok(WeekDay::OneOf(BTreeSet::from([7]))),
        Some(day) => Ok(WeekDay::Last(number(day, &(1..=7), WEEKDAYS)?)),
        None => set(part, 1..=7, WEEKDAYS).map(WeekDay::OneOf),
    }
}

/// `*`, `5`, `1-5`, `0/15`, `*/15`, `1-10/2`, and lists of those.
fn set(field: &str, range: RangeInclusive<i16>, names: &[&str]) -> Result<BTreeSet<i16>> {
    let mut all = BTreeSet::new();
    for part in field.split(',') {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, Some(step.parse::<usize>()?)),
            None => (part, None),
        };
        let (first, last) = match span.split_once('-') {
            _ if span == "*" => (*range.start(), *range.end()),
            Some((first, last)) => (number(first, &range, names)?, number(last, &range, names)?),
            None => {
                let first = number(span, &range, names)?;
                (first, if step.is_some() { *range.end() } else { first })
            }
        };
        ensure!(first <= last, "{span} runs backwards");
        ensure!(step != Some(0), "a step of 0");
        all.extend((first..=last).step_by(step.unwrap_or(1)));
    }
    Ok(all)
}

fn number(text: &str, range: &RangeInclusive<i16>, names: &[&str]) -> Result<i16> {
    let name = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let number = match name {
        Some(position) => range.start() + i16::try_from(position)?,
        None => text.parse().with_context(|| format!("{text:?} is not a value"))?,
    };
    ensure!(range.contains(&number), "{number} is not within {range:?}");
    Ok(number)
}

impl Cron {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        let end = Date::constant(2199, 12, 31);
        while date <= end {
            if !self.years.contains(&date.year()) {
                date = Date::new(date.year() + 1, 1, 1).ok()?;
                continue;
            }
            if !self.months.contains(&i16::from(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.on(date) {
                for (hour, minute) in
                    self.hours.iter().flat_map(|h| self.minutes.iter().map(move |m| (*h, *m)))
                {
                    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
                    let at = date.at(hour, minute, 0, 0);
                    if at > start {
                        return TimeZone::UTC.to_timestamp(at).ok();
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn on(&self, date: Date) -> bool {
        let day = i16::from(date.day());
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        let last = i16::from(date.days_in_month());
        let matches_day = |rule: &MonthDay| match rule {
            MonthDay::OneOf(days) => days.contains(&day),
            MonthDay::Last => day == last,
            MonthDay::NearestWorkday(wanted) => nearest_workday(date, *wanted) == Some(date),
        };
        let matches_weekday = |rule: &WeekDay| match rule {
            WeekDay::OneOf(days) => days.contains(&weekday),
            WeekDay::Last(wanted) => weekday == *wanted && day + 7 > last,
            WeekDay::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
        };
        self.days.as_ref().is_none_or(|rules| rules.iter().any(matches_day))
            && self.weekdays.as_ref().is_none_or(|rules| rules.iter().any(matches_weekday))
    }
}

/// `None` if the month has no such day.
fn nearest_workday(month: Date, day: i16) -> Option<Date> {
    let wanted = Date::new(month.year(), month.month(), i8::try_from(day).ok()?).ok()?;
    let shift = match wanted.weekday().to_sunday_one_offset() {
        7 if day == 1 => 2,
        7 => -1,
        1 if wanted == wanted.last_of_month() => -2,
        1 => 1,
        _ => 0,
    };
    wanted.checked_add(shift.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> String {
        let schedule: Schedule = expression.parse().unwrap();
        let next = schedule.next(after.parse().unwrap());
        next.map_or_else(|| "never".into(), |next| next.to_string())
    }

    #[test]
    fn finds_the_next_time() {
        for (expression, after, expected) in [
            ("rate(5 minutes)", "2026-11-21T00:00:30Z", "2026-11-21T00:05:30Z"),
            ("rate(1 hour)", "2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z"),
            ("rate(1 day)", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("cron(5 0 * * ? *)", "2026-11-21T00:04:59.9Z", "2026-11-21T00:05:00Z"),
            ("cron(5 0 * * ? *)", "2026-11-21T00:05:00Z", "2026-11-22T00:05:00Z"),
            ("cron(0/15 * * * ? *)", "2026-11-21T00:46:00Z", "2026-11-21T01:00:00Z"),
            ("cron(*/20 8-17/3 ? * MON-FRI *)", "2026-11-20T17:50:00Z", "2026-11-23T08:00:00Z"),
            ("cron(0 10 L * ? *)", "2028-02-03T00:00:00Z", "2028-02-29T10:00:00Z"),
            ("cron(0 10 15W * ? *)", "2026-11-01T00:00:00Z", "2026-11-16T10:00:00Z"),
            ("cron(0 10 1W * ? *)", "2026-07-31T12:00:00Z", "2026-08-03T10:00:00Z"),
            ("cron(0 10 31W * ? *)", "2027-01-01T00:00:00Z", "2027-01-29T10:00:00Z"),
            ("cron(0 10 ? * 6L *)", "2026-11-01T00:00:00Z", "2026-11-27T10:00:00Z"),
            ("cron(0 10 ? * 2#1 *)", "2026-11-21T00:00:00Z", "2026-12-07T10:00:00Z"),
            ("cron(0 10 ? * L *)", "2026-11-16T00:00:00Z", "2026-11-21T10:00:00Z"),
            ("cron(0 0 1 JAN,jul ? *)", "2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("cron(0 0 29 2 ? *)", "2026-11-21T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("cron(0 0 1 1 ? 2030)", "2026-11-21T00:00:00Z", "2030-01-01T00:00:00Z"),
            ("cron(0 0 1 1 ? 2020)", "2026-11-21T00:00:00Z", "never"),
            ("cron(0 0 31 4 ? *)", "2026-11-21T00:00:00Z", "never"),
        ] {
            assert_eq!(next(expression, after), expected, "{expression} after {after}");
        }
    }

    #[test]
    fn refuses_what_eventbridge_refuses() {
        for expression in [
            "5 0 * * ? *",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(5 weeks)",
            "cron(5 0 * * ?)",
            "cron(5 0 * * * *)",
            "cron(5 0 ? * ? *)",
            "cron(60 0 * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(0 0 ? * 8 *)",
            "cron(0 0 ? * 2#6 *)",
            "cron(0/0 0 * * ? *)",
            "cron(0 0 32W * ? *)",
            "cron(9-3 0 * * ? *)",
            "at(2026-11-21T00:00:00)",
        ] {
            assert!(expression.parse::<Schedule>().is_err(), "{expression}");
        }
    }
}
