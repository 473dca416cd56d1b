//! A client on the socket.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, handshake::client::Request},
};

use crate::DEADLINE;

/// An open socket and every frame it has received.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// In the order of arrival.
    pub frames: Vec<Value>,
}

impl Socket {
    /// Opens `url` with a ticket.
    ///
    /// # Panics
    /// When the handshake is refused.
    pub async fn open(url: &str, ticket: &str) -> Self {
        let (stream, _) =
            connect_async(format!("{url}?ticket={ticket}")).await.expect("the socket opens");
        Self { stream, frames: Vec::new() }
    }

    /// Opens `url` as a browser does that has an access token but no ticket.
    ///
    /// # Panics
    /// When the handshake is refused.
    pub async fn open_with_token(url: &str, token: &str) -> Self {
        let request = offering(url, token);
        let (stream, answer) = connect_async(request).await.expect("the socket opens");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "bearer");
        Self { stream, frames: Vec::new() }
    }

    /// Opens `url` with what it has in its query, and says which HTTP status
    /// refused it.
    pub async fn refused(url: &str) -> Option<u16> {
        Self::refusal(url).await
    }

    /// The same with an access token, as [`Socket::open_with_token`].
    pub async fn refused_with_token(url: &str, token: &str) -> Option<u16> {
        Self::refusal(offering(url, token)).await
    }

    async fn refusal(request: impl IntoClientRequest + Unpin) -> Option<u16> {
        match connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                Some(answer.status().as_u16())
            }
            _ => None,
        }
    }

    /// Sends a message.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn send(&mut self, message: &Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the socket is open");
    }

    /// The next frame.
    ///
    /// # Panics
    /// When none comes in time, or the socket closes.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.stream.next())
                .await
                .unwrap_or_else(|_| panic!("no frame in time; so far: {:#?}", self.frames))
                .expect("the socket is open")
                .expect("the socket is sound");
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                self.frames.push(frame.clone());
                return frame;
            }
        }
    }

    /// The next frame, however long it takes; `None` when the socket has closed.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        while let Some(Ok(message)) = self.stream.next().await {
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).ok();
            }
        }
        None
    }

    /// Reads on to the next frame of a type.
    pub async fn until(&mut self, frame_type: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == frame_type {
                return frame;
            }
        }
    }

    /// Reads on until a frame fits.
    pub async fn until_frame(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if fits(&frame) {
                return frame;
            }
        }
    }

    /// Reads on until the other side closes the socket.
    ///
    /// # Panics
    /// When it does not.
    pub async fn until_end(&mut self) {
        let end = async { while self.next_or_end().await.is_some() {} };
        tokio::time::timeout(DEADLINE, end).await.expect("the socket is closed");
    }

    /// Leaves, properly.
    pub async fn close(mut self) {
        // Whether the other side is still there does not matter to who leaves.
        let _ = self.stream.close(None).await;
    }
}

/// The handshake of a browser that has an access token.
fn offering(url: &str, token: &str) -> Request {
    let mut request = url.into_client_request().expect("an address");
    let offered = format!("bearer, {token}").parse().expect("a token is a header value");
    request.headers_mut().insert("sec-websocket-protocol", offered);
    request
}
