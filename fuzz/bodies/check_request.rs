//! The health service's decoder of a Check request agrees with prost's on every input: the same
//! name, or the same error.

use grpc_health::__internals::check_request;
use grpc_health::proto::health::HealthCheckRequest;
use prost::Message;

pub fn run(data: &[u8]) {
    let ours = check_request(data);
    let prosts = HealthCheckRequest::decode(data);
    match (&ours, &prosts) {
        (Ok(name), Ok(request)) => assert_eq!(*name, request.service),
        (Err(ours), Err(prosts)) => assert_eq!(ours, prosts),
        _ => panic!("{ours:?}, where prost has {prosts:?}"),
    }
}
