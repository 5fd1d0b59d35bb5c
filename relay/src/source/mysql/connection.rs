//! One connection: opened, used for queries, and perhaps turned into a binlog stream.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{
    BinlogStream, ConnectOptions, ConnectionError, DumpStart, Replica, RowStream, Rows, TlsInUse,
    authentication::{self, Account},
    dump,
    handshake::{self, Greeting},
    packet::PacketStream,
    result_set, tls,
};

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;

/// For a query's answer. `information_schema` on a server with very many tables takes seconds.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// An authenticated connection.
pub struct Connection {
    packets: PacketStream,
    greeting: Greeting,
    tls: Option<TlsInUse>,
    authentication: String,
}

impl Connection {
    pub async fn open(options: &ConnectOptions) -> Result<Self, ConnectionError> {
        // Boxed: the future of a whole handshake is large, and is polled once in a long while.
        let opening = Box::pin(Self::handshake(options));
        tokio::time::timeout(options.connect_timeout, opening).await.unwrap_or_else(|_| {
            Err(ConnectionError::TimedOut {
                address: options.address(),
                after: options.connect_timeout,
            })
        })
    }

    async fn handshake(options: &ConnectOptions) -> Result<Self, ConnectionError> {
        let password = options.password().await?;
        let stream = TcpStream::connect((options.host.name(), options.host.port()))
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| ConnectionError::Unreachable { address: options.address(), error })?;
        let mut packets = PacketStream::new(Box::new(stream), options.connect_timeout);
        let first = packets.read().await?;
        if let Some(error) = result_set::server_error(&first) {
            return Err(ConnectionError::Refused(error));
        }
        let greeting = Greeting::parse(&first)?;

        let mut tls_in_use = None;
        if options.wants_tls() {
            if !greeting.offers_tls() {
                return Err(ConnectionError::TlsNotOffered);
            }
            packets.write(&handshake::answer_head(true)).await?;
            let (stream, sequence) = packets.into_stream()?;
            let stream = tls::encrypt(stream, options.host.name(), &options.tls).await?;
            tls_in_use = Some(tls::in_use(&stream));
            packets = PacketStream::new(Box::new(stream), options.connect_timeout);
            packets.set_sequence(sequence);
        }

        let account = Account {
            user: options.url.user(),
            password: &password,
            is_encrypted: tls_in_use.is_some(),
        };
        let authentication = authentication::authenticate(&mut packets, &greeting, &account)
            .await
            .map_err(tls::refusal)?;
        packets.set_read_timeout(QUERY_TIMEOUT);
        Ok(Self { packets, greeting, tls: tls_in_use, authentication })
    }

    /// For example `9.7.4` or `5.7.22-log`.
    pub fn server_version(&self) -> &str {
        &self.greeting.server_version
    }

    /// The id that `SHOW PROCESSLIST` shows and `KILL` takes.
    pub fn id(&self) -> u32 {
        self.greeting.connection_id
    }

    pub fn tls(&self) -> Option<&TlsInUse> {
        self.tls.as_ref()
    }

    /// The authentication plugin that was used.
    pub fn authentication(&self) -> &str {
        &self.authentication
    }

    /// Runs one statement.
    pub async fn query(&mut self, statement: &str) -> Result<Rows, ConnectionError> {
        self.packets.command(COM_QUERY, statement.as_bytes()).await?;
        result_set::read(&mut self.packets).await
    }

    /// Runs one statement whose rows are too many or too large to be held.
    pub async fn stream(&mut self, statement: &str) -> Result<RowStream<'_>, ConnectionError> {
        self.packets.command(COM_QUERY, statement.as_bytes()).await?;
        RowStream::open(&mut self.packets).await
    }

    /// Turns the connection into a stream of binlog events.
    ///
    /// `heartbeat` is how often an idle source shows that it is alive; after three of them without a
    /// byte the connection counts as dead.
    pub async fn dump(
        mut self,
        replica: &Replica,
        start: &DumpStart,
        heartbeat: Duration,
    ) -> Result<BinlogStream, ConnectionError> {
        const SILENT_HEARTBEATS_MAX: u32 = 3;
        for statement in dump::session_settings(replica, heartbeat) {
            self.query(&statement).await?;
        }
        dump::register(&mut self.packets, replica).await?;
        dump::request(&mut self.packets, replica, start).await?;
        self.packets.set_read_timeout(heartbeat * SILENT_HEARTBEATS_MAX);
        Ok(BinlogStream::new(self.packets))
    }

    /// Says goodbye, so that the server does not count an aborted connection.
    pub async fn close(mut self) {
        // Whether it is heard changes nothing for us.
        drop(self.packets.command(COM_QUIT, &[]).await);
    }
}
