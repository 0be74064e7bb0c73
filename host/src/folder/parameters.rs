//! What training ended with, as arrays that numpy opens: `final/*.npy`.

use std::fs;
use std::path::Path;

use xyloop_protocol::units::DacCode;

use super::error::FolderError;
use super::npy;
use super::run_folder::{RunFolder, read_limited, write_synced};
use crate::calibration::Codes;

/// Holds the trained parameters, the codes that stand for them, and the array they belong to.
///
/// Sites and couplings are in the order of the wiring, the order in which codes travel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalParameters {
    /// W, one per coupling, model units, in the trainer's resolution. `couplings.npy`, `f64` of shape (couplings).
    pub couplings: Vec<f64>,
    /// h cos ψ, one per site, model units. `field_x.npy`, `f64` of shape (sites).
    pub field_x: Vec<f64>,
    /// h sin ψ, one per site, model units. `field_y.npy`, `f64` of shape (sites).
    pub field_y: Vec<f64>,
    /// DAC code of each coupling, offset binary. `coupling_codes.npy`, `u16` of shape (couplings).
    pub coupling_codes: Vec<u16>,
    /// DAC codes of each site's field, x and y, offset binary. `field_codes.npy`, `u16` of shape (sites, 2).
    pub field_codes: Vec<[u16; 2]>,
    /// Both ends of each coupling. `coupling_sites.npy`, `u16` of shape (couplings, 2).
    pub coupling_sites: Vec<[u16; 2]>,
    /// Where each site stands: column, row, in lattice spacings. `positions.npy`, `f64` of shape (sites, 2).
    pub positions: Vec<[f64; 2]>,
}

impl FinalParameters {
    /// Returns the codes as they travel.
    pub fn codes(&self) -> Codes {
        Codes {
            couplings: self.coupling_codes.iter().map(|&code| DacCode(code)).collect(),
            fields: self.field_codes.iter().flatten().map(|&code| DacCode(code)).collect(),
            clipped: 0,
        }
    }

    /// Checks that all arrays belong to one and the same array of oscillators; the error says what contradicts what.
    fn check(&self) -> Result<(), String> {
        let sites = self.positions.len();
        let couplings = self.coupling_sites.len();
        for (name, found, expected, of) in [
            ("field_x", self.field_x.len(), sites, "positions"),
            ("field_y", self.field_y.len(), sites, "positions"),
            ("field_codes", self.field_codes.len(), sites, "positions"),
            ("couplings", self.couplings.len(), couplings, "coupling_sites"),
            ("coupling_codes", self.coupling_codes.len(), couplings, "coupling_sites"),
        ] {
            if found != expected {
                return Err(format!("{name} has {found} rows, {of} has {expected}"));
            }
        }
        match self.coupling_sites.iter().flatten().find(|site| usize::from(**site) >= sites) {
            Some(site) => Err(format!("coupling_sites names site {site}, there are {sites} sites")),
            None => Ok(()),
        }
    }
}

impl RunFolder {
    /// Writes `final/`: the folder appears with all its files, or stays as it was. One that is there is replaced.
    ///
    /// # Errors
    /// If the disk refuses, or the arrays contradict each other.
    pub fn write_final(&self, parameters: &FinalParameters) -> Result<(), FolderError> {
        let folder = self.path().join("final");
        parameters.check().map_err(|reason| FolderError::unwritable(&folder, &reason))?;
        let (new, old) = (self.path().join(".final.new"), self.path().join(".final.old"));
        remove(&new)?;
        remove(&old)?;
        fs::create_dir(&new).map_err(|error| FolderError::create(&new, error))?;
        for (name, bytes) in [
            ("couplings.npy", npy::encode(&parameters.couplings)),
            ("field_x.npy", npy::encode(&parameters.field_x)),
            ("field_y.npy", npy::encode(&parameters.field_y)),
            ("coupling_codes.npy", npy::encode(&parameters.coupling_codes)),
            ("field_codes.npy", npy::encode_pairs(&parameters.field_codes)),
            ("coupling_sites.npy", npy::encode_pairs(&parameters.coupling_sites)),
            ("positions.npy", npy::encode_pairs(&parameters.positions)),
        ] {
            let path = new.join(name);
            write_synced(&path, &bytes).map_err(|error| FolderError::write(&path, error))?;
        }
        // A folder cannot be renamed over one that is not empty.
        if folder.exists() {
            fs::rename(&folder, &old).map_err(|error| FolderError::write(&folder, error))?;
        }
        fs::rename(&new, &folder).map_err(|error| FolderError::write(&folder, error))?;
        remove(&old)
    }

    /// Reads `final/`.
    ///
    /// # Errors
    /// If a file is missing, is not the array it should be, or contradicts another one.
    pub fn read_final(&self) -> Result<FinalParameters, FolderError> {
        let folder = self.path().join("final");
        let parameters = FinalParameters {
            couplings: read(&folder, "couplings.npy", npy::decode)?,
            field_x: read(&folder, "field_x.npy", npy::decode)?,
            field_y: read(&folder, "field_y.npy", npy::decode)?,
            coupling_codes: read(&folder, "coupling_codes.npy", npy::decode)?,
            field_codes: read(&folder, "field_codes.npy", npy::decode_pairs)?,
            coupling_sites: read(&folder, "coupling_sites.npy", npy::decode_pairs)?,
            positions: read(&folder, "positions.npy", npy::decode_pairs)?,
        };
        parameters.check().map_err(|reason| FolderError::malformed(&folder, &reason))?;
        Ok(parameters)
    }
}

fn read<T>(folder: &Path, name: &str, decode: impl Fn(&[u8]) -> Result<Vec<T>, String>) -> Result<Vec<T>, FolderError> {
    let path = folder.join(name);
    let bytes = read_limited(&path)?;
    decode(&bytes).map_err(|reason| FolderError::malformed(&path, &reason))
}

/// Removes what an interrupted write left behind.
fn remove(folder: &Path) -> Result<(), FolderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FolderError::write(folder, error)),
        _ => Ok(()),
    }
}
