//! A MySQL server as a process of ours.

use anyhow::Result;
use rowpost_servers::{
    mysql::{self, Options},
    ports,
    process::Lifetime,
    server::Server,
};

use crate::control::{self, Control};

/// Root's URL, and the hold on the server.
pub(crate) async fn start(options: Options) -> Result<(String, Control)> {
    let port = ports::free()?;
    let native = control::start_native("mysql", move |cache, directory| {
        Server::start(mysql::plan(cache, &options, directory, port)?, Lifetime::Tied)
    })
    .await?;
    Ok((format!("mysql://root@127.0.0.1:{port}"), Control::Native(native)))
}
