//! A binlog made by hand, and a server that sends it.

use uuid::Uuid;

use crate::{
    position::{Gtid, GtidTag, Position},
    source::{
        RawEvent,
        event::{EventHeader, EventType},
    },
};

pub(in crate::source) const SOURCE: Uuid = Uuid::from_u128(0x3e11_fa47);

pub(in crate::source) const OUTBOX: u64 = 100;
pub(in crate::source) const OTHER: u64 = 200;

/// An event as it stands in a file, or inside of a compressed transaction.
#[derive(Debug, Clone)]
pub(in crate::source) struct Logged {
    pub(in crate::source) header: EventHeader,
    pub(in crate::source) body: Vec<u8>,
    pub(in crate::source) is_unpacked: bool,
    file: usize,
    /// Where it begins in its file.
    start: u64,
    /// Of the transaction that it belongs to.
    gtid: Option<Gtid>,
}

impl Logged {
    pub(in crate::source) fn event(&self) -> RawEvent<'_> {
        RawEvent {
            header: self.header,
            body: &self.body,
            is_cut: false,
            is_unpacked: self.is_unpacked,
        }
    }
}

/// Files of events, written one behind the other.
#[derive(Debug, Clone)]
pub(in crate::source) struct Log {
    pub(in crate::source) events: Vec<Logged>,
    pub(in crate::source) file: usize,
    pub(in crate::source) position: u64,
    with_gtids: bool,
    next_number: u64,
    current: Option<Gtid>,
    inside_payload: bool,
}

pub(in crate::source) fn file_name(file: usize) -> String {
    format!("bin-log.{:06}", file + 1)
}

impl Log {
    pub(in crate::source) fn new(with_gtids: bool) -> Self {
        let mut log = Self {
            events: Vec::new(),
            file: 0,
            position: 4,
            with_gtids,
            next_number: 1,
            current: None,
            inside_payload: false,
        };
        log.open_file();
        log
    }

    /// Where a relay that has nothing begins.
    pub(in crate::source) fn start(&self) -> Position {
        Position {
            server_uuid: SOURCE,
            coordinates: format!("{}:4", file_name(0)).parse().unwrap(),
            file_begun: None,
            gtid_set: self.with_gtids.then(Default::default),
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn open_file(&mut self) {
        self.push(EventType::FORMAT_DESCRIPTION, vec![0; 100]);
        self.push(EventType::PREVIOUS_GTIDS, vec![0; 8]);
    }

    pub(in crate::source) fn push(&mut self, event_type: EventType, body: Vec<u8>) {
        let size = u32::try_from(EventHeader::LENGTH + body.len()).unwrap();
        let mut log_pos = 0;
        // What is in a payload stands in the file where the payload stands.
        let payload = self.events.iter().rfind(|event| !event.is_unpacked);
        let start = match payload {
            Some(payload) if self.inside_payload => payload.start,
            _ => self.position,
        };
        if !self.inside_payload {
            self.position += u64::from(size);
            log_pos = u32::try_from(self.position & 0xffff_ffff).unwrap();
        }
        self.events.push(Logged {
            header: EventHeader {
                timestamp: 1_700_000_000,
                event_type,
                server_id: 1,
                event_size: size,
                log_pos,
                flags: 0,
            },
            body,
            is_unpacked: self.inside_payload,
            file: self.file,
            start,
            gtid: self.current,
        });
    }

    pub(in crate::source) fn gtid(&mut self) -> &mut Self {
        let mut body = vec![0];
        body.extend(SOURCE.as_bytes());
        if self.with_gtids {
            let number = self.next_number;
            self.next_number += 1;
            self.current = Some(Gtid::new(SOURCE, GtidTag::default(), number).unwrap());
            body.extend(number.to_le_bytes());
            self.push(EventType::GTID, body);
        } else {
            body.extend([0; 8]);
            self.push(EventType::ANONYMOUS_GTID, body);
        }
        self
    }

    pub(in crate::source) fn query(&mut self, text: &str) -> &mut Self {
        let mut body = vec![0; 8];
        body.extend([4, 0, 0, 0, 0]);
        body.extend(b"shop\0");
        body.extend(text.as_bytes());
        self.push(EventType::QUERY, body);
        self
    }

    /// The statement of a LOAD DATA, in the database `shop` too.
    pub(in crate::source) fn load(&mut self, text: &str) -> &mut Self {
        let mut body = vec![0; 8];
        body.extend([4, 0, 0, 0, 0]);
        body.extend([0xee; 13]);
        body.extend(b"shop\0");
        body.extend(text.as_bytes());
        self.push(EventType::EXECUTE_LOAD_QUERY, body);
        self
    }

    /// A GTID event and `BEGIN`.
    pub(in crate::source) fn begin(&mut self) -> &mut Self {
        self.gtid().query("BEGIN")
    }

    pub(in crate::source) fn xid(&mut self) -> &mut Self {
        self.push(EventType::XID, vec![7; 8]);
        self.current = None;
        self
    }

    /// Ends a transaction that has no XID event.
    pub(in crate::source) fn end(&mut self) -> &mut Self {
        self.current = None;
        self
    }

    pub(in crate::source) fn ddl(&mut self, text: &str) -> &mut Self {
        self.gtid().query(text).end()
    }

    pub(in crate::source) fn xa_prepare(&mut self, is_one_phase: bool) -> &mut Self {
        let mut body = vec![u8::from(is_one_phase)];
        body.extend(b"\x01\0\0\0\x01\0\0\0\0\0\0\0g");
        self.push(EventType::XA_PREPARE, body);
        self.end()
    }

    pub(in crate::source) fn table_map(&mut self, table_id: u64) -> &mut Self {
        let table = if table_id == OUTBOX { "outbox" } else { "other" };
        self.push(EventType::TABLE_MAP, table_map(table_id, table, true));
        self
    }

    /// A statement that inserts rows: their ids, and the length of their payloads.
    pub(in crate::source) fn insert(&mut self, table_id: u64, rows: &[(u64, usize)]) -> &mut Self {
        self.table_map(table_id);
        self.rows(EventType::WRITE_ROWS, table_id, rows)
    }

    pub(in crate::source) fn rows(
        &mut self,
        event_type: EventType,
        table_id: u64,
        rows: &[(u64, usize)],
    ) -> &mut Self {
        let mut body = table_id.to_le_bytes()[..6].to_vec();
        // The end of its statement, no extra data, four columns, all present.
        body.extend([1, 0, 2, 0, 4, 0x0f]);
        if event_type == EventType::UPDATE_ROWS {
            body.push(0x0f);
        }
        for (id, length) in rows {
            body.extend(row(*id, *length));
        }
        self.push(event_type, body);
        self
    }

    /// A whole transaction with one statement for each list of rows.
    pub(in crate::source) fn transaction(
        &mut self,
        statements: &[(u64, &[(u64, usize)])],
    ) -> &mut Self {
        self.begin();
        for (table_id, rows) in statements {
            self.insert(*table_id, rows);
        }
        self.xid()
    }

    /// The same, compressed: GTID, payload, and what is in it.
    pub(in crate::source) fn compressed(
        &mut self,
        statements: &[(u64, &[(u64, usize)])],
    ) -> &mut Self {
        self.gtid();
        self.push(EventType::TRANSACTION_PAYLOAD, vec![0; 50]);
        self.inside_payload = true;
        self.query("BEGIN");
        for (table_id, rows) in statements {
            self.insert(*table_id, rows);
        }
        self.xid();
        self.inside_payload = false;
        self
    }

    pub(in crate::source) fn rotate(&mut self) -> &mut Self {
        self.push(EventType::ROTATE, rotate_body(&file_name(self.file + 1), 4));
        self.file += 1;
        self.position = 4;
        self.open_file();
        self
    }

    /// What the server sends to a replica that asks from `position` on.
    pub(in crate::source) fn serve(&self, position: &Position) -> Vec<Logged> {
        match &position.gtid_set {
            Some(set) => {
                let is_needed =
                    |event: &&Logged| event.gtid.is_none_or(|gtid| !set.contains(&gtid));
                let events: Vec<_> = self.events.iter().filter(is_needed).cloned().collect();
                with_file_starts(&file_name(0), 4, events)
            }
            None => {
                let coordinates = &position.coordinates;
                let file = (0..).find(|file| *file_name(*file) == *coordinates.file).unwrap();
                let is_behind =
                    |event: &&Logged| (event.file, event.start) >= (file, coordinates.position);
                let events: Vec<_> = self.events.iter().filter(is_behind).cloned().collect();
                with_file_starts(&coordinates.file, coordinates.position, events)
            }
        }
    }
}

/// Adds the artificial rotates: one at the start, one behind each real one.
fn with_file_starts(file: &str, position: u64, events: Vec<Logged>) -> Vec<Logged> {
    let mut sent = vec![artificial_rotate(file, position)];
    for event in events {
        let next = (event.header.event_type == EventType::ROTATE)
            .then(|| artificial_rotate(&file_name(event.file + 1), 4));
        sent.push(event);
        sent.extend(next);
    }
    sent
}

pub(in crate::source) fn rotate_body(file: &str, position: u64) -> Vec<u8> {
    [position.to_le_bytes().as_slice(), file.as_bytes()].concat()
}

pub(in crate::source) fn artificial_rotate(file: &str, position: u64) -> Logged {
    let body = rotate_body(file, position);
    Logged {
        header: EventHeader {
            timestamp: 0,
            event_type: EventType::ROTATE,
            server_id: 1,
            event_size: u32::try_from(EventHeader::LENGTH + body.len()).unwrap(),
            log_pos: 0,
            flags: 0x20,
        },
        body,
        is_unpacked: false,
        file: 0,
        start: 0,
        gtid: None,
    }
}

/// `id bigint, aggregatetype varchar(20), aggregateid varchar(20), payload varchar(20000)` in latin1.
pub(in crate::source) fn table_map(table_id: u64, table: &str, with_names: bool) -> Vec<u8> {
    let mut body = table_id.to_le_bytes()[..6].to_vec();
    body.extend([1, 0]);
    for name in ["shop", table] {
        body.push(u8::try_from(name.len()).unwrap());
        body.extend(name.as_bytes());
        body.push(0);
    }
    body.extend([4, 8, 15, 15, 15]);
    body.extend([6, 20, 0, 20, 0, 0x20, 0x4e, 0]);
    // Signs, and latin1 for all text.
    body.extend([1, 1, 0, 2, 1, 8]);
    if with_names {
        let mut names = Vec::new();
        for name in ["id", "aggregatetype", "aggregateid", "payload"] {
            names.push(u8::try_from(name.len()).unwrap());
            names.extend(name.as_bytes());
        }
        body.push(4);
        body.push(u8::try_from(names.len()).unwrap());
        body.extend(names);
    }
    body
}

fn row(id: u64, length: usize) -> Vec<u8> {
    let mut row = vec![0];
    row.extend(id.to_le_bytes());
    row.extend(b"\x05order");
    let key = (id % 7).to_string();
    row.push(u8::try_from(key.len()).unwrap());
    row.extend(key.as_bytes());
    row.extend(u16::try_from(length).unwrap().to_le_bytes());
    row.extend(std::iter::repeat_n(b'p', length));
    row
}
