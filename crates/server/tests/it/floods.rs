//! More connections than there is room for: those served are served well, the others wait.

use std::time::Duration;

use testkit::{App, Scrape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ROOM: usize = 4;

fn open(scrape: &Scrape) -> i64 {
    scrape.one("http_connections")
}

#[tokio::test]
async fn beyond_the_bound_a_connection_waits_until_another_ends() {
    let mut app = App::start().await;
    app.stop_service().await;
    app.settings().limits.connections = ROOM;
    app.start_service().await.unwrap();
    let address = app.service().address();
    let mut idle = Vec::new();
    for _ in 0..ROOM {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    while open(&app.scrape().await) < i64::try_from(ROOM).unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut late = TcpStream::connect(address).await.unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let waiting = tokio::spawn(async move {
        let mut answer = String::new();
        late.read_to_string(&mut answer).await.map(|_| answer)
    });
    for _ in 0..20 {
        // On an address of its own, with room of its own.
        assert_eq!(open(&app.scrape().await), i64::try_from(ROOM).unwrap(), "not one more");
    }
    assert!(!waiting.is_finished(), "nobody serves it yet");
    drop(idle.pop());
    let answer = waiting.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(idle);
    while open(&app.scrape().await) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.retail().approved("user-1").await;
}

#[tokio::test]
async fn a_full_house_ends_in_order() {
    let mut app = App::start().await;
    app.stop_service().await;
    app.settings().limits.connections = 1;
    app.start_service().await.unwrap();
    let _idle = TcpStream::connect(app.service().address()).await.unwrap();
    while open(&app.scrape().await) < 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _waiting = TcpStream::connect(app.service().address()).await.unwrap();
    app.stop_service().await;
}
