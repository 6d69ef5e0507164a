//! `/v1/clients`: an administrator adds, lists and disables clients.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::AppState;
use super::body::{Fields, required};
use super::caller::Admin;
use super::problem::Refusal;
use super::query::Listing;
use super::view::{ClientView, PageView};
use crate::mint::is_plain_text;
use crate::model::limits;
use crate::store::{Client, ClientAdded, ClientKey, ClientLimits, NewClient};

/// A new client and its key, which is shown this once.
#[derive(Serialize)]
pub(super) struct Added {
    client: ClientView,
    key: String,
}

/// `POST /v1/clients`
pub(super) async fn add(
    State(authority): State<AppState>,
    Admin(_): Admin,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Added>), Refusal> {
    let name = required("name", fields.text("name")?)?;
    let is_admin = fields.flag("admin")?;
    let limits = ClientLimits {
        ceiling: fields.grants("ceiling")?.unwrap_or_default(),
        audience: fields.texts("audience")?,
        ttl_secs_max: fields.number("ttl_secs_max")?,
        depth_max: fields.number("depth_max")?,
        bearer: fields.flag("bearer")?,
    };
    fields.end()?;
    if !is_plain_text(&name) {
        let max = limits::TEXT_BYTES_MAX;
        let why = format!("`name`: is empty, longer than {max} bytes or holds control characters");
        return Err(Refusal::Invalid(why));
    }
    let key = ClientKey::generate(&mut authority.entropy.clone());
    let created = authority.now();
    let id = key.id().to_owned();
    let client = Client { id, name, is_admin, limits, created, disabled: None };
    let new = NewClient { client: client.clone(), key: key.digest() };
    match authority.store.add_client(new).await? {
        ClientAdded::Added => {
            let key = key.to_secret_text().as_str().to_owned();
            Ok((StatusCode::CREATED, Json(Added { client: ClientView::new(client)?, key })))
        }
        ClientAdded::NameTaken => Err(Refusal::NameTaken),
    }
}

/// `GET /v1/clients`
pub(super) async fn list(
    State(authority): State<AppState>,
    Admin(_): Admin,
    listing: Listing,
) -> Result<Json<PageView<ClientView>>, Refusal> {
    if listing.state.is_some() {
        return Err(Refusal::Malformed("`state`: clients have none to ask for".to_owned()));
    }
    let page = authority.store.clients(listing.page).await?;
    PageView::new(page, ClientView::new).map(Json)
}

/// `DELETE /v1/clients/{id}`: its key opens nothing any more; its tasks live on until they end.
pub(super) async fn disable(
    State(authority): State<AppState>,
    Admin(admin): Admin,
    Path(id): Path<String>,
) -> Result<Json<ClientView>, Refusal> {
    if id == admin.id {
        return Err(Refusal::OwnClient);
    }
    let client = authority.store.disable_client(id, authority.now()).await?;
    ClientView::new(client.ok_or(Refusal::NotFound("client"))?).map(Json)
}
