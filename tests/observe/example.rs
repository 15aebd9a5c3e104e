//! The page of the example `prometheus`, as a Prometheus server reads it.

#[path = "../../examples/prometheus.rs"]
#[allow(dead_code)]
mod prometheus;

use metrics_exporter_prometheus::PrometheusBuilder;

#[tokio::test]
async fn the_page_of_the_example_has_what_the_server_did() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let recorded = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let answer = prometheus::run(recorded).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        "# TYPE grpc_health_checks counter",
        r#"grpc_health_checks{prober="other",result="SERVING"} 1"#,
        r#"grpc_health_checks{prober="other",result="NOT_SERVING"} 1"#,
        r#"grpc_health_status{service="shop.Cart",status="NOT_SERVING"} 1"#,
        "grpc_health_connections 1",
        "grpc_health_watches 0",
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line}: {answer}"
        );
    }
}
