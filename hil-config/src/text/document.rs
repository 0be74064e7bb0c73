//! A parsed tree of configuration which still knows where everything was written.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Sources;

/// Holds a parsed tree which still knows where everything was written.
#[derive(Clone, Debug)]
pub(super) struct Document<'s> {
    pub sources: &'s Sources,
    pub root: DeTable<'s>,
    /// Key of the table that the tree is in the file, if it is not all of it.
    table: Option<String>,
}

impl<'s> Document<'s> {
    /// Makes a tree with nothing in it.
    pub fn empty(sources: &'s Sources) -> Self {
        Self { sources, root: DeTable::new(), table: None }
    }

    /// Returns one of the tables at the root as a document of its own.
    pub fn part(&self, key: &str) -> Option<Document<'s>> {
        match self.root.get(key)?.get_ref() {
            DeValue::Table(root) => {
                Some(Document { sources: self.sources, root: root.clone(), table: Some(key.to_owned()) })
            }
            _ => None,
        }
    }

    /// Returns a path of this tree as a path of the file.
    pub fn whole_path(&self, path: &str) -> String {
        self.table.as_ref().map_or_else(|| path.to_owned(), |table| format!("{table}.{path}"))
    }

    /// Finds where the value at a path like `lattice.outputs.0.1` was written; for what was not written, the nearest table or
    /// array around it. `None` stands for the whole document.
    pub fn span(&self, path: &str) -> Option<Range<usize>> {
        let mut keys = path.split('.');
        let mut at = self.root.get(keys.next()?)?;
        for key in keys {
            let below = match at.get_ref() {
                DeValue::Table(table) => table.get(key),
                DeValue::Array(items) => key.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => None,
            };
            match below {
                Some(below) => at = below,
                None => break,
            }
        }
        Some(at.span())
    }

    /// Finds the path of the key or value written at exactly this place; the innermost if several share it.
    pub fn path_at(&self, span: &Range<usize>) -> Option<String> {
        let mut found = None;
        self.walk(|path, key, value| {
            if value.span() == *span || key == Some(span) {
                found = Some(path.to_owned());
            }
        });
        found
    }

    /// Visits every value with its path and, inside tables, the place of its key.
    pub fn walk<F>(&self, mut visit: F)
    where
        F: FnMut(&str, Option<&Range<usize>>, &Spanned<DeValue<'s>>),
    {
        let mut open = vec![];
        let join = |path: &str, key: &str| {
            if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
        };
        let mut table = Some((String::new(), &self.root));
        loop {
            if let Some((path, entries)) = table.take() {
                open.extend(entries.iter().map(|(k, v)| (join(&path, k.get_ref()), Some(k.span()), v)));
            }
            let Some((path, key, value)) = open.pop() else {
                return;
            };
            visit(&path, key.as_ref(), value);
            match value.get_ref() {
                DeValue::Table(entries) => table = Some((path, entries)),
                DeValue::Array(items) => {
                    open.extend(items.iter().enumerate().map(|(i, v)| (join(&path, &i.to_string()), None, v)));
                }
                _ => {}
            }
        }
    }
}

/// Lays a tree with one leaf at `depth` keys over another; `Err` is a key on the way that is no table below.
pub(super) fn lay_over<'s>(
    below: &mut DeTable<'s>,
    above: DeTable<'s>,
    depth: usize,
) -> Result<(), Spanned<Cow<'s, str>>> {
    for (key, value) in above {
        if depth > 1
            && let Some(under) = below.get_mut(key.get_ref().as_ref())
        {
            match (under.get_mut(), value.into_inner()) {
                (DeValue::Table(under), DeValue::Table(over)) => lay_over(under, over, depth - 1)?,
                _ => return Err(key),
            }
            continue;
        }
        below.remove(key.get_ref().as_ref());
        below.insert(key, value);
    }
    Ok(())
}
