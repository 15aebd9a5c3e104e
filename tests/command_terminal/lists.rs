//! Long lists of services.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response};
use tokio::runtime;

use crate::support::{Running, line, run, serve};

/// A server that gives each call to `script`, with the path of the call. The streams that `script` returns stay open.
pub(crate) fn scripted(
    script: impl Fn(&str, SendResponse<Bytes>) -> Option<SendStream<Bytes>> + Send + Sync + 'static,
) -> (runtime::Runtime, String) {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let script = Arc::new(script);
    runtime.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                let mut open = Vec::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    open.extend(script(request.uri().path(), respond));
                }
            });
        }
    });
    (runtime, addr)
}

/// A server that lists 1,000 other names each time, and says that each of them is SERVING.
fn ever_other_names() -> (runtime::Runtime, String) {
    let lists = AtomicUsize::new(0);
    scripted(move |path, respond| {
        if path.ends_with("/List") {
            answer(respond, &list(lists.fetch_add(1, Relaxed)), true);
            None
        } else {
            // The Watch calls stay open.
            Some(answer(respond, &[8, 1], false))
        }
    })
}

fn answer(mut respond: SendResponse<Bytes>, message: &[u8], ends: bool) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", "application/grpc");
    let mut stream = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    let envelope = [&[0], &len[..], message].concat();
    stream.send_data(envelope.into(), false).unwrap();
    if ends {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        stream.send_trailers(trailers).unwrap();
    }
    stream
}

/// A `HealthListResponse` whose names begin with the number of the list.
fn list(number: usize) -> Vec<u8> {
    (0..1_000)
        .flat_map(|i| {
            let name = format!("{number:06}.{i:03}");
            let entry = [&[10, 10], name.as_bytes(), &[18, 2, 8, 1]].concat();
            [vec![10, u8::try_from(entry.len()).unwrap()], entry].concat()
        })
        .collect()
}

#[test]
fn a_server_that_lists_without_end_is_watched_in_part() {
    let (runtime, addr) = ever_other_names();
    let watch = ["watch", "--all", "--lines", "--relist", "300ms", &addr];
    let mut watch = Running::new(watch);
    let expected = format!("{addr}: the first 256 services are watched, and 744 are not");
    assert_eq!(line(&mut watch.stderr), expected);
    // Each list has 256 names at most, and the names before are forgotten.
    let mut lines = std::collections::BTreeMap::new();
    while lines.len() < 4 {
        let line = watch.line();
        let columns: Vec<&str> = line.split('\t').collect();
        let (list, name) = columns[2].split_once('.').unwrap();
        assert_eq!(columns[3], "SERVING", "{line}");
        assert!(name.parse::<u32>().unwrap() < 256, "{line}");
        *lines.entry(list.to_owned()).or_insert(0) += 1;
    }
    assert!(lines.values().all(|&count| count <= 256), "{lines:?}");
    watch.signal("INT");
    let (code, _, stderr) = watch.end();
    // The same notice is not said twice.
    assert_eq!((code == 0 || code == 2, stderr.as_str()), (true, ""));
    runtime.shutdown_background();
}

/// As many as servers list.
#[test]
fn a_hundred_services_are_watched() {
    let names: Vec<String> = (0..99).map(|i| format!("s{i:02}")).collect();
    let mut args = Vec::new();
    for name in &names {
        args.extend(["--service", name.as_str()]);
    }
    let (_server, addr) = serve(&args);
    let mut watch = Running::new(["watch", "--all", &addr]);
    let mut seen: Vec<String> = (0..100)
        .map(|_| watch.line().split('\t').nth(2).unwrap().to_owned())
        .collect();
    seen.sort();
    assert_eq!(seen[0], "");
    assert_eq!(seen[1..], names[..]);
}

/// The status changes after the server has listed the service.
#[test]
fn a_list_with_reasons_ended_with_the_code_of_the_list() {
    for (listed, checked, shown, code) in [(1, 2, "NOT_SERVING", 4), (2, 1, "SERVING", 0)] {
        let (runtime, addr) = scripted(move |path, respond| {
            let list = [10, 7, 10, 1, b'a', 18, 2, 8, listed];
            let message = if path.ends_with("/List") {
                &list[..]
            } else {
                &[8, checked]
            };
            answer(respond, message, true);
            None
        });
        let (found, stdout, stderr) = run(["list", "--reasons", &addr]);
        assert_eq!(stdout, format!("a\t{shown}\t\t\n"), "{stderr}");
        assert_eq!(found, code);
        let (found, stdout, _) = run(["list", "--reasons", "--json", &addr]);
        assert!(
            stdout.contains(&format!("\"exit\":{code},\"services\"")),
            "{stdout}"
        );
        assert_eq!(found, code);
        runtime.shutdown_background();
    }
}
