//! `xyloop device clear`: a latched fault is cleared.

use xyloop::{
    config,
    device::{Client, Route, state_in_words},
};

use crate::options::Place;

/// Arguments of `device clear`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Clears it and says how the device is now.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let place = &arguments.place;
    let port = place.device.clone().unwrap_or_default();
    let route = Route::new(&port, config::Serial::default().baud)?;
    let mut client = Client::connect_any(place.tapped(route)?, 0).await?;
    client.clear().await?;
    let status = client.status().await?;
    println!("{}: {}", client.place(), state_in_words(&status.state));
    client.leave().await;
    Ok(true)
}
