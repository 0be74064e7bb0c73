//! `docs/protocol.md` against the source: its worked bytes are made here and compared, its tables of messages and
//! constants are compared with the types. `XYLOOP_BLESS=1` writes the worked bytes and the generated tables anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod examples;
mod page;
mod parts;
mod tables;
mod talk;

use page::Page;

#[test]
fn the_worked_bytes_are_those_of_the_source() {
    let mut page = Page::open();
    for (name, block) in examples::all() {
        page.put("example", name, &block);
    }
    page.put("table", "constants", &tables::constants());
    page.put("table", "flags", &tables::flags());
    page.finish();
}

#[test]
fn every_type_of_a_message_has_its_table() {
    let page = Page::open();
    let types = tables::types();
    assert!(types.len() > 20, "{}", types.len());
    for (name, rows) in types {
        assert_eq!(page.rows_under(&format!("#### `{name}`")), rows, "the table of `{name}` in docs/protocol.md");
    }
}
