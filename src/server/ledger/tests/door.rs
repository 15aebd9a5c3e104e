//! Scripted connections, and a ledger that they come to.

use std::sync::Mutex;

use super::super::*;

/// A scripted connection.
#[derive(Debug)]
pub(super) struct Client {
    standing: Mutex<Standing>,
    told: Mutex<Option<&'static str>>,
}

impl Client {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            standing: Mutex::new(Standing::new(Doing::Arriving, 0)),
            told: Mutex::default(),
        })
    }

    pub(super) fn does(&self, doing: Doing, since: u64) {
        *self.standing.lock().unwrap() = Standing::new(doing, since);
    }

    pub(super) fn told(&self) -> Option<&'static str> {
        *self.told.lock().unwrap()
    }
}

impl Seat for Client {
    fn standing(&self) -> Standing {
        *self.standing.lock().unwrap()
    }

    fn leave(&self) {
        *self.told.lock().unwrap() = Some("leave");
    }

    fn cut(&self) {
        *self.told.lock().unwrap() = Some("cut");
    }
}

pub(super) const fn limits(connections: usize, handshakes: usize) -> Limits {
    Limits {
        connections,
        per_address: None,
        handshakes,
    }
}

/// A ledger, and the clients that have come.
pub(super) struct Door {
    pub(super) ledger: Ledger<Client>,
    pub(super) now: u64,
}

impl Door {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            ledger: Ledger::new(limits),
            now: 0,
        }
    }

    pub(super) fn come(&mut self, address: u32) -> Option<(Arc<Client>, u64)> {
        let client = Client::new();
        let address = Address::V4(address);
        let key = self.ledger.admit(self.now, address, Arc::clone(&client))?;
        Some((client, key))
    }

    /// A client comes from `address`, and does this from now on.
    pub(super) fn settled(&mut self, address: u32, doing: Doing) -> Arc<Client> {
        let (client, key) = self.come(address).expect("a place");
        self.ledger.settle(self.now, key);
        client.does(doing, self.now);
        self.now += 1;
        client
    }

    /// All clients have had their time for a first call.
    pub(super) fn wait(&mut self) {
        self.now += ARRIVAL;
    }
}
