//! Asking the source for its binlog, as a replica.

use std::{num::NonZeroU32, time::Duration};

use uuid::Uuid;

use super::{ConnectionError, packet::PacketStream, result_set};
use crate::{
    position::{BinlogCoordinates, GtidSet},
    source::event::gtid_set,
};

const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_REPLICA: u8 = 0x15;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;

/// What the relay is called in `SHOW REPLICAS`.
pub const REPLICA_HOST: &str = "rowpost";

/// Whom the source sees.
#[derive(Debug, Clone)]
pub struct Replica {
    pub server_id: NonZeroU32,
    /// SERVER: a new dump ends the dump thread of the same replica that still waits on a dead
    /// connection. With a UUID only the same UUID counts as the same replica, so that two relays that
    /// were given the same server id by mistake do not end each other's streams.
    pub uuid: Uuid,
}

/// Where the stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpStart {
    /// Everything that is not in the set.
    After(GtidSet),
    /// At a transaction boundary in a file.
    At(BinlogCoordinates),
}

/// SERVER: the names with `master` and `slave` are all that servers before 8.0.26 look for; later
/// ones look for both.
pub(super) fn session_settings(replica: &Replica, heartbeat: Duration) -> [String; 3] {
    let period_ns = heartbeat.as_nanos();
    let uuid = replica.uuid;
    [
        format!(
            "set @master_heartbeat_period = {period_ns}, @source_heartbeat_period = {period_ns}"
        ),
        // Events come with their checksums; a file without stays without.
        format!(
            "set @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', \
             @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"
        ),
        // While Kafka is away we do not read, and the server's write waits. The default of a minute
        // would end the stream, and a large transaction would have to be read again.
        "set session net_write_timeout = 600".to_owned(),
    ]
}

/// Shows the relay in `SHOW REPLICAS`.
pub(super) async fn register(
    packets: &mut PacketStream,
    replica: &Replica,
) -> Result<(), ConnectionError> {
    let mut body = replica.server_id.get().to_le_bytes().to_vec();
    body.push(u8::try_from(REPLICA_HOST.len()).expect("the name is short"));
    body.extend(REPLICA_HOST.as_bytes());
    // No user, no password, no port; rank and source id are not used.
    body.extend([0, 0]);
    body.extend(0_u16.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    packets.command(COM_REGISTER_REPLICA, &body).await?;
    result_set::read(packets).await.map(drop)
}

/// Sends the dump command; the answer is the stream.
pub(super) async fn request(
    packets: &mut PacketStream,
    replica: &Replica,
    start: &DumpStart,
) -> Result<(), ConnectionError> {
    match start {
        DumpStart::After(set) => {
            packets.command(COM_BINLOG_DUMP_GTID, &after(replica.server_id, set)).await
        }
        DumpStart::At(coordinates) => {
            packets.command(COM_BINLOG_DUMP, &at(replica.server_id, coordinates)?).await
        }
    }
}

fn after(server_id: NonZeroU32, set: &GtidSet) -> Vec<u8> {
    const BINLOG_THROUGH_GTID: u16 = 4;
    const FIRST_POSITION: u64 = 4;
    let set = gtid_set::encode(set);
    let mut body = BINLOG_THROUGH_GTID.to_le_bytes().to_vec();
    body.extend(server_id.get().to_le_bytes());
    // No file name: the server finds the first file that matters.
    body.extend(0_u32.to_le_bytes());
    body.extend(FIRST_POSITION.to_le_bytes());
    let length = u32::try_from(set.len()).expect("a GTID set of 4 GiB does not fit into memory");
    body.extend(length.to_le_bytes());
    body.extend(set);
    body
}

fn at(server_id: NonZeroU32, start: &BinlogCoordinates) -> Result<Vec<u8>, ConnectionError> {
    // SERVER: the command has 32 bits for the position. Positions beyond are reached by reading the
    // file from an earlier one (`reader`).
    let position = u32::try_from(start.position)
        .map_err(|_| ConnectionError::Protocol { what: "a position beyond 4 GiB" })?;
    let mut body = position.to_le_bytes().to_vec();
    body.extend(0_u16.to_le_bytes());
    body.extend(server_id.get().to_le_bytes());
    body.extend(start.file.as_bytes());
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_ID: NonZeroU32 = NonZeroU32::new(0x0102_0304).unwrap();

    #[test]
    fn dump_by_coordinates_names_file_and_position() {
        let start = BinlogCoordinates { file: "bin-log.000007".into(), position: 1234 };

        let body = at(SERVER_ID, &start).unwrap();

        assert_eq!(body, b"\xd2\x04\0\0\0\0\x04\x03\x02\x01bin-log.000007");
    }

    #[test]
    fn position_beyond_the_commands_32_bits_is_never_cut() {
        let start = BinlogCoordinates { file: "bin-log.000007".into(), position: (1 << 32) + 4 };

        assert!(at(SERVER_ID, &start).is_err());
    }

    #[test]
    fn dump_by_gtid_set_names_no_file() {
        let body = after(SERVER_ID, &GtidSet::default());

        let empty_set = b"\x08\0\0\0\0\0\0\0\0\0\0\0";
        let head = b"\x04\0\x04\x03\x02\x01\0\0\0\0\x04\0\0\0\0\0\0\0";
        assert_eq!(body, [head.as_slice(), empty_set.as_slice()].concat());
    }
}
