//! Who probes, by the `user-agent` of the request.

use http::HeaderValue;

/// The classes of clients that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prober {
    /// The kubelet.
    Kube,
    /// The command `grpc_health_probe`.
    Probe,
    Envoy,
    /// The load balancers of AWS.
    Elb,
    /// The load balancers of Google Cloud.
    Google,
    /// Any client that watches: what a gRPC client does whose service config names a health check.
    Watch,
    Other,
}

/// How the `user-agent` of each class begins.
const AGENTS: [(&[u8], Prober); 6] = [
    (b"kube-probe/", Prober::Kube),
    (b"grpc_health_probe", Prober::Probe),
    (b"Envoy/HC", Prober::Envoy),
    (b"envoy", Prober::Envoy),
    (b"ELB-HealthChecker/", Prober::Elb),
    (b"GoogleHC/", Prober::Google),
];

impl Prober {
    pub(super) const COUNT: usize = 7;

    pub(super) fn of(agent: Option<&HeaderValue>) -> Self {
        agent.map_or(Self::Other, |agent| Self::of_agent(agent.as_bytes()))
    }

    #[inline]
    fn of_agent(agent: &[u8]) -> Self {
        // The first byte tells most other clients at less cost than comparisons of slices.
        match agent.first() {
            Some(b'k' | b'g' | b'E' | b'e' | b'G') => Self::of_known(agent),
            _ => Self::Other,
        }
    }

    fn of_known(agent: &[u8]) -> Self {
        let mut agents = AGENTS.iter();
        let found = agents.find(|(start, _)| agent.starts_with(start));
        found.map_or(Self::Other, |(_, prober)| *prober)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kube => "kube-probe",
            Self::Probe => "grpc_health_probe",
            Self::Envoy => "envoy",
            Self::Elb => "elb",
            Self::Google => "google",
            Self::Watch => "grpc_watch",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probers_are_told_apart_by_the_start_of_their_user_agent() {
        for (agent, name) in [
            ("kube-probe/1.31", "kube-probe"),
            ("kube-probe/1.31 grpc-go/1.65.0", "kube-probe"),
            ("grpc_health_probe grpc-go/1.60.0", "grpc_health_probe"),
            ("Envoy/HC", "envoy"),
            ("envoy-health-check", "envoy"),
            ("ELB-HealthChecker/2.0", "elb"),
            ("GoogleHC/1.0", "google"),
            ("grpc-go/1.80.0", "other"),
            ("my kube-probe/1.31", "other"),
            ("", "other"),
        ] {
            assert_eq!(Prober::of_agent(agent.as_bytes()).name(), name, "{agent}");
        }
        assert_eq!(Prober::of(None), Prober::Other);
    }
}
