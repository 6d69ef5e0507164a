//! One line to a server: messages one way, answers the other.

use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::client::DiscoverError;
use crate::config::gateway::Server;
use crate::gateway::credential::Credential;
use crate::gateway::upstream::{Upstream, UpstreamOptions};
use crate::mcp::{Events, Version};

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Most lines of a child that are no answer to a question.
const STRAYS_MAX: usize = 1000;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// A connection to a server.
pub(super) enum Line {
    Http(Box<Http>),
    Child(Box<Pipe>),
}

pub(super) struct Http {
    upstream: Upstream,
    credential: Option<Credential>,
    session: Option<HeaderValue>,
}

pub(super) struct Pipe {
    /// Killed when dropped.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Line {
    pub(super) async fn open(server: &Server) -> Result<Self, DiscoverError> {
        match &server.url {
            Some(url) => {
                let upstream = Upstream::new(&server.name, url, UpstreamOptions::default());
                let upstream = upstream.map_err(|why| DiscoverError::Reach(why.to_string()))?;
                let credential = server.credential.clone();
                let credential = credential.map(|config| Credential::new(config, &server.name));
                let credential = credential.transpose();
                let credential = credential.map_err(|why| DiscoverError::Reach(why.to_string()))?;
                Ok(Self::Http(Box::new(Http { upstream, credential, session: None })))
            }
            None => Ok(Self::Child(Box::new(Pipe::open(server).await?))),
        }
    }

    /// Asks, and gives the text of the answer with this `id`; `None` for an HTTP status that is no
    /// success.
    pub(super) async fn ask(
        &mut self,
        message: &Value,
        version: Version,
    ) -> Result<Option<Vec<u8>>, DiscoverError> {
        let asked = async {
            match self {
                Self::Http(http) => http.ask(message, version).await,
                Self::Child(pipe) => pipe.ask(message).await.map(Some),
            }
        };
        match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(DiscoverError::Reach("it gave no answer within 20 s".to_owned())),
        }
    }

    /// Tells what takes no answer.
    pub(super) async fn tell(
        &mut self,
        message: &Value,
        version: Version,
    ) -> Result<(), DiscoverError> {
        match self {
            Self::Http(http) => http.ask(message, version).await.map(drop),
            Self::Child(pipe) => pipe.send(message).await,
        }
    }
}

impl Http {
    async fn ask(
        &mut self,
        message: &Value,
        version: Version,
    ) -> Result<Option<Vec<u8>>, DiscoverError> {
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
        let mut request = Request::new(Body::from(message.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.upstream.target().clone().into();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, both);
        if method != "initialize" {
            headers.insert(VERSION, HeaderValue::from_static(version.as_str()));
        }
        if let Ok(method) = HeaderValue::from_str(method) {
            headers.insert(METHOD, method);
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        let answer = self.upstream.send(request, self.credential.as_ref()).await;
        let answer = answer.map_err(|why| DiscoverError::Reach(why.to_string()))?;
        if answer.status() == StatusCode::ACCEPTED || !answer.status().is_success() {
            return Ok(None);
        }
        if let Some(session) = answer.headers().get(SESSION) {
            self.session = Some(session.clone());
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return events(answer.into_body(), message.get("id")).await.map(Some);
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| DiscoverError::Answer("did not arrive whole".to_owned()))?;
        Ok(Some(body.to_bytes().into()))
    }
}

/// The answer among the events of a stream.
async fn events(mut body: Body, id: Option<&Value>) -> Result<Vec<u8>, DiscoverError> {
    let mut events = Events::new(ANSWER_BYTES_MAX);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| DiscoverError::Answer("broke off".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        let found = events.read(&data).map_err(|why| DiscoverError::Answer(why.to_string()))?;
        for text in found.iter().filter_map(crate::mcp::SseEvent::data) {
            if is_answer(&text, id) {
                return Ok(text);
            }
        }
    }
    Err(DiscoverError::Answer("ended without an answer".to_owned()))
}

fn is_answer(text: &[u8], id: Option<&Value>) -> bool {
    let read = serde_json::from_slice::<Value>(text).ok();
    read.is_some_and(|read| read.get("id") == id && read.get("method").is_none())
}

impl Pipe {
    async fn open(server: &Server) -> Result<Self, DiscoverError> {
        let failed = |why: String| DiscoverError::Reach(why);
        let (program, arguments) =
            server.command.split_first().ok_or_else(|| failed("it names no command".to_owned()))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        let env = crate::config::gateway::child_env(server).await;
        command.envs(env.map_err(|why| failed(why.to_string()))?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.kill_on_drop(true);
        if let Some(cwd) = &server.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|why| failed(format!("`{program}`: {why}")))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => {
                Ok(Self { _child: child, input, output: BufReader::new(output) })
            }
            _ => Err(failed("it has no pipes".to_owned())),
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), DiscoverError> {
        let sent = self.input.write_all(format!("{message}\n").as_bytes()).await;
        sent.map_err(|_| DiscoverError::Reach("it has ended".to_owned()))
    }

    async fn ask(&mut self, message: &Value) -> Result<Vec<u8>, DiscoverError> {
        self.send(message).await?;
        for _ in 0..STRAYS_MAX {
            let mut line = Vec::new();
            let mut bounded = (&mut self.output).take(ANSWER_BYTES_MAX as u64);
            let read = bounded.read_until(b'\n', &mut line).await;
            if read.unwrap_or(0) == 0 || line.last() != Some(&b'\n') {
                return Err(DiscoverError::Reach("it has ended".to_owned()));
            }
            if is_answer(&line, message.get("id")) {
                return Ok(line);
            }
        }
        Err(DiscoverError::Answer("was not among what it said".to_owned()))
    }
}
