//! Makes a Muslin sysroot: finds musl's tarball, verifies it, patches and compiles it, and lays out
//! headers, crt files and `libc.a`.
//!
//! [`build`] is the one entry point. Neighbours: `build.rs` of package `muslin`, the `muslin sysroot`
//! command and the Makefile call it; the patches are in `musl-patches/`, the runtime object that
//! becomes a member of `libc.a` is crate `muslin-runtime`.
//!
//! Nothing here uses the network: `tools/fetch-musl.sh` puts the tarball into the cache beforehand.

mod archive;
mod cache;
mod compile;
mod error;
pub mod every_number;
mod headers;
mod install;
mod key;
pub mod manifest;
pub mod net;
mod progress;
mod runtime;
mod series;
mod source;
mod tool;
pub mod vsock;

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::key::Key;
use crate::source::Source;
use crate::tool::Toolchain;

pub use crate::error::Error;

/// Part of every cache key: raise it when this crate lays a sysroot out differently.
const BUILDER_VERSION: &str = "2";

/// Which sysroot is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// musl as upstream released it: for comparisons.
    Stock,
    /// Patched musl with the runtime for the Linux platform in `libc.a`.
    Linux,
    /// The same musl with the runtime for guests of Solo5's spt tender.
    Solo5Spt,
    /// The same for guests of Solo5's hvt tender.
    Solo5Hvt,
    /// The same for whoever runs it: to a tender it is an image for spt.
    Any,
    /// The same for guests of Xen.
    Xen,
}

impl Flavour {
    /// All flavours.
    pub const ALL: [Flavour; 6] = [
        Flavour::Stock,
        Flavour::Linux,
        Flavour::Solo5Spt,
        Flavour::Solo5Hvt,
        Flavour::Any,
        Flavour::Xen,
    ];

    /// The name in directory names and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Stock => "stock",
            Flavour::Linux => "linux",
            Flavour::Solo5Spt => "solo5-spt",
            Flavour::Solo5Hvt => "solo5-hvt",
            Flavour::Any => "any",
            Flavour::Xen => "xen",
        }
    }

    /// The flavour of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Flavour> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name)
    }

    /// The feature of crate `muslin-runtime` that makes its runtime; stock musl has none.
    fn runtime_feature(self) -> Option<&'static str> {
        match self {
            Flavour::Stock => None,
            Flavour::Linux => Some("platform-linux"),
            Flavour::Solo5Spt | Flavour::Solo5Hvt | Flavour::Any => Some("platform-solo5"),
            Flavour::Xen => Some("platform-xen"),
        }
    }

    /// The target for the ABI note of Solo5, where it is not the one that the runtime names.
    fn solo5_target(self) -> Option<u32> {
        match self {
            Flavour::Solo5Hvt => Some(runtime::SOLO5_HVT),
            _ => None,
        }
    }
}

/// What to build and where to put it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which sysroot.
    pub flavour: Flavour,
    /// The sysroot's directory: `include/`, `lib/` and, where the machine has kernel headers,
    /// `include-linux/` are (re)placed in it; whatever else it holds is left alone.
    pub out: PathBuf,
}

/// A sysroot that is in place.
#[derive(Clone, Debug)]
pub struct Sysroot {
    /// The directory that holds `include/` and `lib/`.
    pub dir: PathBuf,
}

/// Builds the wanted sysroot, or takes it from the cache.
///
/// The result depends on nothing but the tarball, the patches, the runtime's sources, for Xen its headers,
/// and the tools' versions; those make the cache key. Several calls at once that have to build wait for each other.
///
/// # Errors
/// No or a wrong tarball, a patch that does not apply, a missing or failing tool, a full disk. Each
/// says in one line what happened and what to do.
pub fn build(request: &Request) -> Result<Sysroot, Error> {
    make(request, false)
}

/// Like [`build`], but compiles everything again even when the cache has it.
///
/// # Errors
/// As for [`build`].
pub fn rebuild(request: &Request) -> Result<Sysroot, Error> {
    make(request, true)
}

/// The cache directory: `$MUSLIN_CACHE`, else `$XDG_CACHE_HOME/muslin`, else `~/.cache/muslin`.
///
/// # Errors
/// None of the three variables that lead to it is set.
pub fn cache_dir() -> Result<PathBuf, Error> {
    cache::dir_from_env()
}

/// The repository that this crate was built from: patches and runtime sources are found there.
fn repository() -> Result<PathBuf, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .map_err(|why| Error::io("finding Muslin's own sources at", &root, why))
}

fn make(request: &Request, afresh: bool) -> Result<Sysroot, Error> {
    let root = repository()?;
    let toolchain = Toolchain::find()?;
    let cache = Cache::open()?;
    let source = Source::find(cache.dir())?;
    let feature = request.flavour.runtime_feature();
    let patches = match feature {
        None => Vec::new(),
        Some(_) => series::read(&root.join("musl-patches"), source.version)?,
    };

    let mut key = Key::new(BUILDER_VERSION);
    key.text("tarball", source.sha256);
    for patch in &patches {
        key.text(&patch.name, &patch.text);
    }
    key.text("flags", &compile::all_flags());
    key.text("compiler", &toolchain.compiler_version);
    let musl_name = format!("musl-{}", key.hex());

    let mut key = Key::new(BUILDER_VERSION);
    key.text("musl", &musl_name);
    key.text("platform", request.flavour.name());
    key.text("kernel headers", install::kernel_headers_state());
    if feature.is_some() {
        runtime::add_inputs(&mut key, &root, &toolchain)?;
    }
    if request.flavour == Flavour::Xen {
        runtime::add_xen_headers(&mut key, &runtime::xen_include())?;
    }
    let name = format!("sysroot-{}-{}", request.flavour.name(), key.hex());

    // What is there is taken without a wait for what others build.
    let sysroot = match cache.kept(&name) {
        Some(there) if !afresh => there,
        _ => {
            let _building = cache.lock()?;
            if afresh {
                cache.forget(&musl_name)?;
                cache.forget(&name)?;
            }
            cache.entry(&name, |dir| {
                let musl = cache.entry(&musl_name, |dir| {
                    let tree = source.unpack(&cache)?;
                    series::apply(&patches, tree.path())?;
                    headers::generate(tree.path(), source.version)?;
                    headers::install(tree.path(), &dir.join("include"))?;
                    compile::build(tree.path(), &dir.join("lib"), &toolchain)
                })?;
                install::copy_tree(&musl, dir)?;
                install::link_kernel_headers(dir)?;
                if let Some(feature) = feature {
                    runtime::add(&root, &cache, dir, feature, request.flavour.solo5_target())?;
                    install::name_platform(dir, request.flavour.name())?;
                }
                Ok(())
            })?
        }
    };
    install::place(&sysroot, &name, &request.out, afresh)?;
    Ok(Sysroot {
        dir: request.out.clone(),
    })
}
