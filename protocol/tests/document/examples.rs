//! The worked bytes, by the names of their places in the document.

mod lines;
mod messages;

pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("cobs", lines::cobs()),
        ("damaged", lines::damaged()),
        ("ranges", lines::ranges()),
        ("keep-alive", lines::keep_alive()),
        ("other-version", lines::other_version()),
        ("reset", lines::reset()),
        ("wiring", messages::wiring()),
        ("varints", messages::varints()),
        ("rice", messages::rice()),
        ("schema-hash", messages::schema_hash()),
        ("first-exchange", messages::first_exchange()),
        ("commit", messages::commit()),
        ("shot", messages::shot()),
        ("equilibrium", messages::equilibrium()),
        ("refusal", messages::refusal()),
    ]
}
