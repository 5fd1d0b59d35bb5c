//! The `[mysql]` section → what a connection needs.

use std::{path::PathBuf, time::Duration};

use super::ConnectionError;
use crate::config::{Mysql, MysqlHost, MysqlUrl, Tls};

/// Address, account and TLS of the source. The files are read at each connect, so that a rotated
/// password or certificate is taken up without a restart.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub(super) url: MysqlUrl,
    pub(super) host: MysqlHost,
    password_file: Option<PathBuf>,
    pub(super) tls: Tls,
    /// For the connect and everything up to the end of the authentication.
    pub(super) connect_timeout: Duration,
}

impl ConnectOptions {
    /// Of the first host.
    pub fn new(config: &Mysql) -> Self {
        Self::on(config, config.url.host())
    }

    pub fn on(config: &Mysql, host: &MysqlHost) -> Self {
        Self {
            url: config.url.clone(),
            host: host.clone(),
            password_file: config.password_file.clone(),
            tls: config.tls.clone(),
            connect_timeout: config.connect_timeout,
        }
    }

    pub fn host(&self) -> &MysqlHost {
        &self.host
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        self.host.to_string()
    }

    /// The file's content, without the line break that editors leave at its end, or the URL's.
    pub(super) async fn password(&self) -> Result<String, ConnectionError> {
        let Some(path) = &self.password_file else { return Ok(self.url.password().to_owned()) };
        match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => Err(ConnectionError::File {
                setting: "mysql.password_file",
                path: path.clone(),
                error,
            }),
        }
    }

    /// Whoever names an authority or a client certificate wants TLS.
    pub(super) fn wants_tls(&self) -> bool {
        let Tls { required, ca, certificate, key, skip_hostname_verification: _ } = &self.tls;
        *required || ca.is_some() || certificate.is_some() || key.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn password_file_may_hold_any_character_and_ends_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "p@ss:/w?r#d%41 \r\n").unwrap();
        let url: MysqlUrl = "mysql://relay@db".parse().unwrap();
        let options = ConnectOptions {
            host: url.host().clone(),
            url,
            password_file: Some(file.path().to_owned()),
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(1),
        };

        assert_eq!(options.password().await.unwrap(), "p@ss:/w?r#d%41 ");
    }
}
