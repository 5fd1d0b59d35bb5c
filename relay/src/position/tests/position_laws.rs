//! A position only grows, and does not care how the way is cut.

use proptest::prelude::*;
use uuid::Uuid;

use super::{gtid, gtid_set};
use crate::position::{Advance, BinlogCoordinates, GtidSet, InProgress, Position, TableStart};

fn coordinates() -> impl Strategy<Value = BinlogCoordinates> {
    (1..2_000_000_u32, 4..1_u64 << 40).prop_map(|(number, position)| BinlogCoordinates {
        file: format!("bin-log.{number:06}").into(),
        position,
    })
}

fn in_progress() -> impl Strategy<Value = Option<InProgress>> {
    prop::option::of(
        (prop::option::of(gtid()), 1..u64::MAX)
            .prop_map(|(gtid, outbox_rows)| InProgress { gtid, outbox_rows }),
    )
}

fn table_start() -> impl Strategy<Value = Option<TableStart>> {
    prop::option::of(any::<u64>().prop_map(|rows| TableStart {
        last: None,
        rows,
        rows_about: rows,
    }))
}

fn position() -> impl Strategy<Value = Position> {
    let gtid_set = prop::option::of(gtid_set());
    let file_begun = prop::option::of(any::<u32>());
    (any::<u128>(), coordinates(), file_begun, gtid_set, in_progress(), table_start()).prop_map(
        |(uuid, coordinates, file_begun, gtid_set, in_progress, table_start)| Position {
            server_uuid: Uuid::from_u128(uuid),
            coordinates,
            file_begun,
            gtid_set,
            in_progress,
            table_start,
            prepared: Vec::new(),
        },
    )
}

fn advance() -> impl Strategy<Value = Advance> {
    position().prop_map(|reached| Advance {
        server_uuid: reached.server_uuid,
        coordinates: reached.coordinates,
        file_begun: reached.file_begun,
        gtids: reached.gtid_set,
        in_progress: reached.in_progress,
        table_start: reached.table_start,
        prepared: reached.prepared,
    })
}

fn after(mut position: Position, advances: &[&Advance]) -> Position {
    for advance in advances {
        position.apply(advance);
    }
    position
}

proptest! {
    #[test]
    fn a_position_only_grows(start in position(), way in prop::collection::vec(advance(), 0..5)) {
        let mut position = start;
        for advance in &way {
            let before = position.clone();
            position.apply(advance);

            let (set, had) = (position.gtid_set.clone(), before.gtid_set);
            prop_assert!(set.is_some() || had.is_none(), "the GTID set was dropped");
            let set = set.unwrap_or_default();
            prop_assert!(set.contains_all(&had.unwrap_or_default()));
            prop_assert!(set.contains_all(advance.gtids.as_ref().unwrap_or(&GtidSet::default())));
            prop_assert_eq!(position.server_uuid, advance.server_uuid);
            prop_assert_eq!(&position.coordinates, &advance.coordinates);
            prop_assert_eq!(position.file_begun, advance.file_begun);
            prop_assert_eq!(&position.in_progress, &advance.in_progress);
            prop_assert_eq!(&position.table_start, &advance.table_start);
        }
    }

    #[test]
    fn applying_two_advances_is_applying_their_sum(
        start in position(),
        first in advance(),
        second in advance(),
    ) {
        let mut sum = first.clone();
        sum.merge(&second);

        prop_assert_eq!(after(start.clone(), &[&sum]), after(start, &[&first, &second]));
    }

    #[test]
    fn a_sum_does_not_depend_on_grouping(a in advance(), b in advance(), c in advance()) {
        let mut left = a.clone();
        left.merge(&b);
        left.merge(&c);
        let mut later = b;
        later.merge(&c);
        let mut right = a;
        right.merge(&later);

        prop_assert_eq!(left, right);
    }

    #[test]
    fn applying_an_advance_again_changes_nothing(start in position(), advance in advance()) {
        prop_assert_eq!(after(start.clone(), &[&advance, &advance]), after(start, &[&advance]));
    }

    #[test]
    fn a_position_survives_json(position in position()) {
        let json = serde_json::to_string(&position).unwrap();

        prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
    }
}

/// A checkpoint written by this release must be read by every later one: the form is pinned.
#[test]
fn the_json_form_of_a_position_stays_as_it_is() {
    let json = concat!(
        r#"{"server_uuid":"3e11fa47-71ca-11e1-9e33-c80aa9429562","#,
        r#""coordinates":{"file":"bin-log.000042","position":4294967300},"#,
        r#""gtid_set":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-39:mytag:1-2","#,
        r#""in_progress":{"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:mytag:3","outbox_rows":7}}"#,
    );

    let position: Position = serde_json::from_str(json).unwrap();

    assert_eq!(position.in_progress.as_ref().unwrap().outbox_rows, 7);
    assert_eq!(serde_json::to_string(&position).unwrap(), json);
}

#[test]
fn a_server_without_gtids_has_none_in_its_position() {
    let json = concat!(
        r#"{"server_uuid":"3e11fa47-71ca-11e1-9e33-c80aa9429562","#,
        r#""coordinates":{"file":"bin-log.000042","position":4},"gtid_set":null}"#,
    );

    let position: Position = serde_json::from_str(json).unwrap();

    assert_eq!((&position.gtid_set, &position.in_progress), (&None, &None));
    assert_eq!(serde_json::to_string(&position).unwrap(), json);
}
