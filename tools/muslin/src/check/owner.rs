//! Whose an instruction is: the crate of a Rust function, the source or object of a C one.

use std::path::{Component, Path};

use rustc_demangle::try_demangle;

use crate::check::stray::{Entry, Function};

/// Who brought an instruction into the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The function in the words of its language.
    pub function: Option<String>,
    /// `crate NAME VERSION` or `object NAME`, if it can be known.
    pub from: Option<String>,
}

/// Tells the owners of instructions in one file.
pub struct Owners {
    debug_info: Option<addr2line::Loader>,
}

impl Owners {
    /// For an image: its debug information, if it has any, also knows inlined functions.
    pub fn of_image(path: &Path) -> Self {
        Self {
            debug_info: addr2line::Loader::new(path).ok(),
        }
    }

    /// For an object file, whose symbols are all there is.
    pub fn of_object() -> Self {
        Self { debug_info: None }
    }

    /// The owner of an instruction.
    pub fn owner(&self, entry: &Entry) -> Owner {
        let by_symbol = match &entry.function {
            Some(function) => by_symbol(function),
            None => Owner::default(),
        };
        match self.by_debug_info(entry.address) {
            Some(owner) => Owner {
                function: owner.function.or(by_symbol.function),
                from: owner.from.or(by_symbol.from),
            },
            None => by_symbol,
        }
    }

    /// The innermost function, which may be inlined into another crate's.
    fn by_debug_info(&self, address: u64) -> Option<Owner> {
        let mut frames = self.debug_info.as_ref()?.find_frames(address).ok()?;
        let frame = frames.next().ok()??;
        let symbol = frame
            .function
            .as_ref()
            .and_then(|name| name.raw_name().ok());
        let rust = symbol.as_deref().and_then(rust_name);
        let file = frame.location.as_ref().and_then(|location| location.file);
        let from = match (&rust, file) {
            (Some(name), file) => file
                .and_then(crate_of_source)
                .or_else(|| crate_of_function(name))
                .map(|name| format!("crate {name}")),
            (None, Some(file)) => Some(format!("object {file}")),
            (None, None) => None,
        };
        Some(Owner {
            function: rust.or_else(|| symbol.map(|symbol| symbol.into_owned())),
            from,
        })
    }
}

fn by_symbol(function: &Function) -> Owner {
    let (name, from) = match rust_name(&function.symbol) {
        Some(name) => {
            let from = crate_of_function(&name).map(|name| format!("crate {name}"));
            (name, from)
        }
        None => (
            function.symbol.clone(),
            function.file.as_ref().map(|file| format!("object {file}")),
        ),
    };
    Owner {
        function: Some(format!("{name}+{:#x}", function.offset)),
        from,
    }
}

/// The name of a Rust function without its hash; `None` for other symbols.
fn rust_name(symbol: &str) -> Option<String> {
    Some(format!("{:#}", try_demangle(symbol).ok()?))
}

/// The first crate named in a path like `<&tempfile::Spooled as std::io::Read>::read`.
fn crate_of_function(name: &str) -> Option<String> {
    let before = name.find("::")?;
    let start = name[..before]
        .rfind(|character: char| !(character.is_alphanumeric() || character == '_'))
        .map_or(0, |at| at + 1);
    let name = &name[start..before];
    (!name.is_empty()).then(|| name.to_owned())
}

/// `…/registry/src/INDEX/rustix-1.1.2/src/…` is crate `rustix 1.1.2`.
fn crate_of_source(file: &str) -> Option<String> {
    let mut parts = Path::new(file).components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    parts.find(|&part| part == "registry")?;
    parts.next().filter(|&part| part == "src")?;
    let package = parts.nth(1)?;
    let version = package
        .match_indices('-')
        .find(|&(at, _)| {
            package[at + 1..].starts_with(|character: char| character.is_ascii_digit())
        })?
        .0;
    Some(format!(
        "{} {}",
        &package[..version],
        &package[version + 1..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_is_the_first_one_named() {
        for (function, crate_name) in [
            ("rustix::backend::syscall::ret", Some("rustix")),
            (
                "<&tempfile::Spooled as std::io::Read>::read",
                Some("tempfile"),
            ),
            ("<[u8] as linux_raw::Raw>::get", Some("linux_raw")),
            ("main", None),
        ] {
            assert_eq!(
                crate_of_function(function).as_deref(),
                crate_name,
                "{function}"
            );
        }
    }

    #[test]
    fn a_source_in_the_registry_names_crate_and_version() {
        let file =
            "/home/u/.cargo/registry/src/index-1949cf8c6b5b557f/linux-raw-sys-0.11.0/src/lib.rs";
        assert_eq!(
            crate_of_source(file).as_deref(),
            Some("linux-raw-sys 0.11.0")
        );
        assert_eq!(crate_of_source("/home/u/src/main.rs"), None);
    }

    #[test]
    fn a_mangled_symbol_is_told_by_its_crate() {
        let function = Function {
            symbol: "_ZN6rustix7backend3ret17h0123456789abcdefE".into(),
            offset: 0x12,
            file: Some("x.rs".into()),
        };
        let owner = by_symbol(&function);
        assert_eq!(owner.function.as_deref(), Some("rustix::backend::ret+0x12"));
        assert_eq!(owner.from.as_deref(), Some("crate rustix"));
    }

    #[test]
    fn a_local_c_function_is_told_by_its_file() {
        let function = Function {
            symbol: "raw".into(),
            offset: 4,
            file: Some("raw.c".into()),
        };
        assert_eq!(by_symbol(&function).from.as_deref(), Some("object raw.c"));
    }
}
