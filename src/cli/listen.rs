use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted: where there are more, a caller tries again after a second.
const WAITING_MAX: u32 = 4096;

/// Listens on an address.
///
/// *Errors*: where that is not to be had.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING_MAX)
    };
    bound().with_context(|| format!("`{address}` cannot be listened on"))
}
