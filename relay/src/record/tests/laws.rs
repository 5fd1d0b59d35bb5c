//! What holds for every row.

use std::sync::LazyLock;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

static EVERYTHING: LazyLock<OutboxTable> = LazyLock::new(|| {
    entry(
        "timestamp = 'at'\nadditional = [
        { column = 'type', placement = 'header', alias = 'eventType' },
        { column = 'extra', placement = 'header' },
        { column = 'part', placement = 'partition' }]",
    )
});

static SWAPPED: LazyLock<OutboxTable> = LazyLock::new(|| entry("event_id_format = 'uuid-swapped'"));

fn record(config: &OutboxTable, row: &Row<'_>) -> Result<OutboxRecord, RecordError> {
    record_with(&mut resolve(config, row).unwrap(), row)
}

/// The values of one row, owned.
#[derive(Debug, Clone)]
struct Values {
    id: [u8; 16],
    aggregate_type: String,
    aggregate_id: Option<Vec<u8>>,
    event_type: String,
    payload: Option<Vec<u8>>,
    extra: Option<i64>,
    at: Option<i64>,
    part: Option<i32>,
}

prop_compose! {
    fn values()(
        id in any::<[u8; 16]>(),
        aggregate_type in "[a-zA-Z0-9._-]{1,20}",
        aggregate_id in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        event_type in ".{0,20}",
        payload in prop::option::of(payload()),
        extra in any::<Option<i64>>(),
        at in prop::option::of(1..i64::MAX),
        part in prop::option::of(0..=i32::MAX),
    ) -> Values {
        Values { id, aggregate_type, aggregate_id, event_type, payload, extra, at, part }
    }
}

/// Short ones and, now and then, one that is not copied.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (any::<u8>(), 16_000..40_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

impl Values {
    fn row(&self) -> Row<'_> {
        let optional = |value: &Option<i64>| value.map_or(Value::Null, Value::Int);
        let optional_bytes = |value: Option<&'_ Vec<u8>>| match value {
            Some(value) => Value::Bytes(value.clone().into()),
            None => Value::Null,
        };
        vec![
            ("id", bytes(&self.id)),
            ("aggregatetype", text(&self.aggregate_type)),
            ("aggregateid", optional_bytes(self.aggregate_id.as_ref())),
            ("type", text(&self.event_type)),
            ("payload", optional_bytes(self.payload.as_ref())),
            ("extra", optional(&self.extra)),
            ("at", optional(&self.at)),
            ("part", optional(&self.part.map(i64::from))),
        ]
    }
}

proptest! {
    #[test]
    fn nothing_of_a_row_is_changed_or_lost(values in values()) {
        let record = record(&EVERYTHING, &values.row()).unwrap();

        prop_assert_eq!(&*record.topic, format!("outbox.event.{}", values.aggregate_type));
        prop_assert_eq!(record.partition, values.part);
        prop_assert_eq!(&record.key, &values.aggregate_id);
        prop_assert_eq!(&record.value, &values.payload);
        prop_assert_eq!(record.timestamp_ms, values.at.unwrap_or(COMMITTED_MS));
        let (id, extra) =
            (Uuid::from_bytes(values.id).to_string(), values.extra.map(|n| n.to_string()));
        prop_assert_eq!(
            headers(&record),
            [
                ("id", Some(id.as_str())),
                ("eventType", Some(values.event_type.as_str())),
                ("extra", extra.as_deref()),
            ]
        );
    }

    /// "The same row gives byte for byte the same record": not what came before it, not an error
    /// in between, not the order of the table's columns, not a column that nobody wants.
    #[test]
    fn a_record_depends_on_its_row_alone(
        (rows, order) in (prop::collection::vec(values(), 1..5), Just((0..8).collect::<Vec<_>>()).prop_shuffle()),
    ) {
        let mut mapping = resolve(&EVERYTHING, &rows[0].row()).unwrap();
        for values in &rows {
            let mut refused = values.row();
            refused[1].1 = text("no topic");
            prop_assert!(record_with(&mut mapping, &refused).is_err());
            let row = values.row();
            let mut other_table: Row<'_> = vec![("unwanted", text("x"))];
            other_table.extend(order.iter().map(|place: &usize| row[*place].clone()));

            let alone = record(&EVERYTHING, &row).unwrap();

            prop_assert_eq!(&record_with(&mut mapping, &row).unwrap(), &alone);
            prop_assert_eq!(&record(&EVERYTHING, &other_table).unwrap(), &alone);
        }
    }

    #[test]
    fn a_swapped_uuid_is_swapped_back(id in any::<[u8; 16]>()) {
        // `uuid_to_bin(…, true)`: bytes 6-7, 4-5, 0-3, then the rest.
        let swapped = [&id[6..8], &id[4..6], &id[..4], &id[8..]].concat();

        let record = record(&SWAPPED, &row_with("id", bytes(&swapped))).unwrap();

        prop_assert_eq!(headers(&record)[0].1.unwrap(), Uuid::from_bytes(id).to_string());
    }
}
