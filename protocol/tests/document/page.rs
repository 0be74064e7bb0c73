//! The document, and the marked blocks in it.

use std::{fs, path::PathBuf};

const END: &str = "<!-- end -->";

pub struct Page {
    path: PathBuf,
    text: String,
    put: Vec<String>,
    stale: Vec<String>,
}

impl Page {
    pub fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
        let text = fs::read_to_string(&path).unwrap();
        Self { path, text, put: Vec::new(), stale: Vec::new() }
    }

    /// Puts a block between its markers.
    pub fn put(&mut self, kind: &str, name: &str, block: &str) {
        let marker = format!("<!-- {kind}: {name} -->\n");
        let from = self.text.find(&marker).unwrap_or_else(|| panic!("docs/protocol.md has no {marker}")) + marker.len();
        let to = from + self.text[from..].find(END).expect("every block has its end");
        let block = format!("\n{}\n\n", block.trim_end());
        if self.text[from..to] != block {
            self.stale.push(name.to_owned());
            self.text.replace_range(from..to, &block);
        }
        self.put.push(marker);
    }

    /// Writes the document if asked to; otherwise panics if a block is not as it should be.
    pub fn finish(self) {
        let marked = self.text.matches("\n<!-- example: ").count() + self.text.matches("\n<!-- table: ").count();
        assert_eq!(marked, self.put.len(), "a block that nothing makes");
        if self.stale.is_empty() {
            return;
        }
        assert!(
            std::env::var_os("XYLOOP_BLESS").is_some_and(|value| value == "1"),
            "docs/protocol.md differs from the source in {:?}: look at what changed; XYLOOP_BLESS=1 writes it anew",
            self.stale
        );
        fs::write(self.path, self.text).unwrap();
    }

    /// The first two columns of the first table under a heading, without its head.
    pub fn rows_under(&self, heading: &str) -> Vec<(String, String)> {
        let section = self.text.split(&format!("\n{heading}\n")).nth(1).unwrap_or_default();
        let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        let cells = |line: &str| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
        };
        table.skip(2).map(cells).collect()
    }
}
