//! A report → lines for a terminal.

use super::{
    copies::{Copy, Visibility},
    report::{Behind, Found, Partition, Published, Report, SearchedBinlog, Stored, Transaction},
    verdict::{Loss, Status},
};
use crate::position_command::line;

pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for found in &report.events {
        event(&mut text, found, report);
        text.push('\n');
    }
    if report.events.is_empty() {
        line(&mut text, "NOT FOUND", "no such event in what was searched");
        not_found(&mut text, report);
    }
    searched(&mut text, &report.searched);
    text
}

fn event(text: &mut String, found: &Found, report: &Report) {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let kind = found.event_type.as_ref().map(|kind| format!(", type {kind}")).unwrap_or_default();
    let (id, key) = (or_none(&found.event_id), or_none(&found.key));
    line(text, "event", format!("{id}{kind}, key {key}, of table {}", found.table));
    line(text, "transaction", transaction(&found.transaction));
    line(text, "checkpoint", checkpoint(found, report.checkpoint.as_ref()));
    let Some((first, others)) = found.copies.split_first() else {
        line(text, "topic", format!("{}{}", found.topic, partitions(&found.partitions)));
        line(text, word(found.status), meaning(found));
        return;
    };
    line(text, "topic", &found.topic);
    line(text, "record", copy(first));
    for other in others {
        line(text, "record too", copy(other));
    }
    if found.more_copies > 0 {
        line(text, "record too", format!("{} more", found.more_copies));
    }
    if let Some(published) = &found.published {
        line(text, "in Kafka", self::published(published));
    }
    line(text, word(found.status), meaning(found));
}

fn transaction(transaction: &Transaction) -> String {
    let Transaction { gtid, begins_at, ends_at, committed_at, outbox_row } = transaction;
    let gtid = gtid.as_deref().map_or_else(String::new, |gtid| format!("{gtid}, "));
    format!(
        "{gtid}{begins_at} to {ends_at}, committed {committed_at}; outbox row {outbox_row} of it"
    )
}

fn checkpoint(found: &Found, stored: Option<&Stored>) -> String {
    let Some(Stored { sequence, committed_at, coordinates }) = stored else {
        return "none: no relay of this source has begun yet".to_owned();
    };
    let standing = match found.checkpoint_is_past {
        Some(true) => "past it",
        Some(false) => "not past it",
        None => "of another server or of unknown files, so it cannot be compared",
    };
    let behind = found.behind.as_ref().map(|behind| format!("; {}", self::behind(*behind)));
    let behind = behind.unwrap_or_default();
    format!("{standing}: number {sequence}, {committed_at}, at {coordinates}{behind}")
}

fn behind(Behind { bytes, seconds }: Behind) -> String {
    match bytes {
        Some(bytes) => format!("{bytes} bytes of binlog and {seconds} s behind it"),
        None => format!("{seconds} s behind it"),
    }
}

fn partitions(partitions: &[Partition]) -> String {
    let searched = |one: &Partition| {
        let Partition { partition, earliest_offset, searched_from, searched_to } = one;
        let from = match searched_from {
            Some(from) => format!("searched from offset {from} to {searched_to}"),
            None => format!("nothing younger up to offset {searched_to}"),
        };
        format!(", partition {partition} ({from}, earliest {earliest_offset})")
    };
    partitions.iter().map(searched).collect()
}

fn copy(copy: &Copy) -> String {
    let Copy { partition, offset, visibility, timestamp, is_broker_time, replayed } = copy;
    let visibility = match visibility {
        Visibility::Committed => "",
        Visibility::Aborted => ", of an aborted transaction",
        Visibility::Open => ", behind an open transaction",
    };
    let by = if *is_broker_time { "stored" } else { "with timestamp" };
    let time = timestamp.map(|time| format!(", {by} {time}")).unwrap_or_default();
    let replayed = replayed.as_ref().map(|name| format!(", replayed by `{name}`"));
    let replayed = replayed.unwrap_or_default();
    format!("partition {partition}, offset {offset}{time}{replayed}{visibility}")
}

fn published(published: &Published) -> String {
    let Published { at, after_commit_ms, is_at_the_latest, checkpoint_sequence } = published;
    let latest = if *is_at_the_latest { "at the latest " } else { "" };
    let by = match checkpoint_sequence {
        Some(sequence) => format!("with checkpoint number {sequence}"),
        None => "by the broker's clock".to_owned(),
    };
    format!("{latest}{at}, {after_commit_ms} ms after the commit, {by}")
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Published => "PUBLISHED",
        Status::PublishedByAnother => "PUBLISHED",
        Status::OnlyReplayed => "REPLAYED",
        Status::Open => "OPEN",
        Status::Aborted => "ABORTED",
        Status::Waiting => "WAITING",
        Status::NoRelay => "NO RELAY",
        Status::Gone => "GONE",
        Status::Unknown => "UNKNOWN",
    }
}

fn meaning(found: &Found) -> String {
    let text = match found.status {
        Status::Published => "consumers see it",
        Status::PublishedByAnother => {
            "consumers see it, but not from this source: another relay published it, or the checkpoint was \
             set back, and it will be published once more"
        }
        Status::OnlyReplayed => {
            "consumers see what a replay published; what the relay published is not there any more, or \
             never was"
        }
        Status::Open => {
            "consumers of committed records do not see it yet: a transaction in its partition is open. It \
             is the relay's, which commits within milliseconds, or another producer's that hangs"
        }
        Status::Aborted => {
            "only aborted transactions hold it: a relay was stopped or failed before its commit, and \
             publishes it again"
        }
        Status::Waiting => "the relay has not come to it; `rowpost status` says why it is behind",
        Status::NoRelay => "no relay of this source has begun; is `source` the relay's name?",
        Status::Gone => return gone(found.loss).to_owned(),
        Status::Unknown => {
            "it is not in Kafka, and the checkpoint does not tell whether it was; search the server that \
             the relay reads"
        }
    };
    text.to_owned()
}

fn gone(loss: Option<Loss>) -> &'static str {
    match loss {
        Some(Loss::NoTopic) => "the topic is not there: it was deleted, or never created",
        Some(Loss::Deleted) => {
            "the relay is past it, and the partition begins behind it: retention deleted it. `rowpost \
             replay` publishes it once more"
        }
        Some(Loss::NotDeleted) | None => {
            "the relay is past it, and older records are still there: compaction removed it, the relay was \
             set past it (`position set`, a first start with `latest`), the topic was made anew, or \
             partitions were added since (--all-partitions searches them)"
        }
    }
}

fn not_found(text: &mut String, report: &Report) {
    let reach = match report.searched.is_from_oldest {
        true => "older binlog is purged (--binlog-dir reads archived files)",
        false => "older binlog is there: --from earliest",
    };
    line(text, "it may be", format!("older: {reach}"));
    line(
        text,
        "",
        "not committed, or rolled back: that is not in the binlog, so it cannot be seen",
    );
    let tables = report.searched.outbox_tables.join(", ");
    line(text, "", format!("in a table that is no outbox table: the configuration names {tables}"));
    line(text, "", "written on another server, whose relay has another `source`");
}

fn searched(text: &mut String, searched: &SearchedBinlog) {
    let SearchedBinlog { binlog_of, from, until, stopped_at, transactions, outbox_rows, .. } =
        searched;
    let oldest = if searched.is_from_oldest { ", the oldest there is," } else { "" };
    let until = match stopped_at {
        Some(at) => format!("{at}, where enough was found (--all and --until go on)"),
        None => until.to_string(),
    };
    line(text, "searched", format!("{binlog_of}, from {from}{oldest} to {until}"));
    let tables: Vec<String> =
        outbox_rows.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
    let rows = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
    line(text, "", format!("{transactions} transactions; outbox rows: {rows}"));
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(status: Status, copies: Vec<Copy>) -> Found {
        Found {
            status,
            event_id: Some("e1".to_owned()),
            event_type: None,
            table: "shop.outbox".into(),
            key: Some("k".to_owned()),
            transaction: Transaction {
                gtid: None,
                begins_at: "b.000003:700".parse().unwrap(),
                ends_at: "b.000003:900".parse().unwrap(),
                committed_at: "2026-11-22T10:00:00Z".to_owned(),
                outbox_row: 2,
            },
            checkpoint_is_past: Some(false),
            behind: Some(Behind { bytes: Some(300), seconds: 4 }),
            topic: "outbox.event.order".into(),
            partitions: vec![Partition {
                partition: 3,
                earliest_offset: 5,
                searched_from: Some(7),
                searched_to: 9,
            }],
            copies,
            more_copies: 0,
            published: None,
            loss: None,
        }
    }

    fn shown(events: Vec<Found>) -> String {
        report(&Report {
            source: "shop".to_owned(),
            searched: SearchedBinlog {
                binlog_of: "db:3306".to_owned(),
                from: "b.000002:4".parse().unwrap(),
                until: "b.000004:50".parse().unwrap(),
                is_from_oldest: false,
                stopped_at: None,
                transactions: 12,
                outbox_rows: [("shop.outbox".into(), 7)].into(),
                outbox_tables: vec!["*.outbox".to_owned()],
            },
            checkpoint: Some(Stored {
                sequence: 5,
                committed_at: "2026-11-22T09:59:00Z".to_owned(),
                coordinates: "b.000003:600".parse().unwrap(),
            }),
            events,
        })
    }

    #[test]
    fn event_that_waits_says_by_how_much_and_where_it_was_looked_for() {
        assert_eq!(
            shown(vec![found(Status::Waiting, Vec::new())]),
            "event         e1, key k, of table shop.outbox\n\
             transaction   b.000003:700 to b.000003:900, committed 2026-11-22T10:00:00Z; outbox row 2 of it\n\
             checkpoint    not past it: number 5, 2026-11-22T09:59:00Z, at b.000003:600; 300 bytes of \
             binlog and 4 s behind it\n\
             topic         outbox.event.order, partition 3 (searched from offset 7 to 9, earliest 5)\n\
             WAITING       the relay has not come to it; `rowpost status` says why it is behind\n\
             \n\
             searched      db:3306, from b.000002:4 to b.000004:50\n              \
             12 transactions; outbox rows: 7 of shop.outbox\n"
        );
    }

    #[test]
    fn every_copy_says_who_published_and_who_sees_it() {
        let mut replayed = crate::find::copies::tests::copy(9, Visibility::Committed);
        replayed.replayed = Some("r1".to_owned());
        let aborted = crate::find::copies::tests::copy(7, Visibility::Aborted);

        let text = shown(vec![found(Status::OnlyReplayed, vec![aborted, replayed])]);

        assert!(text.contains("record        partition 0, offset 7, of an aborted transaction\n"));
        assert!(text.contains("record too    partition 0, offset 9, replayed by `r1`\n"), "{text}");
    }

    #[test]
    fn nothing_found_says_where_was_searched_and_what_may_be_the_reason() {
        let text = shown(Vec::new());

        for part in [
            "NOT FOUND",
            "--from earliest",
            "rolled back",
            "the configuration names *.outbox",
            "from b.000002:4 to b.000004:50",
        ] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
    }

    #[rstest]
    #[case(Loss::NoTopic, "deleted, or never created")]
    #[case(Loss::Deleted, "retention deleted it")]
    #[case(Loss::NotDeleted, "compaction removed it")]
    fn event_that_is_gone_says_how(#[case] loss: Loss, #[case] part: &str) {
        let mut gone = found(Status::Gone, Vec::new());
        gone.loss = Some(loss);

        assert!(shown(vec![gone]).contains(part));
    }
}
