//! `serve --metrics`: the page that a Prometheus server reads, over HTTP/1.1.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Display,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, interval, sleep, timeout},
};

use crate::{
    output::{line, log},
    probers::Probers,
    values::Listen,
};

/// The most connections of readers. For one more, the oldest is closed: a reader that sends nothing keeps no other out.
const MAX_CONNECTIONS: usize = 16;

/// How long a request's head may take, and a connection as a whole.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request, and the most fields of a head.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// For so long a page is given to other readers as well: readers without end cost one page in this time.
const PAGE_AGE: Duration = Duration::from_millis(250);

/// How often the recorder sorts its samples into buckets when nobody reads. Until then each call takes some bytes.
const UPKEEP: Duration = Duration::from_secs(1);

/// The pause after an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// The upper ends of the buckets of durations, in seconds.
const BUCKETS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The listener of the page.
pub(crate) struct Metrics {
    listener: TcpListener,
    page: Arc<Page>,
}

struct Page {
    recorded: PrometheusHandle,
    last: Mutex<Option<(Instant, String)>>,
}

impl Metrics {
    /// Listens on `addr`, and installs the recorder. The server must be made afterwards. To find the addresses of a name may take for
    /// ever, and may be given up.
    pub(crate) async fn start(addr: &Listen, probers: &Probers) -> Result<Self, String> {
        fn on(addr: &Listen) -> impl Fn(&dyn Display) -> String {
            move |error| format!("--metrics: cannot listen on {addr}: {error}")
        }
        let listener = match addr {
            Listen::At(addr) => TcpListener::bind(addr).await,
            Listen::Name(name, port) => TcpListener::bind((name.as_str(), *port)).await,
            Listen::Everywhere(port) => {
                let every = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
                let every = every.map(|ip| SocketAddr::new(ip, *port));
                TcpListener::bind(&every[..]).await
            }
        };
        let listener = listener.map_err(|error| on(addr)(&error))?;
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), BUCKETS)
            .map_err(|error| on(addr)(&error))?
            .build_recorder();
        let recorded = recorder.handle();
        ::metrics::set_global_recorder(probers.noting(recorder))
            .map_err(|error| on(addr)(&error))?;
        let last = Mutex::new(None);
        Ok(Self {
            listener,
            page: Arc::new(Page { recorded, last }),
        })
    }

    /// Prints where the page is.
    pub(crate) fn say(&self) {
        let said = match self.listener.local_addr() {
            Ok(addr) => line(format_args!("metrics on http://{addr}/metrics")),
            Err(error) => Err(error),
        };
        if let Err(error) = said {
            log(error);
        }
    }

    /// Serves the page for ever.
    pub(crate) async fn serve(self) {
        let page = Arc::clone(&self.page);
        tokio::spawn(async move {
            let mut upkeep = interval(UPKEEP);
            loop {
                upkeep.tick().await;
                page.recorded.run_upkeep();
            }
        });
        let mut open = VecDeque::new();
        loop {
            let Ok((io, _)) = self.listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            open.retain(|task: &tokio::task::AbortHandle| !task.is_finished());
            if open.len() >= MAX_CONNECTIONS {
                if let Some(oldest) = open.pop_front() {
                    oldest.abort();
                }
            }
            let page = Arc::clone(&self.page);
            open.push_back(tokio::spawn(answer(io, page)).abort_handle());
        }
    }
}

/// Answers one request. Errors are the reader's.
async fn answer(io: TcpStream, page: Arc<Page>) {
    let service = service_fn(|request| {
        let answer = page.answer(&request);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(io), service);
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
}

impl Page {
    fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        if request.uri().path() != "/metrics" {
            return refusal(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
            return answer;
        }
        let mut answer = Response::new(self.text());
        let text = HeaderValue::from_static("text/plain; version=0.0.4");
        answer.headers_mut().insert(CONTENT_TYPE, text);
        answer
    }

    fn text(&self) -> String {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, text)) if at.elapsed() < PAGE_AGE => text.clone(),
            _ => {
                let text = self.recorded.render();
                *last = Some((Instant::now(), text.clone()));
                text
            }
        }
    }
}

fn refusal(status: StatusCode) -> Response<String> {
    let mut answer = Response::new(String::new());
    *answer.status_mut() = status;
    answer
}
