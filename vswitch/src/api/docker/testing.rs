//! A control plane that notes what it is asked, and an engine that answers what it is told to, both without root.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{Notify, watch},
    time::timeout,
};

use super::*;
use crate::{
    api::http::whole,
    control::guest::{Guest, GuestReply},
};

/// How the control plane answers.
type Answers = fn(&Guest) -> Result<GuestReply, ControlError>;

/// A plugin with a control plane that notes what it is asked.
pub(super) struct Asked {
    pub(super) plugin: Plugin,
    noted: watch::Sender<Vec<Guest>>,
}

impl Asked {
    pub(super) fn new(answers: Answers) -> Self {
        Self::with(answers, Engine::new("/nonexistent/docker.sock"))
    }

    pub(super) fn with(answers: Answers, engine: Engine) -> Self {
        let noted = watch::Sender::new(Vec::new());
        let notes = noted.clone();
        let control = Handle::on_guests(move |guest| {
            let answer = answers(&guest);
            notes.send_modify(|noted| noted.push(guest));
            answer
        });
        let plugin = Plugin {
            names: Names::new(
                engine.clone(),
                control.clone(),
                "vswitch".to_owned(),
                Duration::ZERO,
            ),
            control,
            engine,
            name: "vswitch".into(),
            scope: Scope::Local,
        };
        Self { plugin, noted }
    }

    /// What the control plane has been asked since the last time.
    pub(super) fn noted(&self) -> Vec<Guest> {
        self.noted.send_replace(Vec::new())
    }

    /// The same, as soon as it is so many.
    pub(super) async fn noted_at_least(&self, count: usize) -> Vec<Guest> {
        let mut notes = self.noted.subscribe();
        let enough = notes.wait_for(|noted| noted.len() >= count);
        let enough = timeout(Duration::from_secs(20), enough).await;
        drop(enough.expect("so many in time").unwrap());
        self.noted()
    }

    /// Posts a body and gives the status and the JSON of the reply.
    pub(super) async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = Request::post(path).body(Body::from(body.to_owned()));
        self.send(request.unwrap()).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> (u16, Value) {
        let service = TowerToHyperService::new(router(self.plugin.clone()));
        let reply: Response = service.call(request).await.unwrap();
        let status = reply.status().as_u16();
        let kind = reply.headers().get("content-type").unwrap();
        assert_eq!(kind, "application/vnd.docker.plugins.v1.1+json");
        let body = whole(reply.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Posts a body that has to be carried out; the reply.
    pub(super) async fn done(&self, path: &str, body: &str) -> Value {
        let (status, reply) = self.post(path, body).await;
        assert_eq!(status, 200, "{reply}");
        assert!(
            reply.get("Err").is_none() && reply.get("Error").is_none(),
            "{reply}"
        );
        reply
    }
}

/// What an engine answers, by path.
#[derive(Clone, Default)]
struct Pages {
    known: Arc<Mutex<BTreeMap<String, String>>>,
    /// Told of every answer.
    answered: Arc<Notify>,
}

/// An engine of Docker.
pub(super) struct FakeEngine {
    directory: TempDir,
    pages: Pages,
}

impl FakeEngine {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let pages = Pages::default();
        let service = Router::new().fallback(page).with_state(pages.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let http = hyper::server::conn::http1::Builder::new();
                let visit = http.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
                tokio::spawn(visit);
            }
        });
        Self { directory, pages }
    }

    pub(super) fn engine(&self) -> Engine {
        Engine::new(self.directory.path().join("docker.sock"))
    }

    /// From now on the engine knows this.
    pub(super) fn knows(&self, path: &str, body: impl ToString) {
        let mut known = self.pages.known.lock().unwrap();
        known.insert(path.to_owned(), body.to_string());
    }

    /// Waits until it has answered something.
    pub(super) async fn answered(&self) {
        self.pages.answered.notified().await;
    }
}

async fn page(State(pages): State<Pages>, uri: Uri) -> Response {
    pages.answered.notify_one();
    match pages.known.lock().unwrap().get(uri.path()) {
        // Events have no end.
        Some(body) if uri.path() == "/events" => {
            let first = stream::iter([Ok::<_, Infallible>(body.clone())]);
            Body::from_stream(first.chain(stream::pending())).into_response()
        }
        Some(body) => body.clone().into_response(),
        None => {
            let message = format!(r#"{{"message":"No such thing: {}"}}"#, uri.path());
            (StatusCode::NOT_FOUND, message).into_response()
        }
    }
}
