//! Prepared XA branches of the old position → those of the new one.
//!
//! Pure. Before this: `target`. After this: `plan`.

use super::PositionError;
use crate::position::{GtidSet, Position, PreparedBranch};

/// Branches that are prepared before the new position as before the old one stay prepared, but for those
/// that are to be forgotten. What lies between the two is not read, so one of them may have ended there;
/// then it stays until it is forgotten.
pub(super) fn carry_over(
    from: Option<&Position>,
    to: &mut Position,
    forgotten: &[String],
) -> Result<(), PositionError> {
    let prepared = from.map_or(&[][..], |from| &from.prepared);
    let is_known = |xid: &&String| prepared.iter().any(|branch| branch.xid == **xid);
    if let Some(xid) = forgotten.iter().find(|xid| !is_known(xid)) {
        let known = prepared.iter().map(|branch| branch.xid.clone()).collect();
        return Err(PositionError::NoSuchBranch { xid: xid.clone(), known });
    }
    to.prepared = prepared
        .iter()
        .filter(|branch| !forgotten.contains(&branch.xid) && is_before(branch, to))
        .cloned()
        .collect();
    if let Some(set) = &mut to.gtid_set {
        set.subtract(&to.prepared.iter().filter_map(|branch| branch.gtid).collect::<GtidSet>());
    }
    Ok(())
}

/// By its GTID where both have some, else by coordinates of one server.
fn is_before(branch: &PreparedBranch, to: &Position) -> bool {
    match (&branch.gtid, &to.gtid_set) {
        (Some(gtid), Some(set)) => set.contains(gtid),
        (_, _) => branch.server_uuid == to.server_uuid && branch.begins_at < to.coordinates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn position(coordinates: &str, numbers: Option<&str>) -> Position {
        Position {
            server_uuid: UUID.parse().unwrap(),
            coordinates: coordinates.parse().unwrap(),
            file_begun: None,
            gtid_set: numbers.map(|numbers| format!("{UUID}:{numbers}").parse().unwrap()),
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn with_branch(mut position: Position) -> Position {
        position.prepared = vec![PreparedBranch {
            xid: "X'67',X'',1".to_owned(),
            gtid: position.gtid_set.as_ref().map(|_| format!("{UUID}:5").parse().unwrap()),
            server_uuid: position.server_uuid,
            begins_at: "b.000002:90".parse().unwrap(),
            prepared_at: jiff::Timestamp::UNIX_EPOCH,
        }];
        position
    }

    fn carried(from: &Position, to: &str, numbers: Option<&str>, forgotten: &[String]) -> Position {
        let mut to = position(to, numbers);
        carry_over(Some(from), &mut to, forgotten).unwrap();
        to
    }

    #[test]
    fn branch_stays_prepared_if_its_place_is_before_the_new_position() {
        let old = with_branch(position("b.000003:40", None));
        let kept = |to: &str| carried(&old, to, None, &[]).prepared.len();

        assert_eq!((kept("b.000004:4"), kept("b.000002:40")), (1, 0));
    }

    #[test]
    fn gtids_say_what_is_before_where_there_are_some_and_that_of_the_branch_stays_out() {
        let old = with_branch(position("b.000003:40", Some("1-4:6-7")));

        let later = carried(&old, "b.000001:4", Some("1-9"), &[]);
        assert_eq!(later.prepared.len(), 1);
        assert_eq!(later.gtid_set.unwrap().to_string(), format!("{UUID}:1-4:6-9"));
        let before = carried(&old, "b.000009:4", Some("1-3"), &[]);
        assert_eq!(before.prepared.len(), 0);
    }

    #[test]
    fn branch_is_forgotten_only_by_its_name() {
        let old = with_branch(position("b.000003:40", Some("1-4:6-7")));
        let xid = old.prepared[0].xid.clone();

        let to = carried(&old, "b.000003:40", Some("1-7"), &[xid]);
        assert_eq!(to, position("b.000003:40", Some("1-7")));

        let mut to = position("b.000003:40", Some("1-7"));
        let error = carry_over(Some(&old), &mut to, &["X'68',X'',1".to_owned()]).unwrap_err();
        for part in ["X'68',X'',1", "X'67',X'',1"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
