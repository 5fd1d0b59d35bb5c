//! A real MySQL server for a test.

use std::{env, fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use rowpost_servers::{
    certificates::{Authority, Certificate},
    mysql::{Flags, Options, Version},
};
use tokio::sync::OnceCell;

use crate::{control::Control, tier::Tier};

/// The servers that the relay must run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// MySQL 9 with GTIDs and full row metadata.
    Current,
    /// MySQL 5.7 with exactly the reference flags: no GTIDs, no column names in the binlog.
    Reference,
    /// MySQL 8.0 with GTIDs and full row metadata.
    Mysql80,
}

impl Setup {
    pub const ALL: [Self; 3] = [Self::Current, Self::Reference, Self::Mysql80];

    pub fn tier(self) -> Tier {
        match self {
            Self::Current => Tier::Mysql9,
            Self::Reference => Tier::Mysql57,
            Self::Mysql80 => Tier::Mysql80,
        }
    }

    /// Names a server of this set-up that is there already.
    fn variable(self) -> &'static str {
        self.tier().address_variable().expect("every MySQL tier has one")
    }

    pub(crate) fn options(self) -> Options {
        let (version, flags) = match self {
            Self::Current => (Version::V9, Flags::Gtid),
            Self::Reference => (Version::V57, Flags::Reference),
            Self::Mysql80 => (Version::V80, Flags::Gtid),
        };
        Options { version, flags, extra: Vec::new() }
    }
}

/// Arguments of a server that shows this certificate and lets in clients with one of the same
/// authority. What MySQL makes for itself names no host, so no client can verify it fully.
pub fn tls_arguments(authority: &Authority, server: &Certificate) -> [String; 3] {
    [("ca", &authority.certificate()), ("cert", &server.certificate), ("key", &server.key)]
        .map(|(what, file)| format!("--ssl-{what}={}", file.display()))
}

/// A server that goes with the test.
#[derive(Debug)]
pub struct MysqlServer {
    setup: Setup,
    url: String,
    control: Control,
}

impl MysqlServer {
    /// A server of the test's own.
    pub async fn start(setup: Setup) -> Result<Self> {
        Self::start_with::<&str>(setup, &[]).await
    }

    /// A server of the test's own with further arguments of `mysqld`.
    pub async fn start_with<A: AsRef<str> + fmt::Debug>(
        setup: Setup,
        arguments: &[A],
    ) -> Result<Self> {
        if let Ok(url) = env::var(setup.variable()) {
            if !arguments.is_empty() {
                let variable = setup.variable();
                bail!("this test needs a server with {arguments:?}, which {variable} cannot give");
            }
            return Self::at(setup, url).await;
        }
        let mut options = setup.options();
        options.extra = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        #[cfg(feature = "containers")]
        let (url, control) = crate::containers::mysql(&options).await?;
        #[cfg(not(feature = "containers"))]
        let (url, control) = crate::native_mysql::start(options).await?;
        Ok(Self { setup, url, control })
    }

    /// One server per set-up and test process, for tests that neither kill it nor mind what others
    /// write. Each takes a database of its own.
    pub async fn shared(setup: Setup) -> Result<&'static Self> {
        static CURRENT: OnceCell<MysqlServer> = OnceCell::const_new();
        static REFERENCE: OnceCell<MysqlServer> = OnceCell::const_new();
        static MYSQL_80: OnceCell<MysqlServer> = OnceCell::const_new();
        let cell = match setup {
            Setup::Current => &CURRENT,
            Setup::Reference => &REFERENCE,
            Setup::Mysql80 => &MYSQL_80,
        };
        cell.get_or_try_init(|| Self::start(setup)).await
    }

    /// A server that is there already.
    pub async fn at(setup: Setup, url: String) -> Result<Self> {
        let control = Control::Address { variable: setup.variable() };
        let server = Self { setup, url, control };
        let expected = setup.options();
        let version: String = server.value("select @@version").await?;
        if !version.starts_with(&expected.version.to_string()) {
            let (variable, needed) = (setup.variable(), expected.version);
            bail!("{variable} names MySQL {version}, these tests need {needed}");
        }
        Ok(server)
    }

    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// As root.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// As another account; empty means without a password.
    pub fn url_as(&self, account: &str, password: &str) -> Result<String> {
        let opts = Opts::from_url(&self.url)?;
        let (host, port) = (opts.ip_or_hostname(), opts.tcp_port());
        Ok(match password {
            "" => format!("mysql://{account}@{host}:{port}"),
            password => format!("mysql://{account}:{password}@{host}:{port}"),
        })
    }

    pub fn port(&self) -> Result<u16> {
        Ok(Opts::from_url(&self.url)?.tcp_port())
    }

    /// A connection as root, over TCP as the relay's.
    pub async fn connect(&self) -> Result<Conn> {
        let opts = OptsBuilder::from_opts(Opts::from_url(&self.url)?).prefer_socket(false);
        Conn::new(opts).await.with_context(|| format!("cannot connect to {}", self.url))
    }

    /// Runs one or more statements.
    pub async fn exec(&self, sql: impl AsRef<str>) -> Result<()> {
        let sql = sql.as_ref();
        let mut connection = self.connect().await?;
        connection.query_drop(sql).await.with_context(|| format!("statement failed: {sql}"))?;
        Ok(connection.disconnect().await?)
    }

    /// The one row that a statement returns: a value or a tuple of them.
    pub async fn value<T>(&self, sql: &str) -> Result<T>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        let mut connection = self.connect().await?;
        let value = connection
            .query_first(sql)
            .await
            .with_context(|| format!("statement failed: {sql}"))?
            .with_context(|| format!("no row from: {sql}"))?;
        connection.disconnect().await?;
        Ok(value)
    }

    /// An account with nothing but the right to connect; `options` as in `create user`, such as
    /// `require ssl`.
    pub async fn create_account(&self, name: &str, password: &str, options: &str) -> Result<()> {
        self.exec(format!("create user '{name}'@'%' identified by '{password}' {options}")).await
    }

    /// The server's error log, for a native server.
    pub fn log(&self) -> Option<PathBuf> {
        self.control.directory().map(|directory| directory.join("mysqld.log"))
    }

    pub async fn pid(&self) -> Result<Option<i32>> {
        self.control.pid().await
    }

    pub async fn kill9(&self) -> Result<()> {
        self.control.kill9().await
    }

    pub async fn stop(&self) -> Result<()> {
        self.control.stop().await
    }

    /// After `kill9` or `stop`: with its data, on its port.
    pub async fn start_again(&self) -> Result<()> {
        self.control.start().await
    }

    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// As a network that swallows every packet, until `resume`.
    pub async fn pause(&self) -> Result<()> {
        self.control.pause().await
    }

    pub async fn resume(&self) -> Result<()> {
        self.control.resume().await
    }
}
