//! The way to a bucket: HTTP/1.1, with TLS unless the settings say otherwise. No redirect is followed, since what
//! was signed for one host is worth nothing at another, and no proxy asked.

use async_trait::async_trait;
use axum::http::Response;
use domain::limits::{BUCKET_CONNECT_MAX, BUCKET_SILENCE_MAX};
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::redirect::Policy;

/// Makes the calls to a bucket.
#[derive(Clone, Debug)]
pub struct BucketHttp(reqwest::Client);

impl BucketHttp {
    /// With the machine's trusted certificates. `allow_http` also calls without TLS.
    pub fn new(allow_http: bool) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .https_only(!allow_http)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(BUCKET_CONNECT_MAX)
            .read_timeout(BUCKET_SILENCE_MAX)
            .build()?;
        Ok(Self(client))
    }
}

impl HttpConnector for BucketHttp {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for BucketHttp {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = reqwest::Url::parse(&parts.uri.to_string());
        let url = url.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let response = self.0.execute(request).await.map_err(failed)?;
        let (parts, body) = Response::<reqwest::Body>::from(response).into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
    }
}

/// Sorts a failure by whether the call may be made again. Its address is left out, which the caller knows.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_request() || error.is_body() {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}
