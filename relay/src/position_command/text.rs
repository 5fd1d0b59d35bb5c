//! A report or a plan → lines for a terminal.

use std::fmt::Write as _;

use super::{
    plan::{Extent, Move, Stretch},
    report::{Ahead, Report, Stored, ToOldest},
};
use crate::position::{GtidSet, Position};

/// Longer sets are counted instead: thousands of intervals help nobody.
const GTID_TEXT_MAX: usize = 400;

/// Values aligned under each other.
pub(crate) fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _infallible = writeln!(text, "{name:<14}{value}");
}

pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    line(&mut text, "source", format!("{}, checkpoint in topic {}", report.source, report.topic));
    match &report.checkpoint {
        None => line(&mut text, "checkpoint", "none: no relay of this source has begun yet"),
        Some(stored) => checkpoint(&mut text, stored),
    }
    let server = &report.server;
    line(
        &mut text,
        "server",
        format!(
            "{}, MySQL {}, {}, gtid_mode {}",
            server.address, server.version, server.server_uuid, server.gtid_mode
        ),
    );
    line(
        &mut text,
        "binlog",
        format!("{} files, from {} to {}", server.files, server.oldest, server.end),
    );
    if let Some(ahead) = &report.ahead {
        line(&mut text, "server ahead", self::ahead(ahead));
    }
    if let Some(to_oldest) = &report.to_oldest {
        line(&mut text, "to the oldest", self::to_oldest(to_oldest));
    }
    if let Some(refusal) = &report.refusal {
        line(&mut text, "CANNOT GO ON", refusal);
    }
    text
}

fn checkpoint(text: &mut String, stored: &Stored) {
    let Stored { sequence, committed_at, writer, relay_version, position } = stored;
    let written =
        format!("number {sequence}, {committed_at}, by {writer}, rowpost {relay_version}");
    line(text, "checkpoint", written);
    self::position(text, position);
}

fn position(text: &mut String, position: &Position) {
    line(text, "position", format!("{} of server {}", position.coordinates, position.server_uuid));
    if let Some(set) = &position.gtid_set {
        line(text, "gtid set", set);
    }
    if let Some(table_start) = &position.table_start {
        line(text, "from tables", format!("{table_start}; then the binlog from the position on"));
    }
    if let Some(in_progress) = &position.in_progress {
        let which = match &in_progress.gtid {
            Some(gtid) => gtid.to_string(),
            None => "the next transaction".to_owned(),
        };
        let rows = in_progress.outbox_rows;
        line(text, "in progress", format!("{rows} outbox rows of {which} are published"));
    }
    for branch in &position.prepared {
        line(text, "prepared", format!("XA branch {branch}"));
    }
}

fn ahead(ahead: &Ahead) -> String {
    let mut parts = Vec::new();
    if let (Some(bytes), Some(files)) = (ahead.bytes, ahead.files) {
        parts.push(extent(Extent { bytes, files }));
    }
    if let Some(gtids) = &ahead.gtids {
        parts.push(transactions(gtids));
    }
    match (&ahead.waiting_since, ahead.waiting_seconds) {
        (Some(since), Some(seconds)) => {
            parts.push(format!("the first committed at {since}, {seconds} s ago"));
        }
        (_, _) => parts.push("no transaction waits".to_owned()),
    }
    parts.join("; ")
}

fn to_oldest(to_oldest: &ToOldest) -> String {
    let ToOldest { files, bytes, expire_seconds, file_finished_at, kept_until } = to_oldest;
    let before = format!("{bytes} bytes, {files} older files");
    let purge = match (expire_seconds, file_finished_at, kept_until) {
        (None, _, _) => "the server purges nothing by itself".to_owned(),
        (Some(_), Some(_), Some(until)) => {
            format!(
                "the checkpoint's file is kept until {until}, then purged with the next new file"
            )
        }
        (Some(seconds), _, _) => {
            format!("the checkpoint's file is still written, and kept for {seconds} s after that")
        }
    };
    format!("{before}; {purge}")
}

/// What a move to `to` means, a line for each thing.
/// `doubt` is what may come once more from there.
pub(super) fn plan(
    from: Option<&Position>,
    to: &Position,
    planned: &Move,
    doubt: Option<&str>,
) -> String {
    let mut text = String::new();
    match from {
        Some(from) => {
            text.push_str("from\n");
            position(&mut text, from);
        }
        None => text.push_str("there is no checkpoint yet\n"),
    }
    text.push_str("to\n");
    position(&mut text, to);
    let Move { skipped, repeated, rows_in_progress, rows_of_tables, is_incomparable } = planned;
    if let Some(stretch) = skipped {
        line(&mut text, "LEFT OUT", format!("{}; never published", self::stretch(stretch)));
    }
    if let Some(stretch) = repeated {
        line(&mut text, "REPEATED", format!("{}; published once more", self::stretch(stretch)));
    }
    if let Some(rows) = rows_in_progress {
        line(
            &mut text,
            "IN PROGRESS",
            format!(
                "{rows} outbox rows of a transaction are published: the rest is left out, or all of it \
                 repeated"
            ),
        );
    }
    if let Some(rows) = rows_of_tables {
        line(
            &mut text,
            "FROM TABLES",
            format!("{rows} rows of the outbox tables are published: the others are left out"),
        );
    }
    if *is_incomparable {
        line(
            &mut text,
            "UNKNOWN",
            "the two cannot be compared: what is left out or repeated is not known",
        );
    }
    if let Some(doubt) = doubt {
        line(&mut text, "IN DOUBT", doubt);
    }
    if !planned.needs_yes() && doubt.is_none() {
        line(&mut text, "between", "nothing is left out or repeated");
    }
    text
}

fn stretch(stretch: &Stretch) -> String {
    let parts = [stretch.gtids.as_ref().map(transactions), stretch.extent.map(extent)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn extent(Extent { bytes, files }: Extent) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    format!("{bytes} bytes of binlog in {files}")
}

fn transactions(gtids: &GtidSet) -> String {
    let count = match gtids.count() {
        1 => "1 transaction".to_owned(),
        count => format!("{count} transactions"),
    };
    let set = gtids.to_string();
    match set.len() {
        0 => count,
        length if length <= GTID_TEXT_MAX => format!("{count} ({set})"),
        _ => count,
    }
}
