//! The addresses of host names.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

/// Asks the system's resolver for the addresses of one host, at each connection anew.
///
/// The resolver blocks a thread, and during an outage of the DNS for longer than a check waits. So there is one question at a time: who
/// asks while an earlier question is open waits for the earlier answer. Clones share the question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookup(Arc<Mutex<Option<Asked>>>);

type Asked = JoinHandle<io::Result<Vec<SocketAddr>>>;

impl Lookup {
    /// The addresses of `host`, which is the same host at each call. The question stays open if this future is dropped.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        let mut asked = self.0.lock().await;
        if let Some(earlier) = &mut *asked {
            let answer = earlier.await;
            *asked = None;
            // An error may be older than the end of an outage.
            if let Ok(Ok(addrs)) = answer {
                return Ok(addrs);
            }
        }
        let answer = asked.insert(spawn_blocking(resolve(host, port))).await;
        *asked = None;
        answer?
    }
}

/// The question, for a thread that may be blocked. A test has a table of its own names.
fn resolve(host: &str, port: u16) -> impl FnOnce() -> io::Result<Vec<SocketAddr>> + use<> {
    #[cfg(test)]
    let known = table::known(host);
    let host = host.to_owned();
    move || {
        #[cfg(test)]
        if let Some(known) = known {
            return Ok(vec![known()]);
        }
        Ok((host.as_str(), port).to_socket_addrs()?.collect())
    }
}

/// The names that the present thread's test has made up. A test cannot change what the system's resolver says.
#[cfg(test)]
pub(crate) mod table {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::net::SocketAddr;
    use std::sync::Arc;

    type Answer = Arc<dyn Fn() -> SocketAddr + Send + Sync>;

    thread_local! {
        static NAMES: RefCell<HashMap<String, Answer>> = RefCell::default();
    }

    /// From here on the host `name` has this address, whatever the port is.
    pub(in crate::client) fn set(name: &str, addr: SocketAddr) {
        answer(name, move || addr);
    }

    /// From here on `answer` is the resolver for the host `name`. It may block.
    pub(crate) fn answer(name: &str, answer: impl Fn() -> SocketAddr + Send + Sync + 'static) {
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned(), Arc::new(answer)));
    }

    pub(super) fn known(name: &str) -> Option<Answer> {
        NAMES.with_borrow(|names| names.get(name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::Mutex as StdMutex;
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_between_two_runs_is_for_the_next() {
        let (tell, told) = channel();
        let told = StdMutex::new(told);
        table::answer("late.test", move || told.lock().unwrap().recv().unwrap());
        let lookup = Lookup::default();
        let mut run = Box::pin(lookup.addresses("late.test", 1));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx)));
        assert!(first.await.is_pending());
        drop(run);
        let addr = ([127, 0, 0, 1], 1).into();
        tell.send(addr).unwrap();
        let answer = lookup.addresses("late.test", 1).await;
        assert_eq!(answer.unwrap(), [addr]);
        // The next lookup is a new question.
        let other = ([127, 0, 0, 1], 2).into();
        tell.send(other).unwrap();
        let answer = lookup.addresses("late.test", 1).await;
        assert_eq!(answer.unwrap(), [other]);
    }

    #[tokio::test]
    async fn an_address_is_no_question() {
        for ip in ["127.0.0.1", "::1"] {
            let lookup = Lookup::default();
            let found = lookup.addresses(ip, 1).await.unwrap();
            assert_eq!(found, [(ip.parse::<IpAddr>().unwrap(), 1).into()]);
        }
    }
}
