//! Which file of a crate imports which: read from its `use` items and paths, through re-exports to the file that defines
//! what is named. Tests inside files are left out, and so is what a module re-exports of its own children.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility, visit::Visit};

/// Each file, relative to the crate's folder, with the files it imports.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

/// A module's path from the crate's root: empty for the root itself.
type ModulePath = Vec<String>;

/// One module with a file of its own.
struct Module {
    file: String,
    syntax: syn::File,
    /// Its child modules, tests aside.
    children: Vec<String>,
    /// What it makes known under a name that is defined elsewhere, absolute paths.
    known: BTreeMap<String, ModulePath>,
}

/// Where a path is read: the module, and its children, whose names may begin a path.
struct Scope<'s> {
    here: &'s [String],
    children: &'s [String],
}

/// All Rust files below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Reads the imports of the crate whose sources are in this folder.
pub fn of_crate(source: &Path) -> Imports {
    let mut modules = BTreeMap::new();
    let root = ["lib.rs", "main.rs"].into_iter().find(|name| source.join(name).exists()).unwrap();
    load(source, root.to_owned(), Vec::new(), &mut modules);
    let mut imports = Imports::new();
    for (path, module) in &modules {
        let mut finder =
            Finder { modules: &modules, here: path.clone(), aliases: module.known.clone(), found: BTreeSet::new() };
        finder.visit_file(&module.syntax);
        finder.found.remove(&module.file);
        imports.insert(module.file.clone(), finder.found);
    }
    imports
}

/// Loads a module's file, and those of its children that are no tests.
fn load(source: &Path, file: String, path: ModulePath, modules: &mut BTreeMap<ModulePath, Module>) {
    let syntax = syn::parse_file(&fs::read_to_string(source.join(&file)).unwrap()).unwrap();
    let folder = match file.rsplit_once('/') {
        Some((folder, "mod.rs")) => format!("{folder}/"),
        None if path.is_empty() => String::new(),
        _ => format!("{}/", file.trim_end_matches(".rs")),
    };
    let mut children = Vec::new();
    for item in &syntax.items {
        if let Item::Mod(ItemMod { ident, content: None, attrs, .. }) = item
            && !is_test(attrs)
        {
            let candidates = [format!("{folder}{ident}.rs"), format!("{folder}{ident}/mod.rs")];
            let child = candidates.into_iter().find(|candidate| source.join(candidate).exists());
            let child = child.unwrap_or_else(|| panic!("{file}: no file of `mod {ident}`"));
            children.push(ident.to_string());
            load(source, child, [&path[..], &[ident.to_string()]].concat(), modules);
        }
    }
    let mut known = BTreeMap::new();
    for item in &syntax.items {
        if let Item::Use(item) = item
            && !is_test(&item.attrs)
        {
            let scope = Scope { here: &path, children: &children };
            names(&item.tree, &scope, &mut Vec::new(), &mut |name, of| {
                known.insert(name, of);
            });
        }
    }
    modules.insert(path, Module { file, syntax, children, known });
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// Calls `each` with every name that a `use` makes known and the absolute path it stands for; other crates' are left out.
fn names(tree: &UseTree, scope: &Scope<'_>, before: &mut Vec<String>, each: &mut impl FnMut(String, ModulePath)) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            names(&path.tree, scope, before, each);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, scope, before, each)),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let (mut path, known) =
                (before.clone(), if name == "self" { before.last().cloned() } else { Some(name.clone()) });
            if name != "self" {
                path.push(name);
            }
            if let (Some(known), Some(path)) = (known, absolute(&path, scope)) {
                each(known, path);
            }
        }
        UseTree::Rename(rename) => {
            let path = [&before[..], &[rename.ident.to_string()]].concat();
            if let Some(path) = absolute(&path, scope) {
                each(rename.rename.to_string(), path);
            }
        }
        UseTree::Glob(_) => {
            if let Some(path) = absolute(before, scope) {
                each(format!("* of {}", path.join("::")), path);
            }
        }
    }
}

/// A path from the crate's root; `None` for one that leads to another crate, or names what is here.
fn absolute(path: &[String], scope: &Scope<'_>) -> Option<ModulePath> {
    let mut base = scope.here.to_vec();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate") => (base, rest) = (Vec::new(), &rest[1..]),
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        Some(child) if scope.children.iter().any(|name| name == child) => {}
        _ => return None,
    }
    while rest.first().is_some_and(|segment| segment == "super") {
        base.pop();
        rest = &rest[1..];
    }
    Some([&base[..], rest].concat())
}

/// Collects the files that a file names.
struct Finder<'m> {
    modules: &'m BTreeMap<ModulePath, Module>,
    here: ModulePath,
    /// Names in force in this file.
    aliases: BTreeMap<String, ModulePath>,
    found: BTreeSet<String>,
}

impl Finder<'_> {
    fn scope(&self) -> Scope<'_> {
        let children = self.modules.get(&self.here).map(|module| &module.children[..]);
        Scope { here: &self.here, children: children.unwrap_or_default() }
    }

    /// Notes the file that defines what an absolute path names.
    fn note(&mut self, path: &[String]) {
        if let Some(file) = defined_in(self.modules, path, 0) {
            self.found.insert(file);
        }
    }
}

/// The file that defines what a path names: down the modules, and through what they make known under another path.
fn defined_in(modules: &BTreeMap<ModulePath, Module>, path: &[String], depth: usize) -> Option<String> {
    assert!(depth < 16, "{path:?} leads round and round");
    let mut deepest = 0;
    while deepest < path.len() && modules.contains_key(&path[..=deepest]) {
        deepest += 1;
    }
    let module = &modules.get(&path[..deepest])?;
    let rest = &path[deepest..];
    match rest.first().and_then(|name| module.known.get(name)) {
        Some(known) => defined_in(modules, &[&known[..], &rest[1..]].concat(), depth + 1),
        None => Some(module.file.clone()),
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        // What is inside of a file names things as `super`: only tests do that here.
        if let (Some((_, items)), false) = (&item.content, is_test(&item.attrs)) {
            self.here.push(item.ident.to_string());
            for item in items {
                self.visit_item(item);
            }
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        let mut named = Vec::new();
        names(&item.tree, &self.scope(), &mut Vec::new(), &mut |name, path| named.push((name, path)));
        let is_re_export = !matches!(item.vis, Visibility::Inherited);
        for (name, path) in named {
            let of_a_child = path.len() > self.here.len() && path.starts_with(&self.here);
            // A module's name alone is what its parts are named by further down.
            let is_module = self.modules.contains_key(&path[..]);
            if !(is_re_export && of_a_child || is_module && !name.starts_with('*')) {
                self.note(&path);
            }
            self.aliases.insert(name, path);
        }
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let named = match self.aliases.get(&segments[0]) {
            Some(alias) => Some([&alias[..], &segments[1..]].concat()),
            None => absolute(&segments, &self.scope()),
        };
        if let Some(named) = named {
            self.note(&named);
        }
        syn::visit::visit_path(self, path);
    }
}

/// Groups of files that reach each other.
pub fn rings(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<String>> =
        imports.keys().map(|file| (file, reachable(imports, file))).collect();
    let mut rings = BTreeSet::new();
    for (file, reached) in &reach {
        let ring: BTreeSet<String> =
            reached.iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(*file))).cloned().collect();
        if !ring.is_empty() {
            rings.insert(ring);
        }
    }
    rings.into_iter().collect()
}

fn reachable(imports: &Imports, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = imports[from].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file.clone()) {
            next.extend(&imports[file]);
        }
    }
    reached
}

/// Who imports whom within each ring.
pub fn in_words(imports: &Imports, rings: &[BTreeSet<String>]) -> String {
    let of_ring = |ring: &BTreeSet<String>| {
        let lines = ring.iter().map(|file| {
            let others: Vec<&str> = imports[file].intersection(ring).map(String::as_str).collect();
            format!("\n  {file} -> {}", others.join(", "))
        });
        format!("\na ring:{}", lines.collect::<String>())
    };
    rings.iter().map(of_ring).collect()
}

#[test]
fn a_ring_through_a_re_export_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod a;\nmod b;\npub use a::One;\n");
    write("a/mod.rs", "//! Re-exports alone.\nmod one;\nmod two;\npub use one::One;\npub use two::two;\n");
    write("a/one.rs", "use crate::b::Bee;\npub struct One(Bee);\n");
    write("a/two.rs", "use super::One;\npub fn two(_: One) {}\n#[cfg(test)] mod tests { use crate::b; }\n");
    write("b.rs", "pub struct Bee;\n");
    assert!(rings(&of_crate(folder.path())).is_empty());
    // By a `use`, by a path, by a module's name: each goes through `a/mod.rs` to the file behind it.
    for back in
        ["use crate::a::One;", "fn f(_: crate::a::One) {}", "use crate::a;\nfn f(_: a::One) {}", "use crate::One;"]
    {
        write("b.rs", &format!("{back}\npub struct Bee;\n"));
        let imports = of_crate(folder.path());
        let ring = rings(&imports);
        assert_eq!(ring, [BTreeSet::from(["a/one.rs".to_owned(), "b.rs".to_owned()])], "{back}");
        assert!(in_words(&imports, &ring).contains("b.rs -> a/one.rs"));
    }
}
