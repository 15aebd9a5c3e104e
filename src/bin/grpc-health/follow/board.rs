//! All services that are followed, in the order of the command line.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use grpc_health::client::{
    Connector, Monitor, Target,
    monitor::{self, Changes, Endpoint, PairId, State},
};

use super::{
    args::Targets,
    pair::{Pair, Seen, worst},
};
use crate::output::Exit;

/// A server of the command line.
pub(super) struct Server {
    pub(super) addr: Target,
    pub(super) connector: Connector,
    endpoint: Endpoint,
}

/// Where a service stands: the number of its server, and its name.
pub(super) type Place = (usize, String);

/// The services, their statuses, and the monitor that follows them.
pub(super) struct Board {
    monitor: Monitor,
    servers: Vec<Server>,
    pairs: BTreeMap<Place, (PairId, Pair)>,
    places: HashMap<PairId, Place>,
}

impl Board {
    /// A board without services. An error has been logged.
    pub(super) fn new(targets: &Targets, monitor: Monitor) -> Result<Self, Exit> {
        let mut servers: Vec<Server> = Vec::new();
        for place in &targets.places {
            let addr = &place.addr;
            if servers.iter().any(|server| server.addr == *addr) {
                continue;
            }
            let connector = targets.connecting.connector(addr)?;
            servers.push(Server {
                addr: addr.clone(),
                endpoint: Endpoint::new(addr.clone(), connector.clone()),
                connector,
            });
        }
        Ok(Self {
            monitor,
            servers,
            pairs: BTreeMap::new(),
            places: HashMap::new(),
        })
    }

    pub(super) fn changes(&self) -> Changes {
        self.monitor.changes()
    }

    /// The servers, each with its number.
    pub(super) fn servers(&self) -> impl Iterator<Item = (usize, &Server)> {
        self.servers.iter().enumerate()
    }

    pub(super) fn number(&self, addr: &Target) -> Option<usize> {
        self.servers.iter().position(|server| server.addr == *addr)
    }

    /// Follows one more service. A service that is there already stays as it is. Fails if the board is full, and says so.
    pub(super) fn add(&mut self, server: usize, service: &str) -> Result<(), String> {
        let place = (server, service.to_owned());
        let Some(found) = self.servers.get(server) else {
            return Err("no such server".to_owned());
        };
        if self.pairs.contains_key(&place) {
            return Ok(());
        }
        let added = self.monitor.add_endpoint(&found.endpoint, service);
        let id = added.map_err(|error| error.to_string())?;
        let pair = Pair::new(found.addr.to_string(), service.to_owned(), Instant::now());
        self.places.insert(id, place.clone());
        self.pairs.insert(place, (id, pair));
        Ok(())
    }

    /// Follows a service no longer.
    pub(super) fn remove(&mut self, place: &Place) {
        if let Some((id, _)) = self.pairs.remove(place) {
            self.places.remove(&id);
            self.monitor.remove(id);
        }
    }

    /// Notes what the monitor says. Returns the pair if its status is another than before.
    pub(super) fn note(&mut self, news: &monitor::Pair) -> Option<&Pair> {
        let place = self.places.get(&news.id)?;
        let (_, pair) = self.pairs.get_mut(place)?;
        pair.note(seen(&news.state), news.since).then_some(pair)
    }

    /// The services in order: by the server's place on the command line, then by name.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values().map(|(_, pair)| pair)
    }

    /// The names of a server's services.
    pub(super) fn names(&self, server: usize) -> impl Iterator<Item = &String> {
        let all = self.pairs.keys().filter(move |place| place.0 == server);
        all.map(|(_, service)| service)
    }

    /// The exit code of all statuses.
    pub(super) fn exit(&self) -> Exit {
        worst(self.pairs().map(|pair| &pair.seen))
    }
}

fn seen(state: &State) -> Seen {
    match state {
        State::Reported(status) => Seen::Reported(*status),
        State::Unreachable(why) => {
            let exit = if why.has_connection() {
                Exit::Rpc
            } else {
                Exit::Connect
            };
            Seen::lost(why.reason(), exit)
        }
        _ => Seen::Waiting,
    }
}
