//! Replies and errors as HTTP.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::types::ErrorBody;
use crate::control::{ControlError, ErrorKind, Reply};

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Status(body) => Json(body).into_response(),
            Self::Networks(body) => Json(body).into_response(),
            Self::Network(body) => Json(body).into_response(),
            Self::Created(body) => (StatusCode::CREATED, Json(body)).into_response(),
            Self::Pruned(body) => Json(body).into_response(),
            Self::Connected(body) => (StatusCode::CREATED, Json(body)).into_response(),
            Self::Disconnected(body) => Json(body).into_response(),
            Self::Sandboxes(body) => Json(body).into_response(),
            Self::Sandbox(body) => Json(body).into_response(),
            Self::Ports(body) => Json(body).into_response(),
            Self::Port(body) => Json(body).into_response(),
            Self::Fdb(body) => Json(body).into_response(),
            Self::FdbStats(body) => Json(body).into_response(),
            Self::Flushed(body) => Json(body).into_response(),
            Self::Peers(body) => Json(body).into_response(),
            Self::Done => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        error(status(self.kind), self.kind, self.message)
    }
}

/// The status that stands for a kind of error.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error that only HTTP knows: a route, a method, a body.
pub(super) fn error(status: StatusCode, kind: ErrorKind, message: impl Into<String>) -> Response {
    (
        status,
        Json(ErrorBody {
            error: message.into(),
            kind,
        }),
    )
        .into_response()
}

/// The last word on every reply: no error without JSON.
pub(super) async fn finish(response: Response) -> Response {
    let status = response.status();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let kind = if status == StatusCode::NOT_FOUND {
        ErrorKind::NotFound
    } else {
        ErrorKind::Invalid
    };
    error(
        status,
        kind,
        format!("request refused: {status}; see the list of routes in `vswitch::api::types`"),
    )
}
