//! What `--from` and `--until` say.

use jiff::{SignedDuration, Timestamp};

use crate::position::{BinlogCoordinates, GtidSet};

/// A place in the binlog, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Point {
    Earliest,
    Now,
    At(BinlogCoordinates),
    /// Behind the transaction that holds the place, or ends at it.
    Past(BinlogCoordinates),
    Gtids(GtidSet),
    Time(Timestamp),
}

/// The text names no place in the binlog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{flag} {text}`: {reason}")]
pub struct PointError {
    pub flag: &'static str,
    pub text: String,
    pub reason: String,
}

const FORMS: &str = "`file:position`, a GTID set, a time such as 2026-11-22T10:00:00Z, or a duration \
                     ago such as `90m`";

impl Point {
    /// Where reading begins.
    pub(crate) fn from(text: &str, now: Timestamp) -> Result<Self, PointError> {
        let error = |reason| PointError { flag: "--from", text: text.to_owned(), reason };
        match Self::parse(text, now, "earliest").map_err(error)? {
            Self::Now => Err(error(format!("must be `earliest`, {FORMS}"))),
            point @ (Self::Earliest
            | Self::At(_)
            | Self::Past(_)
            | Self::Gtids(_)
            | Self::Time(_)) => Ok(point),
        }
    }

    /// Where it ends.
    pub(crate) fn until(text: &str, now: Timestamp) -> Result<Self, PointError> {
        let error = |reason| PointError { flag: "--until", text: text.to_owned(), reason };
        match Self::parse(text, now, "now").map_err(error)? {
            Self::Earliest | Self::Past(_) => Err(error(format!("must be `now`, {FORMS}"))),
            point @ (Self::Now | Self::At(_) | Self::Gtids(_) | Self::Time(_)) => Ok(point),
        }
    }

    /// The forms cannot be taken for each other: a time holds no letters but its `T` and `Z`, a
    /// duration no colon; the name of a binlog file holds a dot, and a GTID set never does.
    fn parse(text: &str, now: Timestamp, word: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "earliest" => return Ok(Self::Earliest),
            "now" => return Ok(Self::Now),
            _ => {}
        }
        if let Some(place) = text.strip_prefix("past:") {
            return place.parse().map(Self::Past).map_err(|error| format!("{error}"));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::Time(time));
        }
        if !text.contains(':') {
            let ago = text.strip_suffix("ago").unwrap_or(text).trim();
            let ago =
                humantime::parse_duration(ago).map_err(|_| format!("must be `{word}`, {FORMS}"))?;
            let ago = SignedDuration::try_from(ago).map_err(|error| error.to_string())?;
            return now.checked_sub(ago).map(Self::Time).map_err(|error| error.to_string());
        }
        if text.contains('.') {
            return text.parse().map(Self::At).map_err(|error| format!("{error}"));
        }
        text.parse().map(Self::Gtids).map_err(|error| format!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    #[rstest]
    #[case("earliest", Point::Earliest)]
    #[case("bin-log.000042:4", Point::At("bin-log.000042:4".parse().unwrap()))]
    #[case("past:bin-log.000042:150", Point::Past("bin-log.000042:150".parse().unwrap()))]
    #[case(
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-39",
        Point::Gtids("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-39".parse().unwrap())
    )]
    #[case("2026-11-22T08:30:00.25Z", Point::Time("2026-11-22T08:30:00.25Z".parse().unwrap()))]
    #[case("2026-11-22T09:30:00+01:00", Point::Time("2026-11-22T08:30:00Z".parse().unwrap()))]
    #[case("1h 30m ago", Point::Time("2026-11-22T08:30:00Z".parse().unwrap()))]
    #[case("90m", Point::Time("2026-11-22T08:30:00Z".parse().unwrap()))]
    fn every_form_of_a_start_is_understood(#[case] text: &str, #[case] point: Point) {
        assert_eq!(Point::from(text, NOW.parse().unwrap()), Ok(point));
    }

    #[rstest]
    #[case::word("yesterday", "must be `earliest`")]
    #[case::end("now", "must be `earliest`")]
    #[case::position("bin-log.000042:x", "not a number of bytes")]
    #[case::place_to_pass("past:latest", "past:latest")]
    #[case::gtids("3e11fa47-71ca-11e1-9e33-c80aa9429562:5-1", "ends before it begins")]
    #[case::time("2026-11-22T25:00:00Z", "2026-11-22T25:00:00Z")]
    fn what_is_no_start_is_refused_with_the_reason(#[case] text: &str, #[case] reason: &str) {
        let error = Point::from(text, NOW.parse().unwrap()).unwrap_err().to_string();

        assert!(error.contains(reason) && error.contains("--from"), "{error}");
    }

    #[test]
    fn end_may_be_now_and_is_never_the_earliest_or_behind_a_place() {
        let now = NOW.parse().unwrap();

        assert_eq!(Point::until("now", now), Ok(Point::Now));
        for wrong in ["earliest", "past:bin-log.000042:150"] {
            let error = Point::until(wrong, now).unwrap_err().to_string();
            assert!(error.contains("must be `now`"), "{error}");
        }
    }
}
