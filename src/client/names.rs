//! The addresses of host names.

use std::io;
use std::net::SocketAddr;

/// Asks the system's resolver, at each call anew. A test has a table of its own names.
pub(crate) async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(test)]
    if let Some(addr) = table::known(host) {
        return Ok(vec![addr]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// The names that the present thread's test has made up. A test cannot change what the system's resolver says.
#[cfg(test)]
pub(super) mod table {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::net::SocketAddr;

    thread_local! {
        static NAMES: RefCell<HashMap<String, SocketAddr>> = RefCell::default();
    }

    /// From here on the host `name` has this address, whatever the port is.
    pub(in crate::client) fn set(name: &str, addr: SocketAddr) {
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned(), addr));
    }

    pub(super) fn known(name: &str) -> Option<SocketAddr> {
        NAMES.with_borrow(|names| names.get(name).copied())
    }
}
